/*
 * Any bytes as an expression, and behind the first zero byte as the floats that it is run on. What parses must print, parse back
 * equal, keep its bits in canonical form, and run on every instruction set to the same numbers, none of them NaN, infinite or -0.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const NAMES[] = {"x", "h", "v", "a", "r"};
static const wt_domain DOMAIN = {.name = "element", .variables = NAMES, .count = 5};
enum { ROW = 67, INPUTS = 5 };

/* The bytes given, then hostile values: rows differ, and the last input is one value. */
static void fill(float rows[INPUTS][ROW], const uint8_t *bytes, size_t size) {
    static const float ODD[] = {0.0f, -0.0f, 1.0f, -1.0f, 1e30f, -1e30f, 3e38f, 1e-45f, -1e-39f, 0.5f};
    const size_t n = size / 4;
    for (size_t i = 0; i < INPUTS * ROW; i++) {
        float f = i % 13 == 0 ? NAN : i % 11 == 0 ? INFINITY : i % 17 == 0 ? -INFINITY : ODD[(i * 7 + i / 10) % 10];
        if (i < n) memcpy(&f, bytes + 4 * i, 4);
        rows[i % INPUTS][i / INPUTS] = f;
    }
}

static void run(const wt_expr *e, float rows[INPUTS][ROW], float *want) {
    wt_program program;
    wt_row inputs[INPUTS];
    float got[ROW];
    for (int i = 0; i < INPUTS; i++) inputs[i] = (wt_row){rows[i], i == INPUTS - 1};
    if (wt_program_compile(&program, e, &DOMAIN, NULL) != 0 || !wt_program_verify(&program)) abort();
    wt_program_run_at(&program, WT_CPU_REFERENCE, inputs, ROW, want);
    for (int level = 1; level <= (int)wt_cpu_best(); level++) {
        wt_program_run_at(&program, (wt_cpu_level)level, inputs, ROW, got);
        if (memcmp(got, want, sizeof got) != 0) abort();
    }
    for (int i = 0; i < ROW; i++) {
        if (!(fabsf(want[i]) <= 1e30f) || (want[i] == 0.0f && signbit(want[i]))) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t length = zero ? (size_t)(zero - data) : size;
    const wt_place start = {1, 1};
    wt_error err = {0};
    wt_expr e, back;
    char text[8192];
    float rows[INPUTS][ROW], plain[ROW], reduced[ROW];
    if (wt_expr_parse(&e, &DOMAIN, (const char *)data, length, start, &err) != 0) {
        if (strncmp(err.message, "line ", 5) != 0) abort();
        return 0;
    }
    if (!wt_expr_valid(&e, &DOMAIN)) abort();
    size_t printed = wt_expr_print(&e, &DOMAIN, text, sizeof text);
    if (printed >= sizeof text || printed != strlen(text)) abort();
    if (wt_expr_parse(&back, &DOMAIN, text, printed, start, &err) != 0 || wt_expr_compare(&e, &back) != 0) abort();
    fill(rows, zero ? zero + 1 : NULL, zero ? size - length - 1 : 0);
    run(&e, rows, plain);
    wt_expr_canonical(&back);
    if (!wt_expr_valid(&back, &DOMAIN)) abort();
    run(&back, rows, reduced);
    if (memcmp(plain, reduced, sizeof plain) != 0) abort();
    e = back;
    wt_expr_canonical(&e);
    if (wt_expr_compare(&e, &back) != 0) abort();
    return 0;
}
