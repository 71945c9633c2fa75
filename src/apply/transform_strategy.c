/* From a strategy's genes to what is asked of a transform. */
#include <string.h>

#include "apply/transform_private.h"

static const wt_gene FOLD_GENES[WT_FOLDS] = {
    [WT_FOLD_ATTN_IN] = WT_GENE_FOLD_ATTN_IN, [WT_FOLD_ATTN_OUT] = WT_GENE_FOLD_ATTN_OUT,
    [WT_FOLD_FFN_IN] = WT_GENE_FOLD_FFN_IN, [WT_FOLD_FFN_MID] = WT_GENE_FOLD_FFN_MID};

static void run_program(void *user, size_t layer, const float *const features[WT_CHANNEL_VARIABLES], size_t n,
                        float *out) {
    wt_row rows[WT_CHANNEL_VARIABLES];
    (void)layer;
    for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) rows[v] = (wt_row){.values = features[v]};
    wt_program_run(user, rows, n, out);
}

wt_transform *wt_transform_new(const wt_model *model, const wt_strategy *strategy, const wt_calibration *calibration,
                               wt_error *err) {
    const wt_gene_value *residual = &strategy->genes[WT_GENE_ROTATE_RESIDUAL];
    const wt_gene_value *value = &strategy->genes[WT_GENE_ROTATE_VALUE];
    wt_transform_request request = {.rotate_residual = residual->rotation.hadamard,
                                    .residual_seed = residual->rotation.seed,
                                    .rotate_value = value->rotation.hadamard,
                                    .value_seed = value->rotation.seed};
    wt_program programs[WT_FOLDS];
    for (int f = 0; f < WT_FOLDS; f++) {
        const wt_gene_info *gene = wt_gene_of(FOLD_GENES[f]);
        if (wt_program_compile(&programs[f], &strategy->genes[FOLD_GENES[f]].rule, &wt_domain_channel, err) != 0) {
            wt_error_prefix(err, "cannot apply %s", gene->name);
            return NULL;
        }
        if (programs[f].inputs == 0) continue; /* all scales are alike, which is none */
        request.folds[f] =
            (wt_fold_rule){run_program, &programs[f], programs[f].inputs, (float)gene->lo, (float)gene->hi};
    }
    return wt_transform_request_new(model, &request, calibration, err);
}
