/*
 * llama.cpp's imatrix format before it was GGUF. Little-endian: the number of entries; per entry the length of the name and the
 * name, calls, number of values and the values (F32: mean squares times calls); then, where the file goes on, the number
 * of chunks and the text's name with its length. All numbers are 32 bits. What follows is not looked at, as
 * llama.cpp does not.
 */
#include <string.h>

#include "engine/statistics_private.h"

/* Bytes that have not been read. */
typedef struct cursor {
    const uint8_t *at;
    size_t left;
} cursor;

static bool take_number(cursor *c, int32_t *out) {
    if (c->left < 4) return false;
    memcpy(out, c->at, 4);
    c->at += 4;
    c->left -= 4;
    return true;
}

/* `n` bytes, or NULL where there are fewer or n is negative. */
static const uint8_t *take_bytes(cursor *c, int64_t n) {
    if (n < 0 || (uint64_t)n > c->left) return NULL;
    const uint8_t *from = c->at;
    c->at += n;
    c->left -= (size_t)n;
    return from;
}

static int read_entry(wt_statistics *s, cursor *c, int32_t i, int32_t of, wt_error *err) {
    int32_t len, calls, values;
    const uint8_t *name, *data;
    if (!take_number(c, &len)) return wt_fail(err, WT_ERR_FORMAT, "it ends before entry %d of %d", i + 1, of);
    if (len < 1 || !(name = take_bytes(c, len)) || memchr(name, 0, (size_t)len))
        return wt_fail(err, WT_ERR_FORMAT, "the name of entry %d of %d cannot be: %d bytes, of %zu that follow", i + 1, of,
                       len, c->left);
    int shown = len < 200 ? len : 200;
    if (!take_number(c, &calls) || !take_number(c, &values))
        return wt_fail(err, WT_ERR_FORMAT, "it ends inside entry '%.*s'", shown, (const char *)name);
    if (values < 1 || !(data = take_bytes(c, (int64_t)values * 4)))
        return wt_fail(err, WT_ERR_FORMAT, "entry '%.*s' says it has %d values; %zu bytes follow", shown,
                       (const char *)name, values, c->left);
    if (calls < 0) return wt_fail(err, WT_ERR_FORMAT, "entry '%.*s' says %d calls", shown, (const char *)name, calls);
    wt_stats_entry *e = wt_statistics_add(s, (const char *)name, (size_t)len, (size_t)values, 1, err);
    if (!e) return -1;
    memcpy(e->sum2, data, (size_t)values * 4);
    e->counts[0] = calls > 0 ? (float)calls : 1.0f; /* without calls the values are means */
    return 0;
}

int wt_statistics_read_dat(wt_statistics *s, const uint8_t *data, size_t size, wt_error *err) {
    cursor c = {data, size};
    int32_t entries, chunks, len;
    if (!take_number(&c, &entries)) return wt_fail(err, WT_ERR_FORMAT, "it has %zu bytes", size);
    if (entries < 1 || (size_t)entries > c.left / 17) /* a name of one byte and one value */
        return wt_fail(err, WT_ERR_FORMAT, "it begins with %d, which cannot be the number of its entries", entries);
    for (int32_t i = 0; i < entries; i++) {
        if (read_entry(s, &c, i, entries, err) != 0) return -1;
    }
    if (c.left == 0) return 0;
    if (!take_number(&c, &chunks)) return wt_fail(err, WT_ERR_FORMAT, "it ends inside the number of chunks");
    s->chunks = chunks > 0 ? (uint32_t)chunks : 0;
    if (c.left == 0) return 0;
    const uint8_t *text = NULL;
    if (!take_number(&c, &len) || !(text = take_bytes(&c, len)))
        return wt_fail(err, WT_ERR_FORMAT, "it ends inside the name of the text");
    wt_str name = {(const char *)text, (size_t)len};
    return len > 0 ? wt_statistics_set_datasets(s, &name, 1, err) : 0;
}
