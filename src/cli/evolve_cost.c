#include "cli/evolve_cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cli/progress.h"
#include "cli/report.h"
#include "survive/evolve.h"

/* As survive/contest.c, survive/evolve.c, measure/exam.c and apply/workbench.c limit what they keep. */
#define STATES ((uint64_t)768 << 20)
#define HELD ((uint64_t)2 << 30)
#define PACKED ((uint64_t)1 << 30)
#define FACTORS ((uint64_t)512 << 20)

/* The program, its libraries and their scratch, measured with the smallest of models. */
#define PROGRAM ((uint64_t)64 << 20)

/* Logits exist in pieces of so many tokens of the vocabulary. */
enum { PIECE = 4096 };

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t greater(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* a * b, or the largest number: what is too much stays too much. */
static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX / 16 : lesser(product, UINT64_MAX / 16);
}

static uint64_t weights_of(const wt_gguf *gguf, uint64_t *largest) {
    uint64_t sum = 0;
    *largest = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        const uint64_t n = t->dims[0] * t->rows;
        sum += n;
        *largest = greater(*largest, n);
    }
    return sum;
}

static uint64_t size_of(const wt_rules *r) {
    const wt_rule_constraint *bytes = wt_rules_constraint(r, "bytes");
    return bytes && bytes->max ? (uint64_t)*bytes->max : 0;
}

static uint64_t square(uint64_t n) { return times(n, n); }

void wt_evolve_cost_count(const wt_run_session *run, wt_evolve_cost *cost) {
    const wt_rules *r = &run->rules;
    const wt_hparams *hp = wt_model_hparams(run->session.model);
    const bool cut = run->texts.search.count > 0;
    const uint64_t context = cut ? run->texts.search.context : wt_run_context(run);
    const uint64_t search = times(cut ? run->texts.search.count : r->search_chunks, context);
    const uint64_t playoff = cut ? times(run->texts.playoff.count, context) : 0;
    const uint64_t holdout = times(cut ? run->texts.holdout.count : r->holdout_chunks, context);
    const uint64_t batch = lesser(times(r->race_block, context), search), size = size_of(r);
    const uint64_t query = (uint64_t)hp->n_heads * hp->head_dim;
    uint64_t largest, weights = weights_of(run->session.gguf, &largest);
    /* final states of all parts; a batch's activations and logits; a matrix as floats, its rounding and its packed form; a candidate */
    cost->least = times(search + playoff + holdout, 4 * (uint64_t)hp->width) +
                  times(batch, 4 * (4 * (uint64_t)hp->width + 4 * query + 3 * (uint64_t)hp->ffn + 2 * PIECE)) +
                  times(3 * largest, 4) + size + PROGRAM;
    cost->most = cost->least + 2 * lesser(PACKED, 4 * weights) + STATES + FACTORS + lesser(HELD, times(wt_evolve_most(r), size)) +
                 (r->max_memory ? r->max_memory : wt_session_spare_memory()) / 4;
    cost->limit = r->max_memory ? r->max_memory : 2 * (uint64_t)wt_session_spare_memory();
    cost->temporary = times(hp->n_layers, 4 * (2 * square(hp->width) + square(query) + square(hp->ffn))) + 4 * square(hp->width);
    cost->disk = times(r->survivors + (r->command_count > 0), size); /* commands get a file of their own */
}

/* Bytes that may be written into the folder, or the nearest one above it that exists; UINT64_MAX: nobody knows. */
static uint64_t free_space(const char *folder) {
    struct statvfs s;
    char path[4096];
    snprintf(path, sizeof path, "%s", folder);
    while (statvfs(path, &s) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) return statvfs(".", &s) == 0 ? (uint64_t)s.f_bavail * s.f_frsize : UINT64_MAX;
        if (slash == path) slash++;
        if (*slash == '\0') return UINT64_MAX;
        *slash = '\0';
    }
    return (uint64_t)s.f_bavail * s.f_frsize;
}

int wt_evolve_cost_check(const wt_run_session *run, wt_error *err) {
    wt_evolve_cost c;
    char need[32], have[32];
    const char *temporary = getenv("TMPDIR");
    wt_evolve_cost_count(run, &c);
    if (c.least > c.limit) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot evolve '%s': it takes at least %s of memory, %s %s", run->session.name,
                wt_format_bytes(need, c.least), run->rules.max_memory ? "the rules allow" : "free are", wt_format_bytes(have, c.limit));
        return wt_hint(err, "fewer search_chunks and holdout_chunks, a smaller context or race: {block: ...} take less");
    }
    if (!temporary || !temporary[0]) temporary = "/tmp";
    if (c.temporary > free_space(temporary)) {
        wt_fail(err, WT_ERR_IO, "cannot evolve '%s': Gram matrices take %s in '%s', free are %s", run->session.name,
                wt_format_bytes(need, c.temporary), temporary, wt_format_bytes(have, free_space(temporary)));
        return wt_hint(err, "TMPDIR names another folder for temporary files");
    }
    if (c.disk > free_space(run->folder)) {
        wt_fail(err, WT_ERR_IO, "cannot evolve into '%s': the survivors' files may take %s, free are %s", run->folder,
                wt_format_bytes(need, c.disk), wt_format_bytes(have, free_space(run->folder)));
        return wt_hint(err, "make room, name another folder with -o, or let fewer survivors become files");
    }
    return 0;
}

static const char *format_seconds(char buf[32], double s) {
    if (s < 60)
        snprintf(buf, 32, "%.2g s", s);
    else if (s < 5400)
        snprintf(buf, 32, "%.0f min", s / 60);
    else
        snprintf(buf, 32, "%.1f h", s / 3600);
    return buf;
}

/* "3 s to 40 s": without error feedback, and with it; or the one where they are the same. */
static const char *format_range(char buf[80], double least, double most) {
    char a[32], b[32];
    if (most > least)
        snprintf(buf, 80, "%s to %s", format_seconds(a, least), format_seconds(b, most));
    else
        format_seconds(buf, least);
    return buf;
}

/* What bounds the search: so many evaluations of `least` to `most` seconds each (0: no such end), a clock, or neither. */
static void format_search(char *text, size_t size, double evaluations, double least, double most, double clock) {
    char a[80], b[32];
    const char *all = format_range(a, evaluations * least, evaluations * most);
    if (evaluations > 0 && (clock == 0 || evaluations * least < clock))
        snprintf(text, size, "about %s if nobody is sent home%s%s", all, clock > 0 ? ", at most about " : "", clock > 0 ? format_seconds(b, clock) : "");
    else if (clock > 0)
        snprintf(text, size, "at most about %s, plus the evaluation under way", format_seconds(b, clock));
    else
        snprintf(text, size, "until it makes no progress");
}

bool wt_evolve_time_fits(const wt_evolve_time *time, const wt_rules *rules, bool fed, uint64_t evaluations) {
    return rules->minutes <= 0 || (double)evaluations * (fed ? time->fed : time->plain) <= 60 * rules->minutes;
}

wt_evolve_time wt_evolve_cost_announce(const wt_run_session *run, double seconds, const wt_encoding_cost *encoding) {
    const wt_rules *r = &run->rules;
    const wt_hparams *hp = wt_model_hparams(run->session.model);
    const double head = (double)hp->vocab * hp->width, tokens = (double)run->texts.search.count * (double)run->texts.search.context;
    uint64_t largest;
    double blocks = (double)weights_of(run->session.gguf, &largest) - (hp->tied_head ? 1 : 2) * head;
    wt_evolve_cost c;
    char least[32], most[32], one[32], plain[32], fed[32], with[64] = "", search[200];
    if (blocks < head / 8) blocks = head / 8;
    wt_evolve_cost_count(run, &c);
    const double share = (double)run->texts.search.scored / (double)run->texts.search.context;
    const double each = seconds * (1 + 2 * share * head / blocks);
    double evaluations = (double)r->evaluations;
    if (r->tokens && tokens > 0 && (evaluations == 0 || (double)r->tokens / tokens < evaluations)) evaluations = (double)r->tokens / tokens;
    const double longest = each + (encoding->feedback > encoding->plain ? encoding->feedback : encoding->plain);
    if (encoding->feedback > 0) snprintf(with, sizeof with, ", %s with error feedback", format_seconds(fed, encoding->feedback));
    format_search(search, sizeof search, evaluations, each + encoding->plain, longest, 60 * r->minutes);
    wt_note("memory: at least %s, at most %s with full caches; an evaluation on all chunks: about %s to measure and, where nothing is reused, "
            "%s to encode%s; the search: %s, then the verdict",
            wt_format_bytes(least, c.least), wt_format_bytes(most, c.most), format_seconds(one, each), format_seconds(plain, encoding->plain),
            with, search);
    if (r->feedback == WT_FEEDBACK_ALLOWED && r->minutes > 0 && longest > 60 * r->minutes)
        wt_note("an evaluation with error feedback takes longer than the search may: rules with 'feedback: absent' do without");
    return (wt_evolve_time){each + encoding->plain, longest};
}
