/* `wildtype rules`: the rules of survival, written with comments and checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "survive/rules.h"

typedef struct settings {
    const char *verb, *file, *output;
} settings;

static int write_rules(const char *path, const char *text, wt_error *err) {
    if (!path) {
        fputs(text, stdout);
        return 0;
    }
    if (access(path, F_OK) == 0) {
        wt_fail(err, WT_ERR_ARGUMENT, "'%s' is there already", path);
        return wt_hint(err, "name another file, or remove it");
    }
    return wt_file_write(path, text, strlen(text), err);
}

static int init(const settings *s, wt_error *err) {
    wt_rules rules;
    if (wt_rules_init(&rules, err) != 0) return -1;
    char *text = wt_rules_print(&rules, true, err);
    const int rc = text ? write_rules(s->output, text, err) : -1;
    free(text);
    wt_rules_release(&rules);
    return rc;
}

static int check(const settings *s, wt_error *err) {
    wt_rules rules;
    char name[600], size[32];
    if (wt_rules_read(&rules, s->file, err) != 0) return -1;
    int rc = wt_rules_check(&rules, err);
    if (rc != 0) wt_error_prefix(err, "'%s'", s->file);
    if (rc == 0) {
        const wt_rule_constraint *bytes = wt_rules_constraint(&rules, "bytes");
        printf("%s: these rules can be played by; ", wt_printable(name, sizeof name, s->file, strlen(s->file)));
        if (bytes && bytes->max)
            printf("at most %s\n", wt_format_bytes(size, (uint64_t)*bytes->max));
        else
            puts("they set no size: --size does, or it is that of Q3_K_M");
    }
    wt_rules_release(&rules);
    return rc;
}

static int run(const void *given, wt_error *err) {
    static const char *const VERBS[] = {"init", "check", NULL};
    const settings *s = given;
    int rc;
    if (!s->verb) return wt_usage(err, "what to do is not said: wildtype rules init, or wildtype rules check FILE");
    if (strcmp(s->verb, "init") == 0) {
        if (s->file) return wt_usage(err, "'rules init' takes no file: -o says where to write");
        rc = init(s, err);
    } else if (strcmp(s->verb, "check") == 0) {
        if (!s->file) return wt_usage(err, "'rules check' takes a FILE");
        if (s->output) return wt_usage(err, "'rules check' writes nothing: leave out --output");
        rc = check(s, err);
    } else {
        wt_usage(err, "unknown verb '%s' of command 'rules'", s->verb);
        const char *near = wt_nearest(s->verb, VERBS);
        if (near) wt_hint(err, "did you mean 'wildtype rules %s'?", near);
        return WT_EXIT_USAGE;
    }
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"VERB", offsetof(settings, verb), "init: prints rules with what each means; what stands there are the defaults. check: says whether a file can be played by."},
    {"FILE", offsetof(settings, file), "The rules to check."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "output", .letter = 'o', .kind = WT_OPTION_TEXT, .value = "FILE", .offset = offsetof(settings, output),
     .help = "Where 'init' writes. Default: standard output."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype rules init -o rules.yaml", "A file to begin with."},
    {"wildtype rules check rules.yaml", "Says what is wrong, in which line, and what comes nearest."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_RULES = {
    .name = "rules",
    .summary = "write or check the rules of survival",
    .synopsis = "init [-o FILE]\ncheck FILE",
    .description =
        "What a person decides about a run stands in one YAML file: the text and its parts, constraints, what is valued, how long to search. "
        "docs/rules.md explains every key.\n"
        "\n"
        "Every key may be left out. Files that it names lie beside it.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
