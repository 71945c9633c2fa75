/*
 * wildtype: quantization strategies that survive.
 *
 * The public face of the library: the error type and progress callback that every floor uses, and the handful of
 * calls that a program other than our command line needs: open a model, draw a strategy for it, apply it, measure what
 * it lost, generate text. Programs link libwildtype and include this header alone.
 *
 * Conventions. Functions that can fail return 0 or -1 (or a pointer or NULL) and fill the last parameter, a
 * `wt_error *` (NULL is allowed: the details are dropped). Strings are UTF-8 and NUL-terminated unless a length stands
 * beside them. An opaque object belongs to whoever opened it, is freed by the matching `_close`/`_free`, which accept
 * NULL, and may be read from several threads at once unless its comment says otherwise.
 */
#ifndef WILDTYPE_H
#define WILDTYPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of failure; a caller may branch on them, people read the message. */
typedef enum wt_code {
    WT_OK = 0,
    WT_ERR_IO,          /* the system refused: open, read, write, space */
    WT_ERR_FORMAT,      /* a file is not what it claims to be */
    WT_ERR_UNSUPPORTED, /* well-formed, but something this build does not know */
    WT_ERR_MISMATCH,    /* two inputs that do not belong together */
    WT_ERR_ARGUMENT,    /* the caller asked for something impossible */
    WT_ERR_MEMORY,      /* an allocation failed */
    WT_ERR_INTERRUPTED, /* the progress callback asked to stop */
} wt_code;

/*
 * What went wrong. `message` is lower case without a full stop: the subject quoted, then the cause, e.g.
 * "cannot read 'x.gguf': tensor 'blk.3.ffn_up.weight' ends 4096 bytes past the file". `hint` says what to do and may be
 * empty. Both are always NUL-terminated; over-long texts are cut.
 */
typedef struct wt_error {
    wt_code code;
    char message[768];
    char hint[384];
} wt_error;

/*
 * Progress of long work. `report` is called from the calling thread every so often with the work done so far, both in
 * `unit`s ("tokens", "tasks"); a non-zero return asks the work to stop, which then fails with WT_ERR_INTERRUPTED.
 * A NULL pointer or a NULL `report` means nobody is listening.
 */
typedef struct wt_progress {
    int (*report)(void *user, const char *stage, double done, double total, const char *unit);
    void *user;
} wt_progress;

/* The version of the library, "MAJOR.MINOR.PATCH"; static storage. */
const char *wt_version(void);

/* ---- a model on the bench ---- */

/*
 * A model's file, and what a text shows of it. One call at a time; calls use all threads that OpenMP gives them. Nothing
 * that a lab gives depends on their number.
 */
typedef struct wt_lab wt_lab;

typedef struct wt_lab_options {
    const char *text;  /* to calibrate on; NULL: the model writes one itself */
    size_t text_bytes;
    size_t context;    /* tokens of a chunk; 0: 512, or what the model was trained on where that is less */
    size_t chunks;     /* at most so many of them; 0: the whole text, or 32 that the model writes */
    const char *cache; /* folder that keeps what was measured for the next time; NULL: nothing is kept */
} wt_lab_options;

/*
 * Opens the GGUF file and calibrates on the text: importance of columns, and Gram matrices in a temporary file. `options`
 * may be NULL; what it points to is not needed afterwards. Takes about as long as running the model over the text twice.
 * Errors: WT_ERR_IO, WT_ERR_FORMAT, WT_ERR_UNSUPPORTED, WT_ERR_MEMORY, WT_ERR_INTERRUPTED; WT_ERR_ARGUMENT for a text shorter than
 * a chunk.
 */
wt_lab *wt_lab_open(const char *path, const wt_lab_options *options, const wt_progress *progress, wt_error *err);
void wt_lab_close(wt_lab *lab);

/* A strategy drawn by the seed, as docs/strategies.md describes them: its canonical text, free() it. NULL: WT_ERR_MEMORY. */
char *wt_lab_draw_strategy(const wt_lab *lab, uint64_t seed, wt_error *err);

/* What a strategy becomes on the model. */
typedef struct wt_lab_plan {
    char name[16];       /* 12 hexadecimal digits, the same for the same strategy */
    uint64_t file_bytes; /* of the finished file, to the byte */
    double cost;         /* the sum of what the strategy's own price says of the errors; nats, where its price is sens */
    char cache_k[16], cache_v[16]; /* types of the cache of keys and values to run it with */
} wt_lab_plan;

/*
 * Applies the strategy whose text is `strategy` under a budget of `bytes` for the whole file (0: none, for strategies that
 * pin every matrix), and writes the result to `path`, whole or not at all; NULL: only plans. `plan` may be NULL.
 * Errors: WT_ERR_FORMAT with line and column for a text that is no strategy; WT_ERR_ARGUMENT for laws that it breaks on
 * this model, a budget below the smallest file among them, which is said; WT_ERR_MISMATCH for pins of tensors that it lacks;
 * WT_ERR_UNSUPPORTED for rotations that its architecture has no place for; WT_ERR_IO, WT_ERR_MEMORY, WT_ERR_INTERRUPTED.
 */
int wt_lab_apply(wt_lab *lab, const char *strategy, uint64_t bytes, const char *path, wt_lab_plan *plan,
                 const wt_progress *progress, wt_error *err);

/* What a file loses against the lab's model, over the scored tokens of a text. */
typedef struct wt_lab_loss {
    size_t tokens, chunks;
    double kld, kld_stderr; /* mean KL divergence, nats; its standard error over chunks, NaN for one chunk */
    double perplexity, reference_perplexity;
    double same_top; /* share of tokens whose most probable next token is the same, 0..1 */
} wt_lab_loss;

/*
 * Measures the model at `path`, with weights as they are and nothing else rounded, on `text` (NULL: the lab's own, which
 * what was calibrated on it has seen). Errors: as wt_lab_open; WT_ERR_MISMATCH where it has another vocabulary.
 */
int wt_lab_measure(wt_lab *lab, const char *path, const char *text, size_t text_bytes, wt_lab_loss *loss,
                   const wt_progress *progress, wt_error *err);

/*
 * At most `tokens` new tokens after `prompt` ("": from the beginning of a text), as text; temperature 0 takes the most
 * probable one each time. free() it. NULL: WT_ERR_ARGUMENT where the model has nothing to begin a text with, WT_ERR_MEMORY, or
 * WT_ERR_FORMAT where its logits are no numbers.
 */
char *wt_lab_generate(wt_lab *lab, const char *prompt, size_t tokens, double temperature, uint64_t seed, wt_error *err);

#ifdef __cplusplus
}
#endif
#endif
