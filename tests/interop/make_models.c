/* make-models FOLDER SEED: writes every random model variant as FOLDER/NAME.gguf and prints their names. */
#include <stdio.h>
#include <stdlib.h>

#include "support/random_model.h"

int main(int argc, char **argv) {
    wt_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: make-models FOLDER SEED\n");
        return 2;
    }
    for (size_t i = 0; random_model_judged(i); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.gguf", argv[1], random_model_judged(i)->name);
        if (random_model_write(random_model_judged(i), strtoull(argv[2], NULL, 10), path, &err) != 0) {
            fprintf(stderr, "make-models: %s\n", err.message);
            return 1;
        }
        printf("%s\n", random_model_judged(i)->name);
    }
    return 0;
}
