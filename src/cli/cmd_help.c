/* `wildtype help`: the same texts as --help, and the forms that the build and the documentation are made from. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/rules_docs.h"
#include "cli/strategy_report.h"

typedef struct settings {
    const char *command;
    bool man, markdown, strategies, rules;
} settings;

static const wt_argument ARGUMENTS[] = {
    {"COMMAND", offsetof(settings, command), "The command to explain; without one, all of them are listed."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "man",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, man),
     .help = "Prints the man page's source instead; 'man -l' renders it."},
    {.name = "markdown",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, markdown),
     .help = "Prints docs/commands.md instead, which covers every command."},
    {.name = "strategies",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, strategies),
     .help = "Prints docs/strategies.md instead, the language of strategies."},
    {.name = "rules",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, rules),
     .help = "Prints docs/rules.md instead, the rules of survival."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype help eval", "Explains the command eval."},
    {"wildtype help --man eval | man -l -", "Reads its man page without installing anything."},
    {0},
};

static const settings DEFAULTS = {0};

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    const wt_command *command = s->command ? wt_command_find(s->command) : NULL;
    if (s->command && !command) return wt_command_unknown(s->command, err);
    if (s->strategies) return wt_strategy_docs(err) == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
    if (s->rules) return wt_rules_docs(err) == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
    if (s->man)
        wt_help_man(stdout, command);
    else if (s->markdown)
        wt_help_markdown(stdout);
    else if (command)
        wt_help_command(stdout, command);
    else
        wt_help_overview(stdout);
    return WT_EXIT_DONE;
}

const wt_command WT_COMMAND_HELP = {
    .name = "help",
    .summary = "explain a command",
    .synopsis = "[COMMAND]",
    .description = "Shows what a command does, its options and an example of each use.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
