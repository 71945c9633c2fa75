/*
 * Humans: llama.cpp's presets, tensor for tensor, and two methods that allocate by measurement. They are written in the language of
 * strategies, so that they run through the same machinery as what competes with them.
 */
#include "apply/humans.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "quant/encode.h"

/* A method: the text of its genes. */
typedef struct method {
    const char *name, *help;
    struct {
        wt_gene gene;
        const char *text;
    } genes[3];
    size_t count;
} method;

static const method METHODS[] = {
    {"sensitivity",
     "types by the measured divergence of each tensor, with error feedback (damp 0.1)",
     {{WT_GENE_ALLOC_PRICE, "sens"}, {WT_GENE_FEEDBACK_DAMP, "0.1"}, {WT_GENE_FEEDBACK_ORDER, "h"}},
     3},
    {"target-size",
     "types by the weighted error of each tensor, with llama.cpp PR 15550's factors for what tensors do",
     {{WT_GENE_ALLOC_PRICE, NULL}}, /* the table's human value */
     1},
};
#define METHOD_COUNT (sizeof METHODS / sizeof *METHODS)

bool wt_human_at(size_t i, wt_human_info *out) {
    size_t count;
    const wt_preset *presets = wt_presets(&count);
    if (i < METHOD_COUNT)
        *out = (wt_human_info){METHODS[i].name, METHODS[i].help, NULL};
    else if (i - METHOD_COUNT < count)
        *out =
            (wt_human_info){presets[i - METHOD_COUNT].name, presets[i - METHOD_COUNT].help, &presets[i - METHOD_COUNT]};
    else
        return false;
    return true;
}

bool wt_human_find(const char *name, wt_human_info *out) {
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (strcasecmp(METHODS[i].name, name) == 0) return wt_human_at(i, out);
    }
    const wt_preset *preset = wt_preset_find(name);
    if (preset) *out = (wt_human_info){preset->name, preset->help, preset};
    return preset != NULL;
}

/* The K types, the codebooks and Q8_0: what people choose among for files of any size. */
static uint64_t types_of_methods(bool has_importance) {
    static const wt_type TYPES[] = {WT_IQ1_S, WT_IQ1_M,  WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_Q2_K, WT_IQ3_XXS, WT_IQ3_S,
                                    WT_Q3_K,  WT_IQ4_XS, WT_IQ4_NL,  WT_Q4_K,   WT_Q5_K,  WT_Q6_K, WT_Q8_0};
    uint64_t types = 0;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        if (has_importance || !wt_encoder_of(TYPES[i])->needs_importance) types |= UINT64_C(1) << TYPES[i];
    }
    return types;
}

static int write_method(wt_strategy *out, const method *m, bool has_importance, wt_error *err) {
    for (size_t i = 0; i < m->count; i++) {
        const wt_gene gene = m->genes[i].gene;
        const char *text = m->genes[i].text ? m->genes[i].text : wt_gene_of(gene)->human_text;
        if (wt_strategy_set_gene(out, gene, text, err) != 0) return -1;
    }
    out->genes[WT_GENE_ALLOC_TYPES].types = types_of_methods(has_importance);
    return 0;
}

static int write_preset(wt_strategy *out, const wt_preset *preset, const wt_gguf *gguf, bool has_importance,
                        wt_error *err) {
    if (!gguf)
        return wt_fail(err, WT_ERR_ARGUMENT, "the preset %s chooses types tensor by tensor, which needs a model",
                       preset->name);
    const wt_preset_request request = {.preset = preset,
                                       .output_type = -1,
                                       .embedding_type = -1,
                                       .has_importance = has_importance,
                                       .allow_requantize = true};
    const size_t n = wt_gguf_tensor_count(gguf);
    size_t fallbacks;
    wt_assignment *assignments = wt_calloc(n ? n : 1, sizeof *assignments, err);
    if (!assignments) return -1;
    int rc = wt_preset_assign(gguf, &request, assignments, &fallbacks, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (wt_preset_applies(t))
            rc = wt_pins_set(&out->genes[WT_GENE_ALLOC_PINS].pins, t->name, assignments[i].type, err);
    }
    free(assignments);
    return rc;
}

int wt_human(wt_strategy *out, const char *name, const wt_gguf *gguf, bool has_importance, wt_error *err) {
    wt_human_info info;
    wt_strategy_init(out);
    if (!wt_human_find(name, &info)) {
        wt_fail(err, WT_ERR_ARGUMENT, "unknown human strategy '%.64s'", name);
        return wt_hint(err, "'wildtype strategy human' lists them");
    }
    int rc = 0;
    if (info.preset) {
        rc = write_preset(out, info.preset, gguf, has_importance, err);
    } else {
        for (size_t i = 0; i < METHOD_COUNT; i++) {
            if (METHODS[i].name == info.name) rc = write_method(out, &METHODS[i], has_importance, err);
        }
    }
    if (rc != 0) wt_strategy_release(out);
    return rc;
}
