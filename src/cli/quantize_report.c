/* The report of `quantize`; see quantize_report.h. */
#include "cli/quantize_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

/* A sum over the tensors that have one type in the new file. */
typedef struct type_sum {
    wt_type type;
    uint64_t tensors, parameters, bytes;
} type_sum;

static const char *type_name(wt_type type) { return wt_type_find(type)->name; }

static double bits_per_weight(uint64_t bytes, uint64_t weights) {
    return weights ? 8.0 * (double)bytes / (double)weights : 0;
}

/* Bytes of tensor i in the new file. The plan was reviewed: it fits. */
static uint64_t new_bytes(const wt_quantize_outcome *o, size_t i) {
    const wt_tensor *t = wt_gguf_tensor(o->gguf, i);
    uint64_t row = 0;
    wt_type_row_bytes(o->assignments[i].type, t->dims[0], &row);
    return row * t->rows;
}

static int larger_first(const void *a, const void *b) {
    const type_sum *s = a, *t = b;
    return s->bytes != t->bytes ? (s->bytes < t->bytes ? 1 : -1) : (int)s->type - (int)t->type;
}

/* Fills sums, the largest first; returns how many types there are. */
static size_t sum_types(const wt_quantize_outcome *o, type_sum sums[WT_TYPE_LIMIT]) {
    size_t n = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(o->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(o->gguf, i);
        size_t k = 0;
        while (k < n && sums[k].type != o->assignments[i].type) k++;
        if (k == n) sums[n++] = (type_sum){.type = o->assignments[i].type};
        sums[k].tensors++;
        sums[k].parameters += t->dims[0] * t->rows;
        sums[k].bytes += new_bytes(o, i);
    }
    qsort(sums, n, sizeof *sums, larger_first);
    return n;
}

/* ---- text ---- */

static void print_name(const char *label, const char *name, const char *rest) {
    char text[1024];
    printf("%-11s %s%s\n", label, wt_printable(text, sizeof text, name, strlen(name)), rest);
}

static void print_sizes(const wt_quantize_outcome *o) {
    const wt_quantization_review *r = o->review;
    char rest[160], count[32], bytes[32];
    const uint64_t before = wt_gguf_file_bytes(o->gguf);
    snprintf(rest, sizeof rest, ", %s bytes (%s), %.2f bits per weight", wt_format_count(count, before),
             wt_format_bytes(bytes, before), bits_per_weight(r->bytes_before, r->weights));
    print_name("model", o->model, rest);
    snprintf(rest, sizeof rest, ", %s bytes (%s), %.2f bits per weight", wt_format_count(count, r->file_bytes),
             wt_format_bytes(bytes, r->file_bytes), bits_per_weight(r->bytes_after, r->weights));
    print_name(o->planned ? "would be" : "output", o->output ? o->output : o->preset, rest);
    snprintf(rest, sizeof rest, ", file type %" PRIu32 "; %zu tensors encoded, %zu copied", o->file_type, r->encoded,
             r->tensors - r->encoded);
    print_name("type", o->preset, rest);
    if (o->importance) print_name("importance", o->importance, "");
}

static void print_types(const wt_quantize_outcome *o) {
    type_sum sums[WT_TYPE_LIMIT];
    char parameters[32], bytes[32];
    const size_t n = sum_types(o, sums);
    printf("\n%-8s %7s  %15s %15s  %11s  %6s\n", "type", "tensors", "parameters", "bytes", "bits/weight", "share");
    for (size_t i = 0; i < n; i++) {
        printf("%-8s %7" PRIu64 "  %15s %15s  %11.3f  %5.1f%%\n", type_name(sums[i].type), sums[i].tensors,
               wt_format_count(parameters, sums[i].parameters), wt_format_count(bytes, sums[i].bytes),
               bits_per_weight(sums[i].bytes, sums[i].parameters),
               100 * (double)sums[i].bytes / (double)o->review->file_bytes);
    }
}

/* "256 x 4,096": the contiguous dimension first, as the file has it. */
static void format_shape(char *text, size_t size, const wt_tensor *t) {
    char count[32];
    int n = 0;
    for (uint32_t d = 0; d < t->n_dims; d++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", d ? " x " : "", wt_format_count(count, t->dims[d]));
}

static void print_tensors(const wt_quantize_outcome *o) {
    size_t n = wt_gguf_tensor_count(o->gguf), longest = 6;
    char name[512], shape[160], before[32], after[32];
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(wt_gguf_tensor(o->gguf, i)->name);
        if (len > longest) longest = len > 48 ? 48 : len;
    }
    if (n)
        printf("%-*s  %-19s  %-7s  %-7s %15s %15s\n", (int)longest, "tensor", "shape", "from", "to", "bytes", "become");
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(o->gguf, i);
        const wt_assignment *a = &o->assignments[i];
        format_shape(shape, sizeof shape, t);
        printf("%-*s  %-19s  %-7s  %-7s %15s %15s", (int)longest,
               wt_printable(name, sizeof name, t->name, strlen(t->name)), shape, type_name(t->type), type_name(a->type),
               wt_format_count(before, t->bytes), wt_format_count(after, new_bytes(o, i)));
        if (a->wanted != a->type) printf("  does not fit %s", type_name(a->wanted));
        putchar('\n');
    }
    if (n) putchar('\n');
}

int wt_quantize_print(const wt_quantize_outcome *o, wt_error *err) {
    (void)err;
    if (o->planned) print_tensors(o);
    print_sizes(o);
    print_types(o);
    return 0;
}

/* ---- JSON ---- */

static json_t *types_json(const wt_quantize_outcome *o) {
    type_sum sums[WT_TYPE_LIMIT];
    const size_t n = sum_types(o, sums);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:f, s:f}", "type", type_name(sums[i].type),
                                              "tensors", (json_int_t)sums[i].tensors, "parameters",
                                              (json_int_t)sums[i].parameters, "bytes", (json_int_t)sums[i].bytes,
                                              "bits_per_weight", bits_per_weight(sums[i].bytes, sums[i].parameters),
                                              "share", (double)sums[i].bytes / (double)o->review->file_bytes));
    return list;
}

static json_t *tensors_json(const wt_quantize_outcome *o) {
    json_t *list = json_array();
    for (size_t i = 0; i < wt_gguf_tensor_count(o->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(o->gguf, i);
        const wt_assignment *a = &o->assignments[i];
        json_t *shape = json_array();
        for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
        json_t *row = json_pack("{s:o, s:o, s:s, s:s, s:I, s:I}", "name", wt_json_text(t->name, strlen(t->name)),
                                "shape", shape, "from", type_name(t->type), "type", type_name(a->type), "bytes_before",
                                (json_int_t)t->bytes, "bytes", (json_int_t)new_bytes(o, i));
        if (a->wanted != a->type) json_object_set_new(row, "wanted", json_string(type_name(a->wanted)));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *missing_json(const wt_quantization_review *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->missing_count; i++)
        json_array_append_new(list, wt_json_text(r->missing[i]->name, strlen(r->missing[i]->name)));
    return list;
}

int wt_quantize_print_json(const wt_quantize_outcome *o, wt_error *err) {
    const wt_quantization_review *r = o->review;
    json_t *root = json_object();
    json_object_set_new(root, "model", wt_json_text(o->model, strlen(o->model)));
    json_object_set_new(root, "output", o->output ? wt_json_text(o->output, strlen(o->output)) : json_null());
    json_object_set_new(root, "dry_run", json_boolean(o->planned));
    json_object_set_new(root, "type", json_string(o->preset));
    json_object_set_new(root, "file_type", json_integer(o->file_type));
    json_object_set_new(root, "bytes_before", json_integer((json_int_t)wt_gguf_file_bytes(o->gguf)));
    json_object_set_new(root, "bytes", json_integer((json_int_t)r->file_bytes));
    json_object_set_new(root, "parameters", json_integer((json_int_t)r->weights));
    json_object_set_new(root, "bits_per_weight", json_real(bits_per_weight(r->bytes_after, r->weights)));
    json_object_set_new(root, "encoded", json_integer((json_int_t)r->encoded));
    json_object_set_new(root, "copied", json_integer((json_int_t)(r->tensors - r->encoded)));
    json_object_set_new(root, "fallbacks", json_integer((json_int_t)o->fallbacks));
    json_object_set_new(root, "needs_importance", json_boolean(r->needy != NULL));
    if (o->importance) {
        json_object_set_new(root, "imatrix", wt_json_text(o->importance, strlen(o->importance)));
        json_object_set_new(root, "missing", missing_json(r));
        json_object_set_new(root, "zeros", json_integer((json_int_t)r->zeros));
    }
    json_object_set_new(root, "seconds", wt_json_real(o->seconds));
    json_object_set_new(root, "types", types_json(o));
    json_object_set_new(root, "tensors", tensors_json(o));
    return wt_json_print(root, err);
}
