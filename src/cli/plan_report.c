#include "cli/plan_report.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"

static const char *type_name(wt_type type) { return wt_type_find(type)->name; }

static uint64_t weights_of(const wt_planned *p) { return (uint64_t)p->site->rows * p->site->cols; }

static const char *lower_name(wt_type type, char buf[24]) {
    size_t i = 0;
    for (const char *c = type_name(type); *c && i < 23; c++) buf[i++] = (char)tolower((unsigned char)*c);
    buf[i] = '\0';
    return buf;
}

const char *wt_plan_cache_flags(const wt_plan *plan, char buf[64]) {
    char k[24], v[24];
    buf[0] = '\0';
    if (plan->cache_k == WT_F16 && plan->cache_v == WT_F16) return buf;
    /* llama.cpp quantizes values with flash attention alone */
    snprintf(buf, 64, "-ctk %.20s -ctv %.20s%s", lower_name(plan->cache_k, k), lower_name(plan->cache_v, v),
             wt_type_find(plan->cache_v)->block > 1 ? " -fa on" : "");
    return buf;
}

/* Bits of a weight in the matrices. */
static double bits_per_weight(const wt_plan *plan) {
    uint64_t bytes = 0, weights = 0;
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->tensors[i].site->matrix) continue;
        bytes += plan->tensors[i].bytes;
        weights += weights_of(&plan->tensors[i]);
    }
    return weights ? 8.0 * (double)bytes / (double)weights : 0;
}

static void print_tensors(const wt_plan *plan) {
    char name[512], count[32];
    size_t longest = 6;
    for (size_t i = 0; i < plan->count; i++) {
        size_t len = strlen(plan->tensors[i].site->name);
        if (plan->tensors[i].site->matrix && len > longest) longest = len > 48 ? 48 : len;
    }
    printf("%-*s  %-8s %14s  %10s  %11s  %s\n", (int)longest, "matrix", "type", "bytes", "price", "cost", "");
    for (size_t i = 0; i < plan->count; i++) {
        const wt_planned *p = &plan->tensors[i];
        if (!p->site->matrix) continue;
        printf("%-*s  %-8s %14s  %10.4g  %11.4g  %s\n", (int)longest,
               wt_printable(name, sizeof name, p->site->name, strlen(p->site->name)), type_name(p->type),
               wt_format_count(count, p->bytes), p->price, p->cost,
               p->pinned       ? "pinned"
               : p->substitute ? "stand-in: none of alloc.types fits its rows"
                               : "");
    }
    putchar('\n');
}

void wt_plan_print(const wt_plan *plan, const wt_gguf *source, bool tensors) {
    char count[32], bytes[32], flags[64];
    if (tensors) print_tensors(plan);
    printf("strategy   %s\n", plan->name);
    printf("file       %s bytes (%s), %.3f bits per weight; the model has %s\n", wt_format_count(count, plan->file_bytes),
           wt_format_bytes(bytes, plan->file_bytes), bits_per_weight(plan), wt_format_bytes(flags, wt_gguf_file_bytes(source)));
    if (plan->budget)
        printf("budget     %s bytes, used to %.3f%%\n", wt_format_count(count, plan->budget),
               100 * (double)plan->file_bytes / (double)plan->budget);
    uint64_t per_type[WT_TYPE_LIMIT] = {0};
    size_t tensors_of[WT_TYPE_LIMIT] = {0};
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->tensors[i].site->matrix) continue;
        per_type[plan->tensors[i].type] += plan->tensors[i].bytes;
        tensors_of[plan->tensors[i].type]++;
    }
    printf("types     ");
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++)
        if (tensors_of[t]) printf(" %zu x %s (%.0f%%)", tensors_of[t], type_name((wt_type)t), 100 * (double)per_type[t] / (double)plan->file_bytes);
    putchar('\n');
    if (wt_transform_unties(plan->transform)) puts("head       untied from the embedding, as the rotation of the residual stream asks");
    if (wt_plan_cache_flags(plan, flags)[0]) printf("run with   %s\n", flags);
}

json_t *wt_plan_json(const wt_plan *plan) {
    char flags[64];
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "strategy", json_string(plan->name));
    json_object_set_new(root, "bytes", json_integer((json_int_t)plan->file_bytes));
    json_object_set_new(root, "budget", plan->budget ? json_integer((json_int_t)plan->budget) : json_null());
    json_object_set_new(root, "bits_per_weight", wt_json_real(bits_per_weight(plan)));
    json_object_set_new(root, "untied", json_boolean(wt_transform_unties(plan->transform)));
    json_object_set_new(root, "cache_k", json_string(type_name(plan->cache_k)));
    json_object_set_new(root, "cache_v", json_string(type_name(plan->cache_v)));
    json_object_set_new(root, "run_with", json_string(wt_plan_cache_flags(plan, flags)));
    for (size_t i = 0; i < plan->count; i++) {
        const wt_planned *p = &plan->tensors[i];
        if (!p->site->matrix) continue;
        json_t *t = json_object();
        json_object_set_new(t, "name", wt_json_text(p->site->name, strlen(p->site->name)));
        json_object_set_new(t, "type", json_string(type_name(p->type)));
        json_object_set_new(t, "bytes", json_integer((json_int_t)p->bytes));
        json_object_set_new(t, "price", wt_json_real(p->price));
        json_object_set_new(t, "cost", wt_json_real(p->cost));
        json_object_set_new(t, "pinned", json_boolean(p->pinned));
        json_array_append_new(list, t);
    }
    json_object_set_new(root, "tensors", list);
    return root;
}
