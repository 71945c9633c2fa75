/*
 * bench_expression [--json]: what a rule costs as a program, against the same formula as hand-written loops (expression_loops.h), for each
 * instruction set that this processor has; in nanoseconds a value, one thread. Where the inputs' bounds are known, the loop is the plain
 * one; where they are looked for, it is the faster of those that make the same promise, and the ratio to the plain one is told beside.
 * Program and loops run in turn, in slices short enough to see the same machine: a ratio is the median of the slices' ratios, which the
 * clock's changes and other processes hardly move. The ratio is what counts.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "expression_loops.h"
#include "strategy/expression.h"

enum { LONGEST = 8192, ROUNDS = 201, VALUES = 1 << 14 };

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

typedef const rule_loop loop_table[RULES];

static loop_table *loops_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level == WT_CPU_AVX512) return loops_avx512;
    if (level == WT_CPU_AVX2) return loops_avx2;
#endif
    (void)level;
    return loops_reference;
}

static void check(int rule, const char *what, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float value = want[i] + 0.0f; /* loops may make -0 */
        if (memcmp(&out[i], &value, sizeof value) == 0) continue;
        fprintf(stderr, "bench_expression: %s: program and %s loop differ\n", rule_texts[rule], what);
        exit(1);
    }
}

/* Prints a row of the table; returns the ratio to the loop that promises the same. */
static double bench(int rule, wt_cpu_level level, size_t n, bool known, bool json, bool first) {
    static const char *const WHAT[] = {"plain", "looking", "clamped"};
    double times[1 + LOOPS][ROUNDS], ratios[LOOPS][ROUNDS], ns[1 + LOOPS] = {0}, ratio[LOOPS] = {0};
    size_t operations, repeats = VALUES / n;
    const wt_program program = compile(rule_texts[rule], &operations);
    loop_table *loops = loops_at(level);
    const int count = known ? 1 : LOOPS;
    wt_row inputs[5];
    for (int i = 0; i < 5; i++) inputs[i] = (wt_row){rows[i], false, known ? 1e3f : 0.0f};
    wt_program_run_at(&program, level, inputs, n, out);
    for (int k = 0; k < LOOPS; k++) {
        loops[k][rule](rows[0], rows[1], rows[2], rows[3], rows[4], n, want);
        check(rule, WHAT[k], n);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k <= count; k++) {
            const double start = now();
            if (k == 0) {
                for (size_t i = 0; i < repeats; i++) wt_program_run_at(&program, level, inputs, n, out);
            } else {
                const rule_loop loop = loops[k - 1][rule];
                for (size_t i = 0; i < repeats; i++) loop(rows[0], rows[1], rows[2], rows[3], rows[4], n, want);
            }
            times[k][round] = now() - start;
            if (k > 0) ratios[k - 1][round] = times[0][round] / times[k][round];
        }
    }
    for (int k = 0; k <= count; k++) ns[k] = median(times[k]) * 1e9 / (double)(repeats * n);
    for (int k = 0; k < count; k++) ratio[k] = median(ratios[k]);
    const int peer = known ? PLAIN : ratio[LOOKING] > ratio[CLAMPED] ? LOOKING : CLAMPED;
    if (json)
        printf(
            "%s\n    {\"rule\": \"%s\", \"operations\": %zu, \"kernels\": \"%s\", \"values\": %zu, \"bounds_known\": %s, "
            "\"program_ns\": %.4f, \"loop\": \"%s\", \"loop_ns\": %.4f, \"ratio\": %.3f, \"plain_loop_ns\": %.4f, "
            "\"plain_ratio\": %.3f}",
            first ? "" : ",", rule_texts[rule], operations, wt_cpu_level_name(level), n, known ? "true" : "false",
            ns[0], WHAT[peer], ns[1 + peer], ratio[peer], ns[1], ratio[PLAIN]);
    else
        printf("%-34s %3zu  %-9s %6zu  %-6s %10.4f %10.4f %-8s %6.2f %10.4f %6.2f\n", rule_texts[rule], operations,
               wt_cpu_level_name(level), n, known ? "known" : "looked", ns[0], ns[1 + peer], WHAT[peer], ratio[peer],
               ns[1], ratio[PLAIN]);
    fflush(stdout);
    return ratio[peer];
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
        printf("%-34s %3s  %-9s %6s  %-6s %10s %10s %-8s %6s %10s %6s\n", "rule", "ops", "kernels", "values", "bounds",
               "program ns", "loop ns", "loop", "ratio", "plain ns", "ratio");
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
