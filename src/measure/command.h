/*
 * An outside command as an axis: a person's own program that is given a candidate's file and prints one number, tokens per second on the real
 * runtime or joules on the real board. It gets its words as they are; a shell sees them only where the person says so.
 */
#ifndef WT_MEASURE_COMMAND_H
#define WT_MEASURE_COMMAND_H

#include "base/process.h"

/* What stands for the candidate's file in a command's words. */
#define WT_COMMAND_MODEL "{model}"

typedef struct wt_command_axis {
    char *name;
    char **words;      /* [count]; with a shell one, the script */
    unsigned count;
    double seconds;    /* limit of time */
    bool higher, shell; /* higher is better; /bin/sh runs it, the file's path is quoted for it */
} wt_command_axis;

void wt_command_release(wt_command_axis *command);

/* Whether its words name the file. */
bool wt_command_names_model(const wt_command_axis *command);

/*
 * Runs it on the file at `model`: *value is the number that is the last line of its standard output. Fails with WT_ERR_IO where it cannot be
 * started, WT_ERR_INTERRUPTED where `progress` stopped it, and otherwise with WT_ERR_FORMAT: it ended badly, took too long, or printed no finite
 * number; the message has the end of its output.
 */
int wt_command_run(const wt_command_axis *command, const char *model, const wt_progress *progress, double *value, wt_error *err);

#endif
