/* The machine for AVX2: see program_body.h. */
#include "strategy/program_body.h"

void wt_program_run_avx2(const wt_program *program, const wt_row *inputs, size_t n, float *out) {
    run_program(program, inputs, n, out);
}
