/*
 * Kinds of genes: what a value of one kind looks like as text, how it is drawn, varied and compared. A kind is a file gene_KIND.c with
 * one such row; which kind a gene has, and with which range, is the table's in genes.c.
 */
#ifndef WT_STRATEGY_GENE_KINDS_H
#define WT_STRATEGY_GENE_KINDS_H

#include "strategy/strategy.h"
#include "strategy/text_reader.h"

typedef struct wt_gene_kind_info {
    const char *name;   /* "rule" */
    const char *form;   /* how it is written, for the docs */
    const char *help;   /* a paragraph, for the docs: what it is and how it varies */
    uint32_t operators; /* bit o: operator o varies such genes */

    /* Parses a value into `out`, which owns nothing yet and gets nothing on failure. */
    int (*parse)(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err);
    void (*print)(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to);
    /* Whether it is one that parsing could have given. */
    bool (*valid)(const wt_gene_info *gene, const wt_gene_value *v);
    bool (*equal)(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b);

    /* Any value that the scope allows, not necessarily another than the default; `out` owns nothing yet. */
    int (*draw)(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err);
    /* Changes it in place by operator `op`, one of `operators`. It may come out as it was. */
    int (*mutate)(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err);
    /* A mix of two; `out` owns nothing yet. */
    int (*cross)(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err);
    /* 0..1, symmetric, 0 of equal ones. */
    double (*distance)(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b);

    /* Of kinds whose values own memory; NULL: they are plain. */
    int (*copy)(wt_gene_value *to, const wt_gene_value *from, wt_error *err);
    void (*release)(wt_gene_value *v);
} wt_gene_kind_info;

extern const wt_gene_kind_info wt_kind_rule, wt_kind_types, wt_kind_pins, wt_kind_rotation, wt_kind_grid,
    wt_kind_integer, wt_kind_number, wt_kind_type;

const wt_gene_kind_info *wt_gene_kind_of(wt_gene_kind kind);

/* Which gene a row of the table is. */
static inline wt_gene wt_gene_number(const wt_gene_info *gene) { return (wt_gene)(gene - wt_gene_of((wt_gene)0)); }

/* Copies a value of a gene's kind; `to` owns nothing yet. */
int wt_gene_copy(const wt_gene_info *gene, wt_gene_value *to, const wt_gene_value *from, wt_error *err);
void wt_gene_release(const wt_gene_info *gene, wt_gene_value *v);

/* What the parsers of types share: a name of one of `allowed`, else an error that lists them. */
int wt_reader_type(wt_reader *r, uint64_t allowed, wt_type *out, wt_error *err);

/* Bits per weight of a type. */
double wt_type_bits(wt_type type);
/* 0..1: how unlike two types are, by their bits. */
double wt_type_distance(wt_type a, wt_type b);
/* A type that is about as likely as others; `types` is not empty. */
wt_type wt_type_any(uint64_t types, wt_rng *rng);
/* The number of three digits nearest to x, so that drawn numbers are short and the same on every machine. */
double wt_round_drawn(double x);
/* The types of a set in ascending order of bits per weight; returns how many. */
size_t wt_types_sorted(uint64_t types, wt_type out[WT_TYPE_LIMIT]);

#endif
