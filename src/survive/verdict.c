#include "survive/verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "survive/bootstrap.h"

typedef struct verdict {
    wt_contest *c;
    wt_evolution *e;
    const char *folder;
    size_t chunks, scored;
    wt_chunk_score *scores;
    float *klds;
    double *values, *rival; /* [chunks] divergence of the one at hand, and of the best human */
    const wt_individual *best_human;
    wt_error *err;
} verdict;

static int measure(verdict *v, wt_individual *i, double *values) {
    if (wt_progress_report(v->c->progress, "verdict on holdout", 0, 0, "", v->err) != 0 ||
        wt_contest_hold_out(v->c, i, v->scores, v->klds, v->err) != 0)
        return -1;
    for (size_t k = 0; k < v->chunks; k++) values[k] = v->scores[k].kld;
    return 0;
}

static double standard_error(const double *x, size_t n) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN;
}

/* The row of what v->scores holds. */
static int put(verdict *v, const wt_individual *i, const char *role, const char *file, const char *note, const double *values) {
    const wt_measured m = {.scores = v->scores, .chunks = v->chunks, .klds = v->klds, .scored = v->scored};
    wt_interval kld;
    if (wt_bootstrap_mean(values, v->chunks, v->c->rules->seed, &kld, v->err) != 0) return -1;
    const double error = standard_error(values, v->chunks);
    const wt_stored_verdict row = {.individual = i->id, .role = role, .file = file, .kld_mean = kld.value,
                                   .kld_chunk_stderr = isnan(error) ? 0 : error, .low = kld.low, .high = kld.high,
                                   .kld_p99 = wt_axis_kld_p99(&m), .same_top = wt_axis_same_top(&m),
                                   .perplexity_ratio = wt_axis_perplexity_ratio(&m), .note = note};
    return wt_store_put_verdict(v->c->store, &row, v->err);
}

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
        if (measure(v, h, values) != 0 ||
            put(v, h, "human", "", h == v->best_human ? "the best human on the search text" : "", values) != 0)
            return -1;
        wt_contest_rest(h);
    }
    return 0;
}

/* ---- survivors ---- */

/* The first constraint that it breaks on holdout, or NULL. */
static const char *broken(const verdict *v, const wt_individual *i, char *why, size_t size) {
    const wt_measured m = {.scores = v->scores, .chunks = v->chunks, .klds = v->klds, .scored = v->scored, .bytes = i->bytes,
                           .memory = i->memory};
    for (unsigned k = 0; k < v->c->rules->constraint_count; k++) {
        const wt_rule_constraint *rule = &v->c->rules->constraints[k];
        const wt_axis *axis = wt_axis_find(rule->axis);
        const double x = axis ? axis->value(&m) : NAN;
        if (!axis || ((!rule->max || x <= *rule->max) && (!rule->min || x >= *rule->min))) continue;
        snprintf(why, size, "rejected by holdout: %s is %.6g there, beyond %.6g", rule->axis, x,
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
    wt_output out;
    char *text = wt_strategy_print(&i->strategy, v->err);
    int rc = text && wt_output_open(&out, path, v->err) == 0 ? 0 : -1;
    if (rc == 0) {
        rc = wt_output_write(&out, text, strlen(text), v->err);
        if (rc == 0)
            rc = wt_output_commit(&out, v->err);
        else
            wt_output_abandon(&out);
    }
    free(text);
    return rc;
}

static int judge(verdict *v, wt_individual *i) {
    char path[4096], file[32], note[256], why[256];
    if (measure(v, i, v->values) != 0 || compare(v, note, sizeof note) != 0) return -1;
    if (broken(v, i, why, sizeof why)) return put(v, i, "rejected", "", why, v->values);
    snprintf(file, sizeof file, "%s.gguf", i->name);
    snprintf(path, sizeof path, "%s/%s", v->folder, file);
    if (wt_contest_export(v->c, i, path, v->err) != 0) return -1;
    snprintf(path, sizeof path, "%s/%s.strategy", v->folder, i->name);
    if (write_text(v, i, path) != 0) return -1;
    return put(v, i, "survivor", file, note, v->values);
}

/* The best of the population, no two with the same plan: what differs in nothing that counts is one survivor. */
static int judge_survivors(verdict *v) {
    size_t done = 0;
    for (size_t k = 0; k < v->e->population_count && done < v->c->rules->survivors; k++) {
        wt_individual *i = v->e->population[k];
        bool twin = false;
        for (size_t m = 0; m < k && !twin; m++)
            twin = wt_individual_value(v->c, v->e->population[m]) == wt_individual_value(v->c, i);
        if (twin) continue;
        if (judge(v, i) != 0) return -1;
        wt_contest_rest(i);
        done++;
    }
    return 0;
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
    int rc = -1;
    if (v.scores && v.klds && v.values && v.rival && wt_store_clear_verdicts(c->store, err) == 0 && judge_humans(&v) == 0 && judge_survivors(&v) == 0)
        rc = c->holdout ? measure_noise(&v) : 0;
    free(v.scores);
    free(v.klds);
    free(v.values);
    free(v.rival);
    return rc;
}
