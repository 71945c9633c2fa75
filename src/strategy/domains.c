/* The variables of each domain, in the order of the enums. Their descriptions are the docs'. */
#include "strategy/domains.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const TENSOR_NAMES[] = {
    [WT_TENSOR_DEPTH] = "depth",       [WT_TENSOR_SIZE] = "size",       [WT_TENSOR_KURT] = "kurt",
    [WT_TENSOR_PEAK] = "peak",         [WT_TENSOR_RMS_ACT] = "rms_act", [WT_TENSOR_KURT_ACT] = "kurt_act",
    [WT_TENSOR_ERROR] = "error",       [WT_TENSOR_SENS] = "sens",       [WT_TENSOR_IS_Q] = "is_q",
    [WT_TENSOR_IS_K] = "is_k",         [WT_TENSOR_IS_V] = "is_v",       [WT_TENSOR_IS_O] = "is_o",
    [WT_TENSOR_IS_GATE] = "is_gate",   [WT_TENSOR_IS_UP] = "is_up",     [WT_TENSOR_IS_DOWN] = "is_down",
    [WT_TENSOR_IS_EMBED] = "is_embed", [WT_TENSOR_IS_HEAD] = "is_head",
};
static const char *const TENSOR_HELP[] = {
    [WT_TENSOR_DEPTH] = "where its layer stands: layer / (layers - 1), from 0 to 1; 0 of the embedding, 1 of the head",
    [WT_TENSOR_SIZE] = "log2 of its number of weights over the mean number of weights of a matrix",
    [WT_TENSOR_KURT] = "kurtosis of its weights; 3 where they are normally distributed, more where some stand out",
    [WT_TENSOR_PEAK] = "largest magnitude of its weights over their RMS",
    [WT_TENSOR_RMS_ACT] = "RMS of its input's values over the geometric mean of that of all matrices",
    [WT_TENSOR_KURT_ACT] = "kurtosis of its input's values",
    [WT_TENSOR_ERROR] =
        "sum of its squared errors at the probe type, weighted by encode.weight, over the geometric mean of that of all matrices",
    [WT_TENSOR_SENS] = "measured divergence, in nats a token, when it alone is encoded at the probe type",
    [WT_TENSOR_IS_Q] = "1 where it makes queries, else 0; a fused tensor is all that it holds",
    [WT_TENSOR_IS_K] = "1 where it makes keys",
    [WT_TENSOR_IS_V] = "1 where it makes values",
    [WT_TENSOR_IS_O] = "1 of the attention's output projection",
    [WT_TENSOR_IS_GATE] = "1 of the FFN's gate",
    [WT_TENSOR_IS_UP] = "1 of the FFN's up projection",
    [WT_TENSOR_IS_DOWN] = "1 of the FFN's down projection",
    [WT_TENSOR_IS_EMBED] = "1 of the token embedding",
    [WT_TENSOR_IS_HEAD] = "1 of the output head; an embedding that is the head too is both",
};

static const char *const CHANNEL_NAMES[] = {
    [WT_CHANNEL_ACT] = "act",
    [WT_CHANNEL_ACT_MAX] = "act_max",
    [WT_CHANNEL_W] = "w",
    [WT_CHANNEL_W_MAX] = "w_max",
};
static const char *const CHANNEL_HELP[] = {
    [WT_CHANNEL_ACT] = "RMS of the channel's values over the geometric mean of that of the site's channels",
    [WT_CHANNEL_ACT_MAX] = "largest magnitude of the channel's values over the geometric mean of that",
    [WT_CHANNEL_W] = "RMS of the weights that read the channel over the geometric mean of that",
    [WT_CHANNEL_W_MAX] = "largest magnitude of the weights that read the channel over the geometric mean of that",
};

static const char *const ELEMENT_NAMES[] = {
    [WT_ELEMENT_X] = "x", [WT_ELEMENT_H] = "h", [WT_ELEMENT_V] = "v", [WT_ELEMENT_A] = "a", [WT_ELEMENT_R] = "r",
};
static const char *const ELEMENT_HELP[] = {
    [WT_ELEMENT_X] = "the weight",
    [WT_ELEMENT_H] = "mean square of the activation that it meets (importance); 1 where nothing was measured",
    [WT_ELEMENT_V] = "mean square of the weights of its block",
    [WT_ELEMENT_A] = "largest magnitude in its block",
    [WT_ELEMENT_R] = "mean square of the weights of its row",
};

static const char *const COLUMN_NAMES[] = {[WT_COLUMN_H] = "h", [WT_COLUMN_W] = "w"};
static const char *const COLUMN_HELP[] = {
    [WT_COLUMN_H] =
        "mean square of the activation that the column meets over the geometric mean of that of all columns",
    [WT_COLUMN_W] = "mean square of the column's weights over the geometric mean of that",
};

_Static_assert(COUNT(TENSOR_NAMES) == WT_TENSOR_VARIABLES && COUNT(TENSOR_HELP) == WT_TENSOR_VARIABLES, "all named");
_Static_assert(COUNT(CHANNEL_NAMES) == WT_CHANNEL_VARIABLES && COUNT(CHANNEL_HELP) == WT_CHANNEL_VARIABLES,
               "all named");
_Static_assert(COUNT(ELEMENT_NAMES) == WT_ELEMENT_VARIABLES && COUNT(ELEMENT_HELP) == WT_ELEMENT_VARIABLES,
               "all named");
_Static_assert(COUNT(COLUMN_NAMES) == WT_COLUMN_VARIABLES && COUNT(COLUMN_HELP) == WT_COLUMN_VARIABLES, "all named");

const wt_domain wt_domain_tensor = {"tensor", TENSOR_NAMES, TENSOR_HELP, COUNT(TENSOR_NAMES)};
const wt_domain wt_domain_channel = {"channel", CHANNEL_NAMES, CHANNEL_HELP, COUNT(CHANNEL_NAMES)};
const wt_domain wt_domain_element = {"element", ELEMENT_NAMES, ELEMENT_HELP, COUNT(ELEMENT_NAMES)};
const wt_domain wt_domain_column = {"column", COLUMN_NAMES, COLUMN_HELP, COUNT(COLUMN_NAMES)};
