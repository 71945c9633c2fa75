#include "report/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/axis.h"
#include "report/document_private.h"
#include "report/summary.h"
#include "survive/rules.h"

/* ---- JSON ---- */

void wt_document_put(wt_document *d, json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) != 0) d->lost = true;
}

void wt_document_push(wt_document *d, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) d->lost = true;
}

static json_t *text_of(const char *s) { return wt_json_text(s, strlen(s)); }
static json_t *count_of(uint64_t n) { return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n)); }

json_t *wt_document_words(wt_document *d, const wt_dictionary *words) {
    json_t *array = json_array();
    for (size_t i = 0; i < words->count; i++) wt_document_push(d, array, text_of(words->items[i]));
    return array;
}

/* ---- reading ---- */

typedef struct knockouts {
    wt_document *d;
    size_t count;
} knockouts;

static int take_knockout(void *user, const wt_stored_knockout *k) {
    knockouts *all = user;
    all->count++;
    if (k->cause[0]) return 0; /* it died of it: there is no figure to draw; 'wildtype show' tells of it */
    json_t *o = json_object();
    wt_document_put(all->d, o, "id", json_integer(k->individual));
    wt_document_put(all->d, o, "gene", text_of(k->gene));
    wt_document_put(all->d, o, "value", text_of(k->value));
    wt_document_put(all->d, o, "change", wt_json_short(k->change, WT_DIGITS_FIGURE));
    wt_document_put(all->d, o, "low", wt_json_short(k->low, WT_DIGITS_FIGURE));
    wt_document_put(all->d, o, "high", wt_json_short(k->high, WT_DIGITS_FIGURE));
    wt_document_push(all->d, all->d->knockouts, o);
    return 0;
}

static int read_knockouts(wt_document *d) {
    d->knockouts = json_array();
    d->explained = wt_calloc(d->people.count + 1, sizeof *d->explained, d->err);
    if (!d->explained) return -1;
    for (size_t i = 0; i < d->people.count; i++) {
        knockouts all = {d, 0};
        if (wt_store_each_knockout(d->store, d->people.items[i].row.id, take_knockout, &all, d->err) != 0) return -1;
        d->explained[i] = all.count > 0;
    }
    return 0;
}

/* Those whom people look at closely keep their text to the letter. */
static bool is_looked_at(void *user, const wt_record *r) {
    const wt_document *d = user;
    return r->verdict || d->explained[r - d->people.items];
}

int wt_document_read(wt_document *d, wt_run_store *store, bool running, wt_error *err) {
    *d = (wt_document){.store = store, .running = running, .err = err};
    if (wt_store_snapshot_begin(store, err) != 0 || wt_run_state_read(&d->state, store, running, err) != 0 ||
        wt_population_read(&d->people, store, err) != 0 || read_knockouts(d) != 0 ||
        wt_catalog_make(&d->catalog, &d->people, is_looked_at, d, err) != 0 ||
        wt_families_find(&d->families, &d->catalog, err) != 0)
        return -1;
    return 0;
}

void wt_document_release(wt_document *d) {
    if (d->store) wt_store_snapshot_end(d->store);
    wt_families_release(&d->families);
    wt_catalog_release(&d->catalog);
    wt_population_release(&d->people);
    json_decref(d->knockouts);
    free(d->explained);
    *d = (wt_document){0};
}

/* ---- the run ---- */

/* What the run says of itself by that key: free() it; NULL: nothing. */
static char *meta(wt_document *d, const char *key) {
    char *value = NULL;
    return wt_store_get(d->store, key, &value, NULL) == 1 ? value : NULL;
}

static json_t *meta_text(wt_document *d, const char *key, bool or_null) {
    char *value = meta(d, key);
    json_t *json = value && (value[0] || !or_null) ? text_of(value) : or_null ? json_null() : json_string("");
    free(value);
    return json;
}

/* A number; `whole`: an integer. Null, or 0 where it must be there, for what is none. */
static json_t *meta_number(wt_document *d, const char *key, bool whole, bool or_null) {
    char *value = meta(d, key), *end = value;
    const double x = value ? strtod(value, &end) : NAN;
    const bool fine = value && end != value && *end == '\0' && isfinite(x) && (!whole || fabs(x) < 9e15);
    free(value);
    if (!fine) return or_null ? json_null() : json_integer(0);
    return whole ? json_integer((json_int_t)x) : wt_json_short(x, WT_DIGITS_FIGURE);
}

static int take_last(void *user, const wt_stored_generation *g) {
    wt_stored_generation *last = user;
    *last = *g;
    last->operators = ""; /* the row's, gone by now */
    return 0;
}

static json_t *constraint_json(wt_document *d, const wt_rule_constraint *c) {
    const wt_axis *axis = wt_axis_find(c->axis);
    json_t *o = json_object();
    wt_document_put(d, o, "axis", text_of(c->axis));
    wt_document_put(d, o, "min", c->min ? wt_json_real(*c->min) : json_null());
    wt_document_put(d, o, "max", c->max ? wt_json_real(*c->max) : json_null());
    wt_document_put(d, o, "unit", json_string(axis ? axis->unit : ""));
    return o;
}

/* What the rules ask for, and the bytes among it; rules that this program does not understand ask for nothing. */
static json_t *asked_json(wt_document *d, json_t *run) {
    json_t *asked = json_array(), *bytes = json_null();
    char *text = meta(d, "rules");
    wt_rules rules;
    if (text && wt_rules_parse(&rules, text, strlen(text), "rules", NULL) == 0) {
        for (unsigned i = 0; i < rules.constraint_count; i++)
            wt_document_push(d, asked, constraint_json(d, &rules.constraints[i]));
        const wt_rule_constraint *c = wt_rules_constraint(&rules, "bytes");
        if (c && c->max && *c->max > 0 && *c->max < 9e15) bytes = json_integer((json_int_t)*c->max);
        wt_rules_release(&rules);
    }
    free(text);
    wt_document_put(d, run, "target_bytes", bytes);
    return asked;
}

static uint64_t measured_count(const wt_document *d) {
    uint64_t n = 0;
    for (size_t i = 0; i < d->people.count; i++) n += d->people.items[i].measured > 0;
    return n;
}

static json_t *axis_json(wt_document *d, const wt_axis *axis) {
    json_t *o = json_object();
    wt_document_put(d, o, "name", json_string(axis->name));
    wt_document_put(d, o, "unit", json_string(axis->unit));
    wt_document_put(d, o, "higher", json_boolean(axis->higher));
    return o;
}

static int put_run(wt_document *d, json_t *root) {
    static const char *const TEXTS[] = {"model", "text", "version", "cpu", "rules"};
    wt_stored_generation last = {0};
    json_t *run = json_object();
    if (wt_store_each_generation(d->store, take_last, &last, d->err) != 0) {
        json_decref(run);
        return -1;
    }
    for (size_t k = 0; k < sizeof TEXTS / sizeof *TEXTS; k++)
        wt_document_put(d, run, TEXTS[k], meta_text(d, TEXTS[k], false));
    wt_document_put(d, run, "seed", meta_number(d, "seed", true, false));
    wt_document_put(d, run, "threads", meta_number(d, "threads", true, false));
    wt_document_put(d, run, "running", json_boolean(d->running));
    wt_document_put(d, run, "ended", meta_text(d, "ended", true));
    wt_document_put(d, run, "stage", json_string(wt_run_stage_name(d->state.stage)));
    wt_document_put(d, run, "axis", axis_json(d, d->state.axis));
    wt_document_put(d, run, "measured", count_of(measured_count(d)));
    wt_document_put(d, run, "evaluations", count_of(last.evaluations));
    wt_document_put(d, run, "tokens", count_of(last.tokens));
    wt_document_put(d, run, "seconds",
                    isfinite(last.seconds) ? wt_json_short(last.seconds, WT_DIGITS_FIGURE) : json_integer(0));
    wt_document_put(d, run, "noise", meta_number(d, "noise", false, true));
    wt_document_put(d, run, "raced_tokens", meta_number(d, "raced_tokens", true, true));
    wt_document_put(d, run, "full_tokens", meta_number(d, "full_tokens", true, true));
    wt_document_put(d, run, "chunks", json_integer((json_int_t)d->people.chunks));
    wt_document_put(d, root, "asked", asked_json(d, run));
    wt_document_put(d, root, "run", run);
    return 0;
}

/* ---- the verdict ---- */

typedef struct values {
    wt_document *d;
    json_t *object;
} values;

static int take_value(void *user, const char *axis, double value) {
    values *v = user;
    json_t *name = text_of(axis); /* of outside commands: what the rules say */
    if (name) wt_document_put(v->d, v->object, json_string_value(name), wt_json_short(value, WT_DIGITS_FIGURE));
    json_decref(name);
    return 0;
}

/* What finalists alone were measured on; a value that cannot be read is missing. */
static json_t *values_json(wt_document *d, const wt_record *r) {
    values v = {d, json_object()};
    if (r) wt_store_each_value(d->store, r->row.name, r->row.budget, take_value, &v, NULL);
    return v.object;
}

static json_t *verdict_json(wt_document *d, const wt_stored_verdict *v) {
    const wt_record *r = wt_population_by_id(&d->people, v->individual);
    json_t *o = json_object();
    wt_document_put(d, o, "id", json_integer(v->individual));
    wt_document_put(d, o, "role", text_of(v->role));
    wt_document_put(d, o, "file", text_of(v->file));
    wt_document_put(d, o, "bytes", count_of(r ? r->row.bytes : 0));
    wt_document_put(d, o, "kld", wt_json_short(v->kld_mean, WT_DIGITS_FIGURE));
    wt_document_put(d, o, "stderr", wt_json_short(v->kld_chunk_stderr, WT_DIGITS_ERROR));
    wt_document_put(d, o, "low", wt_json_short(v->low, WT_DIGITS_FIGURE));
    wt_document_put(d, o, "high", wt_json_short(v->high, WT_DIGITS_FIGURE));
    wt_document_put(d, o, "p99", wt_json_short(v->kld_p99, WT_DIGITS_FIGURE));
    wt_document_put(d, o, "same_top", wt_json_short(v->same_top, WT_DIGITS_SHARE));
    wt_document_put(d, o, "perplexity_ratio", wt_json_short(v->perplexity_ratio, WT_DIGITS_FIGURE));
    wt_document_put(d, o, "values", values_json(d, r));
    wt_document_put(d, o, "note", text_of(v->note));
    return o;
}

static int put_verdict(wt_document *d, json_t *root) {
    json_t *verdict = json_array();
    char *sentence = wt_summary_sentence(d->store, d->running, measured_count(d), d->err);
    for (size_t i = 0; i < d->people.verdict_count; i++)
        wt_document_push(d, verdict, verdict_json(d, &d->people.verdicts[i]));
    wt_document_put(d, root, "sentence", sentence ? text_of(sentence) : json_null());
    wt_document_put(d, root, "verdict", verdict);
    const int rc = sentence ? 0 : -1;
    free(sentence);
    return rc;
}

/* ---- generations ---- */

/* Columns in the order of the store's struct; those of figures come last. */
static const char *const GENERATION_KEYS[] = {"number",    "evaluations", "tokens",     "lethal",
                                              "born",      "eliminated",  "seconds",    "best",
                                              "diversity", "cache_hits",  "state_reuse"};
enum { GENERATION_COUNTS = 6, GENERATION_COLUMNS = sizeof GENERATION_KEYS / sizeof *GENERATION_KEYS };

typedef struct generations {
    wt_document *d;
    json_t *columns[GENERATION_COLUMNS], *operators;
} generations;

/* {"cross": {"tried": 12, "stayed": 3, "rate": 0.1}, ...}, and of what is there nothing else. */
static json_t *operators_json(wt_document *d, const char *text) {
    static const char *const KEYS[] = {"tried", "stayed", "rate"};
    json_t *all = json_object(), *given = json_loads(text, 0, NULL), *value;
    const char *name;
    json_object_foreach(given, name, value) {
        json_t *one = json_object();
        for (int k = 0; k < 3; k++) {
            const json_t *number = json_object_get(value, KEYS[k]);
            wt_document_put(d, one, KEYS[k],
                            json_is_number(number) ? wt_json_short(json_number_value(number), WT_DIGITS_FIGURE)
                                                   : json_null());
        }
        wt_document_put(d, all, name, one);
    }
    json_decref(given);
    return all;
}

static int take_generation(void *user, const wt_stored_generation *g) {
    generations *all = user;
    const uint64_t counts[] = {g->number, g->evaluations, g->tokens, g->lethal, g->born, g->eliminated};
    const double figures[] = {g->seconds, wt_run_state_best(&all->d->state, g->best), g->diversity, g->cache_hits, g->state_reuse};
    for (int k = 0; k < GENERATION_COLUMNS; k++)
        wt_document_push(all->d, all->columns[k],
                         k < GENERATION_COUNTS ? count_of(counts[k])
                                               : wt_json_short(figures[k - GENERATION_COUNTS], WT_DIGITS_FIGURE));
    wt_document_push(all->d, all->operators, operators_json(all->d, g->operators));
    return 0;
}

static int put_generations(wt_document *d, json_t *root) {
    json_t *o = json_object();
    generations all = {.d = d, .operators = json_array()};
    for (int k = 0; k < GENERATION_COLUMNS; k++) all.columns[k] = json_array();
    const int rc = wt_store_each_generation(d->store, take_generation, &all, d->err);
    for (int k = 0; k < GENERATION_COLUMNS; k++) wt_document_put(d, o, GENERATION_KEYS[k], all.columns[k]);
    wt_document_put(d, o, "operators", all.operators);
    wt_document_put(d, root, "generations", o);
    return rc;
}

/* ---- all ---- */

static char *print(wt_document *d, const json_t *root, size_t *len) {
    char *text = d->lost ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!text) wt_fail(d->err, WT_ERR_MEMORY, "cannot build the report's document: out of memory");
    if (text) *len = strlen(text);
    return text;
}

char *wt_document_make(wt_run_store *store, bool running, size_t *len, wt_error *err) {
    wt_document d;
    json_t *root = json_object();
    char *text = NULL;
    const int rc = wt_document_read(&d, store, running, err);
    wt_document_put(&d, root, "format", json_string("wildtype-report"));
    wt_document_put(&d, root, "version", json_integer(1));
    if (rc == 0 && put_run(&d, root) == 0 && put_verdict(&d, root) == 0 && put_generations(&d, root) == 0) {
        wt_document_put_columns(&d, root);
        wt_document_put(&d, root, "knockouts", json_incref(d.knockouts));
        text = print(&d, root, len);
    }
    json_decref(root);
    wt_document_release(&d);
    return text;
}
