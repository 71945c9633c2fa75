#include "survive/contest.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/scope.h"
#include "base/memory.h"

/* States that are kept for those who share first blocks, bytes. */
#define STATE_BYTES ((size_t)768 << 20)

void wt_contest_rest(wt_individual *i) {
    wt_candidate_free(i->candidate);
    wt_plan_release(i->plan);
    free(i->plan);
    i->candidate = NULL;
    i->plan = NULL;
}

void wt_individual_release(wt_individual *i) {
    if (!i) return;
    wt_contest_rest(i);
    wt_strategy_release(&i->strategy);
    free(i->types);
    free(i->scores);
    free(i->klds);
    *i = (wt_individual){0};
}

/* ---- opening ---- */

/* The types that the rules name; the usual ones where they name none. */
static int set_types(wt_contest *c, wt_error *err) {
    for (unsigned i = 0; i < c->rules->type_count; i++) {
        int type = wt_type_by_name(c->rules->types[i]);
        if (i == 0) c->scope.types = 0;
        if (type < 0 || !wt_encoder_of((wt_type)type)->exists)
            return wt_fail(err, WT_ERR_ARGUMENT, "the rules name a type '%s' that does not exist", c->rules->types[i]);
        c->scope.types |= (uint64_t)1 << type;
    }
    return 0;
}

/* Whether anybody cares for an axis. Types of the cache cost fidelity and save nothing but memory: else they would be dead weight. */
static bool asks_for(const wt_rules *r, const char *axis) {
    for (unsigned i = 0; i < r->axis_count; i++)
        if (strcmp(r->axes[i].axis, axis) == 0) return true;
    return wt_rules_constraint(r, axis) != NULL;
}

int wt_contest_open(wt_contest *c, wt_error *err) {
    const wt_exam_options options = {
        .activations = c->rules->runtime == WT_RUNTIME_EXACT ? WT_ACTIVATIONS_F32 : WT_ACTIVATIONS_Q8,
        .batch_tokens = c->rules->race_block * c->search_chunks->context,
        .state_bytes = STATE_BYTES};
    wt_scope_init(&c->scope);
    for (unsigned i = 0; i < c->rules->axis_count; i++) {
        const wt_axis *axis = wt_axis_find(c->rules->axes[i].axis);
        c->positions |= axis && axis->positions;
    }
    for (unsigned i = 0; i < c->rules->constraint_count; i++) {
        const wt_axis *axis = wt_axis_find(c->rules->constraints[i].axis);
        c->positions |= axis && axis->positions;
    }
    if (!asks_for(c->rules, "memory")) c->scope.frozen |= 1u << WT_GENE_CACHE_K | 1u << WT_GENE_CACHE_V;
    if (wt_scope_set_model(&c->scope, c->gguf, err) != 0 || set_types(c, err) != 0) return -1;
    c->counts.tokens += c->study->tokens;
    c->search = wt_exam_new(c->gguf, c->search_chunks, &options, c->progress, err);
    return c->search ? 0 : -1;
}

void wt_contest_close(wt_contest *c) {
    wt_exam_free(c->search);
    wt_exam_free(c->holdout);
    wt_scope_release_model(&c->scope);
    c->search = c->holdout = NULL;
}

/* ---- planning ---- */

static char *print_types(const wt_plan *plan) {
    json_t *types = json_object();
    for (size_t i = 0; i < plan->count; i++) {
        const wt_planned *p = &plan->tensors[i];
        if (p->site->matrix) json_object_set_new(types, p->site->name, json_string(wt_type_find(p->type)->name));
    }
    char *text = json_dumps(types, JSON_COMPACT);
    json_decref(types);
    return text;
}

/* Whether an error says something of the strategy, or of the machine and the person. */
static bool is_lethal(const wt_error *err) {
    return err->code == WT_ERR_ARGUMENT || err->code == WT_ERR_MISMATCH || err->code == WT_ERR_UNSUPPORTED ||
           err->code == WT_ERR_FORMAT;
}

static int make_plan(wt_contest *c, wt_individual *i, wt_error *err) {
    const wt_plan_options options = {.budget = i->budget};
    if (i->plan) return 0;
    if (!(i->plan = wt_calloc(1, sizeof *i->plan, err))) return -1;
    if (wt_plan_make(i->plan, c->study->bench, &i->strategy, &options, NULL, err) == 0) return 0;
    free(i->plan);
    i->plan = NULL;
    return -1;
}

static void die(wt_contest *c, wt_individual *i, const char *law, const char *why) {
    snprintf(i->cause, sizeof i->cause, "%s: %.400s", law, why);
    c->counts.lethal++;
}

/* Constraints on what a plan tells; those on divergence are selection's. */
static void check_limits(wt_contest *c, wt_individual *i) {
    char why[200];
    const wt_rule_constraint *memory = wt_rules_constraint(c->rules, "memory");
    const wt_rule_constraint *bytes = wt_rules_constraint(c->rules, "bytes");
    if (memory && memory->max && (double)i->memory > *memory->max) {
        snprintf(why, sizeof why, "%" PRIu64 " bytes of file and cache, %.0f are allowed", i->memory, *memory->max);
        die(c, i, "memory", why);
    } else if (bytes && bytes->max && (double)i->bytes > *bytes->max && !i->human) {
        snprintf(why, sizeof why, "%" PRIu64 " bytes, %.0f are allowed", i->bytes, *bytes->max);
        die(c, i, "bytes", why);
    }
}

static int find_plan(wt_contest *c, wt_individual *i, wt_error *err) {
    wt_error own = {0};
    if (make_plan(c, i, &own) != 0) {
        if (err) *err = own;
        if (!is_lethal(&own)) return -1;
        die(c, i, "plan", own.message);
        return 0;
    }
    const wt_model *model = wt_workbench_model(c->study->bench);
    const uint64_t context = c->rules->memory_context ? c->rules->memory_context : wt_model_hparams(model)->context;
    i->bytes = i->plan->file_bytes;
    i->memory = i->bytes + wt_plan_cache_bytes(i->plan, model, context);
    if (!(i->types = print_types(i->plan))) return wt_fail_memory(err, 1);
    check_limits(c, i);
    return 0;
}

/* What the store says of the same place of the same run: the strategy is the same, because everything before it was. */
static int recall(wt_contest *c, wt_individual *i, wt_error *err) {
    wt_stored_individual s;
    int found = wt_store_individual(c->store, i->id, &s, err);
    if (found != 1) return found;
    if (strcmp(s.name, i->name) != 0 || s.budget != i->budget)
        return wt_fail(err, WT_ERR_MISMATCH, "the run's individual %" PRId64 " is '%s', not '%s': another version or another machine wrote it",
                       i->id, s.name, i->name);
    i->bytes = s.bytes;
    i->memory = s.memory;
    if (s.plan[0] && !(i->types = strdup(s.plan))) return wt_fail_memory(err, 1);
    /* what happened to it after planning will happen again */
    if (strncmp(s.cause, "plan:", 5) == 0 || strncmp(s.cause, "memory:", 7) == 0 || strncmp(s.cause, "bytes:", 6) == 0) {
        snprintf(i->cause, sizeof i->cause, "%s", s.cause);
        c->counts.lethal++;
    }
    return 1;
}

static int remember(wt_contest *c, wt_individual *i, wt_error *err) {
    if (i->visitor) return 0;
    char *text = wt_strategy_print(&i->strategy, err);
    if (!text) return -1;
    wt_stored_individual s = {.id = i->planned ? i->id : 0,
                              .generation = i->generation,
                              .place = i->place,
                              .name = i->name,
                              .text = text,
                              .kind = i->human ? "human" : "evolved",
                              .label = i->label,
                              .species = i->pinned ? "pinned" : "rule",
                              .operator_name = i->made_by,
                              .parents = {i->parents[0], i->parents[1]},
                              .budget = i->budget,
                              .bytes = i->bytes,
                              .memory = i->memory,
                              .plan = i->types ? i->types : "",
                              .cause = i->cause};
    int rc = wt_store_put_individual(c->store, &s, err);
    if (rc == 0 && s.id != i->id)
        rc = wt_fail(err, WT_ERR_MISMATCH, "the run's next individual is %" PRId64 ", not %" PRId64 ": somebody else wrote to it", s.id, i->id);
    free(text);
    return rc;
}

int wt_contest_plan(wt_contest *c, wt_individual *i, wt_error *err) {
    if (i->planned) return 0;
    int known = i->visitor ? 0 : recall(c, i, err);
    if (known < 0) return -1;
    if (known == 0) {
        if (find_plan(c, i, err) != 0 || remember(c, i, err) != 0) return -1;
    }
    i->planned = true;
    return 0;
}

/* ---- measuring ---- */

static int make_candidate(wt_contest *c, wt_individual *i, wt_error *err) {
    if (i->candidate) return 0;
    if (make_plan(c, i, err) != 0) return -1;
    i->candidate = wt_candidate_new(c->study->bench, i->plan, NULL, err);
    return i->candidate ? 0 : -1;
}

/* Runs the candidate. Returns 1 where the strategy itself is at fault, with what it broke in *err. */
static int run_exam(wt_contest *c, wt_individual *i, wt_exam *exam, size_t first, size_t count, wt_chunk_score *scores, float *klds,
                    wt_error *err) {
    wt_error own = {0};
    if (make_candidate(c, i, &own) == 0 && wt_exam_run(exam, i->candidate, i->plan, first, count, scores, klds, &own) == 0) return 0;
    if (err) *err = own;
    return is_lethal(&own) ? 1 : -1;
}

/* Scores of some chunks of a part, from the store or measured now; 1 as run_exam. A store that fails is nobody's death. */
static int score(wt_contest *c, wt_individual *i, wt_exam *exam, const char *part, size_t first, size_t count,
                 wt_chunk_score *scores, float *klds, wt_error *err) {
    const size_t scored = wt_exam_scored(exam);
    wt_stored_score *rows = wt_calloc(count, sizeof *rows, err);
    if (!rows) return -1;
    int known = wt_store_scores(c->store, i->name, i->budget, part, (uint32_t)first, count, rows, klds, scored, err);
    int rc = known < 0 ? -1 : known == 1 ? 0 : run_exam(c, i, exam, first, count, scores, klds, err);
    for (size_t k = 0; rc == 0 && k < count; k++) {
        if (known)
            scores[k] = (wt_chunk_score){rows[k].kld, rows[k].logp, rows[k].logp_reference, rows[k].same_top};
        else
            rows[k] = (wt_stored_score){(uint32_t)(first + k), scores[k].kld, scores[k].logp, scores[k].logp_reference,
                                        scores[k].same_top};
    }
    if (rc == 0 && !known) rc = wt_store_put_scores(c->store, i->name, i->budget, part, rows, count, klds, scored, err);
    free(rows);
    return rc;
}

int wt_contest_measure(wt_contest *c, wt_individual *i, size_t until, wt_error *err) {
    const size_t chunks = wt_exam_chunks(c->search), scored = wt_exam_scored(c->search);
    wt_error own = {0};
    if (until > chunks) until = chunks;
    if (i->measured >= until || i->cause[0]) return 0;
    if (!i->scores && !(i->scores = wt_calloc(chunks, sizeof *i->scores, err))) return -1;
    if (c->positions && !i->klds && !(i->klds = wt_calloc(chunks * scored, sizeof *i->klds, err))) return -1;
    const size_t first = i->measured, count = until - first;
    if (first == 0) c->counts.evaluations++;
    int rc = score(c, i, c->search, "search", first, count, i->scores + first, i->klds ? i->klds + first * scored : NULL, &own);
    if (rc != 0) {
        if (err) *err = own;
        if (rc < 0) return -1;
        die(c, i, "finite", own.message);
        return remember(c, i, err);
    }
    c->counts.tokens += count * c->search_chunks->context;
    i->measured = until;
    return 0;
}

int wt_contest_hold_out(wt_contest *c, wt_individual *i, wt_chunk_score *scores, float *klds, wt_error *err) {
    if (!c->holdout) {
        const wt_exam_options options = {
            .activations = c->rules->runtime == WT_RUNTIME_EXACT ? WT_ACTIVATIONS_F32 : WT_ACTIVATIONS_Q8};
        if (!(c->holdout = wt_exam_new(c->gguf, c->holdout_chunks, &options, c->progress, err))) return -1;
    }
    return score(c, i, c->holdout, "holdout", 0, c->holdout_chunks->count, scores, klds, err);
}

int wt_contest_export(wt_contest *c, wt_individual *i, const char *path, wt_error *err) {
    return make_candidate(c, i, err) == 0 ? wt_candidate_write(i->candidate, path, err) : -1;
}

double wt_contest_violation(const wt_contest *c, const wt_individual *i) {
    const wt_measured m = wt_contest_view(c, i);
    double sum = 0;
    for (unsigned k = 0; k < c->rules->constraint_count; k++) {
        const wt_rule_constraint *rule = &c->rules->constraints[k];
        const wt_axis *axis = wt_axis_find(rule->axis);
        if (!axis || (!axis->exact && i->measured == 0)) continue; /* an outside command's: of finalists */
        const double v = axis->value(&m);
        if (rule->max && v > *rule->max) sum += (v - *rule->max) / (fabs(*rule->max) + 1e-12);
        if (rule->min && v < *rule->min) sum += (*rule->min - v) / (fabs(*rule->min) + 1e-12);
    }
    return sum;
}

wt_measured wt_contest_view(const wt_contest *c, const wt_individual *i) {
    return (wt_measured){.scores = i->scores,
                         .chunks = i->measured,
                         .klds = i->klds,
                         .scored = wt_exam_scored(c->search),
                         .bytes = i->bytes,
                         .memory = i->memory};
}
