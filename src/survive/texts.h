/*
 * The parts of a run's text: calibrate, search, holdout, contiguous and in that order, so that nothing that chooses sees what judges. What the
 * search part has beyond its chunks is the play-off's. A
 * holdout of its own file has to be another text: passages that both have are found and refused.
 */
#ifndef WT_SURVIVE_TEXTS_H
#define WT_SURVIVE_TEXTS_H

#include "engine/chunks.h"
#include "survive/rules.h"

typedef struct wt_texts {
    wt_chunks calibrate, search, playoff, holdout; /* the play-off may have none */
    uint64_t hash; /* of all their tokens */
} wt_texts;

/*
 * Cuts `text` by the rules' shares, and `holdout` (NULL: none of its own; then the holdout is text's last part). Fails where a part is shorter than
 * two chunks (the play-off apart), saying how much text is needed. Release with wt_texts_release.
 */
int wt_texts_cut(wt_texts *texts, const wt_rules *rules, size_t context, const wt_tokenizer *tokenizer, const char *text,
                 size_t len, const char *holdout, size_t holdout_len, wt_error *err);
/* The same of chunks [count, context] of a text that the model wrote itself, without a play-off; takes the tokens over, also on failure. */
int wt_texts_deal(wt_texts *texts, const wt_rules *rules, size_t context, int32_t *tokens, size_t count, wt_error *err);
/*
 * Chunks [at most `most`, at least one] of `context` tokens of the text's part that is searched on: for measuring at another context. Fails where
 * it is too short, saying how much text is needed.
 */
int wt_texts_cut_search(wt_chunks *chunks, const wt_rules *rules, size_t context, uint64_t most, const wt_tokenizer *tokenizer, const char *text,
                        size_t len, wt_error *err);
/* How many chunks of its own the model has to write for the rules, where there is no text. */
size_t wt_texts_wanted(const wt_rules *rules);
/* How many it writes where there is one, which has been cut. */
size_t wt_texts_own(const wt_texts *texts, const wt_rules *rules);
/* Puts them [wt_texts_own, context] among the chunks of calibrate, search and play-off, evenly, in place of the text's. */
void wt_texts_mix(wt_texts *texts, const wt_rules *rules, const int32_t *own);
void wt_texts_release(wt_texts *texts);

/* The share of b's words whose following passage of 64 characters stands in a too; *where (may be NULL) the first of them. -1 without memory. */
double wt_texts_overlap(const char *a, size_t a_len, const char *b, size_t b_len, size_t *where, wt_error *err);

#endif
