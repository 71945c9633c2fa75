/*
 * Prints what the C program computes for expressions at drawn inputs, as JSON: web/test/expressions.json, against which the page's evaluator is
 * tested. Made again by
 *   cc -Iinclude -Isrc web/test/expressions_golden.c build/release/libwildtype.a -lxxhash -lm -fopenmp -o /tmp/golden && /tmp/golden > web/test/expressions.json
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "strategy/domains.h"
#include "strategy/expression.h"

static const struct {
    const wt_domain *domain;
    const char *text;
} CASES[] = {
    {&wt_domain_tensor, "sens"},
    {&wt_domain_tensor, "error * (1 + 5 * is_down + 0.25 * is_v + is_head * (2 - 0.5 * is_embed))"},
    {&wt_domain_tensor, "(1 + 2*is_down)*(1.5 - depth)*if(kurt > 6, 2, 1)"},
    {&wt_domain_tensor, "rms_act*(1.4 + tanh(kurt))/(0.3 + depth)"},
    {&wt_domain_tensor, "pow(rms_act, 0.7)*log(kurt_act) + max(peak/12, size)"},
    {&wt_domain_tensor, "-size - -depth - (-3)"},
    {&wt_domain_tensor, "8 - 4 - 2 + 16/4/2*depth"},
    {&wt_domain_tensor, "if(depth <= 0.5, if(size != 0, min(size, kurt), -kurt), abs(size)/(depth - depth))"},
    {&wt_domain_tensor, "if(size == size, if(size < depth, 1e30*kurt, -1e30*peak), 7)"},
    {&wt_domain_tensor, "pow(depth - depth, size - size) + pow(0*kurt, 2)"},
    {&wt_domain_channel, "0.5*log(act)"},
    {&wt_domain_channel, "0.41*log(act) - 0.12*log(w)"},
    {&wt_domain_channel, "min(log(act_max), 1.5)*.3 + 2.5E-1*w_max"},
    {&wt_domain_channel, "exp(exp(act)) - exp(-200*w)"},
    {&wt_domain_element, "h*sqrt(2*v + x*x)"},
    {&wt_domain_element, "h*(v + x*x)/(1 + a) - sqrt(-r)"},
    {&wt_domain_element, "if(abs(x) >= a, 2, 1)*pow(abs(x), h)"},
    {&wt_domain_column, "h*w/(h + w)"},
    {&wt_domain_column, "tanh(h - w)*log(0*h)"},
};

int main(void) {
    wt_rng rng;
    wt_rng_init(&rng, 1, 1, 0);
    printf("[\n");
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        const wt_domain *domain = CASES[k].domain;
        wt_expr e;
        wt_program program;
        wt_error err = {0};
        if (wt_expr_parse(&e, domain, CASES[k].text, strlen(CASES[k].text), (wt_place){1, 1}, &err) != 0 ||
            wt_program_compile(&program, &e, domain, &err) != 0) {
            fprintf(stderr, "%s: %s\n", CASES[k].text, err.message);
            return 1;
        }
        for (int n = 0; n < 6; n++) {
            float values[64], out;
            wt_row inputs[64];
            printf("%s{\"text\": \"%s\", \"values\": {", k + (size_t)n > 0 ? ",\n" : "", CASES[k].text);
            for (size_t v = 0; v < domain->count; v++) {
                values[v] = n == 5 ? 0.0f : (float)exp(wt_rng_normal(&rng));
                if (strncmp(domain->variables[v], "is_", 3) == 0) values[v] = (float)wt_rng_below(&rng, 2);
                if (strcmp(domain->variables[v], "x") == 0 || strcmp(domain->variables[v], "size") == 0) values[v] -= 1.5f;
                inputs[v] = (wt_row){.values = &values[v], .scalar = true};
                printf("%s\"%s\": %.9g", v > 0 ? ", " : "", domain->variables[v], (double)values[v]);
            }
            wt_program_run(&program, inputs, 1, &out);
            printf("}, \"out\": %.9g}", (double)out);
        }
    }
    printf("\n]\n");
    return 0;
}
