/* A run as a whole; individuals are in individual_report.c. */
#include "cli/run_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

enum { MOST_BEST = 10, MOST_GENERATIONS = 12 };

const char *wt_record_called(const wt_record *r) { return r->row.label[0] ? r->row.label : r->row.name; }

const char *wt_format_kld(char buf[32], double kld) {
    if (!isfinite(kld)) return "-";
    snprintf(buf, 32, "%.6f", kld);
    return buf;
}

/* ---- deaths ---- */

/* A law and how many broke it; the law is what stands before the colon. */
typedef struct death {
    char law[24];
    size_t count;
    const char *example; /* the whole cause of the first */
} death;

enum { MOST_LAWS = 16 };

static size_t count_deaths(const wt_population *p, death deaths[MOST_LAWS]) {
    size_t laws = 0;
    for (size_t i = 0; i < p->count; i++) {
        const char *cause = p->items[i].row.cause;
        char law[24];
        size_t k = 0;
        if (!cause[0]) continue;
        wt_printable(law, sizeof law, cause, strcspn(cause, ":"));
        while (k < laws && strcmp(deaths[k].law, law) != 0) k++;
        if (k == laws && laws == MOST_LAWS) continue;
        if (k == laws) {
            deaths[laws] = (death){.example = cause};
            memcpy(deaths[laws++].law, law, sizeof law);
        }
        deaths[k].count++;
    }
    return laws;
}

/* ---- generations ---- */

typedef struct generations {
    wt_stored_generation *items;
    size_t count, cap;
    wt_error *err;
} generations;

static int take_generation(void *user, const wt_stored_generation *g) {
    generations *l = user;
    if (wt_grow((void **)&l->items, &l->cap, l->count + 1, sizeof *l->items, l->err) != 0) return -1;
    l->items[l->count] = *g;
    l->items[l->count++].operators = "";
    return 0;
}

static void print_generations(const generations *l) {
    char best[32];
    if (l->count == 0) return;
    printf("\n%10s  %11s  %9s  %9s  %6s  %6s  %9s  %9s\n", "generation", "evaluations", "best", "diversity", "born", "lethal", "sent home",
           "seconds");
    for (size_t i = l->count > MOST_GENERATIONS ? l->count - MOST_GENERATIONS : 0; i < l->count; i++) {
        const wt_stored_generation *g = &l->items[i];
        printf("%10" PRIu64 "  %11" PRIu64 "  %9s  %9.4f  %6" PRIu64 "  %6" PRIu64 "  %9" PRIu64 "  %9.1f\n", g->number, g->evaluations,
               wt_format_kld(best, g->best), g->diversity, g->born, g->lethal, g->eliminated, g->seconds);
    }
    if (l->count > MOST_GENERATIONS) printf("%10s  the first %zu are left out; --json has all\n", "", l->count - MOST_GENERATIONS);
}

static json_t *generations_json(const generations *l) {
    json_t *list = json_array();
    for (size_t i = 0; i < l->count; i++) {
        const wt_stored_generation *g = &l->items[i];
        json_t *o = json_object();
        json_object_set_new(o, "generation", json_integer((json_int_t)g->number));
        json_object_set_new(o, "evaluations", json_integer((json_int_t)g->evaluations));
        json_object_set_new(o, "tokens", json_integer((json_int_t)g->tokens));
        json_object_set_new(o, "seconds", wt_json_real(g->seconds));
        json_object_set_new(o, "best", wt_json_real(g->best));
        json_object_set_new(o, "diversity", wt_json_real(g->diversity));
        json_object_set_new(o, "born", json_integer((json_int_t)g->born));
        json_object_set_new(o, "lethal", json_integer((json_int_t)g->lethal));
        json_object_set_new(o, "eliminated", json_integer((json_int_t)g->eliminated));
        json_array_append_new(list, o);
    }
    return list;
}

/* ---- who was judged, and who is best ---- */

static int role_rank(const char *role) { return strcmp(role, "survivor") == 0 ? 0 : strcmp(role, "human") == 0 ? 1 : 2; }

static int by_role(const void *pa, const void *pb) {
    const wt_stored_verdict *a = *(const wt_stored_verdict *const *)pa, *b = *(const wt_stored_verdict *const *)pb;
    const int x = role_rank(a->role), y = role_rank(b->role);
    if (x != y) return x - y;
    if (x == 0 && a->place != b->place)
        return a->place < b->place ? -1 : 1; /* which was settled before holdout was looked at */
    if (a->kld_mean != b->kld_mean) return a->kld_mean < b->kld_mean ? -1 : 1;
    return a->individual < b->individual ? -1 : a->individual > b->individual;
}

static const wt_stored_verdict **sort_verdicts(const wt_population *p, wt_error *err) {
    const wt_stored_verdict **list = wt_calloc(p->verdict_count + 1, sizeof *list, err);
    for (size_t i = 0; list && i < p->verdict_count; i++) list[i] = &p->verdicts[i];
    if (list) qsort(list, p->verdict_count, sizeof *list, by_role);
    return list;
}

static int print_verdicts(const wt_population *p, wt_error *err) {
    char name[64], bytes[32];
    const wt_stored_verdict **list = sort_verdicts(p, err);
    if (!list) return -1;
    if (p->verdict_count == 0)
        puts("\nno verdict yet: 'wildtype evolve --resume' goes on to it");
    else
        printf("\n%-10s %-14s  %13s  %9s  %-22s  %9s  %8s\n", "on holdout", "who", "bytes", "mean KLD", "95% interval", "same top", "PPL ratio");
    for (size_t i = 0; i < p->verdict_count; i++) {
        const wt_stored_verdict *v = list[i];
        const wt_record *r = wt_population_by_id(p, v->individual);
        const char *called = r ? wt_record_called(r) : "?";
        printf("%-10.10s %-14s  %13s  %9.6f  %.6f to %.6f    %8.3f%%  %9.4f\n", v->role, wt_printable(name, sizeof name, called, strlen(called)),
               wt_format_count(bytes, r ? r->row.bytes : 0), v->kld_mean, v->low, v->high, 100 * v->same_top, v->perplexity_ratio);
    }
    free(list);
    return 0;
}

static int print_best(const wt_population *p, wt_error *err) {
    size_t n;
    char bytes[32], name[64];
    const wt_record **list = wt_population_ranked(p, &n, err);
    if (!list) return -1;
    if (n) printf("\n%-10s %-14s  %13s  %9s  %-8s  %-10s  %10s\n", "best", "who", "bytes", "mean KLD", "species", "made by", "generation");
    for (size_t i = 0; i < n && i < MOST_BEST; i++) {
        const wt_record *r = list[i];
        printf("%-10zu %-14s  %13s  %9.6f  %-8.8s  %-10.10s  %10" PRIu64 "\n", i + 1,
               wt_printable(name, sizeof name, wt_record_called(r), strlen(wt_record_called(r))), wt_format_count(bytes, r->row.bytes), r->kld,
               r->human ? "human" : r->row.species, r->row.operator_name, r->row.generation);
    }
    free(list);
    return 0;
}

static void print_deaths(const wt_population *p) {
    death deaths[MOST_LAWS];
    const size_t laws = count_deaths(p, deaths);
    char example[200];
    if (laws) puts("\ndied of");
    for (size_t i = 0; i < laws; i++)
        printf("%10zu %s; the first: %s\n", deaths[i].count, deaths[i].law,
               wt_printable(example, sizeof example, deaths[i].example, strlen(deaths[i].example)));
}

int wt_run_print(const char *folder, const wt_run_facts *f, const wt_population *p, wt_run_store *store, wt_error *err) {
    generations l = {.err = err};
    char name[512], size[32];
    if (wt_store_each_generation(store, take_generation, &l, err) != 0) {
        free(l.items);
        return -1;
    }
    printf("run        %s: %s\n", wt_printable(name, sizeof name, folder, strlen(folder)), wt_run_facts_state(f));
    printf("model      %s, at most %s\n", f->model, f->size ? wt_format_bytes(size, f->size) : "?");
    printf("text       %s; search %zu chunks\n", f->text, p->chunks);
    printf("spent      %" PRIu64 " generations, %" PRIu64 " evaluations, %" PRIu64 " tokens, %.0f seconds; %zu individuals\n", f->generations,
           f->evaluations, f->tokens, f->seconds, p->count);
    printf("made by    wildtype %s, seed %s\n", f->version, f->seed);
    int rc = print_verdicts(p, err) == 0 ? print_best(p, err) : -1;
    if (rc == 0) {
        print_deaths(p);
        print_generations(&l);
    }
    free(l.items);
    return rc;
}

/* ---- JSON ---- */

static json_t *verdicts_json(const wt_population *p, wt_error *err) {
    const wt_stored_verdict **list = sort_verdicts(p, err);
    json_t *all = list ? json_array() : NULL;
    for (size_t i = 0; all && i < p->verdict_count; i++) {
        const wt_stored_verdict *v = list[i];
        const wt_record *r = wt_population_by_id(p, v->individual);
        json_t *o = json_object();
        json_object_set_new(o, "role", json_string(v->role));
        if (r) json_object_set_new(o, "name", json_string(r->row.name));
        if (r && r->row.label[0]) json_object_set_new(o, "label", json_string(r->row.label));
        if (v->file[0]) json_object_set_new(o, "file", wt_json_text(v->file, strlen(v->file)));
        json_object_set_new(o, "bytes", json_integer(r ? (json_int_t)r->row.bytes : 0));
        json_object_set_new(o, "kld_mean", wt_json_real(v->kld_mean));
        json_object_set_new(o, "kld_low", wt_json_real(v->low));
        json_object_set_new(o, "kld_high", wt_json_real(v->high));
        json_object_set_new(o, "same_top", wt_json_real(v->same_top));
        json_object_set_new(o, "perplexity_ratio", wt_json_real(v->perplexity_ratio));
        json_object_set_new(o, "note", wt_json_text(v->note, strlen(v->note)));
        json_array_append_new(all, o);
    }
    free(list);
    return all;
}

static json_t *best_json(const wt_population *p, wt_error *err) {
    size_t n;
    const wt_record **list = wt_population_ranked(p, &n, err);
    json_t *all = list ? json_array() : NULL;
    for (size_t i = 0; all && i < n && i < MOST_BEST; i++) {
        const wt_record *r = list[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(r->row.name));
        if (r->row.label[0]) json_object_set_new(o, "label", json_string(r->row.label));
        json_object_set_new(o, "bytes", json_integer((json_int_t)r->row.bytes));
        json_object_set_new(o, "kld_mean", wt_json_real(r->kld));
        json_object_set_new(o, "species", json_string(r->row.species));
        json_object_set_new(o, "made_by", json_string(r->row.operator_name));
        json_object_set_new(o, "generation", json_integer((json_int_t)r->row.generation));
        json_array_append_new(all, o);
    }
    free(list);
    return all;
}

json_t *wt_run_json(const wt_run_facts *f, const wt_population *p, wt_run_store *store, wt_error *err) {
    generations l = {.err = err};
    json_t *verdicts = verdicts_json(p, err), *best = verdicts ? best_json(p, err) : NULL;
    if (!best || wt_store_each_generation(store, take_generation, &l, err) != 0) {
        json_decref(verdicts);
        json_decref(best);
        free(l.items);
        return NULL;
    }
    death deaths[MOST_LAWS];
    const size_t laws = count_deaths(p, deaths);
    json_t *root = json_object(), *died = json_object();
    for (size_t i = 0; i < laws; i++) json_object_set_new(died, deaths[i].law, json_integer((json_int_t)deaths[i].count));
    json_object_set_new(root, "model", json_string(f->model));
    json_object_set_new(root, "text", json_string(f->text));
    json_object_set_new(root, "size", json_integer((json_int_t)f->size));
    json_object_set_new(root, "running", json_boolean(f->running));
    json_object_set_new(root, "ended", f->ended[0] ? json_string(f->ended) : json_null());
    json_object_set_new(root, "version", json_string(f->version));
    json_object_set_new(root, "seed", json_string(f->seed));
    json_object_set_new(root, "evaluations", json_integer((json_int_t)f->evaluations));
    json_object_set_new(root, "tokens", json_integer((json_int_t)f->tokens));
    json_object_set_new(root, "seconds", wt_json_real(f->seconds));
    json_object_set_new(root, "individuals", json_integer((json_int_t)p->count));
    json_object_set_new(root, "search_chunks", json_integer((json_int_t)p->chunks));
    json_object_set_new(root, "verdicts", verdicts);
    json_object_set_new(root, "best", best);
    json_object_set_new(root, "deaths", died);
    json_object_set_new(root, "generations", generations_json(&l));
    free(l.items);
    return root;
}
