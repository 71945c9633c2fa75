/* Typed access to metadata values. They lie unaligned in the file. */
#include <string.h>

#include "model/gguf_private.h"

static bool is_integer(wt_kv_type t) {
    return t == WT_KV_U8 || t == WT_KV_I8 || t == WT_KV_U16 || t == WT_KV_I16 || t == WT_KV_U32 || t == WT_KV_I32 ||
           t == WT_KV_U64 || t == WT_KV_I64;
}

#define LOAD(type, p) (__extension__({ type v_; memcpy(&v_, (p), sizeof v_); v_; }))

int64_t wt_kv_integer(const wt_kv *kv, uint64_t i) {
    wt_kv_type t = kv->type == WT_KV_ARRAY ? kv->element : kv->type;
    const uint8_t *p = kv->value + i * wt_kv_type_bytes(t);
    switch (t) {
    case WT_KV_U8: return *p;
    case WT_KV_BOOL: return *p != 0;
    case WT_KV_I8: return (int8_t)*p;
    case WT_KV_U16: return LOAD(uint16_t, p);
    case WT_KV_I16: return LOAD(int16_t, p);
    case WT_KV_U32: return LOAD(uint32_t, p);
    case WT_KV_I32: return LOAD(int32_t, p);
    case WT_KV_U64: {
        uint64_t v = LOAD(uint64_t, p);
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    case WT_KV_I64: return LOAD(int64_t, p);
    default: {
        double v = wt_kv_number(kv, i);
        if (!(v > -9.2e18)) return v == v ? INT64_MIN : 0;
        return v >= 9.2e18 ? INT64_MAX : (int64_t)v;
    }
    }
}

double wt_kv_number(const wt_kv *kv, uint64_t i) {
    wt_kv_type t = kv->type == WT_KV_ARRAY ? kv->element : kv->type;
    const uint8_t *p = kv->value + i * wt_kv_type_bytes(t);
    if (t == WT_KV_F32) return (double)LOAD(float, p);
    if (t == WT_KV_F64) return LOAD(double, p);
    if (t == WT_KV_U64) return (double)LOAD(uint64_t, p);
    if (wt_kv_type_bytes(t) == 0) return 0.0;
    return (double)wt_kv_integer(kv, i);
}

static int wrong_type(const wt_gguf *gguf, const char *key, const char *wanted, wt_error *err) {
    return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key '%.200s' is no %s", gguf->path, key, wanted);
}

int wt_gguf_get_u64(const wt_gguf *gguf, const char *key, uint64_t *out, wt_error *err) {
    const wt_kv *kv = wt_gguf_find_kv(gguf, key);
    if (!kv) return 0;
    if (!is_integer(kv->type)) return wrong_type(gguf, key, "whole number", err);
    if (kv->type == WT_KV_U64) {
        *out = LOAD(uint64_t, kv->value);
        return 1;
    }
    int64_t v = wt_kv_integer(kv, 0);
    if (v < 0) return wrong_type(gguf, key, "number from 0 on", err);
    *out = (uint64_t)v;
    return 1;
}

int wt_gguf_get_f64(const wt_gguf *gguf, const char *key, double *out, wt_error *err) {
    const wt_kv *kv = wt_gguf_find_kv(gguf, key);
    if (!kv) return 0;
    if (kv->type != WT_KV_F32 && kv->type != WT_KV_F64) return wrong_type(gguf, key, "floating-point number", err);
    *out = wt_kv_number(kv, 0);
    return 1;
}

int wt_gguf_get_bool(const wt_gguf *gguf, const char *key, bool *out, wt_error *err) {
    const wt_kv *kv = wt_gguf_find_kv(gguf, key);
    if (!kv) return 0;
    if (kv->type != WT_KV_BOOL) return wrong_type(gguf, key, "truth value", err);
    *out = *kv->value != 0;
    return 1;
}

int wt_gguf_get_str(const wt_gguf *gguf, const char *key, wt_str *out, wt_error *err) {
    const wt_kv *kv = wt_gguf_find_kv(gguf, key);
    if (!kv) return 0;
    if (kv->type != WT_KV_STRING) return wrong_type(gguf, key, "string", err);
    wt_kv_strings(kv, out);
    return 1;
}

void wt_kv_strings(const wt_kv *kv, wt_str *out) {
    const uint8_t *p = kv->value;
    for (uint64_t i = 0; i < kv->count; i++) {
        uint64_t len = LOAD(uint64_t, p);
        out[i] = (wt_str){(const char *)p + 8, (size_t)len};
        p += 8 + len;
    }
}
