#include "apply/features.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/sensitivity.h"
#include "base/file.h"
#include "base/memory.h"
#include "quant/codec.h"

/* Of one tensor of the file. */
typedef struct shape {
    double kurt, peak;        /* of the weights */
    double rms_act, kurt_act; /* of the input; rms over the geometric mean of all matrices' */
    double size;              /* log2 of the weights over the mean matrix's */
    double probe, lost; /* error at the probe type: of the signal; absolute, over the geometric mean of all matrices' */
} shape;

struct wt_features {
    const wt_gguf *gguf;
    wt_features_options options;
    char *cache;       /* its folder, or NULL */
    const wt_hparams *hp;
    wt_model *model; /* for roles and hyperparameters */
    wt_hash hash;    /* of model and statistics */
    shape *shapes;   /* [tensors] */
    wt_sensitivity sensitivity;
    bool sensed;
    uint64_t tokens;
};

/* Bumped whenever what is measured, how, or the form of the files, changes. */
#define FEATURES_VERSION 4

/* ---- hashes ---- */

wt_hash wt_model_hash(const wt_gguf *gguf) {
    wt_hash h = wt_hash_bytes(NULL, 0);
    for (size_t i = 0; i < wt_gguf_kv_count(gguf); i++) {
        const wt_kv *kv = wt_gguf_kv(gguf, i);
        if (strncmp(kv->key, "tokenizer.", 10) != 0 && strncmp(kv->key, "general.", 8) != 0)
            h = wt_hash_add(h, kv->entry, kv->entry_bytes);
    }
    const wt_kv *arch = wt_gguf_find_kv(gguf, "general.architecture");
    if (arch) h = wt_hash_add(h, arch->entry, arch->entry_bytes);
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        h = wt_hash_add_u64(wt_hash_add_str(h, t->name), t->type);
        h = wt_hash_add(h, t->dims, sizeof t->dims);
        h = wt_hash_add(h, t->data, (size_t)t->bytes);
    }
    return h;
}

wt_hash wt_statistics_hash(const wt_statistics *s) {
    wt_hash h = wt_hash_bytes("statistics", 10);
    for (size_t i = 0; s && i < wt_statistics_count(s); i++) {
        const wt_column_stats *c = wt_statistics_at(s, i);
        h = wt_hash_add_str(h, c->tensor);
        h = wt_hash_add(h, c->mean_square, c->columns * sizeof(float));
        if (c->max) h = wt_hash_add(h, c->max, c->columns * sizeof(float));
        if (c->mean_fourth) h = wt_hash_add(h, c->mean_fourth, c->columns * sizeof(float));
    }
    return h;
}

/* ---- shapes of weights and activations ---- */

/* Kurtosis about 0 and peak of all weights; rows in fixed pieces, so that sums do not depend on threads. */
static int weigh(const wt_tensor *t, shape *s, wt_error *err) {
    const size_t cols = (size_t)t->dims[0], rows = (size_t)t->rows;
    uint64_t row_bytes;
    if (!wt_codec_of(t->type)->decode || !wt_type_row_bytes(t->type, cols, &row_bytes))
        return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot read '%s' of type %s", t->name, wt_type_find(t->type)->name);
    double(*sums)[3] = wt_calloc(rows, sizeof *sums, err);
    bool failed = !sums;
#pragma omp parallel if (!failed)
    {
        float *x = failed ? NULL : wt_alloc_aligned(cols, sizeof *x, NULL);
#pragma omp for schedule(static)
        for (int64_t r = 0; r < (int64_t)rows; r++) {
            if (!x) {
#pragma omp atomic write
                failed = true;
                continue;
            }
            wt_codec_of(t->type)->decode((const uint8_t *)t->data + (uint64_t)r * row_bytes, x, cols);
            double *sum = sums[r];
            for (size_t c = 0; c < cols; c++) {
                double v = (double)x[c] * x[c];
                sum[0] += v;
                sum[1] += v * v;
                sum[2] = v > sum[2] ? v : sum[2];
            }
        }
        free(x);
    }
    double two = 0, four = 0, most = 0, n = (double)rows * (double)cols;
    for (size_t r = 0; !failed && r < rows; r++) {
        two += sums[r][0];
        four += sums[r][1];
        most = sums[r][2] > most ? sums[r][2] : most;
    }
    free(sums);
    if (failed) return wt_fail_memory(err, cols * sizeof(float));
    s->kurt = two > 0 ? four * n / (two * two) : 3;
    s->peak = two > 0 ? sqrt(most / (two / n)) : 1;
    return 0;
}

/* RMS and kurtosis of all values of an input. */
static void act(const wt_statistics *statistics, const char *name, shape *s) {
    const wt_column_stats *c = statistics ? wt_statistics_find(statistics, name) : NULL;
    double two = 0, four = 0;
    for (size_t i = 0; c && i < c->columns; i++) {
        two += c->mean_square[i];
        if (c->mean_fourth) four += c->mean_fourth[i];
    }
    s->rms_act = two > 0 ? sqrt(two / (double)c->columns) : 0;
    s->kurt_act = four > 0 && two > 0 ? four * (double)c->columns / (two * two) : 3;
}

static bool is_matrix(const wt_tensor *t) { return t->rows > 1; }

/* What the probe type loses of the tensor's output, by the mean squares of its columns. */
static int probe(const wt_statistics *statistics, const wt_tensor *t, shape *s, wt_error *err) {
    const size_t cols = (size_t)t->dims[0];
    const wt_column_stats *c = statistics ? wt_statistics_find(statistics, t->name) : NULL;
    uint64_t from, to;
    wt_type type;
    double lost = 0, whole = 0;
    s->probe = s->lost = 0;
    if (!wt_probe_type(cols, &type)) return 0;
    void *blocks = wt_probe_encode(t, statistics, type, err);
    float *x = wt_alloc_aligned(cols, 2 * sizeof(float), err), *q = x + cols;
    const bool ready = blocks && x && wt_type_row_bytes(t->type, cols, &from) && wt_type_row_bytes(type, cols, &to);
    for (size_t r = 0; ready && r < (size_t)t->rows; r++) {
        wt_codec_of(t->type)->decode((const uint8_t *)t->data + r * from, x, cols);
        wt_codec_of(type)->decode((const uint8_t *)blocks + r * to, q, cols);
        for (size_t k = 0; k < cols; k++) {
            const double e = (double)x[k] - q[k], u = c && c->columns == cols ? c->mean_square[k] : 1;
            lost += u * e * e;
            whole += u * x[k] * x[k];
        }
    }
    free(blocks);
    free(x);
    s->probe = whole > 0 ? lost / whole : 0;
    s->lost = lost;
    return ready ? 0 : -1;
}

static int measure_shapes(wt_features *f, wt_error *err) {
    const size_t n = wt_gguf_tensor_count(f->gguf);
    double weights = 0, logs = 0, losses = 0;
    size_t matrices = 0, known = 0, lossy = 0;
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(f->gguf, i);
        if (!is_matrix(t)) continue;
        if (weigh(t, &f->shapes[i], err) != 0 || probe(f->options.statistics, t, &f->shapes[i], err) != 0) return -1;
        if (f->shapes[i].lost > 0) {
            losses += log(f->shapes[i].lost);
            lossy++;
        }
        act(f->options.statistics, t->name, &f->shapes[i]);
        if (f->shapes[i].rms_act > 0) {
            logs += log(f->shapes[i].rms_act);
            known++;
        }
        weights += (double)t->dims[0] * (double)t->rows;
        matrices++;
    }
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(f->gguf, i);
        if (!is_matrix(t)) continue;
        shape *s = &f->shapes[i];
        s->rms_act = s->rms_act > 0 ? s->rms_act / exp(logs / (double)known) : 1;
        s->lost = lossy ? s->lost / exp(losses / (double)lossy) : 1;
        s->size = log2((double)t->dims[0] * (double)t->rows / (weights / (double)matrices));
    }
    return 0;
}

/* ---- the cache ---- */

char *wt_cache_folder(void) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = base && base[0] == '/' ? asprintf(&path, "%s/wildtype", base)
            : home && home[0]      ? asprintf(&path, "%s/.cache/wildtype", home)
                                   : -1;
    return n < 0 ? NULL : path;
}

static void make_folders(const char *path) {
    char part[4096];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(part, 0777);
        *p = '/';
    }
    mkdir(part, 0777);
}

/* NULL where nothing is kept. */
static char *cache_path(const wt_features *f, const char *kind, wt_hash key) {
    char digits[33], *path = NULL;
    if (!f->options.cache) return NULL;
    wt_hash_print(key, digits, 32);
    return asprintf(&path, "%s/%s-%s.json", f->options.cache, kind, digits) < 0 ? NULL : path;
}

/* A double to the bit: JSON's text of it would do, but for what is no number. */
static bool number_in(const json_t *object, const char *key, double *out) {
    const json_t *v = json_object_get(object, key);
    if (!json_is_number(v)) return false;
    *out = json_number_value(v);
    return isfinite(*out);
}

/* ---- files of the cache: what was measured, and the hash of its text ---- */

static char *text_of(const json_t *payload) {
    return json_dumps(payload, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_SORT_KEYS);
}

/* The checksum of what is kept: of its text as text_of writes it, to which reading and writing it again leads back. False: no memory. */
static bool checksum(const json_t *payload, char digits[33]) {
    char *text = text_of(payload);
    if (text) wt_hash_print(wt_hash_bytes(text, strlen(text)), digits, 32);
    free(text);
    return text;
}

/* What the file keeps, a new reference; NULL where there is no file, or one whose checksum is not that of what it holds. */
static json_t *load(const char *path) {
    char digits[33];
    json_t *root = path ? json_load_file(path, 0, NULL) : NULL;
    json_t *payload = json_incref(json_object_get(root, "payload"));
    const char *said = json_string_value(json_object_get(root, "checksum"));
    if (payload && (!said || !checksum(payload, digits) || strcmp(said, digits) != 0)) {
        json_decref(payload);
        payload = NULL;
    }
    json_decref(root);
    return payload;
}

/* What cannot be kept is no failure: it will be measured again. */
static void store(const wt_features *f, const char *path, json_t *payload) {
    char digits[33];
    if (!payload || !checksum(payload, digits)) return;
    json_t *root = json_pack("{s:s,s:O}", "checksum", digits, "payload", payload);
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17) | JSON_SORT_KEYS) : NULL;
    make_folders(f->options.cache);
    if (text) wt_file_write(path, text, strlen(text), NULL);
    free(text);
    json_decref(root);
}

/* Whatever is wrong with a file that is there, it is measured anew; people are told, since files do not damage themselves. */
static void tell_damaged(const wt_features *f, const char *path) {
    char text[4600];
    if (!path || access(path, F_OK) != 0 || !f->options.note) return;
    if (access(path, R_OK) != 0)
        snprintf(text, sizeof text, "cannot read '%s': %s; what it kept is measured again", path, strerror(errno));
    else
        snprintf(text, sizeof text, "'%s' is damaged: what it kept is measured again", path);
    f->options.note(f->options.note_user, text);
}

static bool load_shapes(wt_features *f, const char *path) {
    json_t *root = load(path);
    bool whole = root;
    for (size_t i = 0; whole && i < wt_gguf_tensor_count(f->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(f->gguf, i);
        const json_t *o = json_object_get(root, t->name);
        shape *s = &f->shapes[i];
        if (is_matrix(t))
            whole = number_in(o, "kurt", &s->kurt) && number_in(o, "peak", &s->peak) &&
                    number_in(o, "rms_act", &s->rms_act) && number_in(o, "kurt_act", &s->kurt_act) &&
                    number_in(o, "size", &s->size) && number_in(o, "probe", &s->probe) &&
                    number_in(o, "lost", &s->lost);
    }
    json_decref(root);
    if (!whole) tell_damaged(f, path);
    return whole;
}

static void store_shapes(const wt_features *f, const char *path) {
    json_t *root = json_object();
    for (size_t i = 0; i < wt_gguf_tensor_count(f->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(f->gguf, i);
        const shape *s = &f->shapes[i];
        if (is_matrix(t))
            json_object_set_new(root, t->name,
                                json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "kurt", s->kurt, "peak", s->peak, "rms_act",
                                          s->rms_act, "kurt_act", s->kurt_act, "size", s->size, "probe", s->probe,
                                          "lost", s->lost));
    }
    store(f, path, root);
    json_decref(root);
}

static bool load_sensitivity(wt_features *f, const char *path) {
    json_t *root = load(path);
    const json_t *nats = json_object_get(root, "nats");
    const size_t n = wt_gguf_tensor_count(f->gguf);
    wt_sensitivity *s = &f->sensitivity;
    bool whole = root && json_array_size(nats) == n && number_in(root, "lookup", &s->lookup) &&
                 number_in(root, "head", &s->head) && (s->nats = calloc(n, sizeof(double)));
    for (size_t i = 0; whole && i < n; i++) {
        const json_t *v = json_array_get(nats, i);
        whole = json_is_number(v);
        if (whole) s->nats[i] = json_number_value(v);
    }
    if (!whole) {
        free(s->nats);
        *s = (wt_sensitivity){0};
        tell_damaged(f, path);
    }
    json_decref(root);
    return whole;
}

static void store_sensitivity(const wt_features *f, const char *path) {
    const wt_sensitivity *s = &f->sensitivity;
    json_t *nats = json_array();
    for (size_t i = 0; i < wt_gguf_tensor_count(f->gguf); i++) json_array_append_new(nats, json_real(s->nats[i]));
    json_t *root = json_pack("{s:o,s:f,s:f}", "nats", nats, "lookup", s->lookup, "head", s->head);
    store(f, path, root);
    json_decref(root);
}

/* ---- the object ---- */

wt_features *wt_features_new(const wt_gguf *gguf, const wt_features_options *options, wt_error *err) {
    wt_features *f = wt_calloc(1, sizeof *f, err);
    if (!f) return NULL;
    f->gguf = gguf;
    f->options = *options;
    f->options.cache = f->cache = options->cache ? strdup(options->cache) : NULL;
    f->shapes = wt_calloc(wt_gguf_tensor_count(gguf) + 1, sizeof *f->shapes, err);
    if (options->cache && !f->cache) wt_fail_memory(err, strlen(options->cache));
    if ((options->cache && !f->cache) || !f->shapes || !(f->model = wt_model_from_gguf(gguf, err))) {
        wt_features_free(f);
        return NULL;
    }
    f->hp = wt_model_hparams(f->model);
    const wt_hash model = wt_model_hash(gguf), statistics = wt_statistics_hash(options->statistics);
    const uint64_t all[] = {FEATURES_VERSION, model.low, model.high, statistics.low, statistics.high};
    f->hash = wt_hash_bytes(all, sizeof all);
    char *path = cache_path(f, "features", f->hash);
    if (!load_shapes(f, path)) {
        if (measure_shapes(f, err) != 0) {
            free(path);
            wt_features_free(f);
            return NULL;
        }
        if (path) store_shapes(f, path);
    }
    free(path);
    return f;
}

void wt_features_free(wt_features *f) {
    if (!f) return;
    wt_model_close(f->model);
    free(f->sensitivity.nats);
    free(f->shapes);
    free(f->cache);
    free(f);
}

int wt_features_need_sensitivity(wt_features *f, const wt_progress *progress, wt_error *err) {
    const wt_chunks *c = f->options.chunks;
    if (f->sensed) return 0;
    if (!c) {
        wt_fail(err, WT_ERR_ARGUMENT, "the strategy asks for 'sens', which takes a text to be measured on");
        return wt_hint(err, "give a text: --text FILE");
    }
    wt_hash key = wt_hash_add(f->hash, c->tokens, c->count * c->context * sizeof *c->tokens);
    key = wt_hash_add_u64(wt_hash_add_u64(key, c->context), c->count);
    char *path = cache_path(f, "sens", key);
    int rc = 0;
    if (!load_sensitivity(f, path)) {
        rc = wt_sensitivity_measure(f->gguf, c, f->options.statistics, &f->sensitivity, progress, err);
        if (rc == 0) f->tokens = f->sensitivity.tokens;
        if (rc == 0 && path) store_sensitivity(f, path);
    }
    free(path);
    f->sensed = rc == 0;
    return rc;
}

uint64_t wt_features_tokens(const wt_features *f) { return f->tokens; }

uint64_t wt_features_sensitivity_tokens(const wt_features *f) {
    return f->options.chunks ? wt_sensitivity_tokens(f->gguf, f->hp, f->options.chunks) : 0;
}

static size_t index_of(const wt_gguf *gguf, const wt_tensor *t) {
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++)
        if (wt_gguf_tensor(gguf, i) == t) return i;
    return 0;
}

double wt_features_probe_error(const wt_features *f, const wt_tensor *source) {
    return f->shapes[index_of(f->gguf, source)].probe;
}

void wt_features_of(const wt_features *f, const wt_site_tensor *t, bool unties, float *values) {
    const size_t i = index_of(f->gguf, t->source);
    const shape *s = &f->shapes[i];
    const wt_role r = t->role;
    const bool fused = r == WT_ROLE_ATTN_QKV, both = r == WT_ROLE_FFN_UP && f->hp->arch->fused_gate_up;
    const bool tied = f->hp->tied_head && !unties;
    double sens = f->sensed ? f->sensitivity.nats[i] : 0;
    if (f->sensed && f->hp->tied_head && unties) {
        if (r == WT_ROLE_EMBEDDING) sens = f->sensitivity.lookup;
        if (r == WT_ROLE_OUTPUT) sens = f->sensitivity.head;
    }
    const double last = f->hp->n_layers > 1 ? f->hp->n_layers - 1 : 1;
    memset(values, 0, WT_TENSOR_VARIABLES * sizeof *values);
    values[WT_TENSOR_DEPTH] = t->layer >= 0 ? (float)(t->layer / last) : r == WT_ROLE_OUTPUT ? 1.0f : 0.0f;
    values[WT_TENSOR_SIZE] = (float)s->size;
    values[WT_TENSOR_KURT] = (float)s->kurt;
    values[WT_TENSOR_PEAK] = (float)s->peak;
    values[WT_TENSOR_RMS_ACT] = (float)s->rms_act;
    values[WT_TENSOR_KURT_ACT] = (float)s->kurt_act;
    values[WT_TENSOR_ERROR] = (float)s->lost;
    values[WT_TENSOR_SENS] = (float)sens;
    values[WT_TENSOR_IS_Q] = r == WT_ROLE_ATTN_Q || fused;
    values[WT_TENSOR_IS_K] = r == WT_ROLE_ATTN_K || fused;
    values[WT_TENSOR_IS_V] = r == WT_ROLE_ATTN_V || fused;
    values[WT_TENSOR_IS_O] = r == WT_ROLE_ATTN_OUT;
    values[WT_TENSOR_IS_GATE] = r == WT_ROLE_FFN_GATE || both;
    values[WT_TENSOR_IS_UP] = r == WT_ROLE_FFN_UP;
    values[WT_TENSOR_IS_DOWN] = r == WT_ROLE_FFN_DOWN;
    values[WT_TENSOR_IS_EMBED] = r == WT_ROLE_EMBEDDING;
    values[WT_TENSOR_IS_HEAD] = r == WT_ROLE_OUTPUT || (r == WT_ROLE_EMBEDDING && tied);
}
