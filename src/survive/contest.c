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
    free(i->finals);
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

static wt_activations activations_of(const wt_rules *r) {
    return r->runtime == WT_RUNTIME_EXACT ? WT_ACTIVATIONS_F32 : WT_ACTIVATIONS_Q8;
}

/* What finalists are measured on, and commands as axes. */
static int open_finals(wt_contest *c, wt_error *err) {
    const wt_rules *r = c->rules;
    wt_finals_options options = c->final_options ? *c->final_options : (wt_finals_options){0};
    options.gguf = c->gguf;
    options.activations = activations_of(r);
    options.commands = r->commands;
    options.command_count = r->command_count;
    if (!(c->command_axes = wt_calloc(r->command_count + 1, sizeof *c->command_axes, err))) return -1;
    for (unsigned k = 0; k < r->command_count; k++)
        c->command_axes[k] = (wt_axis){.name = r->commands[k].name, .unit = "", .higher = r->commands[k].higher, .timed = true,
                                       .final = 1 + WT_FINALS + k, .help = "an outside command"};
    return (c->finals = wt_finals_new(&options, err)) ? 0 : -1;
}

void wt_contest_leave_feedback(wt_contest *c) {
    c->scope.frozen |= 1u << WT_GENE_FEEDBACK_DAMP | 1u << WT_GENE_FEEDBACK_ORDER | 1u << WT_GENE_FEEDBACK_REFIT;
}

int wt_contest_open(wt_contest *c, wt_error *err) {
    const wt_exam_options options = {
        .activations = activations_of(c->rules),
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
    /* types of the cache cost fidelity and save nothing but memory: dead weight where nobody asks for it */
    if (!wt_rules_value(c->rules, "memory")) c->scope.frozen |= 1u << WT_GENE_CACHE_K | 1u << WT_GENE_CACHE_V;
    if (c->rules->feedback == WT_FEEDBACK_ABSENT) wt_contest_leave_feedback(c);
    if (wt_scope_set_model(&c->scope, c->gguf, err) != 0 || set_types(c, err) != 0) return -1;
    c->counts.tokens += c->study->tokens;
    if (open_finals(c, err) != 0) return -1;
    c->search = wt_exam_new(c->gguf, c->search_chunks, &options, c->progress, err);
    return c->search ? 0 : -1;
}

void wt_contest_close(wt_contest *c) {
    wt_exam_free(c->search);
    wt_exam_free(c->playoff);
    wt_exam_free(c->holdout);
    wt_finals_free(c->finals);
    free(c->command_axes);
    wt_scope_release_model(&c->scope);
    c->search = c->playoff = c->holdout = NULL;
    c->finals = NULL;
    c->command_axes = NULL;
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
    snprintf(i->cause, sizeof i->cause, "%.32s: %.380s", law, why);
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

/* What the store recalls has types and no plan: transforms are made again, but no errors of types. */
int wt_contest_makes(wt_contest *c, wt_individual *i, wt_error *err) {
    wt_encoding encoding;
    if (wt_encoding_init(&encoding, &i->strategy, err) != 0) return -1;
    wt_transform *own = i->plan ? NULL
                                : wt_transform_new(wt_workbench_model(c->study->bench), &i->strategy,
                                                   wt_workbench_calibration(c->study->bench), err);
    const wt_transform *t = i->plan ? i->plan->transform : own;
    if (!t) return -1;
    const uint64_t cache[] = {i->strategy.genes[WT_GENE_CACHE_K].type, i->strategy.genes[WT_GENE_CACHE_V].type};
    wt_hash h = wt_hash_add(wt_hash_bytes(cache, sizeof cache), &encoding.key, sizeof encoding.key);
    for (size_t k = 0; k < wt_transform_count(t); k++) h = wt_hash_add(h, wt_transform_at(t, k)->key, sizeof wt_transform_at(t, k)->key);
    i->makes = wt_hash_add_str(h, i->types ? i->types : "");
    wt_transform_free(own);
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
    if (!c->sensed && wt_strategy_needs_sensitivity(&i->strategy)) { /* from a cache or a store, it is counted all the same */
        c->counts.tokens += wt_features_sensitivity_tokens(wt_workbench_features(c->study->bench));
        c->sensed = true;
    }
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

/* The exam of a part that comes after the search, opened when it begins. */
static int open_exam(const wt_contest *c, const wt_chunks *chunks, wt_exam **exam, wt_error *err) {
    const wt_exam_options options = {.activations = activations_of(c->rules)};
    if (*exam) return 0;
    return (*exam = wt_exam_new(c->gguf, chunks, &options, c->progress, err)) ? 0 : -1;
}

int wt_contest_play_off(wt_contest *c, wt_individual *i, wt_chunk_score *scores, wt_error *err) {
    if (open_exam(c, c->playoff_chunks, &c->playoff, err) != 0) return -1;
    return score(c, i, c->playoff, "playoff", 0, c->playoff_chunks->count, scores, NULL, err);
}

int wt_contest_hold_out(wt_contest *c, wt_individual *i, wt_chunk_score *scores, float *klds, wt_error *err) {
    if (open_exam(c, c->holdout_chunks, &c->holdout, err) != 0) return -1;
    return score(c, i, c->holdout, "holdout", 0, c->holdout_chunks->count, scores, klds, err);
}

/* ---- finalists ---- */

const wt_axis *wt_contest_axis(const wt_contest *c, const char *name) {
    for (unsigned k = 0; k < c->rules->command_count && c->command_axes; k++)
        if (strcmp(c->rules->commands[k].name, name) == 0) return &c->command_axes[k];
    return wt_axis_find(name);
}

/* The name of a number that finalists have. */
static const char *final_name(const wt_contest *c, size_t which) {
    if (which >= WT_FINALS) return c->rules->commands[which - WT_FINALS].name;
    for (size_t i = 0; wt_axis_at(i); i++)
        if (wt_axis_at(i)->final == which + 1) return wt_axis_at(i)->name;
    return "";
}

/* Whether somebody wants the number: always what axes and constraints name, at the verdict what files and commands are there for. */
static bool is_wanted(const wt_contest *c, size_t which, bool verdict) {
    const wt_rules *r = c->rules;
    const bool asked = which <= WT_FINAL_FLIPS ? r->tasks != NULL : which == WT_FINAL_KLD_OTHER ? r->other_text != NULL : which >= WT_FINALS;
    if (verdict && asked) return true;
    if (which <= WT_FINAL_FLIPS) return wt_rules_value(r, "tasks") || wt_rules_value(r, "flips"); /* they come together */
    return wt_rules_value(r, final_name(c, which));
}

static int keep_final(wt_contest *c, const wt_individual *i, size_t which, wt_error *err) {
    return wt_store_put_value(c->store, i->name, i->budget, final_name(c, which), i->finals[which], err);
}

/* One number, from the store or measured now; 1 where the strategy is at fault. */
static int measure_final(wt_contest *c, wt_individual *i, size_t which, wt_error *err) {
    wt_error own = {0};
    const int known = wt_store_value(c->store, i->name, i->budget, final_name(c, which), &i->finals[which], err);
    if (known) return known < 0 ? -1 : 0;
    if (make_candidate(c, i, &own) != 0 || wt_finals_measure(c->finals, which, i->candidate, i->plan, c->progress, i->finals, &own) != 0) {
        if (err) *err = own;
        return is_lethal(&own) ? 1 : -1;
    }
    if (which == WT_FINAL_TASKS && keep_final(c, i, WT_FINAL_FLIPS, err) != 0) return -1;
    return keep_final(c, i, which, err);
}

/* What it died of at the same place when this run was here before; 1 where it did. */
static int recall_death(wt_contest *c, wt_individual *i, const char *stage, wt_error *err) {
    wt_stored_individual s;
    const int found = i->visitor || i->id == 0 ? 0 : wt_store_individual(c->store, i->id, &s, err);
    if (found != 1 || strncmp(s.cause, stage, strlen(stage)) != 0) return found < 0 ? -1 : 0;
    snprintf(i->cause, sizeof i->cause, "%s", s.cause);
    c->counts.lethal++;
    return 1;
}

static bool is_due(const wt_contest *c, const wt_individual *i, size_t which, bool verdict) {
    return is_wanted(c, which, verdict) && (!i->finals || isnan(i->finals[which]));
}

/* Tokens of all that is due, whether it is measured, known, or the individual dies on the way: a run that is resumed counts the same. */
static void count_due(wt_contest *c, const wt_individual *i, bool verdict) {
    for (size_t which = 0; which < wt_finals_count(c->finals); which++)
        if (is_due(c, i, which, verdict)) c->counts.tokens += wt_finals_tokens(c->finals, which);
}

int wt_contest_finals(wt_contest *c, wt_individual *i, bool verdict, wt_error *err) {
    const char *stage = verdict ? "verdict:" : "final:";
    const size_t count = wt_finals_count(c->finals);
    bool looked = false;
    char law[32];
    for (size_t which = 0; which < count && !i->cause[0]; which++) {
        wt_error own = {0};
        if (!is_due(c, i, which, verdict)) continue;
        if (!looked) count_due(c, i, verdict);
        if (!looked && recall_death(c, i, stage, err) != 0) return i->cause[0] ? 0 : -1;
        looked = true;
        if (!i->finals) {
            if (!(i->finals = wt_calloc(count, sizeof *i->finals, err))) return -1;
            for (size_t k = 0; k < count; k++) i->finals[k] = NAN;
        }
        const int rc = measure_final(c, i, which, &own);
        if (rc < 0) {
            if (err) *err = own;
            return -1;
        }
        if (rc == 0) continue;
        snprintf(law, sizeof law, "%s %s", stage, which >= WT_FINALS ? "command" : "finite");
        die(c, i, law, own.message);
        return remember(c, i, err);
    }
    return 0;
}

int wt_contest_export(wt_contest *c, wt_individual *i, const char *path, wt_error *err) {
    return make_candidate(c, i, err) == 0 ? wt_candidate_write(i->candidate, path, err) : -1;
}

double wt_contest_violation(const wt_contest *c, const wt_individual *i) {
    const wt_measured m = wt_contest_view(c, i);
    double sum = 0;
    for (unsigned k = 0; k < c->rules->constraint_count; k++) {
        const wt_rule_constraint *rule = &c->rules->constraints[k];
        const wt_axis *axis = wt_contest_axis(c, rule->axis);
        if (!axis || (!axis->exact && i->measured == 0)) continue;
        const double v = wt_axis_value(axis, &m); /* NaN, of those who are no finalists, breaks nothing yet */
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
                         .memory = i->memory,
                         .finals = i->finals};
}
