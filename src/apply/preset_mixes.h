/* The mixes inside presets, a table of hand-made rules: which type a tensor gets for what it does and where it stands. */
#ifndef WT_APPLY_PRESET_MIXES_H
#define WT_APPLY_PRESET_MIXES_H

#include "apply/presets.h"

/* What the mixes tell apart. Coarser than a model's roles: judged by a part of the name, in models of any architecture. */
typedef enum wt_part {
    WT_PART_OTHER,
    WT_PART_HEAD, /* output.weight, and token_embd.weight where it is the head too */
    WT_PART_EMBEDDING,
    WT_PART_VALUE, /* attn_v, and what holds it: attn_qkv, attn_kv_b */
    WT_PART_KEY,
    WT_PART_QUERY,
    WT_PART_ATTENTION_OUT,
    WT_PART_DOWN,
    WT_PART_GATE,
    WT_PART_UP,
    WT_PARTS,
} wt_part;

/* What the rules ask of a model. */
typedef struct wt_mix_model {
    bool falcon, bailing; /* architectures with rules of their own */
    bool seventy;         /* Llama-70B's shape, and what llama.cpp takes for it */
    bool importance;
    uint64_t experts;
    uint64_t sharing; /* heads that share one head of keys and values */
} wt_mix_model;

/* The tensor in question. */
typedef struct wt_mix_tensor {
    wt_part part;
    int64_t index, count;  /* the how manieth of how many: of the values, or of the layers */
    uint64_t columns, matrices; /* dims[0], dims[2] */
} wt_mix_tensor;

/* The preset's choice, before any fallback. */
wt_type wt_mix_choose(const wt_preset *preset, const wt_mix_model *model, const wt_mix_tensor *tensor);

/* Whether the preset tells the layer of a tensor of experts by its name; otherwise by counting. */
bool wt_mix_reads_layers(const wt_preset *preset);

#endif
