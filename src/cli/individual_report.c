/* An individual as `show` prints it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "cli/run_report.h"

/* ---- knock-outs ---- */

void wt_knockout_print_head(void) { printf("%-34s  %10s  %-24s  %s\n", "gene", "change", "95% interval", "set to"); }

void wt_knockout_print(const char *gene, const char *value, double change, double low, double high) {
    char name[256], shown[96], whole[512];
    wt_printable(whole, sizeof whole, value, strlen(value));
    snprintf(shown, sizeof shown, "%.60s%s", whole, strlen(whole) > 60 ? "..." : "");
    printf("%-34s  %+10.6f  %+.6f to %+.6f  %s\n", wt_printable(name, sizeof name, gene, strlen(gene)), change, low, high, shown);
}

json_t *wt_knockout_json(const char *gene, const char *value, double change, double low, double high) {
    json_t *o = json_object();
    json_object_set_new(o, "gene", wt_json_text(gene, strlen(gene)));
    json_object_set_new(o, "value", wt_json_text(value, strlen(value)));
    json_object_set_new(o, "change", wt_json_real(change));
    json_object_set_new(o, "low", wt_json_real(low));
    json_object_set_new(o, "high", wt_json_real(high));
    return o;
}

static int print_knockout(void *user, const wt_stored_knockout *k) {
    bool *any = user;
    if (!*any) {
        puts("\nworth of its genes: the mean divergence changes by so much when one is set to what people use");
        wt_knockout_print_head();
    }
    *any = true;
    char name[200], cause[500];
    if (k->cause[0])
        printf("%-34s  %10s  %s\n", wt_printable(name, sizeof name, k->gene, strlen(k->gene)), "lethal",
               wt_printable(cause, sizeof cause, k->cause, strlen(k->cause)));
    else
        wt_knockout_print(k->gene, k->value, k->change, k->low, k->high);
    return 0;
}

static int add_knockout(void *user, const wt_stored_knockout *k) {
    json_t *o = wt_knockout_json(k->gene, k->value, k->change, k->low, k->high);
    if (k->cause[0]) json_object_set_new(o, "cause", wt_json_text(k->cause, strlen(k->cause)));
    json_array_append_new(user, o);
    return 0;
}

/* ---- family ---- */

static bool is_child(const wt_record *r, const wt_record *parent) {
    return r->row.parents[0] == parent->row.id || r->row.parents[1] == parent->row.id;
}

static void print_relative(const char *what, const wt_record *r, int64_t id) {
    char name[64], kld[32];
    if (!r) {
        printf("%-10s #%" PRId64 "\n", what, id);
        return;
    }
    printf("%-10s %s (#%" PRId64 "), mean KLD %s%s\n", what, wt_printable(name, sizeof name, wt_record_called(r), strlen(wt_record_called(r))), id,
           wt_format_kld(kld, r->kld), r->row.cause[0] ? ", lethal" : "");
}

static void print_family(const wt_record *r, const wt_population *p) {
    enum { MOST = 8 };
    size_t children = 0;
    for (int k = 0; k < 2; k++)
        if (r->row.parents[k]) print_relative("parent", wt_population_by_id(p, r->row.parents[k]), r->row.parents[k]);
    for (size_t i = 0; i < p->count; i++) {
        if (!is_child(&p->items[i], r)) continue;
        if (children++ < MOST) print_relative("child", &p->items[i], p->items[i].row.id);
    }
    if (children > MOST) printf("%-10s and %zu more\n", "", children - MOST);
}

static json_t *relatives_json(const wt_record *r, const wt_population *p, bool children) {
    json_t *list = json_array();
    for (int k = 0; k < 2 && !children; k++) {
        const wt_record *parent = r->row.parents[k] ? wt_population_by_id(p, r->row.parents[k]) : NULL;
        if (parent) json_array_append_new(list, json_string(wt_record_called(parent)));
    }
    for (size_t i = 0; i < p->count && children; i++)
        if (is_child(&p->items[i], r)) json_array_append_new(list, json_string(wt_record_called(&p->items[i])));
    return list;
}

/* ---- plan ---- */

/* Tensors of the same type on as few lines as they need. */
static void print_plan(const char *plan) {
    json_t *types = json_loads(plan, 0, NULL);
    const char *name, *other;
    json_t *value, *same;
    char type[32], tensor[300];
    if (!json_is_object(types) || json_object_size(types) == 0) {
        json_decref(types);
        return;
    }
    puts("\nplan");
    json_object_foreach(types, name, value) {
        bool first = true;
        json_object_foreach(types, other, same) {
            if (strcmp(other, name) == 0) break;
            if (json_equal(same, value)) first = false;
        }
        if (!first || !json_is_string(value)) continue;
        size_t column = (size_t)printf("  %-8s", wt_printable(type, sizeof type, json_string_value(value), json_string_length(value)));
        json_object_foreach(types, other, same) {
            if (!json_equal(same, value)) continue;
            wt_printable(tensor, sizeof tensor, other, strlen(other));
            if (column + strlen(tensor) + 1 > 118) column = (size_t)printf("\n%10s", "") - 1;
            column += (size_t)printf(" %s", tensor);
        }
        putchar('\n');
    }
    json_decref(types);
}

/* ---- the whole ---- */

static void print_scores(const wt_record *r, const wt_population *p) {
    if (r->measured)
        printf("search     mean KLD %.6f +- %.6f, same top %.3f%%, perplexity ratio %.4f; %zu of %zu chunks\n", r->kld, r->kld_stderr,
               100 * r->same_top, r->perplexity_ratio, r->measured, p->chunks);
    else
        puts("search     not measured");
    const wt_stored_verdict *v = r->verdict;
    char note[300];
    if (!v) return;
    printf("holdout    mean KLD %.6f (95%%: %.6f to %.6f), 99%% %.4f, same top %.3f%%, perplexity ratio %.4f\n", v->kld_mean, v->low, v->high,
           v->kld_p99, 100 * v->same_top, v->perplexity_ratio);
    printf("verdict    %s%s%s%s%s\n", v->role, v->note[0] ? ": " : "", wt_printable(note, sizeof note, v->note, strlen(v->note)),
           v->file[0] ? "; file " : "", v->file);
}

int wt_record_print(const wt_record *r, const wt_population *p, wt_run_store *store, wt_error *err) {
    const wt_stored_individual *i = &r->row;
    char bytes[32], memory[32], cause[600];
    bool any = false;
    printf("name       %s (#%" PRId64 ")%s%s\n", i->name, i->id, i->label[0] ? ", human " : "", i->label);
    printf("born       generation %" PRIu64 ", place %" PRIu64 ", made by %s; species %s\n", i->generation, i->place, i->operator_name,
           r->human ? "human" : i->species);
    if (i->bytes)
        printf("file       %s bytes; %s with the cache of keys and values\n", wt_format_count(bytes, i->bytes), wt_format_bytes(memory, i->memory));
    if (i->budget) printf("budget     %s bytes\n", wt_format_count(bytes, i->budget));
    print_scores(r, p);
    if (i->cause[0]) printf("died of    %s\n", wt_printable(cause, sizeof cause, i->cause, strlen(i->cause)));
    print_family(r, p);
    print_plan(i->plan);
    printf("\n%s", i->text);
    return wt_store_each_knockout(store, i->id, print_knockout, &any, err);
}

json_t *wt_record_json(const wt_record *r, const wt_population *p, wt_run_store *store, wt_error *err) {
    const wt_stored_individual *i = &r->row;
    json_t *root = json_object(), *knockouts = json_array(), *plan = i->plan[0] ? json_loads(i->plan, 0, NULL) : NULL;
    json_object_set_new(root, "id", json_integer(i->id));
    json_object_set_new(root, "name", json_string(i->name));
    if (i->label[0]) json_object_set_new(root, "label", json_string(i->label));
    json_object_set_new(root, "kind", json_string(i->kind));
    json_object_set_new(root, "species", json_string(i->species));
    json_object_set_new(root, "made_by", json_string(i->operator_name));
    json_object_set_new(root, "generation", json_integer((json_int_t)i->generation));
    json_object_set_new(root, "place", json_integer((json_int_t)i->place));
    json_object_set_new(root, "budget", json_integer((json_int_t)i->budget));
    json_object_set_new(root, "bytes", json_integer((json_int_t)i->bytes));
    json_object_set_new(root, "memory", json_integer((json_int_t)i->memory));
    json_object_set_new(root, "text", wt_json_text(i->text, strlen(i->text)));
    json_object_set_new(root, "plan", plan ? plan : json_object());
    json_object_set_new(root, "cause", wt_json_text(i->cause, strlen(i->cause)));
    json_object_set_new(root, "parents", relatives_json(r, p, false));
    json_object_set_new(root, "children", relatives_json(r, p, true));
    json_object_set_new(root, "measured", json_integer((json_int_t)r->measured));
    json_object_set_new(root, "search_chunks", json_integer((json_int_t)p->chunks));
    json_object_set_new(root, "kld_mean", wt_json_real(r->kld));
    json_object_set_new(root, "kld_chunk_stderr", wt_json_real(r->kld_stderr));
    json_object_set_new(root, "same_top", wt_json_real(r->same_top));
    json_object_set_new(root, "perplexity_ratio", wt_json_real(r->perplexity_ratio));
    if (r->verdict) {
        json_object_set_new(root, "role", json_string(r->verdict->role));
        json_object_set_new(root, "file", wt_json_text(r->verdict->file, strlen(r->verdict->file)));
        json_object_set_new(root, "holdout_kld", wt_json_real(r->verdict->kld_mean));
        json_object_set_new(root, "holdout_low", wt_json_real(r->verdict->low));
        json_object_set_new(root, "holdout_high", wt_json_real(r->verdict->high));
        json_object_set_new(root, "note", wt_json_text(r->verdict->note, strlen(r->verdict->note)));
    }
    if (wt_store_each_knockout(store, i->id, add_knockout, knockouts, err) != 0) {
        json_decref(knockouts);
        json_decref(root);
        return NULL;
    }
    json_object_set_new(root, "knockouts", knockouts);
    return root;
}
