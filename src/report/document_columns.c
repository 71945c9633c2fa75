/* The part of the document that grows with a run: parallel arrays, one entry an individual, and the dictionaries that they point into. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/types.h"
#include "report/document_private.h"

/* ---- individuals ---- */

/* Every column is an array of the same length. */
typedef enum column {
    ID,
    GENERATION,
    NAME,
    LABEL,
    KIND,
    SPECIES,
    OPERATOR,
    PARENT1,
    PARENT2,
    BUDGET,
    BYTES,
    MEMORY,
    KLD,
    KLD_STDERR,
    SAME_TOP,
    PERPLEXITY_RATIO,
    MEASURED,
    CAUSE,
    FAMILY,
    PLAN,
    TEXT,
    COLUMNS,
} column;

static const char *const KEYS[COLUMNS] = {
    [ID] = "id",
    [GENERATION] = "generation",
    [NAME] = "name",
    [LABEL] = "label",
    [KIND] = "kind",
    [SPECIES] = "species",
    [OPERATOR] = "operator",
    [PARENT1] = "parent1",
    [PARENT2] = "parent2",
    [BUDGET] = "budget",
    [BYTES] = "bytes",
    [MEMORY] = "memory",
    [KLD] = "kld",
    [KLD_STDERR] = "kld_stderr",
    [SAME_TOP] = "same_top",
    [PERPLEXITY_RATIO] = "perplexity_ratio",
    [MEASURED] = "measured",
    [CAUSE] = "cause",
    [FAMILY] = "family",
    [PLAN] = "plan",
    [TEXT] = "text",
};

static json_t *text_of(const char *s) { return wt_json_text(s, strlen(s)); }
static json_t *count_of(uint64_t n) { return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n)); }

static json_t *lines_of(wt_document *d, size_t i) {
    const wt_catalog *c = &d->catalog;
    json_t *lines = json_array();
    for (size_t l = c->first_line[i]; l < c->first_line[i + 1]; l++)
        wt_document_push(d, lines, json_integer(c->line[l]));
    return lines;
}

static void push_individual(wt_document *d, json_t *const *to, size_t i) {
    const wt_record *r = &d->people.items[i];
    const wt_catalog *c = &d->catalog;
    json_t *const values[COLUMNS] = {
        [ID] = json_integer(r->row.id),
        [GENERATION] = count_of(r->row.generation),
        [NAME] = text_of(r->row.name),
        [LABEL] = text_of(r->row.label),
        [KIND] = json_integer(c->kind[i]),
        [SPECIES] = json_integer(c->of_species[i]),
        [OPERATOR] = json_integer(c->made_by[i]),
        [PARENT1] = json_integer(r->row.parents[0]),
        [PARENT2] = json_integer(r->row.parents[1]),
        [BUDGET] = count_of(r->row.budget),
        [BYTES] = count_of(r->row.bytes),
        [MEMORY] = count_of(r->row.memory),
        [KLD] = wt_json_short(r->kld, WT_DIGITS_FIGURE),
        [KLD_STDERR] = wt_json_short(r->kld_stderr, WT_DIGITS_ERROR),
        [SAME_TOP] = wt_json_short(r->same_top, WT_DIGITS_SHARE),
        [PERPLEXITY_RATIO] = wt_json_short(r->perplexity_ratio, WT_DIGITS_FIGURE),
        [MEASURED] = json_integer((json_int_t)r->measured),
        [CAUSE] = text_of(r->row.cause),
        [FAMILY] = json_integer(d->families.of[i]),
        [PLAN] = json_integer(c->plan[i]),
        [TEXT] = lines_of(d, i),
    };
    for (int k = 0; k < COLUMNS; k++) wt_document_push(d, to[k], values[k]);
}

static json_t *individuals_json(wt_document *d) {
    json_t *o = json_object(), *columns[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) columns[k] = json_array();
    for (size_t i = 0; i < d->people.count; i++) push_individual(d, columns, i);
    for (int k = 0; k < COLUMNS; k++) wt_document_put(d, o, KEYS[k], columns[k]);
    return o;
}

/* ---- tensors, types, plans ---- */

static size_t tensor_count(const wt_catalog *c) {
    return c->tensors.count < WT_CATALOG_MOST_TENSORS ? c->tensors.count : WT_CATALOG_MOST_TENSORS;
}

/* "blk.12.attn_q.weight": layer 12, role "attn_q"; "token_embd.weight": layer -1. */
static json_t *tensor_json(wt_document *d, const char *name) {
    json_t *o = json_object();
    char *end = NULL;
    const char *role = name;
    long layer = -1;
    if (strncmp(name, "blk.", 4) == 0 && name[4] >= '0' && name[4] <= '9') {
        layer = strtol(name + 4, &end, 10);
        if (*end == '.' && layer <= INT32_MAX)
            role = end + 1;
        else
            layer = -1;
    }
    size_t len = strlen(role);
    if (len > 7 && strcmp(role + len - 7, ".weight") == 0) len -= 7;
    wt_document_put(d, o, "name", text_of(name));
    wt_document_put(d, o, "layer", json_integer(layer));
    wt_document_put(d, o, "role", wt_json_text(role, len));
    return o;
}

static json_t *type_json(wt_document *d, const char *name) {
    const wt_type_info *info = wt_type_find((uint32_t)wt_type_by_name(name));
    json_t *o = json_object();
    wt_document_put(d, o, "name", json_string(name));
    wt_document_put(d, o, "bpw", json_real(8.0 * info->block_bytes / info->block));
    return o;
}

/* All plans as long as there are tensors. */
static json_t *plans_json(wt_document *d) {
    const wt_catalog *c = &d->catalog;
    const size_t tensors = tensor_count(c);
    json_t *array = json_array();
    char *letters = malloc(tensors + 1);
    for (size_t p = 0; letters && p < c->plans.count; p++) {
        const size_t len = strlen(c->plans.items[p]);
        memset(letters, WT_PLAN_NONE, tensors);
        memcpy(letters, c->plans.items[p], len);
        wt_document_push(d, array, json_stringn(letters, tensors));
    }
    if (!letters) d->lost = true;
    free(letters);
    return array;
}

/* ---- families ---- */

static json_t *family_json(wt_document *d, const wt_family *f) {
    json_t *o = json_object(), *genes = json_array();
    for (size_t k = 0; k < f->gene_count; k++) wt_document_push(d, genes, text_of(d->catalog.lines.items[f->genes[k]]));
    wt_document_put(d, o, "founder", json_integer(d->people.items[f->founder].row.id));
    wt_document_put(d, o, "size", json_integer((json_int_t)f->size));
    wt_document_put(d, o, "born", count_of(f->born));
    wt_document_put(d, o, "last", count_of(f->last));
    wt_document_put(d, o, "alive", json_boolean(f->alive));
    wt_document_put(d, o, "best", f->best ? wt_json_short(f->best->kld, WT_DIGITS_FIGURE) : json_null());
    wt_document_put(d, o, "best_id", json_integer(f->best ? f->best->row.id : 0));
    wt_document_put(d, o, "genes", genes);
    return o;
}

static json_t *clustering_json(wt_document *d) {
    json_t *o = json_object(), *weights = json_object();
    wt_document_put(d, weights, "plan", json_real(WT_FAMILY_PLAN_WEIGHT));
    wt_document_put(d, weights, "genes", json_real(WT_FAMILY_GENE_WEIGHT));
    wt_document_put(d, o, "method",
                    json_string("leader clustering in the order of birth, by the distance of plans and of genes"));
    wt_document_put(d, o, "threshold", json_real(WT_FAMILY_THRESHOLD));
    wt_document_put(d, o, "weights", weights);
    return o;
}

void wt_document_put_columns(wt_document *d, json_t *root) {
    const wt_catalog *c = &d->catalog;
    json_t *tensors = json_array(), *types = json_array(), *families = json_array();
    for (size_t t = 0; t < tensor_count(c); t++) wt_document_push(d, tensors, tensor_json(d, c->tensors.items[t]));
    for (size_t t = 0; t < c->types.count; t++) wt_document_push(d, types, type_json(d, c->types.items[t]));
    for (size_t f = 0; f < d->families.count; f++) wt_document_push(d, families, family_json(d, &d->families.items[f]));
    wt_document_put(d, root, "operators", wt_document_words(d, &c->operators));
    wt_document_put(d, root, "species", wt_document_words(d, &c->species));
    wt_document_put(d, root, "kinds", wt_document_words(d, &c->kinds));
    wt_document_put(d, root, "individuals", individuals_json(d));
    wt_document_put(d, root, "lines", wt_document_words(d, &c->lines));
    wt_document_put(d, root, "tensors", tensors);
    wt_document_put(d, root, "types", types);
    wt_document_put(d, root, "plans", plans_json(d));
    wt_document_put(d, root, "families", families);
    wt_document_put(d, root, "clustering", clustering_json(d));
}
