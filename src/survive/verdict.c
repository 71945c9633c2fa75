#include "survive/verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "survive/bootstrap.h"
#include "survive/playoff.h"

typedef struct verdict {
    wt_contest *c;
    wt_evolution *e;
    const char *folder;
    size_t chunks, scored;
    wt_chunk_score *scores;
    float *klds;
    int64_t *judged;        /* [judged_count] ids of those that have a row */
    size_t judged_count;
    double *values, *rival; /* [chunks] divergence of the one at hand, and of the best human */
    const wt_individual *best_human;
    wt_error *err;
} verdict;

/* 1 where it breaks a law there: `why` says which. */
static int measure(verdict *v, wt_individual *i, double *values, char *why, size_t size) {
    wt_error own = {0};
    if (wt_progress_report(v->c->progress, "verdict on holdout", 0, 0, "", v->err) != 0) return -1;
    int rc = wt_contest_hold_out(v->c, i, v->scores, v->klds, &own);
    if (rc < 0 && v->err) *v->err = own;
    if (rc > 0) snprintf(why, size, "rejected by holdout: %.200s", own.message);
    if (rc == 0 && wt_contest_finals(v->c, i, true, v->err) != 0) return -1;
    if (rc == 0 && i->cause[0]) {
        snprintf(why, size, "rejected: %.200s", i->cause);
        rc = 1;
    }
    for (size_t k = 0; rc == 0 && k < v->chunks; k++) values[k] = v->scores[k].kld;
    return rc;
}

/* The row of one that nothing could be measured of. */
static int put_broken(verdict *v, const wt_individual *i, const char *role, uint64_t place, const char *why) {
    const wt_stored_verdict row = {.individual = i->id,
                                   .role = role,
                                   .file = "",
                                   .kld_mean = NAN,
                                   .kld_chunk_stderr = NAN,
                                   .low = NAN,
                                   .high = NAN,
                                   .kld_p99 = NAN,
                                   .same_top = NAN,
                                   .perplexity_ratio = NAN,
                                   .note = why,
                                   .place = place};
    return wt_store_put_verdict(v->c->store, &row, v->err);
}

static double standard_error(const double *x, size_t n) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN;
}

/* The row of what v->scores holds. */
static int put(verdict *v, const wt_individual *i, const char *role, const char *file, const char *note, uint64_t place,
               const double *values) {
    const wt_measured m = {.scores = v->scores, .chunks = v->chunks, .klds = v->klds, .scored = v->scored};
    wt_interval kld;
    if (wt_bootstrap_mean(values, v->chunks, v->c->rules->seed, &kld, v->err) != 0) return -1;
    const double error = standard_error(values, v->chunks);
    const wt_stored_verdict row = {.individual = i->id,
                                   .role = role,
                                   .file = file,
                                   .kld_mean = kld.value,
                                   .kld_chunk_stderr = isnan(error) ? 0 : error,
                                   .low = kld.low,
                                   .high = kld.high,
                                   .kld_p99 = wt_axis_kld_p99(&m),
                                   .same_top = wt_axis_same_top(&m),
                                   .perplexity_ratio = wt_axis_perplexity_ratio(&m),
                                   .note = note,
                                   .place = place};
    return wt_store_put_verdict(v->c->store, &row, v->err);
}

/* Keeps in mind that it has a row of this verdict. */
static void note_judged(verdict *v, const wt_individual *i) { v->judged[v->judged_count++] = i->id; }

/* ---- humans ---- */

static int judge_humans(verdict *v) {
    for (size_t k = 0; k < v->e->human_count; k++) {
        const wt_individual *h = v->e->humans[k];
        if (h->cause[0] || !h->measured) continue;
        if (!v->best_human || wt_individual_value(v->c, h) < wt_individual_value(v->c, v->best_human)) v->best_human = h;
    }
    for (size_t k = 0; k < v->e->human_count; k++) {
        wt_individual *h = v->e->humans[k];
        if (h->cause[0]) continue;
        double *values = h == v->best_human ? v->rival : v->values;
        char why[256];
        const int rc = measure(v, h, values, why, sizeof why);
        if (rc > 0 && h == v->best_human) v->best_human = NULL;
        if (rc < 0 || (rc > 0 ? put_broken(v, h, "human", 0, why)
                              : put(v, h, "human", "", h == v->best_human ? "the best human on the search text" : "", 0,
                                    values)) != 0)
            return -1;
        note_judged(v, h);
        wt_contest_rest(h);
    }
    return 0;
}

/* ---- survivors ---- */

/* The first constraint that it breaks on holdout, or NULL. */
static const char *broken(const verdict *v, const wt_individual *i, char *why, size_t size) {
    const wt_measured m = {.scores = v->scores, .chunks = v->chunks, .klds = v->klds, .scored = v->scored, .bytes = i->bytes,
                           .memory = i->memory, .finals = i->finals};
    for (unsigned k = 0; k < v->c->rules->constraint_count; k++) {
        const wt_rule_constraint *rule = &v->c->rules->constraints[k];
        const wt_axis *axis = wt_contest_axis(v->c, rule->axis);
        const double x = axis ? wt_axis_value(axis, &m) : NAN;
        if (!axis || ((!rule->max || x <= *rule->max) && (!rule->min || x >= *rule->min))) continue;
        snprintf(why, size, "rejected by %s: %s is %.6g there, beyond %.6g", axis->final ? "the finals" : "holdout", rule->axis, x,
                 rule->max && x > *rule->max ? *rule->max : *rule->min);
        return why;
    }
    return NULL;
}

static int compare(const verdict *v, char *note, size_t size) {
    wt_interval ratio;
    if (!v->best_human) {
        snprintf(note, size, "no human of this size took part");
        return 0;
    }
    if (wt_bootstrap_ratio(v->values, v->rival, v->chunks, v->c->rules->seed, &ratio, v->err) != 0) return -1;
    snprintf(note, size, "%.3fx the divergence of %s (95%%: %.3f to %.3f)%s", ratio.value, v->best_human->label, ratio.low,
             ratio.high, ratio.high < 1 ? "" : ratio.low > 1 ? ": worse" : ": not to be told apart");
    return 0;
}

static int write_text(const verdict *v, const wt_individual *i, const char *path) {
    char *text = wt_strategy_print(&i->strategy, v->err);
    const int rc = text ? wt_file_write(path, text, strlen(text), v->err) : -1;
    free(text);
    return rc;
}

static int judge(verdict *v, wt_individual *i, uint64_t place) {
    char path[4096], file[32], note[256], why[256];
    const int rc = measure(v, i, v->values, why, sizeof why);
    note_judged(v, i);
    if (rc > 0) return put_broken(v, i, "rejected", place, why);
    if (rc < 0 || compare(v, note, sizeof note) != 0) return -1;
    if (broken(v, i, why, sizeof why)) return put(v, i, "rejected", "", why, place, v->values);
    snprintf(file, sizeof file, "%s.gguf", i->name);
    /* the row first: a file that no row names would stay for ever, should the process end between them */
    if (put(v, i, "survivor", file, note, place, v->values) != 0) return -1;
    snprintf(path, sizeof path, "%s/%s", v->folder, file);
    if (wt_contest_export(v->c, i, path, v->err) != 0) return -1;
    snprintf(path, sizeof path, "%s/%s.strategy", v->folder, i->name);
    return write_text(v, i, path);
}

/*
 * The best of the population that meet the constraints on the search text, or of all where nobody does, so that holdout says what is
 * missing. They are chosen, and who is the first of them, before holdout is looked at.
 */
static int judge_survivors(verdict *v) {
    wt_individual *const *all = v->e->population;
    const size_t count = v->e->population_count;
    size_t done = 0, sound = 0;
    for (size_t k = 0; k < count; k++) sound += wt_contest_violation(v->c, all[k]) == 0;
    for (size_t k = 0; k < count && done < v->c->rules->survivors; k++) {
        if (sound && wt_contest_violation(v->c, all[k]) > 0) continue;
        if (judge(v, all[k], ++done) != 0) return -1;
        wt_contest_rest(all[k]);
    }
    return 0;
}

/* ---- what an earlier verdict of this run left ---- */

typedef struct stale {
    int64_t id;
    char stem[WT_STRATEGY_NAME]; /* of its files; "" none */
} stale;

typedef struct stale_list {
    const verdict *v;
    stale *items;
    size_t count, cap;
} stale_list;

/* Our own files' names alone: "0123456789ab.gguf". */
static bool is_ours(const char *file) {
    return strspn(file, "0123456789abcdef") == WT_STRATEGY_NAME - 1 && strcmp(file + WT_STRATEGY_NAME - 1, ".gguf") == 0;
}

static int take_stale(void *user, const wt_stored_verdict *row) {
    stale_list *list = user;
    for (size_t k = 0; k < list->v->judged_count; k++)
        if (list->v->judged[k] == row->individual) return 0;
    if (wt_grow((void **)&list->items, &list->cap, list->count + 1, sizeof *list->items, list->v->err) != 0) return -1;
    stale *s = &list->items[list->count++];
    *s = (stale){.id = row->individual};
    if (is_ours(row->file)) memcpy(s->stem, row->file, WT_STRATEGY_NAME - 1);
    return 0;
}

/* Rows and files of those who survived when the run was cut off before, and do no more. */
static int clear_stale(verdict *v) {
    stale_list list = {.v = v};
    char path[4096];
    int rc = wt_store_each_verdict(v->c->store, take_stale, &list, v->err);
    for (size_t k = 0; rc == 0 && k < list.count; k++) {
        for (int f = 0; f < 2 && list.items[k].stem[0]; f++) {
            snprintf(path, sizeof path, "%s/%s%s", v->folder, list.items[k].stem, f ? ".strategy" : ".gguf");
            if (unlink(path) != 0 && errno != ENOENT) rc = wt_fail_errno(v->err, errno, "cannot remove '%s'", path);
        }
        if (rc == 0) rc = wt_store_remove_verdict(v->c->store, list.items[k].id, v->err);
    }
    free(list.items);
    return rc;
}

/* What rounding activations alone costs: nobody gets below it. */
static int measure_noise(verdict *v) {
    char text[32];
    double sum = 0;
    if (wt_exam_noise(v->c->holdout, 0, v->chunks, v->scores, v->err) != 0) return -1;
    for (size_t k = 0; k < v->chunks; k++) sum += v->scores[k].kld;
    snprintf(text, sizeof text, "%.9g", sum / (double)v->chunks);
    return wt_store_set(v->c->store, "noise", text, v->err);
}

int wt_verdict(wt_contest *c, wt_evolution *e, const char *folder, wt_error *err) {
    verdict v = {.c = c, .e = e, .folder = folder, .chunks = c->holdout_chunks->count, .scored = c->holdout_chunks->scored,
                 .err = err};
    v.scores = wt_calloc(v.chunks, sizeof *v.scores, err);
    v.klds = wt_calloc(v.chunks * v.scored, sizeof *v.klds, err);
    v.values = wt_calloc(v.chunks, sizeof(double), err);
    v.rival = wt_calloc(v.chunks, sizeof(double), err);
    v.judged = wt_calloc(e->human_count + e->population_count + 1, sizeof *v.judged, err);
    int rc = -1;
    if (v.scores && v.klds && v.values && v.rival && v.judged && wt_play_off(c, e, err) == 0 && judge_humans(&v) == 0 &&
        judge_survivors(&v) == 0 && clear_stale(&v) == 0)
        rc = c->holdout ? measure_noise(&v) : 0;
    free(v.judged);
    free(v.scores);
    free(v.klds);
    free(v.values);
    free(v.rival);
    return rc;
}
