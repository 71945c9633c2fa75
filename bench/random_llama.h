/*
 * Models of random F16 weights with the shape of a llama and a vocabulary of bytes, which every program that reads GGUF loads: what costs
 * time and memory depends on the shape, and the shape is free. Weights have a standard deviation of 1/sqrt(columns), as strong as trained
 * ones.
 */
#ifndef WT_BENCH_RANDOM_LLAMA_H
#define WT_BENCH_RANDOM_LLAMA_H

#include "model/gguf.h"

/* Weights of the matrices of a model of `width` (a multiple of 64) and so many layers. */
uint64_t random_llama_weights(uint32_t width, uint32_t layers);

/* Writes it to `path`; the same file for the same numbers. -1, with `err` filled and no file left, where it cannot be written. */
int random_llama_write(const char *path, uint32_t width, uint32_t layers, wt_error *err);

#endif
