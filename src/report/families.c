/*
 * Leader clustering in the order of birth (Hartigan 1975, "quick partition"): each individual joins the family of the nearest founder, or
 * founds one. One pass, no random numbers, and at most WT_FAMILY_FOUNDERS comparisons a head. Founders who stayed alone the longest make
 * room for new ones. Families of one are none; the largest of the others are told of.
 *
 * Genes are lines "name = value". Two values are compared by their words, as sets of 128 bits to which words are hashed, all numbers being
 * the same word: the share of bits that only one of them has (Jaccard's distance, estimated).
 */
#include "report/families.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "model/types.h"

enum { MOST_GENES = 32, NO_LINE = -1 };

/* A line of a strategy as clustering sees it. */
typedef struct gene_line {
    int gene; /* number of its name; -1: none, or one that the plan speaks for */
    uint64_t words[2];
} gene_line;

/* A founder and how its family fares. */
typedef struct founder {
    size_t index;  /* of the individual */
    size_t family; /* number among all that were ever founded */
    size_t size;
} founder;

typedef struct cluster {
    const wt_catalog *c;
    wt_dictionary genes;
    gene_line *lines;              /* [lines of the catalog] */
    int32_t (*values)[MOST_GENES]; /* [people]: the line of each gene, NO_LINE: default */
    double apart[128][128];        /* of two letters of plans */
    founder founders[WT_FAMILY_FOUNDERS];
    size_t founder_count, founded;
    size_t *of; /* [people]: number of the family, SIZE_MAX: none */
    wt_error *err;
} cluster;

/* ---- preparing ---- */

static void add_word(gene_line *g, const char *word, size_t len) {
    const uint64_t h = wt_hash_bytes(word, len).low;
    g->words[(h >> 6) & 1] |= UINT64_C(1) << (h & 63);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static void read_words(gene_line *g, const char *s) {
    while (*s) {
        size_t len = 1;
        if (isdigit((unsigned char)*s)) {
            len = strspn(s, "0123456789.eE");
            add_word(g, "#", 1);
        } else if (is_word(*s)) {
            while (is_word(s[len])) len++;
            add_word(g, s, len);
        } else if (strchr("*/+", *s)) {
            add_word(g, s, 1);
        }
        s += len;
    }
}

static int read_line(cluster *k, const char *text, gene_line *g) {
    const size_t name = strcspn(text, " =");
    const char *value = strchr(text, '=');
    *g = (gene_line){.gene = -1};
    if (!value || name == 0 || (name == 10 && memcmp(text, "alloc.pins", 10) == 0)) return 0;
    const long number = wt_dictionary_add(&k->genes, text, name, k->err);
    if (number < 0) return -1;
    if (number < MOST_GENES) g->gene = (int)number;
    read_words(g, value + 1);
    return 0;
}

static void prepare_types(cluster *k) {
    double bits[128];
    for (size_t a = 0; a < 128; a++) {
        const wt_dictionary *types = &k->c->types;
        const int type = a >= WT_PLAN_FIRST && a - WT_PLAN_FIRST < types->count
                             ? wt_type_by_name(types->items[a - WT_PLAN_FIRST])
                             : -1;
        const wt_type_info *info = type >= 0 ? wt_type_find((uint32_t)type) : NULL;
        bits[a] = info ? 8.0 * info->block_bytes / info->block : NAN;
    }
    for (size_t a = 0; a < 128; a++)
        for (size_t b = 0; b < 128; b++) {
            const double far = fmin(1, fabs(bits[a] - bits[b]) / WT_FAMILY_TYPE_BITS);
            k->apart[a][b] = a == b ? 0 : isnan(far) ? 1 : WT_FAMILY_TYPE_STEP + (1 - WT_FAMILY_TYPE_STEP) * far;
        }
}

static int prepare(cluster *k) {
    const wt_catalog *c = k->c;
    const size_t n = c->people->count;
    k->lines = wt_calloc(c->lines.count + 1, sizeof *k->lines, k->err);
    k->values = wt_calloc(n + 1, sizeof *k->values, k->err);
    k->of = wt_calloc(n + 1, sizeof *k->of, k->err);
    if (!k->lines || !k->values || !k->of) return -1;
    for (size_t l = 0; l < c->lines.count; l++)
        if (read_line(k, c->lines.items[l], &k->lines[l]) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        for (int g = 0; g < MOST_GENES; g++) k->values[i][g] = NO_LINE;
        for (size_t l = c->first_line[i]; l < c->first_line[i + 1]; l++)
            if (k->lines[c->line[l]].gene >= 0) k->values[i][k->lines[c->line[l]].gene] = (int32_t)c->line[l];
    }
    prepare_types(k);
    return 0;
}

/* ---- distance ---- */

static double plan_distance(const cluster *k, const char *a, const char *b) {
    double sum = 0;
    size_t n = 0;
    for (; *a || *b; n++) {
        sum += k->apart[*a ? *a & 127 : WT_PLAN_NONE][*b ? *b & 127 : WT_PLAN_NONE];
        a += *a != '\0';
        b += *b != '\0';
    }
    return n ? sum / (double)n : 0;
}

static int bits_in(uint64_t x) { return __builtin_popcountll(x); }

static double line_distance(const gene_line *a, const gene_line *b) {
    const int both = bits_in(a->words[0] & b->words[0]) + bits_in(a->words[1] & b->words[1]);
    const int any = bits_in(a->words[0] | b->words[0]) + bits_in(a->words[1] | b->words[1]);
    return fmax(WT_FAMILY_NUMBER_STEP, any ? 1 - (double)both / (double)any : 0);
}

static double gene_distance(const cluster *k, size_t a, size_t b) {
    const int32_t *x = k->values[a], *y = k->values[b];
    const size_t genes = k->genes.count < MOST_GENES ? k->genes.count : MOST_GENES;
    double sum = 0;
    int n = 0;
    for (size_t g = 0; g < genes; g++) {
        if (x[g] == NO_LINE && y[g] == NO_LINE) continue;
        n++;
        if (x[g] != y[g])
            sum += x[g] == NO_LINE || y[g] == NO_LINE ? 1 : line_distance(&k->lines[x[g]], &k->lines[y[g]]);
    }
    return n ? sum / n : 0;
}

/* 0 to 1; anything above `most` where it is more than that. Without two plans the genes decide alone. */
static double distance(const cluster *k, size_t a, size_t b, double most) {
    const wt_catalog *c = k->c;
    if (c->plan[a] < 0 || c->plan[b] < 0) return gene_distance(k, a, b);
    const double plans =
        c->plan[a] == c->plan[b] ? 0 : plan_distance(k, c->plans.items[c->plan[a]], c->plans.items[c->plan[b]]);
    const double sum = WT_FAMILY_PLAN_WEIGHT + WT_FAMILY_GENE_WEIGHT, known = WT_FAMILY_PLAN_WEIGHT * plans / sum;
    return known > most ? known : known + WT_FAMILY_GENE_WEIGHT * gene_distance(k, a, b) / sum;
}

/* ---- clustering ---- */

/* A place for a founder: a free one, or that of the one who has been alone the longest; NULL where all have families. */
static founder *place_for_founder(cluster *k) {
    if (k->founder_count < WT_FAMILY_FOUNDERS) return &k->founders[k->founder_count++];
    founder *oldest = NULL;
    for (size_t f = 0; f < k->founder_count; f++)
        if (k->founders[f].size == 1 && (!oldest || k->founders[f].index < oldest->index)) oldest = &k->founders[f];
    return oldest;
}

static void assign(cluster *k, size_t i) {
    founder *nearest = NULL;
    double least = WT_FAMILY_THRESHOLD;
    for (size_t f = 0; f < k->founder_count; f++) {
        const double d = distance(k, i, k->founders[f].index, least);
        if (d > least || (nearest && d == least && k->founders[f].index > nearest->index)) continue;
        nearest = &k->founders[f];
        least = d;
    }
    if (nearest) {
        nearest->size++;
        k->of[i] = nearest->family;
        return;
    }
    founder *place = place_for_founder(k);
    k->of[i] = place ? k->founded : SIZE_MAX;
    if (place) *place = (founder){.index = i, .family = k->founded++, .size = 1};
}

static int by_size(const void *pa, const void *pb) {
    const founder *a = pa, *b = pb;
    if (a->size != b->size) return a->size > b->size ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* ---- what there is to tell ---- */

static uint64_t last_generation(const wt_population *p) {
    uint64_t last = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].row.generation > last) last = p->items[i].row.generation;
    return last;
}

/* Its family lives, where it was born in the last generation without dying in it, has a child there, or was judged as a finalist. */
static void mark_alive(wt_families *f, const wt_population *p) {
    const uint64_t last = last_generation(p);
    for (size_t i = 0; i < p->count; i++) {
        const wt_record *r = &p->items[i];
        const bool finalist = r->verdict && strcmp(r->verdict->role, "human") != 0,
                   newborn = r->row.generation == last && !r->human;
        if (f->of[i] >= 0 && (finalist || (newborn && !r->row.cause[0]))) f->items[f->of[i]].alive = true;
        for (int k = 0; newborn && k < 2; k++) {
            const wt_record *parent = wt_population_by_id(p, r->row.parents[k]);
            if (parent && f->of[parent - p->items] >= 0) f->items[f->of[parent - p->items]].alive = true;
        }
    }
}

static void add_member(wt_family *family, const wt_population *p, const wt_record *r) {
    if (family->size++ == 0) family->born = r->row.generation;
    if (r->row.generation > family->last) family->last = r->row.generation;
    if (r->row.generation < family->born) family->born = r->row.generation;
    if (wt_record_compares(p, r) && (!family->best || r->kld < family->best->kld)) family->best = r;
}

/* The lines that at least half of the members have, in the order of how much rarer they are elsewhere; at least by a quarter of all. */
static void tell_apart(wt_family *family, const size_t *inside, const size_t *everywhere, size_t lines, size_t people) {
    double gain[WT_FAMILY_GENES];
    const double others = people > family->size ? (double)(people - family->size) : 1;
    for (size_t l = 0; l < lines; l++) {
        const double within = (double)inside[l] / (double)family->size,
                     outside = (double)(everywhere[l] - inside[l]) / others;
        if (within < 0.5 || within - outside < 0.25) continue;
        size_t at = family->gene_count;
        while (at > 0 && gain[at - 1] < within - outside) at--;
        if (at == WT_FAMILY_GENES) continue;
        if (family->gene_count < WT_FAMILY_GENES) family->gene_count++;
        for (size_t k = family->gene_count - 1; k > at; k--) {
            gain[k] = gain[k - 1];
            family->genes[k] = family->genes[k - 1];
        }
        gain[at] = within - outside;
        family->genes[at] = (uint32_t)l;
    }
}

static void count_lines(const cluster *k, size_t i, size_t *counts) {
    for (int g = 0; g < MOST_GENES; g++)
        if (k->values[i][g] != NO_LINE) counts[k->values[i][g]]++;
}

/* At most WT_FAMILY_MOST passes over the lines and their counts. */
static int find_genes(const cluster *k, wt_families *f) {
    const size_t lines = k->c->lines.count, n = k->c->people->count;
    size_t *inside = wt_calloc(lines + 1, sizeof *inside, k->err),
           *everywhere = wt_calloc(lines + 1, sizeof *everywhere, k->err);
    for (size_t i = 0; inside && everywhere && i < n; i++) count_lines(k, i, everywhere);
    for (size_t a = 0; inside && everywhere && a < f->count; a++) {
        memset(inside, 0, lines * sizeof *inside);
        for (size_t i = 0; i < n; i++)
            if (f->of[i] == (int32_t)a) count_lines(k, i, inside);
        tell_apart(&f->items[a], inside, everywhere, lines, n);
    }
    const int rc = inside && everywhere ? 0 : -1;
    free(inside);
    free(everywhere);
    return rc;
}

static int report(cluster *k, wt_families *f) {
    const wt_population *p = k->c->people;
    qsort(k->founders, k->founder_count, sizeof *k->founders, by_size);
    while (f->count < k->founder_count && f->count < WT_FAMILY_MOST && k->founders[f->count].size > 1) f->count++;
    int32_t *number = wt_calloc(k->founded + 1, sizeof *number, k->err);
    f->items = wt_calloc(f->count + 1, sizeof *f->items, k->err);
    f->of = wt_calloc(p->count + 1, sizeof *f->of, k->err);
    int rc = number && f->items && f->of ? 0 : -1;
    if (rc == 0) {
        for (size_t a = 0; a < k->founded; a++) number[a] = -1;
        for (size_t a = 0; a < f->count; a++) {
            number[k->founders[a].family] = (int32_t)a;
            f->items[a].founder = k->founders[a].index;
        }
        for (size_t i = 0; i < p->count; i++) {
            f->of[i] = k->of[i] == SIZE_MAX ? -1 : number[k->of[i]];
            if (f->of[i] >= 0) add_member(&f->items[f->of[i]], p, &p->items[i]);
        }
        mark_alive(f, p);
        rc = find_genes(k, f);
    }
    free(number);
    return rc;
}

int wt_families_find(wt_families *f, const wt_catalog *c, wt_error *err) {
    *f = (wt_families){0};
    cluster *k = wt_calloc(1, sizeof *k, err);
    if (!k) return -1;
    k->c = c;
    k->err = err;
    int rc = prepare(k);
    for (size_t i = 0; rc == 0 && i < c->people->count; i++) assign(k, i);
    if (rc == 0) rc = report(k, f);
    wt_dictionary_release(&k->genes);
    free(k->lines);
    free(k->values);
    free(k->of);
    free(k);
    return rc;
}

void wt_families_release(wt_families *f) {
    free(f->items);
    free(f->of);
    *f = (wt_families){0};
}
