/* The tables of commands as text for a terminal, as man pages, and as docs/commands.md. Everything goes to `f`. */
#ifndef WT_CLI_HELP_H
#define WT_CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* What `wildtype --help` shows. */
void wt_help_overview(FILE *f);

/* What `wildtype COMMAND --help` shows. */
void wt_help_command(FILE *f, const wt_command *command);

/* The man page of a command, or of the program itself where `command` is NULL, in roff's man macros. */
void wt_help_man(FILE *f, const wt_command *command);

/* docs/commands.md. */
void wt_help_markdown(FILE *f);

#endif
