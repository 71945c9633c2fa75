#include "report/summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/json_values.h"
#include "report/run_state.h"

enum { MOST_ROWS = 64, MOST_VALUES = 24 };

/* A verdict, with what the individual is called. */
typedef struct row {
    int64_t id;
    char role[16], file[64], name[16], label[48], species[16], note[256], *text;
    uint64_t bytes;
    double kld, error, low, high, p99, top, ratio;
    uint64_t budget;
    struct {
        char axis[48];
        double value;
    } values[MOST_VALUES]; /* of finalists, by axis */
    size_t value_count;
} row;

typedef struct summary {
    row rows[MOST_ROWS];
    size_t count;
    wt_stored_generation last;
    uint64_t lethal, eliminated, born, generations;
    wt_run_store *store;
    wt_error *err;
} summary;

/* ---- reading ---- */

static int take_verdict(void *user, const wt_stored_verdict *v) {
    summary *s = user;
    if (s->count == MOST_ROWS) return 0;
    row *r = &s->rows[s->count++];
    *r = (row){.id = v->individual, .kld = v->kld_mean, .error = v->kld_chunk_stderr, .low = v->low, .high = v->high,
               .p99 = v->kld_p99, .top = v->same_top, .ratio = v->perplexity_ratio};
    snprintf(r->role, sizeof r->role, "%s", v->role);
    snprintf(r->file, sizeof r->file, "%s", v->file);
    snprintf(r->note, sizeof r->note, "%s", v->note);
    return 0;
}

static int take_value(void *user, const char *axis, double value) {
    row *r = user;
    if (r->value_count == MOST_VALUES) return 0;
    snprintf(r->values[r->value_count].axis, sizeof r->values[0].axis, "%s", axis);
    r->values[r->value_count++].value = value;
    return 0;
}

static int take_generation(void *user, const wt_stored_generation *g) {
    summary *s = user;
    s->last = *g;
    s->last.operators = "";
    s->lethal += g->lethal;
    s->eliminated += g->eliminated;
    s->born += g->born;
    s->generations++;
    return 0;
}

static int read_run(summary *s) {
    if (wt_store_each_verdict(s->store, take_verdict, s, s->err) != 0 ||
        wt_store_each_generation(s->store, take_generation, s, s->err) != 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        wt_stored_individual v;
        row *r = &s->rows[i];
        int found = wt_store_individual(s->store, r->id, &v, s->err);
        if (found < 0) return -1;
        if (found == 0) continue;
        snprintf(r->name, sizeof r->name, "%s", v.name);
        snprintf(r->label, sizeof r->label, "%s", v.label);
        snprintf(r->species, sizeof r->species, "%s", v.species);
        r->bytes = v.bytes;
        r->budget = v.budget;
        if (!(r->text = strdup(v.text))) return wt_fail_memory(s->err, 1);
        if (wt_store_each_value(s->store, r->name, r->budget, take_value, r, s->err) != 0) return -1;
    }
    return 0;
}

static void release(summary *s) {
    for (size_t i = 0; i < s->count; i++) free(s->rows[i].text);
}

/* A key's text, or `otherwise`; in `buffer`. */
static const char *meta(summary *s, const char *key, char *buffer, size_t size, const char *otherwise) {
    char *value = NULL;
    snprintf(buffer, size, "%s", wt_store_get(s->store, key, &value, NULL) == 1 ? value : otherwise);
    free(value);
    return buffer;
}

static const row *find(const summary *s, const char *role) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].role, role) == 0) return &s->rows[i];
    return NULL;
}

/* The human that was the best on the search text: what survivors were compared with. */
static const row *best_human(const summary *s) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].role, "human") == 0 && s->rows[i].note[0]) return &s->rows[i];
    return find(s, "human");
}

/* ---- Markdown ---- */

static const char *plural(uint64_t n) { return n == 1 ? "" : "s"; }

static void print_verdict(summary *s, FILE *f) {
    const row *survivor = find(s, "survivor"), *human = best_human(s);
    if (!survivor)
        fputs("**Nothing survived**: no strategy met every constraint on text that no one searched on.\n", f);
    else if (!human || !strstr(survivor->note, " the divergence of ")) /* nobody of its size to compare it with */
        fprintf(f,
                "**%s survived** at %" PRIu64
                " bytes with a mean divergence of %.6f nats per token on the holdout text.\n",
                survivor->name, survivor->bytes, survivor->kld);
    else if (strstr(survivor->note, "not to be told apart") || strstr(survivor->note, "worse") || survivor->kld >= human->kld)
        fprintf(f, "**Nothing beat the humans**: the best of the search, %s, has %s on the holdout text.\n",
                survivor->name, survivor->note);
    else
        fprintf(f, "**%s survived**: %s, on text that no one searched on.\n", survivor->name, survivor->note);
}

static void print_rows(const summary *s, FILE *f) {
    fputs("\n| | who | bytes | mean KLD, nats | 95% interval, nats | 99% KLD, nats | same top token "
          "| perplexity ratio |\n"
          "|---|---|---:|---:|---|---:|---:|---:|\n",
          f);
    for (size_t i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        fprintf(f, "| %s | %s | %" PRIu64 " | %.6f | %.6f to %.6f | %.4f | %.3f%% | %.4f |\n", r->role,
                r->label[0] ? r->label : r->name, r->bytes, r->kld, r->low, r->high, r->p99, 100 * r->top, r->ratio);
    }
}

static const double *value_of(const row *r, const char *axis) {
    for (size_t i = 0; i < r->value_count; i++)
        if (strcmp(r->values[i].axis, axis) == 0) return &r->values[i].value;
    return NULL;
}

/* What finalists alone were measured on: a column for each axis that anybody has. */
static void print_values(const summary *s, FILE *f) {
    const char *axes[MOST_VALUES];
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->rows[i].value_count; k++) {
            size_t at = 0;
            while (at < n && strcmp(axes[at], s->rows[i].values[k].axis) != 0) at++;
            if (at == n && n < MOST_VALUES) axes[n++] = s->rows[i].values[k].axis;
        }
    if (n == 0) return;
    fputs("\nWhat finalists alone were measured on:\n\n| | who |", f);
    for (size_t k = 0; k < n; k++) fprintf(f, " %s |", axes[k]);
    fputs("\n|---|---|", f);
    for (size_t k = 0; k < n; k++) fputs("---:|", f);
    for (size_t i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        fprintf(f, "\n| %s | %s |", r->role, r->label[0] ? r->label : r->name);
        for (size_t k = 0; k < n; k++) {
            const double *v = value_of(r, axes[k]);
            if (v)
                fprintf(f, fabs(*v) < 1e6 ? " %.6g |" : " %.0f |", *v);
            else
                fputs(" - |", f);
        }
    }
    putc('\n', f);
}

static void print_survivors(const summary *s, FILE *f) {
    for (size_t i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        if (strcmp(r->role, "survivor") != 0) continue;
        fprintf(f, "\n## %s\n\n%s species; %s.\n\nFile: `%s`, %" PRIu64 " bytes.", r->name, r->species, r->note, r->file, r->bytes);
        const char *k = r->text ? strstr(r->text, "cache.k") : NULL, *v = r->text ? strstr(r->text, "cache.v") : NULL;
        if (k || v) {
            char kt[24] = "F16", vt[24] = "F16";
            if (k) sscanf(k, "cache.k = %23s", kt);
            if (v) sscanf(v, "cache.v = %23s", vt);
            for (char *c = kt; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
            for (char *c = vt; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
            fprintf(f, " Run it with `-ctk %s -ctv %s`.", kt, vt);
        }
        fprintf(f, "\n\n```\n%s```\n", r->text ? r->text : "");
    }
}

static void print_story(summary *s, FILE *f) {
    char a[512], b[512], c[64];
    double raced = strtod(meta(s, "raced_tokens", a, sizeof a, "0"), NULL), full = strtod(meta(s, "full_tokens", b, sizeof b, "0"), NULL);
    fprintf(f, "\n## How it went\n\n- Model: %s", meta(s, "model", a, sizeof a, "?"));
    fprintf(f, "; text: %s\n", meta(s, "text", a, sizeof a, "?"));
    fprintf(f,
            "- Ended: %s, after %" PRIu64 " generation%s, %" PRIu64 " evaluation%s, %" PRIu64 " tokens, %.0f seconds\n",
            meta(s, "ended", a, sizeof a, "not yet"), s->last.number + 1, plural(s->last.number + 1),
            s->last.evaluations, plural(s->last.evaluations), s->last.tokens, s->last.seconds);
    fprintf(f, "- Born: %" PRIu64 "; lethal: %" PRIu64 "; sent home in races: %" PRIu64 "\n", s->born, s->lethal, s->eliminated);
    if (full > 0)
        fprintf(f,
                "- Races measured %.0f tokens of the %.0f that measuring everybody on everything would have taken: "
                "%.0f%% were saved\n",
                raced, full, 100 * (1 - raced / full));
    const double playoff = strtod(meta(s, "playoff_tokens", a, sizeof a, "0"), NULL);
    if (playoff > 0)
        fprintf(
            f,
            "- Play-off: the last generation was measured on further chunks, %.0f tokens in all; survivors stand in the order that it left\n",
            playoff);
    fprintf(f,
            "- Encoded tensors that came from the cache: %.0f%%; blocks that did not run, because their states "
            "were known: %.0f%%\n",
            100 * s->last.cache_hits, 100 * s->last.state_reuse);
    fprintf(f, "- Noise floor (rounding of activations alone): %s nats per token\n", meta(s, "noise", a, sizeof a, "?"));
    const char *timed = meta(s, "timed_axes", a, sizeof a, ""), *repeat = meta(s, "repeat_evaluations", b, sizeof b, "");
    const char *decided = meta(s, "decided", c, sizeof c, ""); /* by the clock, when it began */
    if (timed[0])
        fprintf(f, "- Not reproducible: the run values times or outside commands (%s)\n", timed);
    else if (repeat[0])
        fprintf(
            f,
            "- Reproducible: the same rules with %s%s%s`budget: {evaluations: %s, minutes: 0}` give the same survivors to the byte\n",
            decided[0] ? "`" : "", decided, decided[0] ? "` and " : "", repeat);
    fprintf(f, "- Environment: %s", meta(s, "cpu", a, sizeof a, "?"));
    fprintf(f, ", %s threads", meta(s, "threads", a, sizeof a, "?"));
    fprintf(f, ", wildtype %s, seed %s\n", meta(s, "version", a, sizeof a, "?"), meta(s, "seed", b, sizeof b, "?"));
}

char *wt_summary_markdown(wt_run_store *store, wt_error *err) {
    summary *s = wt_calloc(1, sizeof *s, err);
    char *text = NULL;
    size_t len;
    if (!s) return NULL;
    s->store = store;
    s->err = err;
    FILE *f = read_run(s) == 0 ? open_memstream(&text, &len) : NULL;
    if (f) {
        print_verdict(s, f);
        print_rows(s, f);
        print_values(s, f);
        print_survivors(s, f);
        print_story(s, f);
        if (fclose(f) != 0) {
            free(text);
            text = NULL;
            wt_fail_memory(err, 4096);
        }
    }
    release(s);
    free(s);
    return text;
}

/* Who was measured, and how good the best is. */
static void print_measured(const summary *s, const wt_run_state *state, uint64_t measured, FILE *f) {
    if (measured < s->last.evaluations) measured = s->last.evaluations;
    if (measured == 0)
        fputs("nobody has been measured yet.", f);
    else if (!s->generations)
        fprintf(f, "%" PRIu64 " individual%s measured, the first generation is not complete.", measured,
                plural(measured));
    else if (!isfinite(s->last.best))
        fprintf(f, "%" PRIu64 " individual%s measured, nobody lives.", measured, plural(measured));
    else
        fprintf(f,
                "%" PRIu64 " individual%s measured in %" PRIu64
                " generation%s, the best of the population with a %s of %.4g%s%s on the search text.",
                measured, plural(measured), s->generations, plural(s->generations),
                strcmp(state->axis->name, "kld") == 0 ? "divergence" : state->axis->name,
                wt_run_state_best(state, s->last.best), strcmp(state->axis->unit, "1") == 0 ? "" : " ",
                strcmp(state->axis->unit, "1") == 0 ? "" : state->axis->unit);
}

/* The sentence of a run without a complete verdict. */
static void print_undecided(summary *s, const wt_run_state *state, uint64_t measured, FILE *f) {
    char ended[512];
    meta(s, "ended", ended, sizeof ended, "");
    if (state->stage == WT_RUN_JUDGING) {
        fprintf(f,
                "The search has ended (%s) and the verdict is being measured, on text that no one searched on: "
                "%zu individual%s done so far.",
                ended, s->count, plural(s->count));
        return;
    }
    if (state->stage == WT_RUN_SEARCHING)
        fputs(s->count ? "The run has been resumed, and its earlier verdict will be replaced: "
                       : "The run is going on, without a verdict yet: ",
              f);
    else if (ended[0])
        fprintf(f, "The search ended (%s), but the run was stopped before its verdict was complete: ", ended);
    else
        fputs(s->count ? "The run was resumed, and stopped before its new verdict: "
                       : "The run was stopped before its verdict: ",
              f);
    print_measured(s, state, measured, f);
}

char *wt_summary_sentence(wt_run_store *store, bool running, uint64_t measured, wt_error *err) {
    summary *s = wt_calloc(1, sizeof *s, err);
    wt_run_state state;
    char *text = NULL;
    size_t len = 0, left = 0;
    if (!s) return NULL;
    *s = (summary){.store = store, .err = err, .last.best = NAN};
    FILE *f = wt_run_state_read(&state, store, running, err) == 0 && read_run(s) == 0 ? open_memstream(&text, &len) : NULL;
    if (f) {
        if (state.stage == WT_RUN_JUDGED)
            print_verdict(s, f);
        else
            print_undecided(s, &state, measured, f);
        if (fclose(f) != 0) {
            free(text);
            text = NULL;
            wt_fail_memory(err, 4096);
        }
    }
    for (size_t i = 0; text && i < len; i++) /* without Markdown's marks and the line's end */
        if (strncmp(text + i, "**", 2) == 0)
            i++;
        else if (text[i] != '\n')
            text[left++] = text[i];
    if (text) text[left] = '\0';
    release(s);
    free(s);
    return text;
}

/* ---- JSON ---- */

/* Notes hold the ends of what outside commands said: anything. */
static json_t *text_json(const char *s) { return wt_json_text(s, strlen(s)); }

static json_t *row_json(const row *r) {
    json_t *o = json_object();
    if (r->file[0]) json_object_set_new(o, "file", text_json(r->file));
    if (r->label[0]) json_object_set_new(o, "label", text_json(r->label));
    json_object_set_new(o, "name", text_json(r->name));
    json_object_set_new(o, "strategy", text_json(r->text ? r->text : ""));
    json_object_set_new(o, "species", text_json(r->species));
    json_object_set_new(o, "bytes", json_integer((json_int_t)r->bytes));
    json_object_set_new(o, "kld_mean", wt_json_real(r->kld));
    json_object_set_new(o, "kld_chunk_stderr", wt_json_real(r->error));
    json_object_set_new(o, "kld_low", wt_json_real(r->low));
    json_object_set_new(o, "kld_high", wt_json_real(r->high));
    json_object_set_new(o, "kld_p99", wt_json_real(r->p99));
    json_object_set_new(o, "same_top", wt_json_real(r->top));
    json_object_set_new(o, "perplexity_ratio", wt_json_real(r->ratio));
    json_object_set_new(o, "note", text_json(r->note));
    if (r->value_count) {
        json_t *values = json_object();
        for (size_t i = 0; i < r->value_count; i++) json_object_set_new(values, r->values[i].axis, wt_json_real(r->values[i].value));
        json_object_set_new(o, "values", values);
    }
    return o;
}

char *wt_summary_json(wt_run_store *store, wt_error *err) {
    summary *s = wt_calloc(1, sizeof *s, err);
    char *text = NULL, buffer[512];
    if (!s) return NULL;
    s->store = store;
    s->err = err;
    if (read_run(s) == 0) {
        const uint64_t playoff = strtoull(meta(s, "playoff_tokens", buffer, sizeof buffer, "0"), NULL, 10);
        json_t *root = json_object(), *survivors = json_array(), *humans = json_array(), *rejected = json_array();
        for (size_t i = 0; i < s->count; i++)
            json_array_append_new(strcmp(s->rows[i].role, "survivor") == 0   ? survivors
                                  : strcmp(s->rows[i].role, "rejected") == 0 ? rejected
                                                                             : humans,
                                  row_json(&s->rows[i]));
        json_object_set_new(root, "survivors", survivors);
        json_object_set_new(root, "humans", humans);
        json_object_set_new(root, "rejected", rejected);
        json_object_set_new(root, "ended", json_string(meta(s, "ended", buffer, sizeof buffer, "")));
        json_object_set_new(root, "generations", json_integer((json_int_t)s->last.number + 1));
        json_object_set_new(root, "evaluations", json_integer((json_int_t)s->last.evaluations));
        json_object_set_new(root, "tokens", json_integer((json_int_t)s->last.tokens));
        json_object_set_new(root, "playoff_tokens", json_integer((json_int_t)playoff));
        json_object_set_new(root, "seconds", wt_json_real(s->last.seconds));
        json_object_set_new(root, "reproducible", json_boolean(!meta(s, "timed_axes", buffer, sizeof buffer, "")[0]));
        json_object_set_new(root, "noise", wt_json_real(strtod(meta(s, "noise", buffer, sizeof buffer, "nan"), NULL)));
        if (!(text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)))) wt_fail_memory(err, 4096);
        json_decref(root);
    }
    release(s);
    free(s);
    return text;
}

/* ---- files ---- */

static int write_file(const char *folder, const char *name, char *text, wt_error *err) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int rc = text ? wt_file_write(path, text, strlen(text), err) : -1;
    free(text);
    return rc;
}

int wt_summary_write(wt_run_store *store, const char *folder, wt_error *err) {
    if (write_file(folder, "summary.md", wt_summary_markdown(store, err), err) != 0) return -1;
    return write_file(folder, "summary.json", wt_summary_json(store, err), err);
}
