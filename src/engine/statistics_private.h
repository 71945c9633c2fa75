/*
 * Statistics from the inside: readers and the measurement add entries as they stand in files (sums and counts), then
 * wt_statistics_finish sorts and checks them and divides, in one place and in float as llama-quantize does. So what was
 * measured, written and read again is the same to the bit.
 */
#ifndef WT_ENGINE_STATISTICS_PRIVATE_H
#define WT_ENGINE_STATISTICS_PRIVATE_H

#include "base/memory.h"
#include "engine/statistics.h"

typedef struct wt_stats_entry {
    const char *name;
    size_t columns, matrices; /* columns of all matrices together */
    float *sum2, *counts;     /* [columns], [matrices] */
    float *max, *sum4;        /* [columns] or NULL */
} wt_stats_entry;

struct wt_statistics {
    wt_arena arena; /* owns everything that entries and stats point to */
    wt_stats_entry *entries;
    size_t count, capacity;
    wt_column_stats *stats; /* [count], by wt_statistics_finish */
    const char *path;
    const char **datasets;
    size_t dataset_count;
    uint32_t chunks, chunk_size;
};

/* What files call the tensors of an entry, after its name. */
#define WT_STATS_SUM2 ".in_sum2"
#define WT_STATS_COUNTS ".counts"
#define WT_STATS_MAX ".in_max"
#define WT_STATS_SUM4 ".in_sum4"

wt_statistics *wt_statistics_new(const char *path, wt_error *err);

/* A new entry with room for its sums and counts (columns, matrices > 0); the pointer is good until the next one. */
wt_stats_entry *wt_statistics_add(wt_statistics *s, const char *name, size_t name_len, size_t columns, size_t matrices,
                                  wt_error *err);

/* Room for one more array [columns] of an entry. */
float *wt_statistics_floats(wt_statistics *s, size_t columns, wt_error *err);

/* Takes the names of the texts (copied); what follows a NUL in one is left out. */
int wt_statistics_set_datasets(wt_statistics *s, const wt_str *names, size_t count, wt_error *err);

/* Sorts, checks, divides. Errors name the tensor; the caller puts the file's name in front. */
int wt_statistics_finish(wt_statistics *s, wt_error *err);

/* Reads the old binary format. Errors as above. */
int wt_statistics_read_dat(wt_statistics *s, const uint8_t *data, size_t size, wt_error *err);

#endif
