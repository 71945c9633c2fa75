/*
 * What the judge is to find unchanged. make-transformed list: the names of random models, of each architecture;
 * make-transformed random NAME OUT SEED: one of them; make-transformed PART MODEL OUT SEED [WITHOUT]: a model
 * transformed by one gene ("rotate.residual", "fold.ffn_in") or by "all" that its architecture has, with strong random
 * scales. Exits 3 where it has no such. Tensor WITHOUT stays as it was, which is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/transformed.h"

static int transform(const char *part, const char *path, const char *out, uint64_t seed, const char *without, wt_error *err) {
    wt_model *model = wt_model_open(path, err);
    if (!model) return 1;
    unsigned parts = strcmp(part, "all") == 0 ? transform_parts(model) : 0;
    for (unsigned bit = 1; bit <= FOLD_FFN_MID; bit *= 2) {
        if (strcmp(part, transform_part_name(bit)) == 0) parts = bit & transform_parts(model);
    }
    wt_transform_request request = random_request(parts, &seed);
    wt_transform *t = parts ? wt_transform_request_new(model, &request, NULL, err) : NULL;
    int rc = !parts ? 3 : t && transformed_write(model, t, without, out, err) == 0 ? 0 : 1;
    wt_transform_free(t);
    wt_model_close(model);
    return rc;
}

int main(int argc, char **argv) {
    wt_error err = {0};
    int rc = 1;
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < 9; i++) printf("%s\n", transform_model_at(i)->name);
        printf("llama-tied-gqa\nqwen3-small-embedding\ngemma3-variant\nphi3-partial\n");
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "random") == 0 && transform_model_find(argv[2])) {
        rc = random_model_write(transform_model_find(argv[2]), strtoull(argv[4], NULL, 10), argv[3], &err) == 0 ? 0 : 1;
    } else if (argc == 5 || argc == 6) {
        rc = transform(argv[1], argv[2], argv[3], strtoull(argv[4], NULL, 10), argc == 6 ? argv[5] : NULL, &err);
    } else {
        fprintf(stderr, "usage: make-transformed list | random NAME OUT SEED | PART MODEL OUT SEED [WITHOUT]\n");
        return 2;
    }
    if (rc == 1) fprintf(stderr, "make-transformed: %s\n", err.message);
    return rc;
}
