/*
 * One way through a layer for every architecture: norm, queries keys and values, rope, attention, output, norm, gate and
 * up, activation, down. What an architecture leaves out is absent from its hyperparameters or its tensors.
 */
#include "engine/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "base/threads.h"
#include "engine/attention.h"
#include "engine/cache_form.h"
#include "engine/kernels.h"
#include "engine/matmul_bf16.h"
#include "engine/rope.h"
#include "quant/codec.h"

/* Tokens of the head that are packed and multiplied at a time. */
#define HEAD_PIECE ((size_t)64 * WT_TILE_COLS)

/* Matrices of a layer as they are multiplied: the parts of a fused tensor count one by one. */
typedef enum part { PART_Q, PART_K, PART_V, PART_OUT, PART_GATE, PART_UP, PART_DOWN, PARTS } part;

/* A packed matrix that stays, and what it was packed from. */
typedef struct resident {
    wt_packed *packed;
    uint64_t version; /* of the weight; its address proves nothing, since buffers are rewritten and reused */
} resident;

struct wt_engine {
    const wt_model *model;
    wt_engine_options options;
    wt_tap tap;
    resident *residents; /* [n_layers * PARTS + head pieces] */
    size_t resident_count, resident_used;
    wt_packed *spare;    /* the matrix that is in use where it does not stay */
    float *buffers;      /* of the last run, where they are small enough to keep; see KEPT_BYTES */
    size_t buffer_floats;
    wt_input input;      /* of the matrix in use and of those that share it */
    wt_rope_table rope, rope_window;
    wt_cache_form cache_form;
    wt_kv_packed kv_packed; /* of the layer in work, in bf16 */
    float *layer_vectors[WT_LAYER_ROLES]; /* decoded norms and biases of the layer in work */
    float *output_norm, *rope_factors;    /* rope_factors NULL: none */
};

struct wt_kv_cache {
    size_t sequences, capacity, n_layers;
    size_t *lengths;  /* [sequences] positions held */
    float *keys, *values; /* [n_layers] stores of [sequences], as wt_kv_store has them */
    size_t layer_floats;
};

/*
 * A run's buffers up to this many bytes stay for the next one: handing out fresh pages costs the system a tenth of a small
 * model's time. A large model's do not weigh against its products, and would be memory that another engine needs.
 */
#define KEPT_BYTES ((size_t)48 << 20)

/* The buffers of one run, parts of one allocation. */
typedef struct work {
    size_t rows;
    float *buffers;
    size_t buffer_floats;
    float *normed;    /* [rows, width]: norm outputs, then a block's output before its post-norm */
    float *queries;   /* [rows, n_heads * head_dim] */
    float *attended;  /* the same */
    float *keys, *values; /* [rows, n_kv_heads * head_dim] */
    float *gate, *up; /* [rows, ffn] */
    wt_kv_store store;/* of the run where there is no cache */
    wt_span *spans;
} work;

/* ---- opening ---- */

static int decode_vector(const wt_weight *w, float *out, size_t n, wt_error *err) {
    wt_decode_fn decode = wt_codec_of(w->type)->decode;
    if (!decode) return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot decode vector '%s'", w->tensor->name);
    decode(w->data, out, n);
    return 0;
}

/* A decoded copy of a vector outside the layers, NULL in *out where the model has none. */
static int load_vector(const wt_model *model, wt_role role, float **out, wt_error *err) {
    wt_weight w = wt_model_weight(model, role, 0);
    if (!w.tensor) return 0;
    *out = wt_alloc_aligned(w.tensor->dims[0], sizeof(float), err);
    return *out ? decode_vector(&w, *out, w.tensor->dims[0], err) : -1;
}

static int load_rope_factors(wt_engine *e, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    if (!hp->rope_factors) return 0;
    wt_role role = WT_ROLE_ROPE_FACTORS;
    if (hp->arch->rope_long_short)
        role = e->options.context > hp->rope_original_context ? WT_ROLE_ROPE_LONG : WT_ROLE_ROPE_SHORT;
    else if (hp->arch->rope != WT_ROPE_PAIRS)
        return 0; /* a rope_freqs that a converter left in a model whose architecture has none */
    if (load_vector(e->model, role, &e->rope_factors, err) != 0) return -1;
    for (size_t i = 0; e->rope_factors && i < hp->rope_dims / 2; i++) {
        if (!(fabsf(e->rope_factors[i]) > 0.0f) || !isfinite(e->rope_factors[i])) {
            return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': tensor '%s.weight' holds %g at %zu",
                           wt_gguf_path(wt_model_gguf(e->model)), wt_role_name(role), (double)e->rope_factors[i], i);
        }
    }
    return 0;
}

static int check_type(const wt_model *model, const wt_weight *w, wt_error *err) {
    if (!w->tensor || wt_codec_of(w->type)->decode) return 0;
    wt_fail(err, WT_ERR_UNSUPPORTED, "cannot run '%s': tensor '%s' has type %s, which cannot be decoded yet",
            wt_gguf_path(wt_model_gguf(model)), w->tensor->name, wt_type_find(w->type)->name);
    return wt_hint(err, "'wildtype inspect' lists the types of a file");
}

/* Every type that the run will meet can be decoded; better said before an hour of work than in its middle. */
static int check_types(const wt_model *model, wt_error *err) {
    const wt_gguf *gguf = wt_model_gguf(model);
    wt_weight head = wt_model_weight(model, WT_ROLE_OUTPUT, 0); /* no tensor of the file where it was given to a tied model */
    if (check_type(model, &head, err) != 0) return -1;
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        wt_role role;
        int layer;
        if (!wt_role_of(wt_gguf_tensor(gguf, i)->name, &role, &layer)) continue;
        wt_weight w = wt_model_weight(model, role, layer < 0 ? 0 : (uint32_t)layer);
        if (check_type(model, &w, err) != 0) return -1;
    }
    return 0;
}

wt_engine *wt_engine_open(const wt_model *model, const wt_engine_options *options, wt_error *err) {
    wt_engine *e = wt_calloc(1, sizeof *e, err);
    if (!e) return NULL;
    const wt_hparams *hp = wt_model_hparams(model);
    e->model = model;
    if (options) e->options = *options;
    if (e->options.tap) e->tap = *e->options.tap;
    if (e->options.precision == WT_PRECISION_BF16 && !wt_matmul_has_bf16()) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "this processor does not multiply bf16");
        wt_hint(err, "leave out --bf16");
        goto fail;
    }
    if (check_types(model, err) != 0) goto fail;
    if (wt_cache_form_init(&e->cache_form, e->options.cache_k, e->options.cache_v, e->options.activations, hp->head_dim,
                           err) != 0) {
        wt_error_prefix(err, "cannot run '%s'", wt_gguf_path(wt_model_gguf(model)));
        goto fail;
    }
    e->resident_count = (size_t)hp->n_layers * PARTS + (hp->vocab + HEAD_PIECE - 1) / HEAD_PIECE;
    if (!(e->residents = wt_calloc(e->resident_count, sizeof *e->residents, err))) goto fail;
    for (int role = 0; role < WT_LAYER_ROLES; role++) {
        wt_weight w = wt_model_weight(model, (wt_role)role, 0);
        size_t n = 0; /* the longest such vector of any layer: a bias may be in some layers only */
        for (uint32_t l = 0; l < hp->n_layers; l++) {
            w = wt_model_weight(model, (wt_role)role, l);
            if (w.tensor && w.tensor->rows == 1 && w.tensor->dims[0] > n) n = w.tensor->dims[0];
        }
        if (n > 0 && !(e->layer_vectors[role] = wt_alloc_aligned(n, sizeof(float), err))) goto fail;
    }
    if (load_vector(model, WT_ROLE_OUTPUT_NORM, &e->output_norm, err) != 0) goto fail;
    if (load_rope_factors(e, err) != 0) goto fail;
    return e;
fail:
    wt_engine_close(e);
    return NULL;
}

void wt_engine_close(wt_engine *engine) {
    if (!engine) return;
    for (size_t i = 0; engine->residents && i < engine->resident_count; i++) wt_packed_free(engine->residents[i].packed);
    free(engine->residents);
    wt_packed_free(engine->spare);
    free(engine->buffers);
    wt_input_release(&engine->input);
    wt_kv_packed_release(&engine->kv_packed);
    wt_rope_table_release(&engine->rope);
    wt_rope_table_release(&engine->rope_window);
    for (int i = 0; i < WT_LAYER_ROLES; i++) free(engine->layer_vectors[i]);
    free(engine->output_norm);
    free(engine->rope_factors);
    free(engine);
}

const wt_model *wt_engine_model(const wt_engine *engine) { return engine->model; }

/* ---- the cache of keys and values ---- */

wt_kv_cache *wt_kv_cache_new(const wt_engine *engine, size_t sequences, size_t context, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(engine->model);
    wt_kv_cache *c = wt_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    c->sequences = sequences;
    c->n_layers = hp->n_layers;
    c->capacity = (context + WT_ATTENTION_TILE - 1) / WT_ATTENTION_TILE * WT_ATTENTION_TILE;
    size_t floats;
    if (!wt_mul_size(c->capacity * engine->cache_form.key_dim, hp->n_kv_heads, &c->layer_floats) ||
        !wt_mul_size(c->layer_floats, sequences, &c->layer_floats) ||
        !wt_mul_size(c->layer_floats, hp->n_layers, &floats)) {
        wt_fail_memory(err, SIZE_MAX);
        goto fail;
    }
    c->lengths = wt_calloc(sequences, sizeof *c->lengths, err);
    c->keys = wt_calloc(floats, sizeof(float), err);
    c->values = wt_calloc(floats, sizeof(float), err);
    if (!c->lengths || !c->keys || !c->values) goto fail;
    return c;
fail:
    wt_kv_cache_free(c);
    return NULL;
}

void wt_kv_cache_free(wt_kv_cache *cache) {
    if (!cache) return;
    free(cache->lengths);
    free(cache->keys);
    free(cache->values);
    free(cache);
}

static wt_kv_store layer_store(const wt_kv_cache *c, const work *w, uint32_t layer) {
    if (!c) return w->store;
    size_t offset = (size_t)layer * c->layer_floats;
    return (wt_kv_store){c->keys + offset, c->values + offset, c->capacity};
}

/* ---- one matrix ---- */

/* What the input of a product with `weight` is rounded to. */
static wt_rounding input_rounding(const wt_engine *e, const wt_weight *weight) {
    if (e->options.activations == WT_ACTIVATIONS_F32) return WT_ROUND_NONE;
    if (e->options.activations == WT_ACTIVATIONS_Q8_ALL) { /* of K-quants, or where rows do not fit those, of small blocks */
        const uint64_t columns = weight->tensor->dims[0];
        if (columns % wt_rounding_block(WT_ROUND_Q8_K) == 0) return WT_ROUND_Q8_K;
        if (columns % wt_rounding_block(WT_ROUND_Q8_0) == 0) return WT_ROUND_Q8_0;
    }
    return wt_rounding_of_input(weight->type);
}

/* Rows first.. first+n-1 of a weight, packed: from the residents, or into the spare. */
static const wt_packed *packed_rows(wt_engine *e, const wt_weight *weight, size_t first, size_t n, size_t slot,
                                    wt_error *err) {
    resident *r = &e->residents[slot];
    if (r->packed && r->version == weight->version) return r->packed;
    size_t k = weight->tensor->dims[0], bytes = 0;
    uint64_t row_bytes = 0;
    const unsigned char *data = weight->data;
    wt_type_row_bytes(weight->type, k, &row_bytes);
    bool stays = wt_mul_size(n, k * sizeof(float), &bytes) &&
                 bytes <= e->options.resident_bytes - (e->resident_used < e->options.resident_bytes
                                                           ? e->resident_used
                                                           : e->options.resident_bytes);
    wt_packed *reuse = r->packed; /* packed from something else: its storage serves again */
    if (reuse) {
        e->resident_used -= wt_packed_bytes(reuse);
        r->packed = NULL;
        stays = true;
    } else if (!stays) {
        reuse = e->spare;
        e->spare = NULL;
    }
    wt_packed *packed =
        wt_pack(weight->type, data + first * row_bytes, n, k, e->options.precision, reuse, err);
    if (packed && input_rounding(e, weight) == WT_ROUND_Q8_1 &&
        wt_pack_minima(packed, weight->type, data + first * row_bytes, err) != 0) {
        wt_packed_free(packed);
        packed = NULL;
    }
    if (!packed) {
        wt_error_prefix(err, "tensor '%s'", weight->tensor->name);
        return NULL;
    }
    if (stays) {
        *r = (resident){packed, weight->version};
        e->resident_used += wt_packed_bytes(packed);
    } else {
        e->spare = packed;
    }
    return packed;
}

/* One part of a layer: where it is, which rows of its tensor it has, and its bias. */
typedef struct matrix {
    wt_role role, bias;
    size_t first, n;
} matrix;

static matrix layer_matrix(const wt_hparams *hp, bool fused_qkv, part p) {
    size_t q = (size_t)hp->n_heads * hp->head_dim, kv = (size_t)hp->n_kv_heads * hp->head_dim;
    bool fused_up = hp->arch->fused_gate_up;
    switch (p) {
    case PART_Q: return fused_qkv ? (matrix){WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_QKV_BIAS, 0, q}
                                  : (matrix){WT_ROLE_ATTN_Q, WT_ROLE_ATTN_Q_BIAS, 0, q};
    case PART_K: return fused_qkv ? (matrix){WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_QKV_BIAS, q, kv}
                                  : (matrix){WT_ROLE_ATTN_K, WT_ROLE_ATTN_K_BIAS, 0, kv};
    case PART_V: return fused_qkv ? (matrix){WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_QKV_BIAS, q + kv, kv}
                                  : (matrix){WT_ROLE_ATTN_V, WT_ROLE_ATTN_V_BIAS, 0, kv};
    case PART_OUT: return (matrix){WT_ROLE_ATTN_OUT, WT_ROLE_ATTN_OUT_BIAS, 0, hp->width};
    case PART_GATE: return fused_up ? (matrix){WT_ROLE_FFN_UP, WT_ROLE_FFN_UP_BIAS, 0, hp->ffn}
                                    : (matrix){WT_ROLE_FFN_GATE, WT_ROLE_FFN_GATE_BIAS, 0, hp->ffn};
    case PART_UP: return (matrix){WT_ROLE_FFN_UP, WT_ROLE_FFN_UP_BIAS, fused_up ? hp->ffn : 0, hp->ffn};
    default: return (matrix){WT_ROLE_FFN_DOWN, WT_ROLE_FFN_DOWN_BIAS, 0, hp->width};
    }
}

/* Between two matrices: whether somebody wants the run to end. */
static int check_stop(const wt_engine *e, wt_error *err) {
    const wt_stop *stop = &e->options.stop;
    return stop->asked && stop->asked(stop->user) ? wt_fail(err, WT_ERR_INTERRUPTED, "stopped") : 0;
}

/* y (+)= the engine's input times one part of the layer, bias included. */
static int multiply(wt_engine *e, uint32_t layer, part p, wt_store store, float *y, wt_error *err) {
    if (check_stop(e, err) != 0) return -1;
    const wt_hparams *hp = wt_model_hparams(e->model);
    bool fused_qkv = wt_model_weight(e->model, WT_ROLE_ATTN_QKV, layer).tensor != NULL;
    matrix m = layer_matrix(hp, fused_qkv, p);
    wt_weight weight = wt_model_weight(e->model, m.role, layer);
    if (e->tap.input && m.first == 0)
        e->tap.input(e->tap.user, m.role, (int)layer, e->input.x, e->input.rows, e->input.k);
    const wt_packed *packed = packed_rows(e, &weight, m.first, m.n, (size_t)layer * PARTS + p, err);
    if (!packed) return -1;
    const float *bias = NULL;
    if (hp->biases) {
        if (wt_model_weight(e->model, m.bias, layer).tensor) bias = e->layer_vectors[m.bias] + m.first;
        /* A fused matrix may come with separate biases. */
        static const wt_role separate[] = {WT_ROLE_ATTN_Q_BIAS, WT_ROLE_ATTN_K_BIAS, WT_ROLE_ATTN_V_BIAS};
        if (!bias && fused_qkv && p <= PART_V && wt_model_weight(e->model, separate[p], layer).tensor)
            bias = e->layer_vectors[separate[p]];
    }
    return wt_matmul_input(&e->input, input_rounding(e, &weight), packed, bias, store, y, m.n, err);
}

/* ---- one layer ---- */

static void norm_rows(const float *x, const float *gain, double eps, size_t rows, size_t n, float *y) {
    const wt_kernels *k = wt_kernels_get();
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) k->rms_norm(y + r * n, x + r * n, gain, (float)eps, n);
}

/* Norms of heads, rope, and the way of keys and values into the store. */
static void place_heads(wt_engine *e, const work *w, const wt_kv_store *store, bool windowed) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    const wt_kernels *k = wt_kernels_get();
    const wt_rope_table *rope = windowed ? &e->rope_window : &e->rope;
    const float *q_gain = hp->qk_norm ? e->layer_vectors[WT_ROLE_ATTN_Q_NORM] : NULL;
    const float *k_gain = hp->qk_norm ? e->layer_vectors[WT_ROLE_ATTN_K_NORM] : NULL;
    void (*rotate)(float *, const float *, const float *, size_t) =
        hp->rope_kind == WT_ROPE_PAIRS ? k->rope_pairs : k->rope_halves;
    size_t d = hp->head_dim;
#pragma omp parallel
    {
        size_t s = 0; /* the row's sequence: a thread's rows ascend */
#pragma omp for schedule(static)
        for (size_t row = 0; row < w->rows; row++) {
            while (row >= w->spans[s].row + w->spans[s].count) s++;
            size_t position = w->spans[s].start + row - w->spans[s].row;
            const float *cos = rope->cos + position * rope->pairs, *sin = rope->sin + position * rope->pairs;
            for (size_t h = 0; h < hp->n_heads; h++) {
                float *q = w->queries + (row * hp->n_heads + h) * d;
                if (q_gain) k->rms_norm(q, q, q_gain, (float)hp->norm_eps, d);
                rotate(q, cos, sin, hp->rope_dims);
            }
            for (size_t h = 0; h < hp->n_kv_heads; h++) {
                float *key = w->keys + (row * hp->n_kv_heads + h) * d;
                float *value = w->values + (row * hp->n_kv_heads + h) * d;
                if (k_gain) k->rms_norm(key, key, k_gain, (float)hp->norm_eps, d);
                rotate(key, cos, sin, hp->rope_dims);
                size_t at = (s * hp->n_kv_heads + h) * store->capacity + position;
                wt_cache_form_key(&e->cache_form, key, store->keys + at * e->cache_form.key_dim);
                wt_cache_form_value(&e->cache_form, value, store->values + at * d);
            }
        }
    }
}

/*
 * Multiplies the engine's input by `p` and adds the result to the residual stream, through a post-norm where the
 * architecture has one.
 */
static int close_block(wt_engine *e, uint32_t layer, part p, wt_role post_norm, work *w, float *hidden, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    if (!hp->post_norms) return multiply(e, layer, p, WT_STORE_ADD, hidden, err);
    if (multiply(e, layer, p, WT_STORE, w->normed, err) != 0) return -1;
    const wt_kernels *k = wt_kernels_get();
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < w->rows; r++) {
        float *y = w->normed + r * hp->width;
        k->rms_norm(y, y, e->layer_vectors[post_norm], (float)hp->norm_eps, hp->width);
        k->add(hidden + r * hp->width, y, hp->width);
    }
    return 0;
}

static int load_layer_vectors(wt_engine *e, uint32_t layer, wt_error *err) {
    for (int role = 0; role < WT_LAYER_ROLES; role++) {
        wt_weight w = wt_model_weight(e->model, (wt_role)role, layer);
        if (w.tensor && w.tensor->rows == 1 && decode_vector(&w, e->layer_vectors[role], w.tensor->dims[0], err) != 0)
            return -1;
    }
    return 0;
}

static int run_layer(wt_engine *e, uint32_t layer, const wt_batch *batch, work *w, float *hidden, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    bool windowed = hp->windowed[layer];
    wt_kv_store store = layer_store(batch->cache, w, layer);
    if (load_layer_vectors(e, layer, err) != 0) return -1;

    norm_rows(hidden, e->layer_vectors[WT_ROLE_ATTN_NORM], hp->norm_eps, w->rows, hp->width, w->normed);
    wt_input_set(&e->input, w->normed, w->rows, hp->width);
    if (multiply(e, layer, PART_Q, WT_STORE, w->queries, err) != 0) return -1;
    if (multiply(e, layer, PART_K, WT_STORE, w->keys, err) != 0) return -1;
    if (multiply(e, layer, PART_V, WT_STORE, w->values, err) != 0) return -1;
    place_heads(e, w, &store, windowed);
    wt_kv_packed *packed = e->options.precision == WT_PRECISION_BF16 && wt_bf16_products_get() ? &e->kv_packed : NULL;
    if (wt_attention(hp, &e->cache_form, windowed, &store, packed, w->spans, batch->sequences, w->queries, w->attended,
                     err) != 0)
        return -1;
    wt_input_set(&e->input, w->attended, w->rows, (size_t)hp->n_heads * hp->head_dim);
    if (close_block(e, layer, PART_OUT, WT_ROLE_ATTN_POST_NORM, w, hidden, err) != 0) return -1;

    norm_rows(hidden, e->layer_vectors[WT_ROLE_FFN_NORM], hp->norm_eps, w->rows, hp->width, w->normed);
    wt_input_set(&e->input, w->normed, w->rows, hp->width);
    if (multiply(e, layer, PART_GATE, WT_STORE, w->gate, err) != 0) return -1;
    if (multiply(e, layer, PART_UP, WT_STORE, w->up, err) != 0) return -1;
    const wt_kernels *k = wt_kernels_get();
    void (*act)(float *, const float *, size_t) = hp->activation == WT_ACT_SILU ? k->silu_mul : k->gelu_mul;
    if (act == k->gelu_mul && e->options.activations != WT_ACTIVATIONS_F32) act = wt_gelu_table_mul;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < w->rows; r++) act(w->gate + r * hp->ffn, w->up + r * hp->ffn, hp->ffn);
    wt_input_set(&e->input, w->gate, w->rows, hp->ffn);
    return close_block(e, layer, PART_DOWN, WT_ROLE_FFN_POST_NORM, w, hidden, err);
}

/* ---- one run ---- */

/*
 * Work this small (multiply-adds times two between two meetings of the threads) runs on one thread: on a busy machine the
 * threads would wait for each other longer than they work. Generation of single tokens by small models is such work.
 */
#define WORTH_THREADS 1e8

/* Puts the calling thread's regions on one thread where the work is small; returns what to give threads_restore. */
static int threads_for(const wt_engine *e, double flops) {
    int threads = wt_threads_get();
    double worth = e->options.parallel_flops > 0.0 ? e->options.parallel_flops : WORTH_THREADS;
    if (flops >= worth || threads == 1) return 0;
    wt_threads_set(1);
    return threads;
}

static void threads_restore(int threads) {
    if (threads) wt_threads_set(threads);
}

/* Rows as the tiles of a matrix product see them. */
static double padded_rows(size_t rows) { return (double)((rows + WT_TILE_ROWS - 1) / WT_TILE_ROWS * WT_TILE_ROWS); }

static void work_release(wt_engine *e, work *w) {
    if (!w->buffers) { /* it never took any: what the engine has stays there */
    } else if (w->buffer_floats <= KEPT_BYTES / sizeof(float)) {
        e->buffers = w->buffers;
        e->buffer_floats = w->buffer_floats;
    } else {
        free(w->buffers);
    }
    free(w->spans);
}

/* One buffer of a run: where its pointer goes, and its size. */
typedef struct part_of_work {
    float **at;
    size_t rows, floats; /* floats per row */
} part_of_work;

/* Gives the parts their places in one allocation: what the engine kept, where that is large enough. */
static int work_allocate(wt_engine *e, work *w, const part_of_work *parts, size_t count, wt_error *err) {
    enum { STEP = WT_ALIGN / sizeof(float) };
    size_t sizes[16], total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!wt_mul_size(parts[i].rows, parts[i].floats, &sizes[i]) || sizes[i] > SIZE_MAX / sizeof(float) / 16 - STEP)
            return wt_fail_memory(err, SIZE_MAX);
        sizes[i] = (sizes[i] + STEP - 1) / STEP * STEP;
        total += sizes[i];
    }
    w->buffers = e->buffers;
    w->buffer_floats = e->buffer_floats;
    e->buffers = NULL;
    e->buffer_floats = 0;
    if (total > w->buffer_floats) {
        free(w->buffers);
        w->buffer_floats = 0;
        if (!(w->buffers = wt_alloc_aligned(total, sizeof(float), err))) return -1;
        w->buffer_floats = total;
    }
    float *next = w->buffers;
    for (size_t i = 0; i < count; next += sizes[i++]) *parts[i].at = next;
    return 0;
}

/* Lays out the sequences and allocates what a run of them needs. */
static int work_prepare(wt_engine *e, const wt_batch *batch, work *w, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    const wt_kv_cache *cache = batch->cache;
    if (cache && (cache->sequences < batch->sequences || cache->n_layers != hp->n_layers))
        return wt_fail(err, WT_ERR_ARGUMENT, "the cache holds %zu sequences, not %zu", cache->sequences,
                       batch->sequences);
    if (!(w->spans = wt_calloc(batch->sequences, sizeof *w->spans, err))) return -1;
    size_t longest = 0;
    for (size_t s = 0; s < batch->sequences; s++) {
        w->spans[s] = (wt_span){w->rows, batch->lengths[s], cache ? cache->lengths[s] : 0};
        w->rows += batch->lengths[s];
        size_t end = w->spans[s].start + w->spans[s].count;
        if (cache && end > cache->capacity)
            return wt_fail(err, WT_ERR_ARGUMENT, "sequence %zu has %zu tokens, the cache room for %zu", s, end,
                           cache->capacity);
        if (end > longest) longest = end;
    }
    if (wt_rope_table_cover(&e->rope, hp, false, e->rope_factors, longest, err) != 0) return -1;
    if (hp->window && wt_rope_table_cover(&e->rope_window, hp, true, e->rope_factors, longest, err) != 0) return -1;
    size_t q = (size_t)hp->n_heads * hp->head_dim, kv = (size_t)hp->n_kv_heads * hp->head_dim;
    size_t capacity = cache ? 0 : (longest + WT_ATTENTION_TILE - 1) / WT_ATTENTION_TILE * WT_ATTENTION_TILE, stored;
    if (!wt_mul_size(capacity, batch->sequences, &stored)) return wt_fail_memory(err, SIZE_MAX);
    size_t key = hp->n_kv_heads * e->cache_form.key_dim;
    const part_of_work parts[] = {
        {&w->normed, w->rows, hp->width}, {&w->queries, w->rows, q}, {&w->attended, w->rows, q},
        {&w->keys, w->rows, kv},          {&w->values, w->rows, kv}, {&w->gate, w->rows, hp->ffn},
        {&w->up, w->rows, hp->ffn},       {&w->store.keys, stored, key}, {&w->store.values, stored, kv},
    };
    if (work_allocate(e, w, parts, sizeof parts / sizeof *parts, err) != 0) return -1;
    w->store.capacity = capacity;
    if (stored == 0) return 0;
    memset(w->store.keys, 0, stored * key * sizeof(float)); /* where a sequence is shorter than the longest */
    memset(w->store.values, 0, stored * kv * sizeof(float));
    return 0;
}

static int embed(const wt_engine *e, const int32_t *tokens, size_t rows, float *hidden, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    wt_weight w = wt_model_weight(e->model, WT_ROLE_EMBEDDING, 0);
    wt_decode_fn decode = wt_codec_of(w.type)->decode;
    uint64_t row_bytes = 0;
    wt_type_row_bytes(w.type, hp->width, &row_bytes);
    for (size_t r = 0; r < rows; r++) {
        if (tokens[r] < 0 || (uint32_t)tokens[r] >= hp->vocab)
            return wt_fail(err, WT_ERR_ARGUMENT, "token %d is outside the vocabulary of %u", tokens[r], hp->vocab);
    }
    float scale = (float)hp->embedding_scale;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        float *row = hidden + r * hp->width;
        decode((const unsigned char *)w.data + (size_t)tokens[r] * row_bytes, row, hp->width);
        for (size_t i = 0; scale != 1.0f && i < hp->width; i++) row[i] *= scale;
    }
    return 0;
}

int wt_engine_run(wt_engine *engine, const wt_batch *batch, float *hidden, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(engine->model);
    uint32_t last = batch->last_block < hp->n_layers ? batch->last_block : hp->n_layers;
    if (batch->first_block > last)
        return wt_fail(err, WT_ERR_ARGUMENT, "cannot run blocks %u to %u", batch->first_block, last);
    work w = {0};
    size_t rows = 0;
    for (size_t s = 0; s < batch->sequences; s++) rows += batch->lengths[s];
    int threads = threads_for(engine, wt_engine_block_flops(engine, (size_t)padded_rows(rows)) / hp->n_layers);
    int rc = work_prepare(engine, batch, &w, err);
    if (rc == 0 && w.rows > 0) {
        if (batch->first_block == 0) rc = embed(engine, batch->tokens, w.rows, hidden, err);
        for (uint32_t l = batch->first_block; rc == 0 && l < last; l++)
            rc = run_layer(engine, l, batch, &w, hidden, err);
        for (size_t s = 0; rc == 0 && batch->cache && s < batch->sequences; s++)
            batch->cache->lengths[s] += batch->lengths[s];
    }
    work_release(engine, &w);
    threads_restore(threads);
    return rc;
}

void wt_engine_final_norm(const wt_engine *engine, const float *hidden, size_t rows, float *y) {
    const wt_hparams *hp = wt_model_hparams(engine->model);
    wt_weight gain = wt_model_weight(engine->model, WT_ROLE_OUTPUT_NORM, 0); /* perhaps overridden since the last time */
    wt_codec_of(gain.type)->decode(gain.data, engine->output_norm, hp->width);
    norm_rows(hidden, engine->output_norm, hp->norm_eps, rows, hp->width, y);
}

/*
 * The part of [first, first + count) that lies in head piece `piece`: the engine's input multiplied into its columns of
 * `logits`.
 */
static int head_piece(wt_engine *e, size_t first, size_t count, size_t piece, float *logits, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(e->model);
    size_t begin = piece * HEAD_PIECE, end = begin + HEAD_PIECE < hp->vocab ? begin + HEAD_PIECE : hp->vocab;
    wt_weight head = wt_model_weight(e->model, WT_ROLE_OUTPUT, 0);
    if (check_stop(e, err) != 0) return -1;
    const wt_packed *packed =
        packed_rows(e, &head, begin, end - begin, (size_t)hp->n_layers * PARTS + piece, err);
    if (!packed) return -1;
    wt_rounding rounding = input_rounding(e, &head);
    if (begin >= first && end <= first + count)
        return wt_matmul_input(&e->input, rounding, packed, NULL, WT_STORE, logits + (begin - first), count, err);
    size_t width = end - begin, from = first > begin ? first : begin,
           to = first + count < end ? first + count : end;
    size_t rows = e->input.rows;
    float *all = wt_alloc_aligned(rows, width * sizeof(float), err);
    if (!all) return -1;
    int rc = wt_matmul_input(&e->input, rounding, packed, NULL, WT_STORE, all, width, err);
    for (size_t r = 0; rc == 0 && r < rows; r++)
        memcpy(logits + r * count + (from - first), all + r * width + (from - begin), (to - from) * sizeof(float));
    free(all);
    return rc;
}

int wt_engine_logits_range(wt_engine *engine, const float *x, size_t rows, size_t first, size_t count, float *logits,
                           wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(engine->model);
    if (first > hp->vocab || count > hp->vocab - first)
        return wt_fail(err, WT_ERR_ARGUMENT, "tokens %zu to %zu are outside the vocabulary of %u", first, first + count,
                       hp->vocab);
    if (count == 0) return 0;
    if (engine->tap.input && first == 0)
        engine->tap.input(engine->tap.user, WT_ROLE_OUTPUT, -1, x, rows, hp->width);
    int threads = threads_for(engine, 2.0 * padded_rows(rows) * (double)count * hp->width), rc = 0;
    wt_input_set(&engine->input, x, rows, hp->width);
    for (size_t piece = first / HEAD_PIECE; rc == 0 && piece <= (first + count - 1) / HEAD_PIECE; piece++)
        rc = head_piece(engine, first, count, piece, logits, err);
    if (rc == 0 && hp->final_softcap > 0.0) {
        const wt_kernels *k = wt_kernels_get();
#pragma omp parallel for schedule(static)
        for (size_t r = 0; r < rows; r++) k->softcap(logits + r * count, (float)hp->final_softcap, count);
    }
    threads_restore(threads);
    return rc;
}

int wt_engine_logits(wt_engine *engine, const float *x, size_t rows, float *logits, wt_error *err) {
    return wt_engine_logits_range(engine, x, rows, 0, wt_model_hparams(engine->model)->vocab, logits, err);
}

double wt_engine_block_flops(const wt_engine *engine, size_t rows) {
    const wt_hparams *hp = wt_model_hparams(engine->model);
    double q = (double)hp->n_heads * hp->head_dim, kv = (double)hp->n_kv_heads * hp->head_dim, w = hp->width;
    return 2.0 * (double)rows * hp->n_layers * (w * (q + 2.0 * kv) + q * w + 3.0 * w * hp->ffn);
}
