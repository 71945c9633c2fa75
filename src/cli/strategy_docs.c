/*
 * docs/strategies.md, written by `wildtype help --strategies` from the tables that the program itself uses: genes,
 * kinds, domains, operators. What stands here is what no table says. The examples are parsed, so that one that went
 * wrong is an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/strategy_report.h"
#include "strategy/gene_kinds.h"

static const char INTRODUCTION[] =
    "# Strategies\n"
    "\n"
    "Written by `wildtype help --strategies` from the tables that drive parser, printer and variation; edit those\n"
    "(`src/strategy/`).\n"
    "\n"
    "A strategy says how a model is quantized. It is a text: a first line with its name, then a line for each gene\n"
    "that is not at its default.\n"
    "\n";

static const char TEXT_RULES[] =
    "- The first line says `strategy`, with the name in quotes or without. The name is a hash (48 bits of xxHash's\n"
    "  XXH3) of the canonical text below it. Where it is given it is checked, so that a text which was changed is\n"
    "  noticed; leave it out when you write one.\n"
    "- A gene is a line `GENE = VALUE`; the order does not matter, and none stands there twice. Values in brackets\n"
    "  may go over several lines. `#` starts a comment.\n"
    "- The canonical form, which `wildtype strategy show` prints, leaves out genes at their default, has the others\n"
    "  in the order of the table below, expressions simplified without changing a bit of what they compute, and\n"
    "  numbers as short as they read back the same. The same text is the same strategy.\n"
    "- A text is at most 1 MiB long, with at most 16384 pins. An expression has at most %d nodes (operators,\n"
    "  variables, numbers) and is at most %d deep.\n"
    "\n"
    "Genes are *rules*, expressions over what was measured, which mean the same on another model; *pins*, types of\n"
    "single tensors, which work on models of one shape; and plain numbers and choices.\n";

static const char EXPRESSION_RULES[] =
    "\n## Expressions\n"
    "\n"
    "Numbers, variables, `+ - * /`, parentheses, comparisons inside `if(...)`, and functions. A number is written\n"
    "as in C, with a point and an exponent. All arithmetic is in 32-bit floats and gives the same bits on every\n"
    "machine.\n"
    "\n"
    "Expressions are total: every value, inputs included, is kept within -1e30..1e30, and an input that is no\n"
    "number counts as 0, so that no expression on any input makes a NaN or an infinity.\n"
    "\n"
    "| operator | operands | meaning |\n"
    "|---|---|---|\n";

static const struct {
    const char *title, *text;
} EXAMPLES[] = {
    {"A price by hand", "strategy\n"
                        "# Errors in what the FFN writes back, and early in the model, cost more.\n"
                        "alloc.price = (1 + 2 * is_down) * (1.5 - depth) * if(kurt > 6, 2, 1)\n"
                        "alloc.types = [IQ2_XS Q2_K IQ3_S Q3_K IQ4_XS Q4_K Q5_K Q6_K]\n"
                        "alloc.pins = { token_embd.weight: Q6_K }\n"},
    {"Measured sensitivity with error feedback",
     "strategy\n"
     "# What `wildtype strategy human sensitivity` does, with channels made more even before.\n"
     "alloc.price = sens\n"
     "fold.attn_in = 0.25 * log(act)\n"
     "fold.ffn_in = 0.25 * log(act) - 0.25 * log(w_max)\n"
     "feedback.damp = 0.1\n"},
    {"For a model with channels that stand out", "strategy\n"
                                                 "rotate.residual = hadamard 77\n"
                                                 "rotate.value = hadamard 3\n"
                                                 "encode.weight = h * (v + x * x)\n"
                                                 "encode.grid = { lo: -0.9, hi: 0.9, steps: 36 }\n"
                                                 "encode.passes = 5\n"
                                                 "cache.k = Q8_0\n"
                                                 "cache.v = Q8_0\n"},
};

static const char *const EXAMPLE_NOTES[] = {
    "Types are given out so that the sum of price times error is least. Here an error in a down projection costs\n"
    "three times as much, one in the first layer three times as much as in the last, and twice as much where\n"
    "weights have long tails. Only one tensor is pinned, so the strategy works on every model with a tensor of that\n"
    "name.",
    "With the price `sens` the sum that is minimised is the expected divergence in nats. The folds divide what\n"
    "comes in by a power of its magnitude and multiply the matrices' columns by it, so that channels that matter\n"
    "are rounded more finely; the model computes the same as before.",
    "Rotations spread such channels over all of them. Weights count by importance times a sum of squares, scales\n"
    "are searched wider than most types do by themselves, and the runtime keeps keys and values in 8 bits; the\n"
    "flags for that are printed when the strategy is applied.",
};

static void write_range(const wt_gene_info *gene) {
    if (gene->kind == WT_GENE_NUMBER || gene->kind == WT_GENE_INTEGER || gene->kind == WT_GENE_GRID)
        printf(", %g to %g", gene->lo, gene->hi);
    if (gene->kind == WT_GENE_RULE) printf(" (%s)", gene->domain->name);
}

static void write_table_of_genes(void) {
    printf("\n## Genes\n\n| gene | value | default | what people use |\n|---|---|---|---|\n");
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        printf("| `%s` | %s", gene->name, wt_gene_kind_name(gene->kind));
        write_range(gene);
        printf(" | `%s` | `%s` |\n", gene->default_text, gene->human_text);
    }
}

static void write_types(const char *what, uint64_t types) {
    wt_type sorted[WT_TYPE_LIMIT];
    const size_t n = wt_types_sorted(types, sorted);
    printf("%s:", what);
    for (size_t i = 0; i < n; i++) printf(" %s", wt_type_find(sorted[i])->name);
}

static void write_genes(void) {
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        printf("\n### %s\n\n%s\n\n", gene->name, gene->help);
        if (gene->kind == WT_GENE_TYPE) {
            write_types("Types", gene->types);
            printf(".\n\n");
        }
        if (gene->kind == WT_GENE_TYPES) {
            write_types("Types", wt_types_all());
            write_types("; drawn unless a person says otherwise", wt_types_usual());
            printf(".\n\n");
        }
        printf("Drawn in %.0f%% of random strategies.\n", 100 * gene->chance);
    }
}

static void write_kinds(void) {
    printf("\n## Kinds of values\n\n| kind | written | what it is and how it varies |\n|---|---|---|\n");
    for (int k = WT_GENE_RULE; k <= WT_GENE_TYPE; k++) {
        const wt_gene_kind_info *kind = wt_gene_kind_of((wt_gene_kind)k);
        printf("| %s | `%s` | %s |\n", kind->name, kind->form, kind->help);
    }
}

static void write_expressions(void) {
    fputs(EXPRESSION_RULES, stdout);
    for (int op = WT_OP_NEG; op < WT_OP_COUNT; op++) {
        const wt_op_info *info = wt_op_of((wt_op)op);
        printf("| `%s` | %d | %s |\n", info->name, info->arity, info->help);
    }
    const wt_domain *const domains[] = {&wt_domain_tensor, &wt_domain_channel, &wt_domain_element, &wt_domain_column};
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        const wt_domain *d = domains[i];
        printf("\n### Variables: %s\n\nFor", d->name);
        bool first = true;
        for (int g = 0; g < WT_GENES; g++) {
            if (wt_gene_of((wt_gene)g)->domain != d) continue;
            printf("%s `%s`", first ? "" : ",", wt_gene_of((wt_gene)g)->name);
            first = false;
        }
        printf(".\n\n| variable | meaning |\n|---|---|\n");
        for (size_t k = 0; k < d->count; k++) printf("| `%s` | %s |\n", d->variables[k], d->descriptions[k]);
    }
}

static void write_operators(void) {
    printf("\n## How strategies vary\n\n| operator | what it does |\n|---|---|\n");
    for (int op = 0; op < WT_OPERATORS; op++)
        printf("| %s | %s |\n", wt_operator_name((wt_operator)op), wt_operator_help((wt_operator)op));
    printf("\nThe distance of two strategies, 0 to 1, is the mean of the distances of their genes.\n");
}

static int write_examples(wt_error *err) {
    printf("\n## Examples\n");
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        wt_strategy s;
        if (wt_strategy_parse(&s, EXAMPLES[i].text, strlen(EXAMPLES[i].text), EXAMPLES[i].title, err) != 0) return -1;
        char *canonical = wt_strategy_print(&s, err);
        wt_strategy_release(&s);
        if (!canonical) return -1;
        printf("\n### %s\n\n```\n%s```\n\n%s\n\nIn canonical form:\n\n```\n%s```\n", EXAMPLES[i].title,
               EXAMPLES[i].text, EXAMPLE_NOTES[i], canonical);
        free(canonical);
    }
    return 0;
}

int wt_strategy_docs(wt_error *err) {
    fputs(INTRODUCTION, stdout);
    printf(TEXT_RULES, WT_EXPR_MAX_NODES, WT_EXPR_MAX_DEPTH);
    write_table_of_genes();
    write_genes();
    write_kinds();
    write_expressions();
    write_operators();
    return write_examples(err);
}
