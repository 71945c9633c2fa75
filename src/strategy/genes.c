/*
 * The table of genes. Parsing, printing, drawing, variation, docs and tests read it: to add a gene is to add its number
 * in strategy.h, a row here, and the place in apply/ that asks for its value.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/gene_kinds.h"

#define BIT(type) (UINT64_C(1) << (type))

static const uint64_t FLOATS = BIT(WT_F32) | BIT(WT_F16) | BIT(WT_BF16);
static const uint64_t LEGACY = BIT(WT_Q4_0) | BIT(WT_Q4_1) | BIT(WT_Q5_0) | BIT(WT_Q5_1) | BIT(WT_Q8_0);
static const uint64_t K_TYPES = BIT(WT_Q2_K) | BIT(WT_Q3_K) | BIT(WT_Q4_K) | BIT(WT_Q5_K) | BIT(WT_Q6_K);
static const uint64_t IQ_TYPES = BIT(WT_IQ1_S) | BIT(WT_IQ1_M) | BIT(WT_IQ2_XXS) | BIT(WT_IQ2_XS) | BIT(WT_IQ2_S) |
                                 BIT(WT_IQ3_XXS) | BIT(WT_IQ3_S) | BIT(WT_IQ4_NL) | BIT(WT_IQ4_XS);
static const uint64_t OTHERS = BIT(WT_TQ1_0) | BIT(WT_TQ2_0) | BIT(WT_MXFP4);
static const uint64_t NEWEST = BIT(WT_NVFP4) | BIT(WT_Q1_0) | BIT(WT_Q2_0);

#define ALL_TYPES (FLOATS | LEGACY | K_TYPES | IQ_TYPES | OTHERS | NEWEST)
/* What llama.cpp's -ctk and -ctv take. */
#define CACHE_TYPES (FLOATS | LEGACY | BIT(WT_IQ4_NL))

uint64_t wt_types_all(void) { return ALL_TYPES; }
uint64_t wt_types_usual(void) { return LEGACY | K_TYPES | IQ_TYPES | OTHERS; }

/* `x*x` and not its square root: importance is a mean square. */
#define HUMAN_WEIGHT "h * sqrt(2 * v + x * x)"

/* A scale beyond e^6 = 403 either way leaves nothing of the smaller channels. */
#define FOLD(NAME, HELP)                                                                                               \
    {                                                                                                                  \
        .name = NAME, .kind = WT_GENE_RULE, .domain = &wt_domain_channel, .lo = -6, .hi = 6, .draw = WT_DRAW_POWER,    \
        .chance = 0.4, .default_text = "0", .human_text = "0.5 * log(act)", .help = HELP                               \
    }

static const wt_gene_info GENES[WT_GENES] = {
    [WT_GENE_ALLOC_PRICE] =
        {.name = "alloc.price",
         .kind = WT_GENE_RULE,
         .domain = &wt_domain_tensor,
         .draw = WT_DRAW_PRODUCT,
         .chance = 1,
         .default_text = "1",
         .human_text = "error * (1 + 5 * is_down + 0.25 * is_v + is_head * (2 - 0.5 * is_embed))",
         .help =
             "What an error in a tensor costs. Types are chosen so that the sum over the tensors of price times error"
             " is least for the bytes that there are. The error is relative to that of the probe type, so with the "
             "price 'sens' the sum is the divergence that is expected, in nats. A price below 0 counts as 0."},
    [WT_GENE_ALLOC_TYPES] =
        {.name = "alloc.types",
         .kind = WT_GENE_TYPES,
         .chance = 1,
         .default_text = "[Q2_K Q3_K IQ4_XS Q4_K Q5_K Q6_K Q8_0]",
         .human_text = "[Q2_K Q3_K Q4_K Q5_K Q6_K]",
         .help = "The types that tensors may get, each tensor those of them whose blocks fit its rows."},
    [WT_GENE_ALLOC_PINS] =
        {.name = "alloc.pins",
         .kind = WT_GENE_PINS,
         .chance = 1,
         .default_text = "{}",
         .human_text = "{}",
         .help =
             "Types of single tensors, whatever their price. A strategy that pins every tensor is a list of types and"
             " works on models of one shape alone; what is not pinned follows the rules."},
    [WT_GENE_FOLD_ATTN_IN] =
        FOLD("fold.attn_in",
             "The log of the scale by which each channel between the attention's norm and the matrices that make "
             "queries, keys and values is moved: the norm's gain is divided by it and the matrices' columns are "
             "multiplied. The model computes the same as before; its rounding does not. Rules are clamped to "
             "[-6, 6]. 0: nothing moves."),
    [WT_GENE_FOLD_ATTN_OUT] =
        FOLD("fold.attn_out",
             "The same for the channels between values and the attention's output projection. Heads of queries "
             "that share a head of values share its scales."),
    [WT_GENE_FOLD_FFN_IN] = FOLD("fold.ffn_in", "The same between the FFN's norm and its gate and up projections."),
    [WT_GENE_FOLD_FFN_MID] =
        FOLD("fold.ffn_mid", "The same between the up projection's rows and the down projection's columns."),
    [WT_GENE_ROTATE_RESIDUAL] =
        {.name = "rotate.residual",
         .kind = WT_GENE_ROTATION,
         .chance = 0.15,
         .default_text = "none",
         .human_text = "none",
         .help = "A rotation of the residual stream, merged into embedding, projections and head: it spreads channels "
                 "that stand out over all of them. The model computes the same as before. A head that is the embedding "
                 "too has to become a tensor of its own, which costs bytes."},
    [WT_GENE_ROTATE_VALUE] =
        {.name = "rotate.value",
         .kind = WT_GENE_ROTATION,
         .chance = 0.25,
         .default_text = "none",
         .human_text = "none",
         .help =
             "A rotation of each head's values, merged into the matrices that make and read them. It costs no bytes."},
    [WT_GENE_ENCODE_WEIGHT] =
        {.name = "encode.weight",
         .kind = WT_GENE_RULE,
         .domain = &wt_domain_element,
         .draw = WT_DRAW_VARIED,
         .chance = 0.4,
         .default_text = HUMAN_WEIGHT,
         .human_text = HUMAN_WEIGHT,
         .help =
             "What the squared error of a weight counts when its block's scale and codes are searched. Below 0 counts"
             " as 0."},
    [WT_GENE_ENCODE_GRID] =
        {.name = "encode.grid",
         .kind = WT_GENE_GRID,
         .lo = -2,
         .hi = 2,
         .chance = 0.2,
         .default_text = "own",
         .human_text = "{ lo: -0.9, hi: 0.9, steps: 36 }",
         .help = "Which scales are tried for a block. Candidates are the inverse scales (c + t) / a, where a is the "
                 "block's largest magnitude (or range), c the type's largest code, and t takes that many values evenly "
                 "from lo to hi. 'own' is what people chose for each type: 9 to 36 of them within one or two codes."},
    [WT_GENE_ENCODE_PASSES] =
        {.name = "encode.passes",
         .kind = WT_GENE_INTEGER,
         .lo = 0,
         .hi = 8,
         .own = true,
         .chance = 0.3,
         .default_text = "own",
         .human_text = "5",
         .help =
             "How often codes and scales are refined against each other. 'own' is what people chose for each type."},
    [WT_GENE_ENCODE_BIAS] =
        {.name = "encode.bias",
         .kind = WT_GENE_NUMBER,
         .lo = 0.9,
         .hi = 1.1,
         .draw = WT_DRAW_NEAR,
         .chance = 0.4,
         .default_text = "1",
         .human_text = "1.0125",
         .help = "A factor on the final scale of every block, on top of the one that people gave some types (1.0125 in "
                 "IQ3_XXS)."},
    [WT_GENE_FEEDBACK_DAMP] =
        {.name = "feedback.damp",
         .kind = WT_GENE_NUMBER,
         .lo = 0,
         .hi = 1,
         .draw_lo = 0.01,
         .draw = WT_DRAW_LOGARITHM,
         .chance = 0.7,
         .default_text = "0",
         .human_text = "0.01",
         .help =
             "Error feedback (GPTQ): columns are rounded one after another, and what rounding one leaves over, the "
             "next ones absorb. The number is the share of the mean diagonal that is added to the activations' Gram "
             "matrix before it is inverted: the more, the less is passed on. 0: no feedback."},
    [WT_GENE_FEEDBACK_ORDER] =
        {.name = "feedback.order",
         .kind = WT_GENE_RULE,
         .domain = &wt_domain_column,
         .draw = WT_DRAW_PLAIN,
         .chance = 0.4,
         .default_text = "h",
         .human_text = "h",
         .help = "The order of the columns in error feedback: those with the highest value first, equal ones as they "
                 "stand."},
    [WT_GENE_FEEDBACK_REFIT] =
        {.name = "feedback.refit",
         .kind = WT_GENE_INTEGER,
         .lo = 0,
         .hi = 6,
         .chance = 0.5,
         .default_text = "0",
         .human_text = "0",
         .help =
             "Once all weights are rounded with error feedback, each is looked at again in the light of all errors, twice, "
             "or as often as this says if that is more; the first so many times every scale and min is fitted anew, too. "
             "0: scales stay as they were chosen before codes. From 3 on each time costs a further look, about as much as "
             "the first rounding. Scales that are fitted anew forget encode.bias and encode.weight, which then have a say "
             "in the first codes alone. TQ1_0, TQ2_0, Q1_0, Q2_0, MXFP4 and NVFP4 keep their scales."},
    [WT_GENE_CACHE_K] =
        {.name = "cache.k",
         .kind = WT_GENE_TYPE,
         .types = CACHE_TYPES,
         .chance = 0.2,
         .default_text = "F16",
         .human_text = "F16",
         .help =
             "The type of the runtime's cache of keys (llama.cpp's -ctk). A model's file cannot say it, so the flag "
             "is printed; its bytes count in memory, its rounding in the divergence."},
    [WT_GENE_CACHE_V] = {.name = "cache.v",
                         .kind = WT_GENE_TYPE,
                         .types = CACHE_TYPES,
                         .chance = 0.2,
                         .default_text = "F16",
                         .human_text = "F16",
                         .help = "The same for values (-ctv). Quantized, it needs the runtime's flash attention."},
};

const wt_gene_info *wt_gene_of(wt_gene gene) { return &GENES[gene]; }

int wt_gene_by_name(const char *name, size_t len) {
    for (int g = 0; g < WT_GENES; g++) {
        if (strlen(GENES[g].name) == len && memcmp(GENES[g].name, name, len) == 0) return g;
    }
    return -1;
}

const wt_gene_kind_info *wt_gene_kind_of(wt_gene_kind kind) {
    static const wt_gene_kind_info *const KINDS[] = {
        [WT_GENE_RULE] = &wt_kind_rule,         [WT_GENE_TYPES] = &wt_kind_types, [WT_GENE_PINS] = &wt_kind_pins,
        [WT_GENE_ROTATION] = &wt_kind_rotation, [WT_GENE_GRID] = &wt_kind_grid,   [WT_GENE_INTEGER] = &wt_kind_integer,
        [WT_GENE_NUMBER] = &wt_kind_number,     [WT_GENE_TYPE] = &wt_kind_type,
    };
    return KINDS[kind];
}

const char *wt_gene_kind_name(wt_gene_kind kind) { return wt_gene_kind_of(kind)->name; }

/* ---- values ---- */

int wt_gene_copy(const wt_gene_info *gene, wt_gene_value *to, const wt_gene_value *from, wt_error *err) {
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    if (kind->copy) return kind->copy(to, from, err);
    *to = *from;
    return 0;
}

void wt_gene_release(const wt_gene_info *gene, wt_gene_value *v) {
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    if (kind->release) kind->release(v);
}

/* The table's own texts, parsed once. One that cannot be parsed, or owns memory, is a mistake in the table. */
static wt_gene_value defaults[WT_GENES];

static void parse_defaults(void) {
    for (int g = 0; g < WT_GENES; g++) {
        wt_reader r = {.text = GENES[g].default_text, .len = strlen(GENES[g].default_text), .place = {1, 1}};
        if (wt_gene_kind_of(GENES[g].kind)->parse(&GENES[g], &r, &defaults[g], NULL) != 0 || r.at != r.len) abort();
    }
}

const wt_gene_value *wt_gene_default(wt_gene gene) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, parse_defaults);
    return &defaults[gene];
}
