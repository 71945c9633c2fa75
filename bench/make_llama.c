/* make-llama FILE WIDTH LAYERS: writes a llama-shaped model of random F16 weights, and says how many weights its matrices have. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "random_llama.h"

int main(int argc, char **argv) {
    wt_error err = {0};
    const unsigned long width = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, layers = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (width < 64 || width % 64 || width > 1 << 16 || layers < 1 || layers > 1000) {
        fprintf(stderr, "usage: make-llama FILE WIDTH LAYERS (a width of 64, 128, ...)\n");
        return 2;
    }
    if (random_llama_write(argv[1], (uint32_t)width, (uint32_t)layers, &err) != 0) {
        fprintf(stderr, "make-llama: %s\n", err.message);
        return 1;
    }
    printf("%" PRIu64 "\n", random_llama_weights((uint32_t)width, (uint32_t)layers));
    return 0;
}
