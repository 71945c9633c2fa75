/*
 * stock-quantize FOLDER MODEL OUT TYPE: stock llama.cpp's own quantizer, from its shared library under
 * FOLDER/node_modules (the npm package has no other way to it). TYPE is a number of enum llama_ftype: 0 writes F32,
 * decoding what was quantized before. So the judge says what a block means: our codecs take no part in it.
 */
#include <dlfcn.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* llama_model_quantize_params of the pinned build. */
typedef struct stock_params {
    int32_t threads, ftype, output_type, embedding_type;
    bool allow_requantize, quantize_output, others[4];
    const void *pointers[4];
    size_t max_buffer;
} stock_params;

static void quiet(int level, const char *text, void *user) { (void)level, (void)text, (void)user; }

static void *open_library(const char *folder) {
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/node_modules/@node-llama-cpp/linux-*/bins/linux-*/libllama.*so*", folder);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return NULL;
    void *library = dlopen(found.gl_pathv[0], RTLD_NOW);
    globfree(&found);
    return library;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: stock-quantize FOLDER MODEL OUT TYPE\n");
        return 2;
    }
    stock_params (*defaults)(void) = NULL;
    uint32_t (*quantize)(const char *, const char *, const stock_params *) = NULL;
    void (*log_set)(void (*)(int, const char *, void *), void *) = NULL;
    void *library = open_library(argv[1]);
    if (library) {
        *(void **)&defaults = dlsym(library, "llama_model_quantize_default_params");
        *(void **)&quantize = dlsym(library, "llama_model_quantize");
        *(void **)&log_set = dlsym(library, "llama_log_set");
    }
    if (!defaults || !quantize || !log_set) {
        fprintf(stderr, "stock-quantize: no stock llama.cpp under '%s'\n", argv[1]);
        return 1;
    }
    log_set(quiet, NULL);
    stock_params params = defaults();
    params.ftype = atoi(argv[4]);
    params.threads = 1;
    params.allow_requantize = true;
    if (quantize(argv[2], argv[3], &params) != 0) {
        fprintf(stderr, "stock-quantize: llama.cpp cannot write '%s' as type %s\n", argv[3], argv[4]);
        return 1;
    }
    return 0;
}
