/* Writing statistics as llama.cpp's imatrix GGUF, with two arrays more; see statistics.h. */
#include <stdlib.h>
#include <string.h>

#include "engine/statistics_private.h"

/* The tensors of an entry, in the order of the file. */
typedef struct part {
    const char *ending;
    const float *values;
    size_t count;
} part;

#define PARTS 4

static void parts_of(const wt_stats_entry *e, part out[PARTS]) {
    out[0] = (part){WT_STATS_SUM2, e->sum2, e->columns};
    out[1] = (part){WT_STATS_COUNTS, e->counts, e->matrices};
    out[2] = (part){WT_STATS_MAX, e->max, e->columns};
    out[3] = (part){WT_STATS_SUM4, e->sum4, e->columns};
}

static int announce(wt_gguf_writer *w, const wt_stats_entry *e, wt_error *err) {
    part parts[PARTS];
    parts_of(e, parts);
    char *name = wt_calloc(strlen(e->name) + sizeof WT_STATS_SUM2, 1, err);
    int rc = name ? 0 : -1;
    for (int p = 0; rc == 0 && p < PARTS; p++) {
        if (!parts[p].values) continue;
        strcpy(name, e->name);
        strcat(name, parts[p].ending);
        uint64_t dims[] = {parts[p].count / e->matrices, e->matrices};
        rc = wt_gguf_writer_add_tensor(w, name, WT_F32, dims, 2, err);
    }
    free(name);
    return rc;
}

static int write_data(wt_gguf_writer *w, const wt_stats_entry *e, wt_error *err) {
    part parts[PARTS];
    parts_of(e, parts);
    for (int p = 0; p < PARTS; p++) {
        if (parts[p].values && wt_gguf_writer_data(w, parts[p].values, parts[p].count * sizeof(float), err) != 0)
            return -1;
    }
    return 0;
}

/* llama-quantize wants all of these keys. What an old .dat counts are calls of one row each. */
static int set_metadata(wt_gguf_writer *w, const wt_statistics *s, wt_error *err) {
    wt_str *names = wt_calloc(s->dataset_count, sizeof *names, err);
    if (!names) return -1;
    for (size_t i = 0; i < s->dataset_count; i++) names[i] = (wt_str){s->datasets[i], strlen(s->datasets[i])};
    int rc = wt_gguf_writer_set_str(w, "general.type", "imatrix", err);
    if (rc == 0) rc = wt_gguf_writer_set_strs(w, "imatrix.datasets", names, s->dataset_count, err);
    if (rc == 0) rc = wt_gguf_writer_set_u32(w, "imatrix.chunk_count", s->chunks, err);
    if (rc == 0) rc = wt_gguf_writer_set_u32(w, "imatrix.chunk_size", s->chunk_size ? s->chunk_size : 1, err);
    free(names);
    return rc;
}

int wt_statistics_write(const wt_statistics *statistics, const char *path, wt_error *err) {
    wt_gguf_writer *w = wt_gguf_writer_open(path, err);
    if (!w) return -1;
    if (set_metadata(w, statistics, err) != 0) goto fail;
    for (size_t i = 0; i < statistics->count; i++) {
        if (announce(w, &statistics->entries[i], err) != 0) goto fail;
    }
    for (size_t i = 0; i < statistics->count; i++) {
        if (write_data(w, &statistics->entries[i], err) != 0) goto fail;
    }
    return wt_gguf_writer_finish(w, err);
fail:
    wt_gguf_writer_abandon(w);
    return -1;
}
