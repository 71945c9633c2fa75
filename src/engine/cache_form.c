/* Keys and values in the form of a cache; see cache_form.h. */
#include "engine/cache_form.h"

#include <math.h>

/* What llama.cpp rotates by: values in runs of 64, keys in the largest runs of 64, 128, 256 ... that heads divide into. */
enum { ROTATION = 64 };

static int check_type(wt_type type, const char *what, size_t head_dim, wt_rounding *rounding, wt_error *err) {
    const wt_type_info *info = wt_type_find(type);
    if (!wt_rounding_of_cache(type, rounding)) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot keep %s as %s: llama.cpp has no such cache", what,
                info ? info->name : "an unknown type");
        return wt_hint(err, "choose from F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0 and IQ4_NL");
    }
    if (head_dim % wt_rounding_block(*rounding) == 0) return 0;
    wt_fail(err, WT_ERR_UNSUPPORTED, "cannot keep %s as %s: blocks of %zu do not fit heads of %zu", what, info->name,
            wt_rounding_block(*rounding), head_dim);
    return wt_hint(err, "choose from F32, F16 and BF16");
}

int wt_cache_form_init(wt_cache_form *form, wt_type k, wt_type v, wt_activations activations, size_t head_dim,
                       wt_error *err) {
    *form = (wt_cache_form){.head_dim = head_dim, .key_dim = head_dim};
    if (check_type(k, "keys", head_dim, &form->key, err) != 0) return -1;
    if (check_type(v, "values", head_dim, &form->value, err) != 0) return -1;
    if (activations != WT_ACTIVATIONS_F32) form->query = wt_rounding_of_input(k);
    if (form->query == WT_ROUND_Q8_1) form->key_dim += head_dim / wt_rounding_block(WT_ROUND_Q8_1);
    if (head_dim % ROTATION != 0) return 0;
    if (wt_rounding_block(form->value) > 1) form->value_rotation = ROTATION;
    if (wt_rounding_block(form->key) > 1) {
        form->key_rotation = ROTATION;
        while (head_dim % (2 * form->key_rotation) == 0) form->key_rotation *= 2;
    }
    return 0;
}

/* Multiplies runs of `size` elements, a power of two, by the Walsh-Hadamard matrix over sqrt(size): its own inverse. */
static void rotate(float *x, size_t n, size_t size) {
    if (size == 0) return;
    float scale = 1.0f / sqrtf((float)size);
    for (size_t half = 1; half < size; half *= 2) {
        for (size_t start = 0; start < n; start += 2 * half) {
            for (size_t i = start; i < start + half; i++) {
                float a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
        }
    }
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

void wt_cache_form_query(const wt_cache_form *form, float *query, float *out) {
    size_t d = form->head_dim;
    rotate(query, d, form->key_rotation);
    if (form->key_dim > d) wt_q8_1_excess(query, out + d, d);
    wt_round(form->query, query, out, d);
}

void wt_cache_form_key(const wt_cache_form *form, float *key, float *out) {
    size_t d = form->head_dim;
    rotate(key, d, form->key_rotation);
    if (form->key_dim > d) wt_round_minima(key, out + d, d);
    wt_round(form->key, key, out, d);
}

void wt_cache_form_value(const wt_cache_form *form, float *value, float *out) {
    rotate(value, form->head_dim, form->value_rotation);
    wt_round(form->value, value, out, form->head_dim);
}

void wt_cache_form_result(const wt_cache_form *form, float *result) {
    rotate(result, form->head_dim, form->value_rotation);
}
