/*
 * stock-quantize FOLDER MODEL OUT TYPE [OPTION]...: stock llama.cpp's quantizer, from its shared library under
 * FOLDER/node_modules. TYPE is a preset's name or a number of enum llama_ftype; 0 (F32) decodes what was quantized before, so that
 * the judge says what a block means. Options:
 *
 *   --imatrix FILE  --pure  --threads N  --output-tensor-type NUMBER  --token-embedding-type NUMBER
 *   --tensor-type REGEX=NUMBER (may be repeated)
 *
 * --imatrix brings the importance and the metadata that llama-quantize writes for it. Types are ggml's numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/presets.h"
#include "stock.h"

enum { MOST_RULES = 64 };

static int usage(void) {
    fprintf(stderr,
            "usage: stock-quantize FOLDER MODEL OUT TYPE [--imatrix FILE] [--pure] [--threads N]\n"
            "                      [--output-tensor-type N] [--token-embedding-type N] [--tensor-type REGEX=N]...\n");
    return 2;
}

/* Fills the request from the words after the first four; false for words that are not understood. */
static bool read_options(stock_request *r, const char **rules, int argc, char **argv) {
    for (int i = 5; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(word, "--pure") == 0) {
            r->pure = true;
            continue;
        }
        if (!value) return false;
        i++;
        if (strcmp(word, "--imatrix") == 0)
            r->imatrix = value;
        else if (strcmp(word, "--threads") == 0)
            r->threads = atoi(value);
        else if (strcmp(word, "--output-tensor-type") == 0)
            r->output_type = atoi(value);
        else if (strcmp(word, "--token-embedding-type") == 0)
            r->embedding_type = atoi(value);
        else if (strcmp(word, "--tensor-type") == 0 && r->rule_count < MOST_RULES)
            rules[r->rule_count++] = value;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    const char *rules[MOST_RULES];
    stock_request request = {.output_type = -1, .embedding_type = -1, .rules = rules};
    wt_error err = {0};
    if (argc < 5 || !read_options(&request, rules, argc, argv)) return usage();
    const wt_preset *preset = wt_preset_find(argv[4]);
    request.file_type = preset ? (int)preset->file_type : atoi(argv[4]);
    stock *library = stock_open(argv[1], &err);
    if (library && stock_quantize(library, argv[2], argv[3], &request, &err) == 0) return 0;
    fprintf(stderr, "stock-quantize: %s\n", err.message);
    return 1;
}
