/*
 * Commands as tables: a command is one row of text, its arguments and its options. The same tables drive the parser,
 * --help, the man pages and docs/commands.md, so that none of them can go stale.
 */
#ifndef WT_CLI_OPTIONS_H
#define WT_CLI_OPTIONS_H

#include <stdbool.h>

#include "base/error.h"

/* What the process returns; a signal that stopped the work adds its number to WT_EXIT_SIGNAL. */
enum { WT_EXIT_DONE = 0, WT_EXIT_FAILED = 1, WT_EXIT_USAGE = 2, WT_EXIT_SIGNAL = 128 };

/* What an option stores at its offset in the command's settings. */
typedef enum wt_option_kind {
    WT_OPTION_FLAG,   /* bool, set to true; takes no value */
    WT_OPTION_TEXT,   /* const char *, points into argv */
    WT_OPTION_COUNT,  /* uint64_t, a whole number in min..max (at most 2^53, exact in JSON) */
    WT_OPTION_NUMBER, /* double, finite, in min..max */
    WT_OPTION_LIST,   /* wt_text_list: may be repeated */
} wt_option_kind;

/* The values of an option that may be repeated, in their order. */
enum { WT_MOST_VALUES = 256 };
typedef struct wt_text_list {
    const char *items[WT_MOST_VALUES]; /* point into argv */
    size_t count;
} wt_text_list;

typedef struct wt_option {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* the one-letter form, or 0 */
    wt_option_kind kind;
    const char *value; /* what --help calls the value: "FILE"; NULL for a flag */
    size_t offset;     /* of the setting */
    double min, max;   /* of a count or number, both included */
    const char *help;  /* a sentence or two, without indentation or line breaks */
} wt_option;

/* An argument without a name; all of them are `const char *` settings and may be left out. */
typedef struct wt_argument {
    const char *name; /* NULL ends a table */
    size_t offset;
    const char *help;
} wt_argument;

typedef struct wt_example {
    const char *line; /* as typed; NULL ends a table */
    const char *what; /* what it does */
} wt_example;

typedef struct wt_command {
    const char *name, *summary;
    const char *synopsis;    /* what follows the command's name; one form per line */
    const char *description; /* paragraphs, with an empty line between them */
    const wt_argument *arguments;
    const wt_option *options;
    const wt_example *examples;
    const void *defaults; /* the settings before parsing, `settings_size` bytes */
    size_t settings_size;
    int (*run)(const void *settings, wt_error *err); /* returns an exit status; err where it is not 0 */
} wt_command;

/* Options that every command has; they are parsed like the others but acted upon by wt_command_parse's caller. */
extern const wt_option WT_COMMON_OPTIONS[];

typedef enum wt_parsed { WT_PARSED_RUN, WT_PARSED_HELP, WT_PARSED_VERSION, WT_PARSED_WRONG } wt_parsed;

/*
 * Parses the words after the command's name into `settings` (settings_size bytes, filled with the defaults first).
 * Accepts --name VALUE, --name=VALUE, -x VALUE, -xVALUE; "--" ends the options. WT_PARSED_WRONG fills err.
 */
wt_parsed wt_command_parse(const wt_command *command, int argc, char **argv, void *settings, wt_error *err);

/* The word of `words` (a NULL-terminated list) nearest to `word`, or NULL where none is near enough to be meant. */
const char *wt_nearest(const char *word, const char *const *words);

/* Fills err with a usage error; returns WT_EXIT_USAGE, so that a command can `return wt_usage(...)`. */
int wt_usage(wt_error *err, const char *fmt, ...) WT_PRINTF(2, 3);

#endif
