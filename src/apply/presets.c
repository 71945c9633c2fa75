/*
 * Presets by name, and what a request makes of each tensor: first what is never quantized, then what the person asked for by
 * name, then the preset's mix (preset_mixes.c), then a smaller block where the rows do not fit. Counters inside the mixes run in
 * llama.cpp's order of tensors: what belongs to no layer, then layer by layer, by name.
 */
#define PCRE2_CODE_UNIT_WIDTH 32
#include "apply/presets.h"

#include <inttypes.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apply/preset_mixes.h"
#include "base/memory.h"

static const wt_preset PRESETS[] = {
    {"Q1_0", WT_FILE_Q1_0, WT_Q1_0, "1.1 bits a weight: signs"},
    {"IQ1_S", WT_FILE_IQ1_S, WT_IQ1_S, "1.6 bits, a codebook; needs importance"},
    {"TQ1_0", WT_FILE_TQ1_0, WT_TQ1_0, "1.7 bits: ternary, for models trained so"},
    {"IQ1_M", WT_FILE_IQ1_M, WT_IQ1_M, "1.8 bits, a codebook; needs importance"},
    {"IQ2_XXS", WT_FILE_IQ2_XXS, WT_IQ2_XXS, "2.1 bits, a codebook; needs importance"},
    {"TQ2_0", WT_FILE_TQ2_0, WT_TQ2_0, "2.1 bits: ternary, for models trained so"},
    {"Q2_0", WT_FILE_Q2_0, WT_Q2_0, "2.3 bits: ternary in blocks of 64"},
    {"IQ2_XS", WT_FILE_IQ2_XS, WT_IQ2_XS, "2.3 bits, a codebook; needs importance"},
    {"IQ2_S", WT_FILE_IQ2_S, WT_IQ2_XS, "2.5 bits, a mix of codebooks; needs importance"},
    {"IQ2_M", WT_FILE_IQ2_M, WT_IQ2_S, "2.7 bits, a mix of codebooks; needs importance"},
    {"Q2_K_S", WT_FILE_Q2_K_S, WT_Q2_K, "2.7 bits; needs importance"},
    {"Q2_K", WT_FILE_Q2_K, WT_Q2_K, "2.6 bits, a mix with 3 bits"},
    {"IQ3_XXS", WT_FILE_IQ3_XXS, WT_IQ3_XXS, "3.1 bits, a mix of codebooks; needs importance"},
    {"IQ3_XS", WT_FILE_IQ3_XS, WT_IQ3_S, "3.3 bits, a mix of codebooks; needs importance"},
    {"Q3_K_S", WT_FILE_Q3_K_S, WT_Q3_K, "3.4 bits"},
    {"IQ3_S", WT_FILE_IQ3_S, WT_IQ3_S, "3.4 bits, a codebook"},
    {"IQ3_M", WT_FILE_IQ3_M, WT_IQ3_S, "3.7 bits, a mix of a codebook with 4 bits"},
    {"Q3_K_M", WT_FILE_Q3_K_M, WT_Q3_K, "3.7 bits, a mix with 4 and 5 bits"},
    {"Q3_K_L", WT_FILE_Q3_K_L, WT_Q3_K, "4.0 bits, a mix with 5 bits"},
    {"MXFP4_MOE", WT_FILE_MXFP4_MOE, WT_MXFP4, "4.3 bits for experts, 8.5 for the rest"},
    {"IQ4_XS", WT_FILE_IQ4_XS, WT_IQ4_XS, "4.3 bits, uneven steps"},
    {"Q4_0", WT_FILE_Q4_0, WT_Q4_0, "4.5 bits in blocks of 32"},
    {"IQ4_NL", WT_FILE_IQ4_NL, WT_IQ4_NL, "4.5 bits in blocks of 32, uneven steps"},
    {"Q4_K_S", WT_FILE_Q4_K_S, WT_Q4_K, "4.5 bits"},
    {"Q4_K_M", WT_FILE_Q4_K_M, WT_Q4_K, "4.8 bits, a mix with 6 bits"},
    {"Q4_1", WT_FILE_Q4_1, WT_Q4_1, "5 bits in blocks of 32 with a minimum"},
    {"Q5_0", WT_FILE_Q5_0, WT_Q5_0, "5.5 bits in blocks of 32"},
    {"Q5_K_S", WT_FILE_Q5_K_S, WT_Q5_K, "5.5 bits"},
    {"Q5_K_M", WT_FILE_Q5_K_M, WT_Q5_K, "5.7 bits, a mix with 6 bits"},
    {"Q5_1", WT_FILE_Q5_1, WT_Q5_1, "6 bits in blocks of 32 with a minimum"},
    {"Q6_K", WT_FILE_Q6_K, WT_Q6_K, "6.6 bits"},
    {"Q8_0", WT_FILE_Q8_0, WT_Q8_0, "8.5 bits in blocks of 32"},
    {"F16", WT_FILE_F16, WT_F16, "half precision"},
    {"BF16", WT_FILE_BF16, WT_BF16, "half precision with the range of F32"},
    {"F32", WT_FILE_F32, WT_F32, "full precision"},
};
#define PRESET_COUNT (sizeof PRESETS / sizeof *PRESETS)

static const char *const ALIASES[][2] = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};

const wt_preset *wt_presets(size_t *count) {
    *count = PRESET_COUNT;
    return PRESETS;
}

const wt_preset *wt_preset_find(const char *name) {
    for (size_t i = 0; i < sizeof ALIASES / sizeof *ALIASES; i++) {
        if (strcasecmp(ALIASES[i][0], name) == 0) name = ALIASES[i][1];
    }
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        if (strcasecmp(PRESETS[i].name, name) == 0) return &PRESETS[i];
    }
    return NULL;
}

/* Where several presets are mostly of one type, the file of nothing else is called by the one without a mix. */
bool wt_file_type_of(wt_type type, wt_file_type *file_type) {
    static const struct {
        wt_type type;
        wt_file_type file_type;
    } NAMESAKES[] = {
        {WT_Q2_K, WT_FILE_Q2_K_S},   {WT_Q3_K, WT_FILE_Q3_K_S}, {WT_Q4_K, WT_FILE_Q4_K_S}, {WT_Q5_K, WT_FILE_Q5_K_S},
        {WT_IQ2_XS, WT_FILE_IQ2_XS}, {WT_IQ2_S, WT_FILE_IQ2_M}, {WT_IQ3_S, WT_FILE_IQ3_S}, {WT_NVFP4, WT_FILE_NVFP4},
    };
    for (size_t i = 0; i < sizeof NAMESAKES / sizeof *NAMESAKES; i++) {
        if (NAMESAKES[i].type != type) continue;
        *file_type = NAMESAKES[i].file_type;
        return true;
    }
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        if (PRESETS[i].type != type) continue;
        *file_type = PRESETS[i].file_type;
        return true;
    }
    return false;
}

/* ---- what is never quantized ---- */

/* Parts of names of matrices that are small, sensitive, or looked up rather than multiplied. */
static const char *const SPARED[] = {
    /* norms, the routers of experts, gemma's small ones, convolutions, an indexer's */
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
    "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight",
    /* RWKV's */
    "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight",
    "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight",
    "time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    /* positions, pictures, sounds */
    "attn_rel_b.weight", ".position_embd", "sam.pos_embd", ".rel_pos", "sam.neck.", "sam.net_", ".patch_embd",
    ".patch_merger", "a.rvq.codebook", "mm.a.code_embd"};

static bool is_quantized(wt_type type) { return wt_type_find(type)->block > 1; }

bool wt_preset_applies(const wt_tensor *t) {
    const char *name = t->name;
    const size_t n = strlen(name), tail = strlen("weight");
    if (t->rows < 2 || n < tail || strcmp(name + n - tail, "weight") != 0) return false;
    if (!is_quantized(t->type) && t->type != WT_F32 && t->type != WT_F16 && t->type != WT_BF16) return false;
    if (strcmp(name, "position_embd.weight") == 0 || strcmp(name, "token_types.weight") == 0) return false;
    for (size_t i = 0; i < sizeof SPARED / sizeof *SPARED; i++) {
        if (strstr(name, SPARED[i])) return false;
    }
    return true;
}

/* ---- names ---- */

static bool is_embedding(const char *name) {
    return strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0;
}

static bool is_output(const char *name) { return strcmp(name, "output.weight") == 0; }

static wt_part part_of(const char *name, bool tied) {
    static const struct {
        const char *piece;
        wt_part part;
    } PIECES[] = {
        {"attn_qkv.weight", WT_PART_VALUE},
        {"attn_kv_b.weight", WT_PART_VALUE},
        {"attn_v.weight", WT_PART_VALUE},
        {"attn_k.weight", WT_PART_KEY},
        {"attn_q.weight", WT_PART_QUERY},
        {"attn_output.weight", WT_PART_ATTENTION_OUT},
        {"ffn_up", WT_PART_UP},
        {"ffn_gate", WT_PART_GATE},
        {"ffn_down", WT_PART_DOWN},
    };
    if (is_output(name)) return WT_PART_HEAD;
    if (is_embedding(name)) return tied ? WT_PART_HEAD : WT_PART_EMBEDDING;
    for (size_t i = 0; i < sizeof PIECES / sizeof *PIECES; i++) {
        if (strstr(name, PIECES[i].piece)) return PIECES[i].part;
    }
    return WT_PART_OTHER;
}

/* The N of "blk.N.", or -1. */
static int64_t layer_of(const char *name) {
    char *end;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9') return -1;
    long long layer = strtoll(name + 4, &end, 10);
    return *end == '.' && layer <= INT32_MAX ? layer : -1;
}

/* llama.cpp's order: by layer, those of none first, then by name. */
static int by_layer(const void *a, const void *b) {
    const wt_tensor *s = *(const wt_tensor *const *)a, *t = *(const wt_tensor *const *)b;
    const int64_t i = layer_of(s->name), k = layer_of(t->name);
    return i != k ? (i < k ? -1 : 1) : strcmp(s->name, t->name);
}

/* ---- a person's rules ---- */

static uint32_t *widen(const char *text, size_t len, wt_error *err) {
    uint32_t *wide = wt_calloc(len, sizeof *wide, err);
    for (size_t i = 0; wide && i < len; i++) wide[i] = (unsigned char)text[i];
    return wide;
}

static int fail_pattern(const char *pattern, int code, size_t where, wt_error *err) {
    PCRE2_UCHAR wide[128];
    char why[128] = "";
    int n = pcre2_get_error_message(code, wide, sizeof wide / sizeof *wide);
    for (int i = 0; i < n; i++) why[i] = (char)wide[i];
    wt_fail(err, WT_ERR_ARGUMENT, "cannot use the pattern '%.200s': %s, at character %zu", pattern, why, where + 1);
    return wt_hint(
        err, "patterns are Perl's regular expressions, searched in tensors' names; 'wildtype inspect' lists these");
}

static void free_patterns(pcre2_code **patterns, size_t n) {
    for (size_t i = 0; patterns && i < n; i++) pcre2_code_free(patterns[i]);
    free(patterns);
}

/* The rules' patterns, ready to match; free with free_patterns. */
static pcre2_code **compile_patterns(const wt_preset_request *request, wt_error *err) {
    pcre2_code **patterns = wt_calloc(request->rule_count, sizeof *patterns, err);
    for (size_t i = 0; patterns && i < request->rule_count; i++) {
        const char *text = request->rules[i].pattern;
        const size_t len = strlen(text);
        uint32_t *wide = widen(text, len, err);
        int code = 0;
        PCRE2_SIZE where = 0;
        if (wide) patterns[i] = pcre2_compile(wide, len, PCRE2_CASELESS, &code, &where, NULL);
        if (wide && !patterns[i]) fail_pattern(text, code, where, err);
        free(wide);
        if (patterns[i]) continue;
        free_patterns(patterns, i);
        return NULL;
    }
    return patterns;
}

/* Stores the first rule that matches the name, or NULL. */
static int find_rule(const wt_preset_request *request, pcre2_code **patterns, const char *name,
                     const wt_type_rule **found, wt_error *err) {
    *found = NULL;
    if (request->rule_count == 0) return 0;
    const size_t len = strlen(name);
    uint32_t *wide = widen(name, len, err);
    pcre2_match_data *match = wide ? pcre2_match_data_create(1, NULL) : NULL;
    int rc = match ? 0 : -1;
    if (wide && !match) wt_fail_memory(err, sizeof(void *));
    for (size_t i = 0; rc == 0 && !*found && i < request->rule_count; i++) {
        int code = pcre2_match(patterns[i], wide, len, 0, 0, match, NULL);
        if (code >= 0)
            *found = &request->rules[i];
        else if (code != PCRE2_ERROR_NOMATCH)
            rc = fail_pattern(request->rules[i].pattern, code, 0, err);
    }
    pcre2_match_data_free(match);
    free(wide);
    return rc;
}

/* ---- rows that do not fit ---- */

/* What llama.cpp takes where rows are no whole number of blocks; 0 (F32) stands for nothing. */
static const wt_type SMALLER[WT_TYPE_LIMIT] = {
    [WT_IQ1_S] = WT_IQ4_NL, [WT_IQ1_M] = WT_IQ4_NL,   [WT_IQ2_XXS] = WT_IQ4_NL, [WT_IQ2_XS] = WT_IQ4_NL,
    [WT_IQ2_S] = WT_IQ4_NL, [WT_IQ3_XXS] = WT_IQ4_NL, [WT_IQ3_S] = WT_IQ4_NL,   [WT_IQ4_XS] = WT_IQ4_NL,
    [WT_Q2_0] = WT_Q4_0,    [WT_Q2_K] = WT_Q4_0,      [WT_Q3_K] = WT_Q4_0,      [WT_TQ1_0] = WT_Q4_0,
    [WT_TQ2_0] = WT_Q4_0,   [WT_Q4_K] = WT_Q5_0,      [WT_Q5_K] = WT_Q5_1,      [WT_Q6_K] = WT_Q8_0,
};

static bool fits(const wt_tensor *t, wt_type type) { return t->dims[0] % wt_type_find(type)->block == 0; }

static int fail_fit(const wt_tensor *t, wt_type type, wt_error *err) {
    const wt_type_info *info = wt_type_find(type);
    wt_fail(err, WT_ERR_ARGUMENT,
            "cannot quantize '%s' to %s: its rows of %" PRIu64 " weights are no whole number of %u-weight blocks",
            t->name, info->name, t->dims[0], info->block);
    return wt_hint(err,
                   "give it another type with --tensor-type NAME=TYPE; blocks of 32: Q4_0, Q5_0, Q8_0, IQ4_NL; any "
                   "row: F16");
}

static int fall_back(const wt_tensor *t, wt_type wanted, wt_type *type, wt_error *err) {
    *type = wanted;
    if (fits(t, wanted)) return 0;
    if (SMALLER[wanted])
        *type = SMALLER[wanted];
    else if (wt_type_find(wanted)->block > 32)
        return fail_fit(t, wanted, err);
    if (!fits(t, *type)) *type = WT_F16;
    return 0;
}

/* ---- assignment ---- */

/* Everything that deciding about a tensor needs. */
typedef struct desk {
    const wt_gguf *gguf;
    const wt_preset_request *request;
    wt_preset preset; /* the request's, or one made up for its type */
    bool pure, tied;
    pcre2_code **patterns;
    wt_mix_model model;
    int64_t layers, values;
    int64_t seen[WT_PARTS];
} desk;

/* The number at "ARCHITECTURE.KEY", of a per-layer list the first; `absent` where there is none. */
static uint64_t number_of(const wt_gguf *gguf, wt_str arch, const char *key, uint64_t absent) {
    char name[256];
    snprintf(name, sizeof name, "%.*s.%s", arch.len < 128 ? (int)arch.len : 0, arch.data ? arch.data : "", key);
    const wt_kv *kv = wt_gguf_find_kv(gguf, name);
    if (!kv || kv->count == 0) return absent;
    wt_kv_type type = kv->type == WT_KV_ARRAY ? kv->element : kv->type;
    if (type == WT_KV_STRING || type == WT_KV_BOOL || type == WT_KV_F32 || type == WT_KV_F64) return absent;
    int64_t n = wt_kv_integer(kv, 0);
    return n < 0 || n > INT32_MAX ? absent : (uint64_t)n;
}

static bool arch_is(wt_str arch, const char *name) {
    return arch.data && arch.len == strlen(name) && memcmp(arch.data, name, arch.len) == 0;
}

/* Which architecture with how many layers llama.cpp calls a 70B. */
static bool is_seventy(wt_str arch, uint64_t layers, uint64_t experts, bool grouped) {
    if (arch_is(arch, "llama") || arch_is(arch, "llama-embed")) return layers == 80 && experts != 8 && grouped;
    if (arch_is(arch, "jais2")) return layers == 68;
    return layers == 80 && (arch_is(arch, "qwen2") || arch_is(arch, "deci") || arch_is(arch, "olmo"));
}

static void learn_model(desk *d) {
    wt_str arch = {0};
    wt_gguf_get_str(d->gguf, "general.architecture", &arch, NULL);
    const uint64_t layers = number_of(d->gguf, arch, "block_count", 0);
    const uint64_t extra = number_of(d->gguf, arch, "nextn_predict_layers", 0);
    const uint64_t heads = number_of(d->gguf, arch, "attention.head_count", 0);
    const uint64_t kv_heads = number_of(d->gguf, arch, "attention.head_count_kv", heads);
    d->layers = (int64_t)layers;
    d->model.experts = number_of(d->gguf, arch, "expert_count", 0);
    d->model.sharing = kv_heads ? heads / kv_heads : 0;
    d->model.falcon = arch_is(arch, "falcon");
    d->model.bailing = arch_is(arch, "bailingmoe3");
    d->model.importance = d->request->has_importance;
    d->model.seventy = is_seventy(arch, layers - extra, d->model.experts, heads != kv_heads);
    d->tied = true;
    for (size_t i = 0; i < wt_gguf_tensor_count(d->gguf); i++) {
        const char *name = wt_gguf_tensor(d->gguf, i)->name;
        if (is_output(name)) d->tied = false;
        if (part_of(name, true) == WT_PART_VALUE) d->values++;
    }
}

/* The preset's choice; counts the tensor. */
static int mixed_type(desk *d, const wt_tensor *t, wt_type *type, wt_error *err) {
    const wt_part part = part_of(t->name, d->tied);
    const bool ffn = part == WT_PART_DOWN || part == WT_PART_GATE || part == WT_PART_UP;
    wt_mix_tensor place = {part, d->seen[part]++, part == WT_PART_VALUE ? d->values : d->layers, t->dims[0],
                           t->dims[2]};
    if (part == WT_PART_HEAD && d->request->output_type >= 0) {
        *type = (wt_type)d->request->output_type;
        return 0;
    }
    if (ffn && d->model.experts > 1 && wt_mix_reads_layers(&d->preset)) { /* experts need not stand in order */
        place.index = layer_of(t->name);
        if (place.index < 0 || place.index >= d->layers)
            return wt_fail(err, WT_ERR_FORMAT, "cannot tell the layer of '%s', of which there are %" PRId64, t->name,
                           d->layers);
    }
    *type = wt_mix_choose(&d->preset, &d->model, &place);
    return 0;
}

/* What is asked for the tensor, and what it gets. */
static int choose(desk *d, const wt_tensor *t, wt_assignment *a, wt_error *err) {
    const wt_preset_request *r = d->request;
    const wt_type_rule *rule;
    if (find_rule(r, d->patterns, t->name, &rule, err) != 0) return -1;
    if (rule && r->decided) r->decided[rule - r->rules] = true;
    const bool apart = rule && strcmp(t->name, "per_layer_token_embd.weight") == 0; /* a table of its own */
    const int named = r->embedding_type >= 0 && is_embedding(t->name) && !apart ? r->embedding_type
                      : r->output_type >= 0 && is_output(t->name)               ? r->output_type
                                                                                : -1;
    if (named >= 0) {
        a->type = a->wanted = (wt_type)named;
        return fits(t, a->type) ? 0 : fail_fit(t, a->type, err);
    }
    a->wanted = rule ? rule->type : d->preset.type;
    if (!rule && !d->pure && is_quantized(d->preset.type) && mixed_type(d, t, &a->wanted, err) != 0) return -1;
    return fall_back(t, a->wanted, &a->type, err);
}

/* As llama-quantize demands it: embedding and head may do without. */
static bool needs_importance(const desk *d, const wt_tensor *t, wt_type type) {
    if (is_embedding(t->name) || is_output(t->name)) return false;
    switch (type) {
    case WT_IQ1_S:
    case WT_IQ1_M:
    case WT_IQ2_XXS:
    case WT_IQ2_XS:
    case WT_IQ2_S:
    case WT_IQ3_XXS: return true;
    case WT_Q2_K: return d->preset.file_type == WT_FILE_Q2_K_S;
    default: return false;
    }
}

static int assign(desk *d, const wt_tensor *t, wt_assignment *a, wt_error *err) {
    *a = (wt_assignment){.type = t->type, .wanted = t->type};
    if (!wt_preset_applies(t)) return 0;
    if (choose(d, t, a, err) != 0) return -1;
    a->needs_importance = a->type != t->type && needs_importance(d, t, a->type);
    if (a->type == t->type || !is_quantized(t->type) || d->request->allow_requantize) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "cannot quantize '%s' to %s: '%s' is quantized already, to %s", wt_gguf_path(d->gguf),
            wt_type_find(a->type)->name, t->name, wt_type_find(t->type)->name);
    return wt_hint(err,
                   "quantize the original (F16, BF16, F32), which loses less; --allow-requantize does it nonetheless");
}

int wt_preset_assign(const wt_gguf *gguf, const wt_preset_request *request, wt_assignment *assignments,
                     size_t *fallbacks, wt_error *err) {
    desk d = {.gguf = gguf, .request = request, .pure = request->pure || !request->preset};
    if (request->preset)
        d.preset = *request->preset;
    else
        d.preset = (wt_preset){.name = wt_type_find(request->pure_type)->name, .type = request->pure_type};
    const size_t n = wt_gguf_tensor_count(gguf);
    int rc = -1;
    const wt_tensor **order = wt_calloc(n, sizeof *order, err);
    if (!order || !(d.patterns = compile_patterns(request, err))) goto done;
    for (size_t i = 0; i < n; i++) order[i] = wt_gguf_tensor(gguf, i);
    const wt_tensor *first = n ? order[0] : NULL;
    qsort(order, n, sizeof *order, by_layer);
    learn_model(&d);
    *fallbacks = 0;
    for (size_t i = 0; i < n; i++) {
        wt_assignment *a = &assignments[order[i] - first];
        if (assign(&d, order[i], a, err) != 0) goto done;
        *fallbacks += a->type != a->wanted;
    }
    rc = 0;
done:
    free_patterns(d.patterns, request->rule_count);
    free(order);
    return rc;
}
