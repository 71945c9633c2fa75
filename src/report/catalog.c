#include "report/catalog.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/types.h"

/* ---- plans ---- */

/* A plan while it is read: its letters, and how many of them there are. */
typedef struct letters {
    wt_catalog *c;
    char *items; /* [WT_CATALOG_MOST_TENSORS] */
    size_t used;
    long last; /* the tensor that was read last: plans of a run have the same order, so that the next is the next */
    wt_error *err;
} letters;

/* The number of a type, by its letter; -1 on failure, -2 where there is no such type. */
static long type_number(letters *l, const char *type, size_t len) {
    char word[24];
    const long known = wt_dictionary_find(&l->c->types, type, len);
    if (known >= 0) return known;
    snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : 0), type);
    const int number = wt_type_by_name(word);
    if (number < 0) return -2;
    const char *name = wt_type_find((uint32_t)number)->name;
    return wt_dictionary_add(&l->c->types, name, strlen(name), l->err);
}

static int add_letter(letters *l, const char *tensor, size_t tensor_len, const char *type, size_t type_len) {
    const wt_dictionary *tensors = &l->c->tensors;
    const size_t next = (size_t)(l->last + 1);
    const long number = type_number(l, type, type_len);
    if (number < 0) return number == -2 ? 0 : -1;
    const bool follows = next < tensors->count && strncmp(tensors->items[next], tensor, tensor_len) == 0 &&
                         !tensors->items[next][tensor_len];
    const long at = follows ? (long)next : wt_dictionary_add(&l->c->tensors, tensor, tensor_len, l->err);
    if (at < 0) return -1;
    l->last = at;
    if (at >= WT_CATALOG_MOST_TENSORS) return 0;
    for (; l->used <= (size_t)at; l->used++) l->items[l->used] = WT_PLAN_NONE;
    l->items[at] = (char)(WT_PLAN_FIRST + number);
    return 0;
}

/* The text in quotes at *at, if it has no escapes; *at goes behind it. */
static bool quoted(const char **at, const char **text, size_t *len) {
    if (**at != '"') return false;
    *text = *at + 1;
    *len = strcspn(*text, "\"\\");
    *at = *text + *len + 1;
    return (*text)[*len] == '"';
}

/* {"tensor":"type",...} as it is usually written; 1: done, 0: it is something else, of which nothing was taken, -1: failure. */
static int read_usual(letters *l, const char *plan) {
    for (int pass = 0; pass < 2; pass++) { /* first whether it is so to its end */
        const char *at = plan;
        do {
            const char *tensor, *type;
            size_t tensor_len, type_len;
            at++;
            if (!quoted(&at, &tensor, &tensor_len) || *at++ != ':' || !quoted(&at, &type, &type_len)) return 0;
            if (pass && add_letter(l, tensor, tensor_len, type, type_len) != 0) return -1;
        } while (*at == ',');
        if (strcmp(at, "}") != 0) return 0;
    }
    return 1;
}

static int read_any(letters *l, const char *plan) {
    const char *tensor;
    json_t *value, *root = json_loads(plan, 0, NULL);
    int rc = 0;
    json_object_foreach(root, tensor, value) {
        const char *type = json_string_value(value);
        if (rc == 0 && type) rc = add_letter(l, tensor, strlen(tensor), type, strlen(type));
    }
    json_decref(root);
    return rc;
}

static int add_plan(wt_catalog *c, size_t i, char *items, wt_error *err) {
    letters l = {.c = c, .items = items, .last = -1, .err = err};
    const char *plan = c->people->items[i].row.plan;
    c->plan[i] = -1;
    const int usual = plan[0] == '{' ? read_usual(&l, plan) : 0;
    if (usual < 0 || (usual == 0 && plan[0] && read_any(&l, plan) != 0)) return -1;
    if (l.used == 0) return 0;
    const long number = wt_dictionary_add(&c->plans, items, l.used, err);
    c->plan[i] = (int32_t)number;
    return number < 0 ? -1 : 0;
}

/* ---- texts ---- */

static int add_line(wt_catalog *c, const char *text, size_t len, wt_error *err) {
    const long number = wt_dictionary_add(&c->lines, text, len, err);
    if (number < 0 || wt_grow((void **)&c->line, &c->line_cap, c->line_count + 1, sizeof *c->line, err) != 0) return -1;
    c->line[c->line_count++] = (uint32_t)number;
    return 0;
}

/* Whether the pin's line, "    blk.0.attn_k.weight: Q4_K", is what the plan says. */
static bool pin_is_planned(const wt_catalog *c, const char *plan, size_t tensors, const char *line, size_t len) {
    while (len && *line == ' ') line++, len--;
    const char *colon = memchr(line, ':', len);
    if (!colon || (size_t)(colon - line) + 2 >= len) return false;
    const size_t name = (size_t)(colon - line);
    const long at = wt_dictionary_find(&c->tensors, line, name),
               type = wt_dictionary_find(&c->types, colon + 2, len - name - 2);
    return at >= 0 && (size_t)at < tensors && type >= 0 && plan[at] == (char)(WT_PLAN_FIRST + type);
}

/* How many pins there are, where their lines from `from` on are the plan, tensor for tensor; 0: they are not. *end: the line behind them. */
static size_t pins_that_are_plan(const wt_catalog *c, size_t i, const char *from, const char **end) {
    if (c->plan[i] < 0) return 0;
    const char *plan = c->plans.items[c->plan[i]];
    const size_t tensors = strlen(plan);
    size_t pins = 0, planned = 0;
    for (size_t t = 0; t < tensors; t++) planned += plan[t] != WT_PLAN_NONE;
    for (const char *line = from; *line;) {
        const size_t len = strcspn(line, "\n");
        *end = line + len + (line[len] == '\n');
        if (line[0] == '}') return pins == planned ? pins : 0;
        if (!pin_is_planned(c, plan, tensors, line, len)) return 0;
        pins++;
        line = *end;
    }
    return 0;
}

static int add_text(wt_catalog *c, size_t i, bool whole, wt_error *err) {
    const wt_stored_individual *row = &c->people->items[i].row;
    c->first_line[i] = c->line_count;
    for (const char *line = row->text; *line;) {
        const size_t len = strcspn(line, "\n");
        const char *next = line + len + (line[len] == '\n'), *end = NULL;
        char said[96];
        const bool opens = !whole && len > 1 && strncmp(line, "alloc.pins", 10) == 0 && line[len - 1] == '{';
        const size_t pins = opens ? pins_that_are_plan(c, i, next, &end) : 0;
        int rc;
        if (pins) {
            const int n = snprintf(said, sizeof said, "alloc.pins      = { all %zu tensors as in the plan }", pins);
            rc = add_line(c, said, (size_t)n, err);
            next = end;
        } else if (line == row->text && strncmp(line, "strategy ", 9) == 0) {
            rc = add_line(c, line, 8, err);
        } else {
            rc = add_line(c, line, len, err);
        }
        if (rc != 0) return -1;
        line = next;
    }
    c->first_line[i + 1] = c->line_count;
    return 0;
}

/* ---- all ---- */

static int add_word(wt_dictionary *d, const char *word, uint32_t *number, wt_error *err) {
    const long at = wt_dictionary_add(d, word, strlen(word), err);
    *number = (uint32_t)at;
    return at < 0 ? -1 : 0;
}

int wt_catalog_make(wt_catalog *c, const wt_population *people, bool (*whole)(void *, const wt_record *), void *user,
                    wt_error *err) {
    const size_t n = people->count;
    char *plan = wt_calloc(WT_CATALOG_MOST_TENSORS, 1, err);
    *c = (wt_catalog){.people = people,
                      .plan = wt_calloc(n + 1, sizeof *c->plan, err),
                      .kind = wt_calloc(n + 1, sizeof *c->kind, err),
                      .of_species = wt_calloc(n + 1, sizeof *c->of_species, err),
                      .made_by = wt_calloc(n + 1, sizeof *c->made_by, err),
                      .first_line = wt_calloc(n + 1, sizeof *c->first_line, err)};
    int rc = plan && c->plan && c->kind && c->of_species && c->made_by && c->first_line ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const wt_stored_individual *row = &people->items[i].row;
        if (add_plan(c, i, plan, err) != 0 || add_text(c, i, whole(user, &people->items[i]), err) != 0 ||
            add_word(&c->kinds, row->kind, &c->kind[i], err) != 0 ||
            add_word(&c->species, row->species, &c->of_species[i], err) != 0 ||
            add_word(&c->operators, row->operator_name, &c->made_by[i], err) != 0)
            rc = -1;
    }
    free(plan);
    return rc;
}

void wt_catalog_release(wt_catalog *c) {
    wt_dictionary *const all[] = {&c->tensors, &c->types, &c->plans, &c->lines, &c->kinds, &c->species, &c->operators};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) wt_dictionary_release(all[k]);
    free(c->plan);
    free(c->kind);
    free(c->of_species);
    free(c->made_by);
    free(c->first_line);
    free(c->line);
    *c = (wt_catalog){0};
}
