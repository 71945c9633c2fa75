/* The machine for whatever the compiler's baseline is: see program_body.h. */
#include "strategy/program_body.h"

void wt_program_run_reference(const wt_program *program, const wt_row *inputs, size_t n, float *out) {
    run_program(program, inputs, n, out);
}
