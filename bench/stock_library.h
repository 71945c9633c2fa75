/* The shared libraries inside npm's node-llama-cpp, which is where stock llama.cpp comes from. */
#ifndef WT_BENCH_STOCK_LIBRARY_H
#define WT_BENCH_STOCK_LIBRARY_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Opens NAME*so* of the library under FOLDER/node_modules ("libllama", "libggml-base"), never closed. NULL where none is
 * there (*missing true), and with an error where it cannot be opened.
 */
void *stock_library(const char *folder, const char *name, bool *missing, wt_error *err);

#endif
