#include "report/catalog.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/types.h"

/* ---- plans ---- */

/* Writes the plan's letters into `letters` [WT_CATALOG_MOST_TENSORS]; returns how many, -1 on failure, 0 where it is no plan. */
static long write_letters(wt_catalog *c, const char *plan, char *letters, wt_error *err) {
    const char *tensor;
    json_t *value, *root = plan[0] ? json_loads(plan, 0, NULL) : NULL;
    long used = 0;
    json_object_foreach(root, tensor, value) {
        const char *type = json_string_value(value);
        const int number = type ? wt_type_by_name(type) : -1;
        if (number < 0) continue;
        const char *name = wt_type_find((uint32_t)number)->name;
        const long at = wt_dictionary_add(&c->tensors, tensor, strlen(tensor), err);
        const long letter = at < 0 ? -1 : wt_dictionary_add(&c->types, name, strlen(name), err);
        if (letter < 0) {
            used = -1;
            break;
        }
        if (at >= WT_CATALOG_MOST_TENSORS) continue;
        for (; used <= at; used++) letters[used] = WT_PLAN_NONE;
        letters[at] = (char)(WT_PLAN_FIRST + letter);
    }
    json_decref(root);
    return used;
}

static int add_plan(wt_catalog *c, size_t i, char *letters, wt_error *err) {
    const long used = write_letters(c, c->people->items[i].row.plan, letters, err);
    c->plan[i] = -1;
    if (used <= 0) return used < 0 ? -1 : 0;
    const long number = wt_dictionary_add(&c->plans, letters, (size_t)used, err);
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

/* The tensor and the type of a pin's line, "    blk.0.attn_k.weight: Q4_K"; false where it is none that the catalog knows. */
static bool read_pin(const char *line, size_t len, char *tensor, size_t size, const char **type) {
    const char *colon = memchr(line, ':', len);
    char word[24];
    while (len && *line == ' ') line++, len--;
    if (!colon || (size_t)(colon - line) >= size || (size_t)(colon - line) + 2 >= len) return false;
    const size_t n = (size_t)(colon - line), rest = len - n - 2;
    if (rest >= sizeof word) return false;
    memcpy(tensor, line, n);
    tensor[n] = '\0';
    memcpy(word, colon + 2, rest);
    word[rest] = '\0';
    const int number = wt_type_by_name(word);
    *type = number >= 0 ? wt_type_find((uint32_t)number)->name : NULL;
    return *type != NULL;
}

/* Whether the pins whose lines begin at `from` are the plan, tensor for tensor; *end is where the line behind them begins. */
static bool pins_are_plan(const json_t *plan, const char *from, const char **end) {
    size_t pins = 0;
    for (const char *line = from; *line;) {
        const size_t len = strcspn(line, "\n");
        char tensor[256];
        const char *type;
        if (line[0] == '}') {
            *end = line + len + (line[len] == '\n');
            return pins > 0 && pins == json_object_size(plan);
        }
        if (!read_pin(line, len, tensor, sizeof tensor, &type)) return false;
        const char *planned = json_string_value(json_object_get(plan, tensor));
        if (!planned || strcmp(planned, type) != 0) return false;
        pins++;
        line += len + (line[len] == '\n');
    }
    return false;
}

static int add_text(wt_catalog *c, size_t i, bool whole, wt_error *err) {
    const wt_stored_individual *row = &c->people->items[i].row;
    c->first_line[i] = c->line_count;
    for (const char *line = row->text; *line;) {
        const size_t len = strcspn(line, "\n");
        const char *next = line + len + (line[len] == '\n'), *end = NULL;
        char said[96];
        const bool pins = !whole && len > 1 && strncmp(line, "alloc.pins", 10) == 0 && line[len - 1] == '{';
        json_t *plan = pins ? json_loads(row->plan, 0, NULL) : NULL;
        int rc;
        if (plan && pins_are_plan(plan, next, &end)) {
            const int n = snprintf(said, sizeof said, "alloc.pins      = { all %zu tensors as in the plan }", json_object_size(plan));
            rc = add_line(c, said, (size_t)n, err);
            next = end;
        } else if (line == row->text && strncmp(line, "strategy ", 9) == 0) {
            rc = add_line(c, line, 8, err);
        } else {
            rc = add_line(c, line, len, err);
        }
        json_decref(plan);
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

int wt_catalog_make(wt_catalog *c, const wt_population *people, bool (*whole)(void *, const wt_record *), void *user, wt_error *err) {
    const size_t n = people->count;
    char *letters = wt_calloc(WT_CATALOG_MOST_TENSORS, 1, err);
    *c = (wt_catalog){.people = people,
                      .plan = wt_calloc(n + 1, sizeof *c->plan, err),
                      .kind = wt_calloc(n + 1, sizeof *c->kind, err),
                      .of_species = wt_calloc(n + 1, sizeof *c->of_species, err),
                      .made_by = wt_calloc(n + 1, sizeof *c->made_by, err),
                      .first_line = wt_calloc(n + 1, sizeof *c->first_line, err)};
    int rc = letters && c->plan && c->kind && c->of_species && c->made_by && c->first_line ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const wt_stored_individual *row = &people->items[i].row;
        if (add_plan(c, i, letters, err) != 0 || add_text(c, i, whole(user, &people->items[i]), err) != 0 ||
            add_word(&c->kinds, row->kind, &c->kind[i], err) != 0 || add_word(&c->species, row->species, &c->of_species[i], err) != 0 ||
            add_word(&c->operators, row->operator_name, &c->made_by[i], err) != 0)
            rc = -1;
    }
    free(letters);
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
