/* The table of axes. */
#include <math.h>
#include <string.h>

#include "measure/axis.h"

static double chunk_kld(const wt_chunk_score *s) { return s->kld; }
static double chunk_same_top(const wt_chunk_score *s) { return -s->same_top; } /* races are won by less */
static double chunk_ratio(const wt_chunk_score *s) { return s->logp_reference - s->logp; }

static double as_it_is(double mean) { return mean; }
static double turned_round(double mean) { return -mean; }

static const wt_axis AXES[] = {
    {.name = "kld", .unit = "nats per token", .value = wt_axis_kld, .of_chunk = chunk_kld, .of_mean = as_it_is,
     .help = "mean divergence of the predictions from the exact model's"},
    {.name = "kld_p99", .unit = "nats", .positions = true, .value = wt_axis_kld_p99, .of_chunk = chunk_kld, .of_mean = as_it_is,
     .help = "the divergence that 99% of the tokens stay below"},
    {.name = "same_top", .unit = "share", .higher = true, .value = wt_axis_same_top, .of_chunk = chunk_same_top,
     .of_mean = turned_round,
     .help = "tokens whose most probable successor stays the same"},
    {.name = "perplexity_ratio", .unit = "1", .value = wt_axis_perplexity_ratio, .of_chunk = chunk_ratio, .of_mean = wt_axis_ratio_of_mean,
     .help = "perplexity over the exact model's"},
    {.name = "bytes", .unit = "bytes", .exact = true, .value = wt_axis_bytes, .help = "the size of the file"},
    {.name = "memory", .unit = "bytes", .exact = true, .value = wt_axis_memory,
     .help = "file and cache of keys and values at the context that memory_context names"},
    {.name = "tasks", .unit = "share", .higher = true, .final = 1 + WT_FINAL_TASKS,
     .help = "tasks of the file `tasks` whose ending is chosen rightly"},
    {.name = "flips", .unit = "share", .final = 1 + WT_FINAL_FLIPS,
     .help = "tasks of the file `tasks` that are answered otherwise than by the exact model, rightly or not"},
    {.name = "kld_half", .unit = "nats per token", .final = 1 + WT_FINAL_KLD_HALF,
     .help = "mean divergence on chunks of half the training context"},
    {.name = "kld_full", .unit = "nats per token", .final = 1 + WT_FINAL_KLD_FULL,
     .help = "mean divergence on chunks of the whole training context"},
    {.name = "kld_other", .unit = "nats per token", .final = 1 + WT_FINAL_KLD_OTHER,
     .help = "mean divergence on `text: other_file`, a text of another kind"},
    {.name = "encode_seconds", .unit = "seconds", .timed = true, .final = 1 + WT_FINAL_ENCODE_SECONDS,
     .help = "how long encoding its tensors takes on this machine: a time, so that runs with it cannot be repeated to the byte"},
};

const wt_axis *wt_axis_at(size_t i) { return i < sizeof AXES / sizeof *AXES ? &AXES[i] : NULL; }

const wt_axis *wt_axis_find(const char *name) {
    for (size_t i = 0; i < sizeof AXES / sizeof *AXES; i++)
        if (strcmp(AXES[i].name, name) == 0) return &AXES[i];
    return NULL;
}

double wt_axis_value(const wt_axis *axis, const wt_measured *m) {
    if (!axis->final) return axis->value(m);
    return m->finals ? m->finals[axis->final - 1] : NAN;
}
