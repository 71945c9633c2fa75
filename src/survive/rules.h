/*
 * The rules of survival: what a person decides, and nobody else. Read from YAML by a schema (libcyaml), every key with a default; written
 * back with comments. docs/rules.md is made from the same table.
 */
#ifndef WT_SURVIVE_RULES_H
#define WT_SURVIVE_RULES_H

#include <stdbool.h>

#include "base/error.h"
#include "measure/command.h"

/* What is measured: a row of measure/axis_table.c, or an outside command of the person. */
typedef struct wt_rule_axis {
    char *axis;     /* an axis' name, or a command's */
    double weight;  /* of selection by score; 1 */
} wt_rule_axis;

typedef struct wt_rule_constraint {
    char *axis;
    double *min, *max; /* NULL: none; sizes may be written with units (max: 3.2MiB) */
} wt_rule_constraint;

typedef enum wt_selection { WT_SELECT_PARETO, WT_SELECT_LEXICASE, WT_SELECT_SCORE } wt_selection;
/* AUTO: absent where the search is too short for it. A run that has begun is one of the other two. */
typedef enum wt_feedback_rule { WT_FEEDBACK_AUTO, WT_FEEDBACK_ALLOWED, WT_FEEDBACK_ABSENT } wt_feedback_rule;
typedef enum wt_humans { WT_HUMANS_COMPETE, WT_HUMANS_BREED, WT_HUMANS_ABSENT } wt_humans;
typedef enum wt_runtime { WT_RUNTIME_LLAMA_CPP_CPU, WT_RUNTIME_EXACT } wt_runtime;

typedef struct wt_rules {
    /* text */
    char *text, *holdout_text, *other_text, *tasks; /* files; text NULL: the model writes its own; holdout_text NULL: a part of text */
    double calibrate, search, holdout; /* shares of the text; 0.5, 0.3, 0.2 */
    uint64_t context;                  /* tokens of a chunk; 0: the training context, at most 512 */
    double own;                        /* share of their chunks that the model writes itself, holdout apart; 0.33 */
    uint64_t calibrate_chunks, search_chunks, holdout_chunks; /* at most; 64, 48, 64 */
    double playoff;                                           /* chunks of the play-off for each of the search's; 2 */
    uint64_t final_chunks; /* at most, of each text that finalists alone are measured on; 4 */
    /* the environment */
    wt_rule_constraint *constraints;
    unsigned constraint_count;
    wt_rule_axis *axes; /* none: kld alone */
    unsigned axis_count;
    wt_command_axis *commands; /* outside commands, each an axis of its name */
    unsigned command_count;
    uint64_t memory_context; /* tokens for which memory counts the cache; 0: the training context */
    wt_runtime runtime;
    char **types; /* that strategies may use; none: the usual ones */
    unsigned type_count;
    wt_feedback_rule feedback;
    uint64_t max_memory; /* of this program, bytes; 0: half of what is free */
    /* the competition */
    uint64_t population, offspring; /* 8, 12 */
    uint64_t first;                 /* children of the first generation; 0 until it is decided */
    wt_selection selection;
    wt_humans humans;
    uint64_t presets;                  /* of them, besides the methods; 6 */
    bool rule_species, pinned_species; /* true, true */
    double smaller; /* share of individuals that are tried at a smaller budget, for the archive; 0.1 */
    double level;   /* of the race's error; 0.05 */
    uint64_t race_block; /* chunks between two looks; 8 */
    /* the end */
    uint64_t evaluations, tokens; /* 0: no limit */
    double minutes;               /* 0: no limit */
    uint64_t patience;            /* generations without progress; 0: no limit */
    uint64_t survivors;           /* at most so many files are written; 3 */
    uint64_t seed;
} wt_rules;

/* All defaults. */
int wt_rules_init(wt_rules *rules, wt_error *err);
void wt_rules_release(wt_rules *rules);

/*
 * Parses a file, or text; relative files that a file names lie beside it. Errors name the line and the key, what was expected, and the nearest known key. Not checked
 * yet.
 */
int wt_rules_read(wt_rules *rules, const char *path, wt_error *err);
int wt_rules_parse(wt_rules *rules, const char *text, size_t len, const char *name, wt_error *err);

/* Contradictions and what cannot be: unknown axes, shares above 1, min above max, no end condition, no species. Says which and the nearest that can be. */
int wt_rules_check(const wt_rules *rules, wt_error *err);

/* The rules as YAML, every key; `comments`: with what each means and why its default is so. free() it. */
char *wt_rules_print(const wt_rules *rules, bool comments, wt_error *err);

/* The outside command of that name or NULL. */
const wt_command_axis *wt_rules_command(const wt_rules *rules, const char *name);
/* Whether an axis or a constraint has that name. */
bool wt_rules_value(const wt_rules *rules, const char *axis);

/* The constraint on an axis or NULL. */
const wt_rule_constraint *wt_rules_constraint(const wt_rules *rules, const char *axis);
/* Adds or replaces a bound; NULL leaves what is there. */
int wt_rules_bound(wt_rules *rules, const char *axis, const double *min, const double *max, wt_error *err);

#endif
