/*
 * Scales of folds: what a rule says of the channels of a site, layer by layer.
 *
 * The features are ratios to the geometric mean over the channels of the layer. They are of the rotated channels and of
 * the rotated matrices that read them. The largest magnitude of a rotated channel is not known from what was measured;
 * as a sum of very many others it is about normal, and its largest magnitude about the same multiple of its RMS in
 * every channel: so act_max is act there, and also where the statistics hold no magnitudes. A channel that is (almost)
 * never used counts as a millionth of the RMS of all, so that its ratio stays a number that rules can work with.
 *
 * Logs and exponentials are those of expressions, which are the same bits on every machine.
 */
#include <math.h>
#include <stdlib.h>

#include "apply/transform_private.h"
#include "base/checked.h"

/* What a site's channels are called, and the matrices that read them. Values are read in the form that query heads have. */
typedef struct site_row {
    const char *gene;
    int space, read_space;
    wt_role readers[4];
} site_row;

static const site_row SITES[WT_FOLDS] = {
    [WT_FOLD_ATTN_IN] = {"fold.attn_in", WT_SPACE_ATTN_IN, WT_SPACE_ATTN_IN,
                         {WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_Q, WT_ROLE_ATTN_K, WT_ROLE_ATTN_V}},
    [WT_FOLD_ATTN_OUT] = {"fold.attn_out", WT_SPACE_VALUE, WT_SPACE_ATTN_OUT,
                          {WT_ROLE_ATTN_OUT, WT_ROLE_LIMIT, WT_ROLE_LIMIT, WT_ROLE_LIMIT}},
    [WT_FOLD_FFN_IN] = {"fold.ffn_in", WT_SPACE_FFN_IN, WT_SPACE_FFN_IN,
                        {WT_ROLE_FFN_GATE, WT_ROLE_FFN_UP, WT_ROLE_LIMIT, WT_ROLE_LIMIT}},
    [WT_FOLD_FFN_MID] = {"fold.ffn_mid", WT_SPACE_FFN_MID, WT_SPACE_FFN_MID,
                         {WT_ROLE_FFN_DOWN, WT_ROLE_LIMIT, WT_ROLE_LIMIT, WT_ROLE_LIMIT}},
};

#define USES(rule, variable) (((rule)->inputs >> (variable)) & 1)

/* A site of one layer, and room for its features. */
typedef struct site {
    wt_transform *t;
    const site_row *row;
    const wt_fold_rule *rule;
    size_t layer;
    const wt_channels *channels, *read; /* read: as the matrices see them */
    size_t n;
    float *features[WT_CHANNEL_VARIABLES]; /* [n] each */
    double *squares;                       /* [read->n] */
    float *max;                            /* [read->n] */
    float *matrix;                         /* the largest reader */
    size_t touched;                        /* floats of it that were written to */
} site;

/* ---- numbers ---- */

/* out[n] = log or exp of x[n]; out may be x. */
static void map(wt_op op, const float *x, size_t n, float *out) {
    const wt_expr e = {.nodes = {{.op = (uint8_t)op}, {.op = WT_OP_VARIABLE}}, .count = 2};
    wt_row rows[WT_CHANNEL_VARIABLES] = {{.values = x}};
    wt_program program;
    wt_program_compile(&program, &e, &wt_domain_channel, NULL); /* cannot fail: it is valid */
    wt_program_run(&program, rows, n, out);
}

static double mean(const float *x, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    return sum / (double)n;
}

/* Makes x [n] >= 0 relative to its geometric mean; `spare` [n]. Where all are 0 they are alike. */
static void relate(float *x, size_t n, float *spare) {
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    const float least = (float)(1e-6 * sqrt(squares / (double)n));
    for (size_t i = 0; i < n; i++) {
        if (!(least > 0.0f)) x[i] = 1.0f;
        if (x[i] < least) x[i] = least;
    }
    map(WT_OP_LOG, x, n, spare);
    const float middle = (float)mean(spare, n);
    float geometric;
    map(WT_OP_EXP, &middle, 1, &geometric);
    for (size_t i = 0; i < n; i++) x[i] /= geometric;
}

/* ---- features ---- */

/* Query heads of a group share a channel: the root of the mean of their squares and the largest of their magnitudes. */
static void gather(const site *s, const double *squares, const float *max, float *rms, float *largest) {
    const size_t heads = s->read->n / s->n, d = s->t->head_dim;
    for (size_t i = 0; i < s->n; i++) {
        const size_t first = i / d * heads * d + i % d;
        double sum = 0.0;
        float most = 0.0f;
        for (size_t h = 0; h < heads; h++) {
            sum += squares[first + h * d];
            if (max[first + h * d] > most) most = max[first + h * d];
        }
        rms[i] = (float)sqrt(sum / (double)heads);
        largest[i] = most;
    }
}

static int find_activations(const site *s, wt_error *err) {
    bool measured;
    const float *squares = wt_channels_mean_square(s->t, s->read, &measured, err);
    const wt_column_stats *stats;
    if ((!squares && measured) || wt_channels_measured(s->t, s->read, &stats, err) != 0)
        return wt_error_prefix(err, "cannot apply %s", s->row->gene);
    if (!squares) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot apply %s: its rule reads activations, but there are no statistics of '%s'",
                s->row->gene, s->read->measured);
        return wt_hint(err, "'wildtype calibrate' measures them");
    }
    const bool magnitudes = stats && stats->max && !s->read->rotation.signs;
    for (size_t i = 0; i < s->read->n; i++) {
        s->squares[i] = (double)squares[i];
        s->max[i] = magnitudes ? stats->max[i] : (float)sqrt((double)squares[i]);
    }
    gather(s, s->squares, s->max, s->features[WT_CHANNEL_ACT], s->features[WT_CHANNEL_ACT_MAX]);
    return 0;
}

/* Adds columns `from` .. `to`-1 of the matrix to the sums. */
static void add_columns(const site *s, size_t rows, size_t from, size_t to) {
    for (size_t r = 0; r < rows; r++) {
        const float *row = s->matrix + r * s->read->n;
        for (size_t c = from; c < to; c++) {
            const float magnitude = fabsf(row[c]);
            s->squares[c] += (double)row[c] * (double)row[c];
            if (magnitude > s->max[c]) s->max[c] = magnitude;
        }
    }
}

static const wt_recipe *reader(const site *s, int i) {
    const wt_role role = s->row->readers[i];
    return role == WT_ROLE_LIMIT ? NULL : s->t->by_role[s->layer * WT_LAYER_ROLES + role];
}

static int find_weights(site *s, wt_error *err) {
    const size_t n = s->read->n, stripe = 64;
    size_t rows = 0;
    for (size_t c = 0; c < n; c++) s->squares[c] = s->max[c] = 0.0f;
    for (int i = 0; i < 4; i++) {
        const wt_recipe *r = reader(s, i);
        if (!r) continue;
        const size_t size = r->site.rows * r->site.cols;
        if (wt_recipe_read(r, false, size <= s->touched, s->matrix, err) != 0) return -1;
        if (size > s->touched) s->touched = size;
#pragma omp parallel for schedule(static)
        for (size_t from = 0; from < n; from += stripe)
            add_columns(s, r->site.rows, from, n - from < stripe ? n : from + stripe);
        rows += r->site.rows;
    }
    for (size_t c = 0; c < n; c++) s->squares[c] /= (double)rows;
    gather(s, s->squares, s->max, s->features[WT_CHANNEL_W], s->features[WT_CHANNEL_W_MAX]);
    return 0;
}

/* ---- scales ---- */

/*
 * scale[n] = exp of the rule, within its bounds, over the geometric mean: a factor that all channels have in common
 * would change nothing that survives rounding to blocks with scales of their own.
 */
static int layer_scales(site *s, float *scale, wt_error *err) {
    const float *given[WT_CHANNEL_VARIABLES] = {0};
    const bool acts = USES(s->rule, WT_CHANNEL_ACT) || USES(s->rule, WT_CHANNEL_ACT_MAX);
    const bool weights = USES(s->rule, WT_CHANNEL_W) || USES(s->rule, WT_CHANNEL_W_MAX);
    if (acts && find_activations(s, err) != 0) return -1;
    if (weights && find_weights(s, err) != 0) return -1;
    for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) {
        if (!USES(s->rule, v)) continue;
        relate(s->features[v], s->n, scale);
        given[v] = s->features[v];
    }
    s->rule->run(s->rule->user, s->layer, given, s->n, scale);
    for (size_t i = 0; i < s->n; i++) scale[i] = fminf(fmaxf(scale[i], s->rule->lo), s->rule->hi);
    const double middle = mean(scale, s->n);
    for (size_t i = 0; i < s->n; i++) scale[i] = (float)((double)scale[i] - middle);
    map(WT_OP_EXP, scale, s->n, scale);
    return 0;
}

static size_t largest_reader(const site *s) {
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        const wt_recipe *r = reader(s, i);
        if (r && r->site.rows * r->site.cols > most) most = r->site.rows * r->site.cols;
    }
    return most;
}

static int prepare(site *s, wt_error *err) {
    size_t room = 0;
    for (s->layer = 0; s->layer < s->t->n_layers; s->layer++) {
        if (largest_reader(s) > room) room = largest_reader(s);
    }
    const wt_channels *first = wt_layer_space(s->t, 0, s->row->read_space);
    s->n = wt_layer_space(s->t, 0, s->row->space)->n;
    for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) {
        if (!(s->features[v] = wt_calloc(s->n, sizeof(float), err))) return -1;
    }
    s->squares = wt_calloc(first->n, sizeof *s->squares, err);
    s->max = wt_calloc(first->n, sizeof *s->max, err);
    const bool weights = USES(s->rule, WT_CHANNEL_W) || USES(s->rule, WT_CHANNEL_W_MAX);
    s->matrix = wt_alloc_aligned(weights ? room : 0, sizeof *s->matrix, err);
    return s->squares && s->max && s->matrix ? 0 : -1;
}

int wt_fold_evaluate(wt_transform *t, wt_fold fold, const wt_fold_rule *rule, float **scales, wt_error *err) {
    site s = {.t = t, .row = &SITES[fold], .rule = rule};
    int rc = prepare(&s, err);
    for (s.layer = 0; rc == 0 && s.layer < t->n_layers; s.layer++) {
        s.channels = wt_layer_space(t, s.layer, s.row->space);
        s.read = wt_layer_space(t, s.layer, s.row->read_space);
        scales[s.layer] = wt_arena_alloc(&t->arena, s.n * sizeof(float), err);
        rc = scales[s.layer] ? layer_scales(&s, scales[s.layer], err) : -1;
    }
    for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) free(s.features[v]);
    free(s.squares);
    free(s.max);
    free(s.matrix);
    return rc;
}
