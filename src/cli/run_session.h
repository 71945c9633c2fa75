/*
 * A run with everything that it stands on: its rules, its model, its texts, what was measured before strategies compete, and the arena.
 * `evolve` begins one; `evolve --resume`, `export` and `explain` open it again from what its store knows, and are refused where the
 * model, the text or the program is another one: the same strategy would give other bytes.
 *
 * The steps stand in the order of their cost, so that a command takes those that it needs and what is wrong is said early.
 */
#ifndef WT_CLI_RUN_SESSION_H
#define WT_CLI_RUN_SESSION_H

#include "cli/session.h"
#include "cli/text.h"
#include "survive/contest.h"
#include "survive/texts.h"

/* Texts that the model wrote, as the store keeps them: tokens in decimal, spaces between. */
typedef struct wt_run_written {
    const char *name; /* the store's key, static */
    char *tokens;
} wt_run_written;

typedef struct wt_run_session {
    const char *folder;
    wt_rules rules;
    wt_run_store *store;
    wt_session session;
    wt_texts texts;
    wt_chunks half, full, other; /* what finalists alone are measured on: wt_run_open_asked, wt_run_open_finals */
    wt_tasks tasks;
    wt_finals_options finals;
    wt_run_written written[3]; /* by a new run, until its store is made */
    size_t written_count;
    wt_study study;
    wt_contest contest;
    char *model, *cache;          /* the path that the store knows; the folder of caches */
    char *final_file;             /* where candidates are written for commands */
    char text_name[WT_TEXT_NAME]; /* what files call the text: no folders, so that a moved text gives the same bytes */
} wt_run_session;

/*
 * Opens the run in `folder`: store, rules, model (`model`, or where NULL the one that the run knows), and checks that both are those that
 * it was begun with. Close with wt_run_close, also after failure.
 */
int wt_run_reopen(wt_run_session *run, const char *folder, wt_store_mode mode, const char *model, wt_error *err);

/* The model of a new run, whose rules are there. */
int wt_run_open_model(wt_run_session *run, const char *model, wt_error *err);

/* Whether a run whose text has been cut may go on. */
typedef int wt_run_check(const wt_run_session *run, wt_error *err);
/*
 * Cuts the rules' text, with chunks of the model's own among its, or has the model write all; of a run that was opened again it is checked to be
 * the same. `check` (may be NULL) is asked before a model writes among a text's chunks, which takes it a while.
 */
int wt_run_open_texts(wt_run_session *run, wt_run_check *check, wt_error *err);

/* Tokens of a chunk: the rules', or what the model was trained for, at most 512. The model is open. */
size_t wt_run_context(const wt_run_session *run);

/*
 * Looks at what the rules name besides the text, before anything slow: the programs of commands, the tasks, the other text. `allowed`: commands
 * may run, otherwise rules that have some are refused. The session owns what was read. Errors name the file or the command. (cli/run_finals.c)
 */
int wt_run_open_asked(wt_run_session *run, bool allowed, wt_error *err);

/*
 * Cuts (or has the model write) the longer chunks that finalists are measured on; of a run that was opened again all of it, with what
 * wt_run_open_asked read, is checked to be the same. After wt_run_open_texts.
 */
int wt_run_open_finals(wt_run_session *run, wt_error *err);
/* A hash of it all, as the store keeps it; false: there is nothing of it. */
bool wt_run_finals_hash(const wt_run_session *run, char text[32]);
/* The axes of the rules that are times or outside commands: a run with any cannot be repeated to the byte. Names, ", " between them, as many as `size`
 * holds; "" where there are none. */
void wt_run_timed_axes(const wt_rules *rules, char *text, size_t size);
/* Fails where the store knows another value of `key`: a run goes on only with what it began with. */
int wt_run_check_same(const wt_run_session *run, const char *key, const char *now, const char *what, const char *hint, wt_error *err);
/* Reads a file that the rules name; a signal ends the program meanwhile. free() it. */
char *wt_run_read_text(const char *path, size_t *len, wt_error *err);

/*
 * `count` texts of `context` tokens that the model wrote for this run, free() them: those that its store keeps under `name` (static), otherwise it
 * writes them now. wt_run_store_written puts what a new run wrote into its store. (cli/run_written.c)
 */
int32_t *wt_run_write(wt_run_session *run, const char *name, size_t count, size_t context, uint64_t seed,
                      wt_error *err);
int wt_run_store_written(wt_run_session *run, wt_error *err);
void wt_run_release_written(wt_run_session *run);

/* Writes the rules as they are now into the store. */
int wt_run_store_rules(wt_run_session *run, wt_error *err);

/* Makes the store of a new run and writes into it what the run is. */
int wt_run_begin(wt_run_session *run, wt_error *err);

/* Statistics, Gram matrices and the bench; after it the contest can plan and export. */
int wt_run_open_study(wt_run_session *run, wt_error *err);

/* The arena: after it the contest can measure. */
int wt_run_open_arena(wt_run_session *run, wt_error *err);

void wt_run_close(wt_run_session *run);

#endif
