/*
 * A strategy: one value for every gene. Its text is all there is to it: genes at their default are left out, the others
 * stand in the table's order, each in canonical form, so that the same text is the same strategy and its hash its name.
 *
 *     strategy "9f3c21e07ab4"
 *     alloc.price   = rms_act * (1.4 + tanh(kurt)) / (0.3 + depth)
 *     alloc.types   = [Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_XS Q8_0]
 *     alloc.pins    = { blk.0.ffn_down.weight: Q6_K }
 *     rotate.residual = hadamard 77
 *     encode.grid   = { lo: -0.9, hi: 0.9, steps: 36 }
 *
 * `#` starts a comment. The name in the text is checked where it is given and may be left out ("strategy" alone).
 *
 * Everything about a gene is a row of the table in genes.c: parser, printer, drawing, mutation, crossover, distance,
 * docs and tests go through it. This floor knows of models nothing but what a scope tells it: names of tensors and what
 * fits them.
 */
#ifndef WT_STRATEGY_STRATEGY_H
#define WT_STRATEGY_STRATEGY_H

#include "base/rng.h"
#include "model/types.h"
#include "strategy/domains.h"

typedef enum wt_gene {
    WT_GENE_ALLOC_PRICE,  /* rule(tensor) */
    WT_GENE_ALLOC_TYPES,  /* a set of types */
    WT_GENE_ALLOC_PINS,   /* a type for each of some tensors */
    WT_GENE_FOLD_ATTN_IN, /* rule(channel): the log of a scale; these four */
    WT_GENE_FOLD_ATTN_OUT,
    WT_GENE_FOLD_FFN_IN,
    WT_GENE_FOLD_FFN_MID,
    WT_GENE_ROTATE_RESIDUAL, /* none, or a Hadamard rotation of random signs by a seed */
    WT_GENE_ROTATE_VALUE,
    WT_GENE_ENCODE_WEIGHT,  /* rule(element) */
    WT_GENE_ENCODE_GRID,    /* lo, hi, steps; or the type's own search */
    WT_GENE_ENCODE_PASSES,  /* 0..8; or the type's own */
    WT_GENE_ENCODE_BIAS,    /* 0.9..1.1 */
    WT_GENE_FEEDBACK_DAMP,  /* 0: off, or a share of the mean diagonal, up to 1 */
    WT_GENE_FEEDBACK_ORDER, /* rule(column): columns in descending order of it */
    WT_GENE_FEEDBACK_REFIT, /* 0..6 */
    WT_GENE_CACHE_K,        /* the type of a runtime's cache of keys */
    WT_GENE_CACHE_V,
    WT_GENES,
} wt_gene;

typedef enum wt_gene_kind {
    WT_GENE_RULE, WT_GENE_TYPES, WT_GENE_PINS, WT_GENE_ROTATION,
    WT_GENE_GRID, WT_GENE_INTEGER, WT_GENE_NUMBER, WT_GENE_TYPE,
} wt_gene_kind;

/* One tensor's pinned type. */
typedef struct wt_pin {
    char *tensor; /* owned by the list */
    wt_type type;
} wt_pin;

/* Sorted by name, none twice. */
typedef struct wt_pins {
    wt_pin *items;
    size_t count, cap;
} wt_pins;

/* A gene's value; which member is by its kind. */
typedef struct wt_gene_value {
    union {
        wt_expr rule;
        uint64_t types; /* bit t: type t */
        wt_pins pins;
        struct {
            bool hadamard;
            uint32_t seed;
        } rotation;
        struct {
            bool own; /* the type's own default; the rest is 0 */
            float lo, hi;
            int steps;
        } grid;
        int integer; /* -1: the type's own, where the gene allows that */
        float number;
        wt_type type;
    };
} wt_gene_value;

typedef struct wt_strategy {
    wt_gene_value genes[WT_GENES];
} wt_strategy;

/* How numbers and the values of a rule are first drawn. */
typedef enum wt_gene_draw {
    WT_DRAW_PLAIN,     /* a number: evenly within its range; a rule: any expression */
    WT_DRAW_LOGARITHM, /* a number: evenly in its logarithm */
    WT_DRAW_NEAR,      /* a number: near its default */
    WT_DRAW_POWER,     /* a rule that is the log of a scale: mostly powers of a variable or two, else any expression */
    WT_DRAW_PRODUCT,   /* a rule that is a price: mostly a product of powers, of what is measured more often, else any expression */
    WT_DRAW_VARIED,    /* a rule: mostly its default after a few mutations, else any expression */
} wt_gene_draw;

/* A row of the table. */
typedef struct wt_gene_info {
    const char *name;         /* "alloc.price" */
    wt_gene_kind kind;
    const wt_domain *domain;  /* of a rule */
    double lo, hi;            /* range of numbers and integers; of a rule that is the log of a scale: of its value */
    bool own;                 /* of integers: the word `own`, the type's own number, is allowed */
    double draw_lo;           /* of a number that may be 0: the least other that is drawn */
    wt_gene_draw draw;
    double chance;            /* the share of random strategies in which it is drawn; in the others it is the default */
    uint64_t types;           /* of types: those that it may be */
    const char *default_text; /* its value where a strategy does not say */
    const char *human_text;   /* what people use; may be the same */
    const char *help;         /* a paragraph for the docs */
} wt_gene_info;

const wt_gene_info *wt_gene_of(wt_gene gene);
int wt_gene_by_name(const char *name, size_t len); /* a wt_gene, or -1 */
const char *wt_gene_kind_name(wt_gene_kind kind);  /* "rule" */

/* The value of a gene that a strategy does not mention. It owns nothing. */
const wt_gene_value *wt_gene_default(wt_gene gene);
bool wt_gene_is_default(wt_gene gene, const wt_gene_value *v);
bool wt_gene_equal(wt_gene gene, const wt_gene_value *a, const wt_gene_value *b);

/*
 * All types that alloc.types may name, and those that it is drawn from unless a person says otherwise (no types of the
 * newest runtimes alone).
 */
uint64_t wt_types_all(void);
uint64_t wt_types_usual(void);

/* ---- life ---- */

void wt_strategy_init(wt_strategy *s); /* every gene at its default; cannot fail */
void wt_strategy_release(wt_strategy *s);
int wt_strategy_copy(wt_strategy *to, const wt_strategy *from, wt_error *err); /* `to` is initialised anew */
bool wt_strategy_equal(const wt_strategy *a, const wt_strategy *b);

/* ---- pins ---- */

int wt_pins_set(wt_pins *pins, const char *tensor, wt_type type, wt_error *err); /* adds or replaces */
bool wt_pins_remove(wt_pins *pins, const char *tensor);
const wt_pin *wt_pins_find(const wt_pins *pins, const char *tensor); /* NULL where absent */

/* ---- text ---- */

/* Longest text that is read, bytes; most pins. */
#define WT_STRATEGY_MAX_TEXT (1u << 20)
#define WT_STRATEGY_MAX_PINS 16384

/* `name` stands for the file in messages. Errors: "'x.strategy': line 3, column 17: expected ...". */
int wt_strategy_parse(wt_strategy *out, const char *text, size_t len, const char *name, wt_error *err);
int wt_strategy_read(wt_strategy *out, const char *path, wt_error *err);
/* The canonical text, NUL-terminated; free() it. NULL where memory is out. */
char *wt_strategy_print(const wt_strategy *s, wt_error *err);
/* One gene's value as it stands behind " = "; free() it. */
char *wt_strategy_print_gene(const wt_strategy *s, wt_gene gene, wt_error *err);
/* Sets one gene from text; place of errors is that of `text`. */
int wt_strategy_set_gene(wt_strategy *s, wt_gene gene, const char *text, wt_error *err);
/* The 12 hexadecimal digits that are its name. */
#define WT_STRATEGY_NAME 13
int wt_strategy_name(const wt_strategy *s, char name[WT_STRATEGY_NAME], wt_error *err);

/* ---- variation: all within `scope`, from the stream `rng` alone ---- */

/* A tensor that may be pinned. */
typedef struct wt_scope_tensor {
    const char *name;
    uint64_t weights;
    uint64_t fits; /* bit t: rows fit blocks of type t */
} wt_scope_tensor;

/* What strategies may be made of. */
typedef struct wt_scope {
    uint64_t types;                 /* of alloc.types and of pins */
    const wt_scope_tensor *tensors; /* [tensor_count], sorted by name; none: pins are not drawn */
    size_t tensor_count;
    bool all_pinned;                /* species "pinned": every tensor has a pin. Otherwise few have, or none */
    uint32_t frozen;                /* bit g: gene g stays as it is */
} wt_scope;

/* The scope of all usual types and no tensors. */
void wt_scope_init(wt_scope *scope);

/* The kinds of variation, for counting which of them succeed. */
typedef enum wt_operator {
    WT_OPERATOR_RANDOM,   /* a new individual */
    WT_OPERATOR_CROSS,    /* genes of two parents, rules by exchange of subtrees */
    WT_OPERATOR_RULE,     /* subtrees of a rule */
    WT_OPERATOR_CONSTANT, /* numbers, in rules and elsewhere */
    WT_OPERATOR_SWITCH,   /* types of pinned tensors, about as many bytes as before */
    WT_OPERATOR_TYPES,    /* the set of types; cache types */
    WT_OPERATOR_CHOICE,   /* the rest: rotations, on and off */
    WT_OPERATORS,
} wt_operator;
const char *wt_operator_name(wt_operator op);
const char *wt_operator_help(wt_operator op); /* one line, for the docs */

int wt_strategy_random(wt_strategy *out, const wt_scope *scope, wt_rng *rng, wt_error *err);
/*
 * One mutation of kind `op` (WT_OPERATOR_RULE and on), or of any kind where `op` is WT_OPERATORS; the kind that it was
 * in *done (may be NULL): where nothing is there for `op` to change (no pins and no tensors to pin), another is taken.
 * Never the same strategy; fails where the scope leaves nothing to vary.
 */
int wt_strategy_mutate(wt_strategy *out, const wt_strategy *parent, const wt_scope *scope, wt_operator op, wt_rng *rng,
                       wt_operator *done, wt_error *err);
int wt_strategy_cross(wt_strategy *out, const wt_strategy *a, const wt_strategy *b, const wt_scope *scope, wt_rng *rng,
                      wt_error *err);
/*
 * Takes bits from pins of the scope's tensors until they have `excess` bytes fewer: where one step down of one pin is enough, that which saves the
 * least beyond it. Nothing where excess is not above 0; what cannot be saved stays too much.
 */
void wt_pins_shrink(wt_pins *pins, const wt_scope *scope, double excess, wt_rng *rng);
/* Bytes that the pinned tensors of the scope have, blocks alone. */
double wt_pins_bytes(const wt_pins *pins, const wt_scope *scope);
/* 0 for equal ones, symmetric, at most 1: the mean of the genes' distances. */
double wt_strategy_distance(const wt_strategy *a, const wt_strategy *b);
double wt_gene_distance(wt_gene gene, const wt_gene_value *a, const wt_gene_value *b);

#endif
