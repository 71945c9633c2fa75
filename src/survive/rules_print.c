/* Rules as YAML, with or without what each key means. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "survive/rules_table.h"

/* A byte as it is, or what YAML takes for a line's end or does not print, by its number. How many more bytes than one that was. */
static int print_special(FILE *f, const unsigned char *c) {
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) return fprintf(f, "\\x%02x", c[1]) > 0;
    if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) return fprintf(f, "\\u20%02x", c[2] - 0x80) > 0 ? 2 : 0;
    if (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf) return fputs("\\ufeff", f) >= 0 ? 2 : 0;
    if (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe) return fprintf(f, "\\uff%02x", c[2] + 0x40) > 0 ? 2 : 0;
    putc(*c, f);
    return 0;
}

/* A text in double quotes, as YAML reads it back. */
static void print_text(FILE *f, const char *text) {
    putc('"', f);
    for (const unsigned char *c = (const unsigned char *)(text ? text : ""); *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if (*c < 32 || *c == 127)
            fprintf(f, "\\x%02x", *c);
        else
            c += print_special(f, c);
    }
    putc('"', f);
}

/* Shortest that reads back the same. */
static void print_number(FILE *f, double x) {
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    fputs(text, f);
}

static void print_comment(FILE *f, const char *help, const char *indent) {
    size_t column = 0;
    for (const char *word = help; *word;) {
        const size_t n = strcspn(word, " ");
        if (column == 0 || column + n > 110) {
            fprintf(f, "%s%s# ", column ? "\n" : "", indent);
            column = 2;
        } else {
            putc(' ', f);
        }
        fwrite(word, 1, n, f);
        column += n + 1;
        word += n + (word[n] == ' ');
    }
    putc('\n', f);
}

static void print_constraints(FILE *f, const wt_rules *r) {
    fputs(r->constraint_count ? "constraints:\n" : "constraints: []\n", f);
    for (unsigned i = 0; i < r->constraint_count; i++) {
        const wt_rule_constraint *c = &r->constraints[i];
        fputs("  - {axis: ", f);
        print_text(f, c->axis);
        if (c->min) fputs(", min: ", f), print_number(f, *c->min);
        if (c->max) fputs(", max: ", f), print_number(f, *c->max);
        fputs("}\n", f);
    }
}

static void print_axes(FILE *f, const wt_rules *r) {
    fputs(r->axis_count ? "axes:\n" : "axes: []\n", f);
    for (unsigned i = 0; i < r->axis_count; i++) {
        fputs("  - {axis: ", f);
        print_text(f, r->axes[i].axis);
        fputs(", weight: ", f);
        print_number(f, r->axes[i].weight);
        fputs("}\n", f);
    }
}

static void print_commands(FILE *f, const wt_rules *r) {
    fputs(r->command_count ? "commands:\n" : "commands: []\n", f);
    for (unsigned i = 0; i < r->command_count; i++) {
        const wt_command_axis *c = &r->commands[i];
        fputs("  - {name: ", f);
        print_text(f, c->name);
        fputs(c->shell ? ", command: " : ", command: [", f);
        for (unsigned k = 0; k < c->count; k++) {
            fputs(k ? ", " : "", f);
            print_text(f, c->words[k]);
        }
        fprintf(f, "%s, better: %s, seconds: ", c->shell ? "" : "]", c->higher ? "higher" : "lower");
        print_number(f, c->seconds);
        fprintf(f, ", shell: %s}\n", c->shell ? "true" : "false");
    }
}

static void print_types(FILE *f, const wt_rules *r) {
    fputs("types: [", f);
    for (unsigned i = 0; i < r->type_count; i++) {
        fputs(i ? ", " : "", f);
        print_text(f, r->types[i]);
    }
    fputs("]\n", f);
}

static void print_key(FILE *f, const wt_rules *r, const wt_rule_key *k) {
    const void *at = (const char *)r + k->offset;
    switch (k->kind) {
    case WT_KEY_CONSTRAINTS: print_constraints(f, r); return;
    case WT_KEY_AXES: print_axes(f, r); return;
    case WT_KEY_COMMANDS: print_commands(f, r); return;
    case WT_KEY_TYPES: print_types(f, r); return;
    case WT_KEY_SPECIES:
        fprintf(f, "species: [%s%s%s]\n", r->rule_species ? "rule" : "", r->rule_species && r->pinned_species ? ", " : "",
                r->pinned_species ? "pinned" : "");
        return;
    default: break;
    }
    fprintf(f, "%s: ", k->key);
    switch (k->kind) {
    case WT_KEY_TEXT: print_text(f, *(char *const *)at); break;
    case WT_KEY_COUNT:
    case WT_KEY_SIZE: fprintf(f, "%" PRIu64, *(const uint64_t *)at); break;
    case WT_KEY_NUMBER: print_number(f, *(const double *)at); break;
    case WT_KEY_CHOICE: fputs(k->choices[*(const int *)at], f); break;
    default: break;
    }
    putc('\n', f);
}

char *wt_rules_print(const wt_rules *r, bool comments, wt_error *err) {
    char *text = NULL;
    size_t len;
    const char *section = "";
    FILE *f = open_memstream(&text, &len);
    if (!f) {
        wt_fail_memory(err, 4096);
        return NULL;
    }
    if (comments) fputs("# The rules of survival: what a person decides. Every key may be left out; what stands here are the defaults.\n", f);
    for (size_t i = 0; wt_rule_key_at(i); i++) {
        const wt_rule_key *k = wt_rule_key_at(i);
        const char *indent = k->section[0] ? "  " : "";
        if (comments && strcmp(section, k->section) != 0 && !k->section[0]) putc('\n', f);
        if (k->section[0] && strcmp(section, k->section) != 0) fprintf(f, "%s%s:\n", comments ? "\n" : "", k->section);
        section = k->section;
        if (comments) print_comment(f, k->help, indent);
        fputs(indent, f);
        print_key(f, r, k);
    }
    if (fclose(f) == 0) return text;
    free(text);
    wt_fail_memory(err, 4096);
    return NULL;
}
