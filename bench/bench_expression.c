/*
 * bench_expression [--json]: what a rule costs as a program, against the same formula as a hand-written loop (expression_loops.h), for
 * each instruction set that this processor has, with the bounds of the inputs known and looked for; in nanoseconds a value, one thread, medians of runs in turn. The ratio is what counts.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "expression_loops.h"
#include "strategy/expression.h"

enum { LONGEST = 8192, ROUNDS = 41, VALUES = 1 << 18 };

const char *const rule_texts[RULES] = {
    "h*sqrt(2*v + x*x)",
    "h*sqrt(2*v + x*x) + r*a",
    "x*x*h + 2*v*x + a*r",
    "max(abs(x), a)*h - min(x*x, v)/r",
    "if(x*x > v, h*x, a + r*x)*2",
    "exp(-x)*h + tanh(v)*log(a)",
    "h*pow(abs(x), 0.75) + v*a - r*x",
};

static const char *const NAMES[] = {"x", "h", "v", "a", "r"};
static const wt_domain DOMAIN = {.name = "element", .variables = NAMES, .count = 5};

static float rows[5][LONGEST] __attribute__((aligned(64))), out[LONGEST] __attribute__((aligned(64))), want[LONGEST];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static wt_program compile(const char *text, size_t *operations) {
    wt_expr e;
    wt_program program;
    wt_error err = {0};
    if (wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err) != 0 ||
        wt_program_compile(&program, &e, &DOMAIN, &err) != 0) {
        fprintf(stderr, "bench_expression: %s: %s\n", text, err.message);
        exit(1);
    }
    *operations = 0;
    for (size_t i = 0; i < e.count; i++) *operations += e.nodes[i].op > WT_OP_VARIABLE;
    return program;
}

static const rule_loop *loops_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level == WT_CPU_AVX512) return loops_avx512;
    if (level == WT_CPU_AVX2) return loops_avx2;
#endif
    (void)level;
    return loops_reference;
}

/* Prints a row of the table; returns the ratio. */
static double bench(int rule, wt_cpu_level level, size_t n, bool known, bool json, bool first) {
    double program_times[ROUNDS], loop_times[ROUNDS];
    size_t operations, repeats = VALUES / n;
    const wt_program program = compile(rule_texts[rule], &operations);
    const rule_loop loop = loops_at(level)[rule];
    wt_row inputs[5];
    for (int i = 0; i < 5; i++) inputs[i] = (wt_row){rows[i], false, known ? 1e3f : 0.0f};
    loop(rows[0], rows[1], rows[2], rows[3], rows[4], n, want);
    wt_program_run_at(&program, level, inputs, n, out);
    if (memcmp(out, want, n * sizeof *out) != 0) {
        fprintf(stderr, "bench_expression: %s: program and loop differ\n", rule_texts[rule]);
        exit(1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t i = 0; i < repeats; i++) wt_program_run_at(&program, level, inputs, n, out);
        program_times[round] = now() - start;
        start = now();
        for (size_t i = 0; i < repeats; i++) loop(rows[0], rows[1], rows[2], rows[3], rows[4], n, out);
        loop_times[round] = now() - start;
    }
    const double per = 1e9 / (double)(repeats * n), p = median(program_times) * per, l = median(loop_times) * per;
    if (json)
        printf(
            "%s\n    {\"rule\": \"%s\", \"operations\": %zu, \"kernels\": \"%s\", \"values\": %zu, \"bounds_known\": %s, \"program_ns\": %.4f, "
            "\"loop_ns\": %.4f, \"ratio\": %.3f}",
            first ? "" : ",", rule_texts[rule], operations, wt_cpu_level_name(level), n, known ? "true" : "false", p, l,
            p / l);
    else
        printf("%-34s %3zu  %-9s %6zu  %-6s %10.4f %10.4f %7.2f\n", rule_texts[rule], operations,
               wt_cpu_level_name(level), n, known ? "known" : "looked", p, l, p / l);
    fflush(stdout);
    return p / l;
}

int main(int argc, char **argv) {
    static const size_t LENGTHS[] = {256, 768, 1024, 2048, LONGEST};
    const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: bench_expression [--json]\n");
        return 2;
    }
    wt_rng rng;
    wt_rng_init(&rng, 5, 1, 0);
    for (int k = 0; k < 5; k++) {
        for (size_t i = 0; i < LONGEST; i++) {
            const float value = (float)wt_rng_normal(&rng);
            rows[k][i] = k == 0 ? value : value * value + 1e-3f;
        }
    }
    if (json)
        printf("{\"expressions\": [");
    else
        printf("%-34s %3s  %-9s %6s  %-6s %10s %10s %7s\n", "rule", "ops", "kernels", "values", "bounds", "program ns",
               "loop ns", "ratio");
    double worst = 0.0;
    bool first = true;
    for (int pass = 0; pass < 2 * ((int)wt_cpu_best() + 1); pass++) {
        const int level = pass / 2;
        const bool known = pass % 2 == 0;
        for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
            for (int rule = 0; rule < RULES; rule++) {
                const double ratio = bench(rule, (wt_cpu_level)level, LENGTHS[i], known, json, first);
                if (ratio > worst) worst = ratio;
                first = false;
            }
        }
    }
    if (json)
        printf("\n  ], \"worst_ratio\": %.3f}\n", worst);
    else
        printf("worst ratio %.2f\n", worst);
    return 0;
}
