/* The commands: one file each, one table row each. */
#ifndef WT_CLI_COMMANDS_H
#define WT_CLI_COMMANDS_H

#include "cli/options.h"

extern const wt_command WT_COMMAND_INSPECT, WT_COMMAND_EVAL, WT_COMMAND_GENERATE, WT_COMMAND_TOKENIZE,
    WT_COMMAND_CALIBRATE, WT_COMMAND_QUANTIZE, WT_COMMAND_COMPARE, WT_COMMAND_STRATEGY, WT_COMMAND_EVOLVE,
    WT_COMMAND_RUNS, WT_COMMAND_SHOW, WT_COMMAND_EXPORT, WT_COMMAND_PICK, WT_COMMAND_EXPLAIN, WT_COMMAND_REPORT, WT_COMMAND_WATCH, WT_COMMAND_RULES,
    WT_COMMAND_HELP;

/* All of them in the order of the help, NULL-terminated. */
extern const wt_command *const WT_COMMANDS[];

/* The command of that name or NULL. */
const wt_command *wt_command_find(const char *name);

/* Fills err with "unknown command" and the nearest one; returns WT_EXIT_USAGE. */
int wt_command_unknown(const char *name, wt_error *err);

#endif
