/*
 * Stock llama.cpp's own quantizer, from the shared library inside npm's node-llama-cpp (the package has no other way to it). What
 * the project calls stock comes from here: none of our codecs, rules or statistics takes part.
 */
#ifndef WT_BENCH_STOCK_H
#define WT_BENCH_STOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct stock stock;

/* What llama-quantize's command line can say. */
typedef struct stock_request {
    int file_type;                   /* enum llama_ftype */
    int output_type, embedding_type; /* numbers of types, or -1 */
    bool pure;
    int threads;
    const char *imatrix;             /* an imatrix GGUF, or NULL */
    const char *const *rules;        /* [rule_count] "REGEX=NUMBER" */
    int rule_count;
} stock_request;

/* Loads the library under FOLDER/node_modules; NULL and an error where it is not there. It is never unloaded. */
stock *stock_open(const char *folder, wt_error *err);

/* Quantizes the file; requantizing is allowed. */
int stock_quantize(const stock *library, const char *model, const char *out, const stock_request *request, wt_error *err);

#endif
