/* Any bytes as a GGUF file: every entry and tensor of what opens is walked with every accessor. */
#include <stdint.h>
#include <stdlib.h>

#include "model/gguf.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* what was read, so that the reads are not optimised away */

static void walk_kv(const wt_gguf *g, const wt_kv *kv) {
    wt_error err;
    uint64_t u;
    double d;
    bool b;
    wt_str s;
    if (wt_gguf_find_kv(g, kv->key) != kv) abort();
    wt_gguf_get_u64(g, kv->key, &u, &err);
    wt_gguf_get_f64(g, kv->key, &d, &err);
    wt_gguf_get_bool(g, kv->key, &b, &err);
    wt_gguf_get_str(g, kv->key, &s, &err);
    wt_kv_type type = kv->type == WT_KV_ARRAY ? kv->element : kv->type;
    if (type == WT_KV_STRING) {
        wt_str *strs = calloc(kv->count ? kv->count : 1, sizeof *strs);
        if (!strs) abort();
        wt_kv_strings(kv, strs);
        for (uint64_t i = 0; i < kv->count; i++) {
            for (size_t j = 0; j < strs[i].len; j++) sink += (unsigned char)strs[i].data[j];
        }
        free(strs);
        return;
    }
    for (uint64_t i = 0; i < kv->count; i++) sink += (uint64_t)wt_kv_integer(kv, i) + (wt_kv_number(kv, i) > 0.0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_error err;
    wt_gguf *g = wt_gguf_from_memory(data, size, "fuzz", &err);
    if (!g) return 0;
    for (size_t i = 0; i < wt_gguf_kv_count(g); i++) walk_kv(g, wt_gguf_kv(g, i));
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        if (wt_gguf_find_tensor(g, t->name) != t) abort();
        const uint8_t *bytes = t->data;
        if (bytes < data || t->bytes > size || bytes + t->bytes > data + size) abort();
        for (uint64_t j = 0; j < t->bytes; j++) sink += bytes[j];
        wt_role role;
        int layer;
        sink += wt_role_of(t->name, &role, &layer);
    }
    wt_model_close(wt_model_from_gguf(g, &err));
    wt_gguf_close(g);
    return 0;
}
