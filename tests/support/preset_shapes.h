/*
 * Models of many shapes, of which presets ask only the shape: names and widths are those of real models, the matrices have two
 * rows of zeros. Tensors of a kind stand together, so that whoever counts layers in the order of the file is wrong.
 */
#ifndef WT_TESTS_PRESET_SHAPES_H
#define WT_TESTS_PRESET_SHAPES_H

#include "model/types.h"
#include "support/image.h"

typedef struct preset_shape {
    const char *name, *arch;
    uint32_t layers, width, ffn, heads, kv_heads, experts;
    int tied, fused; /* no head of its own; attn_qkv instead of attn_q, attn_k, attn_v */
} preset_shape;

/* Shape i, NULL past the last. */
const preset_shape *preset_shape_at(size_t i);

/* Its GGUF file; image_free it. */
image preset_shape_image(const preset_shape *shape);

/* Types in the order of the file, runs of the same counted: "F16 Q4_K*7 Q6_K". Cut to `size`; returns text. */
const char *preset_types_text(const wt_type *types, size_t n, char *text, size_t size);

#endif
