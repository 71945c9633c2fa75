/*
 * The mixes of llama.cpp's presets as a table: a row names presets, a part of the model, the circumstances, and the type. The
 * first row whose circumstances all hold decides; where none does, the tensor gets the preset's own type. What does not
 * fit a table (the head, and two corrections of attn_v) is a function each.
 */
#include "apply/preset_mixes.h"

/* Circumstances; a row may ask for several at once. */
enum {
    ALWAYS = 0,
    SHARED = 1 << 0,    /* 4 or more query heads share one head of keys and values */
    EXPERTS_4 = 1 << 1, /* 4 experts or more */
    EXPERTS_8 = 1 << 2, /* 8 experts, Mixtral's number */
    FALCON = 1 << 3,
    NO_FALCON = 1 << 4,
    IMPORTANCE = 1 << 5,
    NO_IMPORTANCE = 1 << 6,
    FIRST_2 = 1 << 7,
    FIRST_4 = 1 << 8,
    FIRST_8TH = 1 << 9,
    FIRST_16TH = 1 << 10,
    INNER = 1 << 11,  /* neither in the first eighth nor in the last */
    SPREAD = 1 << 12, /* the first eighth, the last eighth, and every third between them */
    NO_EXPERTS_8 = 1 << 13,
};

#define P(name) (UINT64_C(1) << WT_FILE_##name)
/* The presets below 3 bits have rules of their own, and a smaller head. */
#define IQ1_ANY (P(IQ1_S) | P(IQ1_M))
#define IQ2_LOW (P(IQ2_XXS) | P(IQ2_XS))
#define IQ2_HIGH (P(IQ2_S) | P(IQ2_M))
#define LOW (IQ1_ANY | IQ2_LOW | IQ2_HIGH)
#define EVERY (~UINT64_C(0))

typedef struct mix_rule {
    wt_part part;
    uint64_t presets;
    unsigned when;
    wt_type type;
} mix_rule;

static const mix_rule RULES[] = {
    {WT_PART_EMBEDDING, IQ1_ANY | IQ2_LOW, ALWAYS, WT_Q2_K},
    {WT_PART_EMBEDDING, IQ2_HIGH | P(IQ3_XXS), ALWAYS, WT_IQ3_S},
    {WT_PART_EMBEDDING, P(TQ1_0) | P(TQ2_0) | P(Q2_0), ALWAYS, WT_Q4_K},

    {WT_PART_VALUE, LOW, SHARED, WT_Q4_K},
    {WT_PART_VALUE, LOW, EXPERTS_4, WT_Q4_K},
    {WT_PART_VALUE, IQ2_HIGH, ALWAYS, WT_IQ3_S},
    {WT_PART_VALUE, LOW, ALWAYS, WT_Q2_K},
    {WT_PART_VALUE, P(Q2_K) | P(Q2_K_S) | P(IQ3_XXS) | P(IQ3_XS) | P(IQ3_S), SHARED, WT_Q4_K},
    {WT_PART_VALUE, P(Q2_K), ALWAYS, WT_Q3_K},
    {WT_PART_VALUE, P(IQ3_XXS), NO_IMPORTANCE, WT_IQ3_S},
    {WT_PART_VALUE, P(IQ3_M), ALWAYS, WT_Q4_K},
    {WT_PART_VALUE, P(Q3_K_M), FIRST_2, WT_Q5_K},
    {WT_PART_VALUE, P(Q3_K_M), ALWAYS, WT_Q4_K},
    {WT_PART_VALUE, P(Q3_K_L), ALWAYS, WT_Q5_K},
    {WT_PART_VALUE, P(IQ4_NL) | P(IQ4_XS), SHARED, WT_Q5_K},
    {WT_PART_VALUE, P(Q4_K_M) | P(Q5_K_M), SPREAD, WT_Q6_K},
    {WT_PART_VALUE, P(Q4_K_S), FIRST_4, WT_Q5_K},

    {WT_PART_KEY, LOW, EXPERTS_8, WT_Q4_K},
    {WT_PART_KEY, EVERY, EXPERTS_8, WT_Q8_0},
    {WT_PART_KEY, P(IQ3_XS), ALWAYS, WT_IQ3_XXS},
    {WT_PART_KEY, P(IQ3_XXS), ALWAYS, WT_IQ2_S},
    {WT_PART_QUERY, P(IQ3_XS), ALWAYS, WT_IQ3_XXS},
    {WT_PART_QUERY, P(IQ3_XXS), ALWAYS, WT_IQ2_S},

    {WT_PART_ATTENTION_OUT, LOW, EXPERTS_8, WT_Q5_K},
    {WT_PART_ATTENTION_OUT, IQ1_ANY, ALWAYS, WT_IQ2_XXS},
    {WT_PART_ATTENTION_OUT, IQ2_HIGH, ALWAYS, WT_IQ3_S},
    {WT_PART_ATTENTION_OUT, P(Q3_K_L), FALCON, WT_Q4_K},
    {WT_PART_ATTENTION_OUT,
     P(Q2_K) | P(IQ3_XS) | P(IQ3_XXS) | P(Q3_K_S) | P(Q3_K_M) | P(IQ4_NL) | P(Q4_K_S) | P(Q4_K_M) | P(IQ3_S) |
         P(IQ3_M) | P(IQ4_XS),
     NO_FALCON | EXPERTS_8, WT_Q5_K},
    {WT_PART_ATTENTION_OUT, P(Q2_K), NO_FALCON | NO_EXPERTS_8, WT_Q3_K},
    {WT_PART_ATTENTION_OUT, P(IQ3_XXS), NO_FALCON | NO_EXPERTS_8, WT_IQ3_S},
    {WT_PART_ATTENTION_OUT, P(Q3_K_M) | P(IQ3_M), NO_FALCON | NO_EXPERTS_8, WT_Q4_K},
    {WT_PART_ATTENTION_OUT, P(Q3_K_L), NO_FALCON | NO_EXPERTS_8, WT_Q5_K},

    {WT_PART_DOWN, IQ2_HIGH, FIRST_8TH, WT_IQ3_S},
    {WT_PART_DOWN, LOW, FIRST_8TH, WT_Q2_K},
    {WT_PART_DOWN, P(Q2_K), ALWAYS, WT_Q3_K},
    {WT_PART_DOWN, P(Q2_K_S), FIRST_8TH, WT_Q4_K},
    {WT_PART_DOWN, P(IQ3_XXS), NO_IMPORTANCE | FIRST_8TH, WT_Q4_K},
    {WT_PART_DOWN, P(IQ3_XXS), NO_IMPORTANCE, WT_Q3_K},
    {WT_PART_DOWN, P(Q3_K_M), FIRST_16TH, WT_Q5_K},
    {WT_PART_DOWN, P(Q3_K_M), NO_FALCON, WT_Q4_K},
    {WT_PART_DOWN, P(Q3_K_M), SPREAD, WT_Q4_K},
    {WT_PART_DOWN, P(IQ3_M), FIRST_8TH, WT_Q4_K},
    {WT_PART_DOWN, P(IQ3_M), EXPERTS_8 | SPREAD, WT_Q4_K},
    {WT_PART_DOWN, P(Q3_K_L), FALCON, WT_Q4_K},
    {WT_PART_DOWN, P(Q3_K_L), ALWAYS, WT_Q5_K},
    {WT_PART_DOWN, P(Q4_K_M), FALCON | FIRST_16TH, WT_Q6_K},
    {WT_PART_DOWN, P(Q4_K_M), FALCON | SPREAD, WT_Q5_K},
    {WT_PART_DOWN, P(Q4_K_M), NO_FALCON | SPREAD, WT_Q6_K},
    {WT_PART_DOWN, P(Q5_K_M), SPREAD, WT_Q6_K},
    {WT_PART_DOWN, P(IQ4_NL) | P(IQ4_XS), NO_IMPORTANCE | FIRST_8TH, WT_Q5_K},
    {WT_PART_DOWN, P(Q4_K_S), NO_FALCON | FIRST_8TH, WT_Q5_K},
    {WT_PART_DOWN, P(Q4_0), IMPORTANCE | FIRST_8TH, WT_Q4_1},
    {WT_PART_DOWN, P(Q5_0), IMPORTANCE | FIRST_8TH, WT_Q5_1},

    {WT_PART_GATE, P(IQ3_XS), INNER, WT_IQ3_XXS},
    {WT_PART_UP, P(IQ3_XS), INNER, WT_IQ3_XXS},
};

/* Which circumstances hold for the tensor. All divisions of layer numbers round down. */
static unsigned circumstances(const wt_mix_model *m, const wt_mix_tensor *t) {
    const int64_t i = t->index, n = t->count, eighth = n / 8, last = 7 * n / 8;
    unsigned now = m->falcon ? FALCON : NO_FALCON;
    now |= m->importance ? IMPORTANCE : NO_IMPORTANCE;
    now |= m->experts == 8 ? EXPERTS_8 : NO_EXPERTS_8;
    if (m->sharing >= 4) now |= SHARED;
    if (m->experts >= 4) now |= EXPERTS_4;
    if (i < 2) now |= FIRST_2;
    if (i < 4) now |= FIRST_4;
    if (i < n / 16) now |= FIRST_16TH;
    if (i < eighth) now |= FIRST_8TH;
    if (i >= eighth && i < last) now |= INNER;
    if (i < eighth || i >= last || (i - eighth) % 3 == 2) now |= SPREAD;
    return now;
}

static wt_type head_type(const wt_preset *preset, const wt_mix_model *m, const wt_mix_tensor *t) {
    const bool fits = t->columns % wt_type_find(preset->type)->block == 0;
    if (preset->file_type == WT_FILE_MXFP4_MOE || preset->type == WT_Q8_0 || m->falcon || !fits) return WT_Q8_0;
    return UINT64_C(1) << preset->file_type & (LOW | P(IQ3_XXS)) ? WT_Q5_K : WT_Q6_K;
}

/* MXFP4 for experts, 8 bits for everything else. Elsewhere than in bailing, what has three dimensions is of experts. */
static wt_type experts_type(const wt_mix_model *m, const wt_mix_tensor *t) {
    const bool ffn = t->part == WT_PART_UP || t->part == WT_PART_GATE || t->part == WT_PART_DOWN;
    return t->matrices > 1 && (ffn || !m->bailing) ? WT_MXFP4 : WT_Q8_0;
}

wt_type wt_mix_choose(const wt_preset *preset, const wt_mix_model *model, const wt_mix_tensor *tensor) {
    if (tensor->part == WT_PART_HEAD) return head_type(preset, model, tensor);
    if (preset->file_type == WT_FILE_MXFP4_MOE) return experts_type(model, tensor);
    const uint64_t bit = UINT64_C(1) << preset->file_type;
    const unsigned now = circumstances(model, tensor);
    wt_type type = preset->type;
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++) {
        const mix_rule *r = &RULES[i];
        if (r->part != tensor->part || !(r->presets & bit) || (r->when & now) != r->when) continue;
        type = r->type;
        break;
    }
    if (tensor->part == WT_PART_VALUE && !(bit & LOW)) {
        /* 8 heads share a value in Llama-70B, so that more bits there cost little; the same for 8 experts. */
        if (model->seventy && (type == WT_Q3_K || type == WT_Q4_K)) type = WT_Q5_K;
        if (model->experts == 8) type = WT_Q8_0;
    }
    return type;
}

bool wt_mix_reads_layers(const wt_preset *preset) {
    return preset->file_type != WT_FILE_MXFP4_MOE && !(UINT64_C(1) << preset->file_type & LOW);
}
