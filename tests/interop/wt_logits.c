/*
 * wt-logits MODEL TOKENS OUT: our engine's logits at every position, for comparison with the outside judge's. TOKENS holds
 * int32 ids, OUT gets float32 [tokens, vocabulary]. WRONG=field=value in the environment puts a wrong hyperparameter in first,
 * to show that the comparison notices it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/forward.h"

/* Sets a hyperparameter by name; returns false for an unknown one. */
static bool set_wrong(wt_hparams *hp, const char *name, double v) {
    struct { const char *name; double *at; } reals[] = {
        {"norm_eps", &hp->norm_eps}, {"attention_scale", &hp->attention_scale},
        {"embedding_scale", &hp->embedding_scale}, {"final_softcap", &hp->final_softcap},
        {"rope_base", &hp->rope_base}, {"rope_base_window", &hp->rope_base_window},
        {"rope_scale", &hp->rope_scale}, {"rope_scale_window", &hp->rope_scale_window},
        {"rope_magnitude", &hp->rope_magnitude}};
    struct { const char *name; bool *at; } flags[] = {{"qk_norm", &hp->qk_norm}, {"post_norms", &hp->post_norms},
                                                      {"biases", &hp->biases}, {"rope_factors", &hp->rope_factors},
                                                      {"rope_yarn", &hp->rope_yarn}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        if (strcmp(reals[i].name, name) == 0) return *reals[i].at = v, true;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].name, name) == 0) return *flags[i].at = v != 0, true;
    }
    if (strcmp(name, "rope_kind") == 0) return hp->rope_kind = (wt_rope_kind)v, true;
    if (strcmp(name, "activation") == 0) return hp->activation = (wt_activation)v, true;
    if (strcmp(name, "window") == 0) return hp->window = (uint32_t)v, true;
    if (strcmp(name, "window_all") == 0) { /* a window that llama.cpp ignores, honoured in every layer */
        hp->window = (uint32_t)v;
        memset(hp->windowed, 1, hp->n_layers);
        return true;
    }
    if (strcmp(name, "rope_dims") == 0) return hp->rope_dims = (uint32_t)v, true;
    if (strcmp(name, "rope_original_context") == 0) return hp->rope_original_context = (uint32_t)v, true;
    if (strcmp(name, "window_period") == 0) {
        for (uint32_t l = 0; l < hp->n_layers; l++) hp->windowed[l] = l % (uint32_t)v < (uint32_t)v - 1;
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    wt_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: wt-logits MODEL TOKENS OUT\n");
        return 2;
    }
    wt_model *model = wt_model_open(argv[1], &err);
    size_t bytes = 0;
    char *tokens = model ? wt_read_text(argv[2], &bytes, &err) : NULL;
    if (!tokens) goto fail;
    const char *wrong = getenv("WRONG");
    if (wrong && *wrong) {
        char name[64] = "";
        wt_hparams hp = *wt_model_hparams(model);
        const char *equals = strchr(wrong, '=');
        if (equals) memcpy(name, wrong, (size_t)(equals - wrong) < 63 ? (size_t)(equals - wrong) : 63);
        if (!equals || !set_wrong(&hp, name, atof(equals + 1))) {
            fprintf(stderr, "wt-logits: no hyperparameter '%s'\n", wrong);
            return 2;
        }
        wt_model_set_hparams(model, &hp);
    }
    size_t rows = bytes / sizeof(int32_t), width = wt_model_hparams(model)->width,
           vocab = wt_model_hparams(model)->vocab;
    wt_engine_options options = {.context = rows};
    if (getenv("BF16")) options.precision = WT_PRECISION_BF16;
    wt_engine *engine = wt_engine_open(model, &options, &err);
    float *hidden = wt_alloc_aligned(rows * width, sizeof *hidden, &err);
    float *logits = wt_alloc_aligned(rows * vocab, sizeof *logits, &err);
    if (!engine || !hidden || !logits) goto fail;
    wt_batch batch = {.tokens = (const int32_t *)(void *)tokens, .lengths = &rows, .sequences = 1,
                      .last_block = WT_ALL_BLOCKS};
    if (wt_engine_run(engine, &batch, hidden, &err) != 0) goto fail;
    wt_engine_final_norm(engine, hidden, rows, hidden);
    if (wt_engine_logits(engine, hidden, rows, logits, &err) != 0) goto fail;
    FILE *out = fopen(argv[3], "wb");
    if (!out || fwrite(logits, sizeof *logits, rows * vocab, out) != rows * vocab || fclose(out) != 0) {
        fprintf(stderr, "wt-logits: cannot write '%s'\n", argv[3]);
        return 1;
    }
    free(tokens);
    free(hidden);
    free(logits);
    wt_engine_close(engine);
    wt_model_close(model);
    return 0;
fail:
    fprintf(stderr, "wt-logits: %s\n", err.message);
    return 1;
}
