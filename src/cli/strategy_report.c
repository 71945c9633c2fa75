#include "cli/strategy_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

int wt_strategy_show_text(const wt_strategy *s, wt_error *err) {
    char *text = wt_strategy_print(s, err);
    if (!text) return -1;
    fputs(text, stdout);
    free(text);
    return 0;
}

static const wt_pins *pins_of(const wt_strategy *s) { return &s->genes[WT_GENE_ALLOC_PINS].pins; }
static bool is_rule(int g) { return wt_gene_of((wt_gene)g)->kind == WT_GENE_RULE; }
static bool is_default(const wt_strategy *s, int g) { return wt_gene_is_default((wt_gene)g, &s->genes[g]); }

/* Nodes of the rules that are not at their default. */
static size_t count_nodes(const wt_strategy *s) {
    size_t nodes = 0;
    for (int g = 0; g < WT_GENES; g++) {
        if (is_rule(g) && !is_default(s, g)) nodes += s->genes[g].rule.count;
    }
    return nodes;
}

static size_t count_set(const wt_strategy *s) {
    size_t n = 0;
    for (int g = 0; g < WT_GENES; g++) n += !is_default(s, g);
    return n;
}

/* ---- one ---- */

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

typedef enum group { RULES, OTHERS, DEFAULTS } group;

/* "#   rules        alloc.price (7 nodes), fold.ffn_in (4 nodes)", in lines of about 80 columns. */
static void show_group(const wt_strategy *s, group which, const char *label) {
    size_t column = 0;
    for (int g = 0; g < WT_GENES; g++) {
        const group mine = is_default(s, g) ? DEFAULTS : is_rule(g) ? RULES : OTHERS;
        if (mine != which || (which == OTHERS && g == WT_GENE_ALLOC_PINS)) continue;
        char item[64];
        const size_t nodes = s->genes[g].rule.count;
        const char *name = wt_gene_of((wt_gene)g)->name;
        size_t n = which == RULES ? (size_t)snprintf(item, sizeof item, "%s (%zu node%s)", name, nodes, plural(nodes))
                                  : (size_t)snprintf(item, sizeof item, "%s", name);
        if (column == 0 || column + n + 2 > 80) {
            printf("%s#   %-11s %s", column ? ",\n" : "", column ? "" : label, item);
            column = 16 + n;
        } else {
            printf(", %s", item);
            column += n + 2;
        }
    }
    if (column) putchar('\n');
}

int wt_strategy_show(const wt_strategy *s, wt_error *err) {
    if (wt_strategy_show_text(s, err) != 0) return -1;
    const size_t set = count_set(s), nodes = count_nodes(s), pins = pins_of(s)->count;
    printf("#\n# %zu of %d genes set, %zu expression node%s\n", set, WT_GENES, nodes, plural(nodes));
    show_group(s, RULES, "rules");
    show_group(s, OTHERS, "others");
    if (pins) printf("#   %-11s %zu tensor%s\n", "pinned", pins, plural(pins));
    show_group(s, DEFAULTS, "at default");
    return 0;
}

/* The value of a gene; NULL where memory is out. */
static json_t *value_json(const wt_strategy *s, int g, wt_error *err) {
    char *text = wt_strategy_print_gene(s, (wt_gene)g, err);
    json_t *value = text ? wt_json_text(text, strlen(text)) : NULL;
    free(text);
    return value;
}

static json_t *gene_json(const wt_strategy *s, int g, wt_error *err) {
    const wt_gene_info *info = wt_gene_of((wt_gene)g);
    json_t *row = json_object();
    json_object_set_new(row, "gene", json_string(info->name));
    json_object_set_new(row, "kind", json_string(wt_gene_kind_name(info->kind)));
    json_object_set_new(row, "value", value_json(s, g, err));
    json_object_set_new(row, "default", json_boolean(is_default(s, g)));
    if (info->kind == WT_GENE_RULE) json_object_set_new(row, "nodes", json_integer((json_int_t)s->genes[g].rule.count));
    if (info->kind == WT_GENE_PINS) json_object_set_new(row, "pins", json_integer((json_int_t)pins_of(s)->count));
    return row;
}

int wt_strategy_show_json(const wt_strategy *s, wt_error *err) {
    char name[WT_STRATEGY_NAME];
    char *text = wt_strategy_print(s, err);
    if (!text || wt_strategy_name(s, name, err) != 0) {
        free(text);
        return -1;
    }
    json_t *root = json_object(), *genes = json_array();
    json_object_set_new(root, "name", json_string(name));
    json_object_set_new(root, "text", wt_json_text(text, strlen(text)));
    json_object_set_new(root, "set", json_integer((json_int_t)count_set(s)));
    json_object_set_new(root, "nodes", json_integer((json_int_t)count_nodes(s)));
    for (int g = 0; g < WT_GENES; g++) json_array_append_new(genes, gene_json(s, g, err));
    json_object_set_new(root, "genes", genes);
    free(text);
    return wt_json_print(root, err);
}

/* ---- two ---- */

static double distance_of(const wt_strategy *a, const wt_strategy *b, int g) {
    return wt_gene_distance((wt_gene)g, &a->genes[g], &b->genes[g]);
}

static bool differs(const wt_strategy *a, const wt_strategy *b, int g) {
    return !wt_gene_equal((wt_gene)g, &a->genes[g], &b->genes[g]);
}

static const char *type_of(const wt_pin *pin) { return pin ? wt_type_find(pin->type)->name : "not pinned"; }

static void diff_pin(const char *tensor, const wt_pin *p, const wt_pin *q) {
    char shown[200];
    if (p && q && p->type == q->type) return;
    printf("  %s: %s -> %s\n", wt_printable(shown, sizeof shown, tensor, strlen(tensor)), type_of(p), type_of(q));
}

/* Every tensor whose pin differs, in the order of names. */
static void diff_pins(const wt_pins *a, const wt_pins *b) {
    for (size_t i = 0, k = 0; i < a->count || k < b->count;) {
        const wt_pin *p = i < a->count ? &a->items[i] : NULL, *q = k < b->count ? &b->items[k] : NULL;
        const int order = !p ? 1 : !q ? -1 : strcmp(p->tensor, q->tensor);
        diff_pin(order <= 0 ? p->tensor : q->tensor, order <= 0 ? p : NULL, order >= 0 ? q : NULL);
        i += order <= 0;
        k += order >= 0;
    }
}

static int diff_gene(const wt_strategy *a, const wt_strategy *b, int g, wt_error *err) {
    if (g == WT_GENE_ALLOC_PINS) {
        diff_pins(pins_of(a), pins_of(b));
        return 0;
    }
    const wt_strategy *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        char *text = wt_strategy_print_gene(both[i], (wt_gene)g, err);
        if (!text) return -1;
        printf("  %c %s\n", i ? '+' : '-', text);
        free(text);
    }
    return 0;
}

int wt_strategy_diff(const wt_strategy *a, const wt_strategy *b, wt_error *err) {
    char names[2][WT_STRATEGY_NAME];
    if (wt_strategy_name(a, names[0], err) != 0 || wt_strategy_name(b, names[1], err) != 0) return -1;
    size_t n = 0;
    for (int g = 0; g < WT_GENES; g++) n += differs(a, b, g);
    printf("%s -> %s: %zu of %d genes differ, distance %.4f\n", names[0], names[1], n, WT_GENES,
           wt_strategy_distance(a, b));
    for (int g = 0; g < WT_GENES; g++) {
        if (!differs(a, b, g)) continue;
        printf("%-16s distance %.4f\n", wt_gene_of((wt_gene)g)->name, distance_of(a, b, g));
        if (diff_gene(a, b, g, err) != 0) return -1;
    }
    return 0;
}

int wt_strategy_diff_json(const wt_strategy *a, const wt_strategy *b, wt_error *err) {
    char names[2][WT_STRATEGY_NAME];
    if (wt_strategy_name(a, names[0], err) != 0 || wt_strategy_name(b, names[1], err) != 0) return -1;
    json_t *root = json_object(), *genes = json_array();
    json_object_set_new(root, "a", json_string(names[0]));
    json_object_set_new(root, "b", json_string(names[1]));
    json_object_set_new(root, "distance", wt_json_real(wt_strategy_distance(a, b)));
    for (int g = 0; g < WT_GENES; g++) {
        if (!differs(a, b, g)) continue;
        json_t *row = json_object();
        json_object_set_new(row, "gene", json_string(wt_gene_of((wt_gene)g)->name));
        json_object_set_new(row, "a", value_json(a, g, err));
        json_object_set_new(row, "b", value_json(b, g, err));
        json_object_set_new(row, "distance", wt_json_real(distance_of(a, b, g)));
        json_array_append_new(genes, row);
    }
    json_object_set_new(root, "genes", genes);
    return wt_json_print(root, err);
}
