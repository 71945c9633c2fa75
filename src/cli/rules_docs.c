/*
 * docs/rules.md from the tables that read and check the rules: keys and axes. What stands here is what no table says. The examples are
 * parsed and checked, so that one that went wrong is an error.
 */
#include "cli/rules_docs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/axis.h"
#include "survive/rules_table.h"

static const char INTRODUCTION[] =
    "# The rules of survival\n"
    "\n"
    "Written by `wildtype help --rules` from the tables that drive reader, checker and printer; edit those\n"
    "(`src/survive/rules_table.c`, `src/measure/axis_table.c`).\n"
    "\n"
    "What a person decides about a run stands in one file, in YAML: `wildtype evolve model.gguf --rules rules.yaml`.\n"
    "Every key may be left out. `wildtype rules init` writes a file with all of them and what they mean,\n"
    "`wildtype rules check` says whether one can be played by. Options of `evolve` go before what the file says.\n"
    "\n"
    "- Keys that belong together stand in sections, as `text: {context: 256}`. An unknown key, a value out of its\n"
    "  range, or a key that stands there twice is an error that names line and column.\n"
    "- Files are found from the folder of the rules file.\n"
    "- Sizes may have units: `3.2MiB`, `14GB`; `k`, `m` and `g` are powers of 1024.\n"
    "- The rules are stored with the run. `evolve --resume` goes on by those; it may be given more minutes or\n"
    "  evaluations.\n";

static const char LISTS[] =
    "\n## Lists\n"
    "\n"
    "`constraints` is a list of `{axis, min, max}`, of which one of the two bounds may be left out. The constraint on\n"
    "`bytes` is the size that strategies are made for; without it, it is that of Q3_K_M. Constraints on bytes and memory are\n"
    "laws: who breaks one is never measured. The others rank: who breaks less stands before who breaks more, and a\n"
    "survivor has to keep them on the holdout text.\n"
    "\n"
    "`axes` is a list of `{axis, weight}`. The weights count in selection by score alone.\n"
    "\n"
    "`commands` is a list of programs of your own, each an axis of its `name` that axes and constraints may use:\n"
    "\n"
    "- `command` is a list of words, `{model}` in them the candidate's file. A program with a folder in its name lies beside\n"
    "  the rules, others are found by `PATH`. With `shell: true` it is one text that `/bin/sh` reads, where `{model}` becomes the\n"
    "  file's path in quotes.\n"
    "- The last line of its standard output has to be the number and nothing else. `better` is `higher` or `lower`.\n"
    "- After `seconds` (60) it is killed with all that it started. Who makes it fail, take too long, print no number or NaN is\n"
    "  dead; the cause has the end of its output. A program that cannot be started ends the run.\n"
    "- None runs without `wildtype evolve --allow-commands`. A run that values one does not repeat to the byte, and says so.\n"
    "\n"
    "Axes marked *finalists* take as long as everything else together: they are measured of those who reach the end of a\n"
    "race, and races compare the first axis that is measured chunk by chunk. What axes or constraints name counts in\n"
    "selection; `tasks`, `other_file` and `commands` that neither names are measured at the verdict and told in the summary.\n"
    "\n"
    "| axis | unit | better | meaning |\n"
    "|---|---|---|---|\n";

static const struct {
    const char *title, *text;
} EXAMPLES[] = {
    {"A size and a text", "text: {file: novel.txt}\n"
                          "constraints:\n"
                          "  - {axis: bytes, max: 3.2MiB}\n"
                          "budget: {minutes: 15}\n"},
    {"Small files count too, and a run that repeats to the byte", "text: {file: novel.txt, holdout_file: other_novel.txt}\n"
                                                                  "constraints:\n"
                                                                  "  - {axis: bytes, max: 14GB}\n"
                                                                  "  - {axis: kld_p99, max: 1.5}\n"
                                                                  "axes:\n"
                                                                  "  - {axis: kld}\n"
                                                                  "  - {axis: bytes}\n"
                                                                  "selection: pareto\n"
                                                                  "budget: {evaluations: 400, minutes: 0}\n"
                                                                  "seed: 7\n"},
    {"Speed on the real runtime, and answers that stay the same", "text: {file: novel.txt, other_file: code.txt}\n"
                                                                 "tasks: hellaswag.txt\n"
                                                                 "constraints:\n"
                                                                 "  - {axis: bytes, max: 3.2MiB}\n"
                                                                 "  - {axis: flips, max: 0.05}\n"
                                                                 "  - {axis: tokens_per_second, min: 40}\n"
                                                                 "axes:\n"
                                                                 "  - kld\n"
                                                                 "  - kld_full\n"
                                                                 "commands:\n"
                                                                 "  - name: tokens_per_second\n"
                                                                 "    command: [./bench.sh, \"{model}\"]\n"
                                                                 "    better: higher\n"
                                                                 "    seconds: 120\n"
                                                                 "budget: {minutes: 60}\n"},
};

/* A bound that is there for the reader's sake alone. */
#define NO_LIMIT 1e9

/* What may stand there. */
static void write_values(const wt_rule_key *k) {
    switch (k->kind) {
    case WT_KEY_TEXT: printf("a file's path"); break;
    case WT_KEY_COUNT:
    case WT_KEY_NUMBER:
        printf("%s, %g ", k->kind == WT_KEY_COUNT ? "a whole number" : "a number", k->lo);
        printf(k->hi >= NO_LIMIT ? "or more" : "to %.10g", k->hi);
        break;
    case WT_KEY_SIZE: printf("a size"); break;
    case WT_KEY_CHOICE:
        for (size_t i = 0; k->choices[i]; i++) printf("%s`%s`", i ? ", " : "", k->choices[i]);
        break;
    case WT_KEY_CONSTRAINTS: printf("a list of `{axis, min, max}`"); break;
    case WT_KEY_AXES: printf("a list of `{axis, weight}`"); break;
    case WT_KEY_COMMANDS: printf("a list of `{name, command, better, seconds, shell}`"); break;
    case WT_KEY_TYPES: printf("a list of block types"); break;
    case WT_KEY_SPECIES: printf("a list of `rule`, `pinned`"); break;
    }
}

static void write_default(const wt_rules *r, const wt_rule_key *k) {
    const void *at = (const char *)r + k->offset;
    switch (k->kind) {
    case WT_KEY_TEXT: printf("none"); break;
    case WT_KEY_COUNT:
    case WT_KEY_SIZE: printf("%" PRIu64, *(const uint64_t *)at); break;
    case WT_KEY_NUMBER: printf("%g", *(const double *)at); break;
    case WT_KEY_CHOICE: printf("`%s`", k->choices[*(const int *)at]); break;
    case WT_KEY_SPECIES: printf("both"); break;
    default: printf("none"); break;
    }
}

static void write_keys(const wt_rules *defaults) {
    printf("\n## Keys\n\n| section | key | value | default | what it means, and why the default is so |\n|---|---|---|---|---|\n");
    for (size_t i = 0; wt_rule_key_at(i); i++) {
        const wt_rule_key *k = wt_rule_key_at(i);
        printf("| %s%s%s | `%s` | ", k->section[0] ? "`" : "", k->section, k->section[0] ? "`" : "", k->key);
        write_values(k);
        printf(" | ");
        write_default(defaults, k);
        printf(" | %s |\n", k->help);
    }
}

static void write_axes(void) {
    fputs(LISTS, stdout);
    for (size_t i = 0; wt_axis_at(i); i++) {
        const wt_axis *a = wt_axis_at(i);
        printf("| `%s` | %s | %s | %s%s |\n", a->name, a->unit, a->higher ? "higher" : "lower", a->help, a->final ? " (*finalists*)" : "");
    }
}

static int write_examples(wt_error *err) {
    printf("\n## Examples\n");
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        wt_rules r;
        if (wt_rules_parse(&r, EXAMPLES[i].text, strlen(EXAMPLES[i].text), EXAMPLES[i].title, err) != 0) return -1;
        const int rc = wt_rules_check(&r, err);
        wt_rules_release(&r);
        if (rc != 0) return -1;
        printf("\n### %s\n\n```yaml\n%s```\n", EXAMPLES[i].title, EXAMPLES[i].text);
    }
    return 0;
}

int wt_rules_docs(wt_error *err) {
    wt_rules defaults;
    if (wt_rules_init(&defaults, err) != 0) return -1;
    fputs(INTRODUCTION, stdout);
    write_keys(&defaults);
    write_axes();
    wt_rules_release(&defaults);
    return write_examples(err);
}
