#include "report/population.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "measure/axis.h"

/* A run's text has fewer chunks. */
enum { FIRST_CHUNKS = 64, MOST_CHUNKS = 1 << 24 };

typedef struct reader {
    wt_population *p;
    wt_error *err;
} reader;

/* A copy without characters that steer a terminal: a store may come from anywhere. */
static const char *keep(wt_population *p, const char *text, wt_error *err) {
    char *copy = wt_arena_strndup(&p->strings, text, strlen(text), err);
    for (unsigned char *c = (unsigned char *)copy; c && *c; c++)
        if ((*c < 32 && *c != '\n') || *c == 127) *c = '?';
    return copy;
}

static int take_individual(void *user, const wt_stored_individual *i) {
    reader *r = user;
    wt_population *p = r->p;
    if (wt_grow((void **)&p->items, &p->cap, p->count + 1, sizeof *p->items, r->err) != 0) return -1;
    wt_record *record = &p->items[p->count];
    *record = (wt_record){.row = *i, .human = strcmp(i->kind, "human") == 0, .kld = NAN, .kld_stderr = NAN, .same_top = NAN,
                          .perplexity_ratio = NAN};
    const char **const texts[] = {&record->row.name,    &record->row.text,          &record->row.kind, &record->row.label,
                                  &record->row.species, &record->row.operator_name, &record->row.plan, &record->row.cause};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        if (!(*texts[k] = keep(p, *texts[k], r->err))) return -1;
    p->count++;
    return 0;
}

static int take_verdict(void *user, const wt_stored_verdict *v) {
    reader *r = user;
    wt_population *p = r->p;
    if (wt_grow((void **)&p->verdicts, &p->verdict_cap, p->verdict_count + 1, sizeof *p->verdicts, r->err) != 0) return -1;
    wt_stored_verdict *to = &p->verdicts[p->verdict_count];
    *to = *v;
    if (!(to->role = keep(p, v->role, r->err)) || !(to->file = keep(p, v->file, r->err)) || !(to->note = keep(p, v->note, r->err)))
        return -1;
    p->verdict_count++;
    return 0;
}

/* ---- scores ---- */

/* Chunks that are there from the first on, in scores [*cap], which grows. -1: failure. */
static long read_scores(wt_run_store *store, const wt_record *r, wt_stored_score **scores, size_t *cap, wt_error *err) {
    for (;;) {
        for (size_t k = 0; k < *cap; k++) (*scores)[k].chunk = UINT32_MAX;
        if (wt_store_scores(store, r->row.name, r->row.budget, "search", 0, *cap, *scores, NULL, 0, err) < 0) return -1;
        size_t n = 0;
        while (n < *cap && (*scores)[n].chunk == n) n++;
        if (n < *cap || *cap >= MOST_CHUNKS) return (long)n;
        if (wt_grow((void **)scores, cap, *cap + 1, sizeof **scores, err) != 0) return -1;
    }
}

static void sum_scores(wt_record *r, const wt_stored_score *s, size_t n) {
    double kld = 0, top = 0, log_ratio = 0, square = 0;
    r->measured = n;
    if (n == 0) return;
    for (size_t k = 0; k < n; k++) {
        kld += s[k].kld;
        top += s[k].same_top;
        log_ratio += s[k].logp_reference - s[k].logp;
    }
    r->kld = kld / (double)n;
    r->same_top = top / (double)n;
    r->perplexity_ratio = wt_axis_ratio_of_mean(log_ratio / (double)n);
    for (size_t k = 0; k < n; k++) square += (s[k].kld - r->kld) * (s[k].kld - r->kld);
    if (n > 1) r->kld_stderr = sqrt(square / (double)(n - 1) / (double)n);
}

static int measure_all(wt_population *p, wt_run_store *store, wt_error *err) {
    size_t cap = FIRST_CHUNKS;
    wt_stored_score *scores = wt_calloc(cap, sizeof *scores, err);
    long n = scores ? 0 : -1;
    for (size_t i = 0; n >= 0 && i < p->count; i++) {
        if ((n = read_scores(store, &p->items[i], &scores, &cap, err)) < 0) break;
        sum_scores(&p->items[i], scores, (size_t)n);
        if ((size_t)n > p->chunks) p->chunks = (size_t)n;
    }
    free(scores);
    return n < 0 ? -1 : 0;
}

int wt_population_read(wt_population *p, wt_run_store *store, wt_error *err) {
    reader r = {p, err};
    *p = (wt_population){0};
    if (wt_store_each_individual(store, take_individual, &r, err) != 0 || wt_store_each_verdict(store, take_verdict, &r, err) != 0)
        return -1;
    for (size_t k = 0; k < p->verdict_count; k++) {
        wt_record *record = (wt_record *)wt_population_by_id(p, p->verdicts[k].individual);
        if (record) record->verdict = &p->verdicts[k];
    }
    return measure_all(p, store, err);
}

void wt_population_release(wt_population *p) {
    free(p->items);
    free(p->verdicts);
    wt_arena_release(&p->strings);
    *p = (wt_population){0};
}

/* ---- finding ---- */

const wt_record *wt_population_by_id(const wt_population *p, int64_t id) {
    size_t lo = 0, hi = p->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (p->items[mid].row.id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < p->count && p->items[lo].row.id == id ? &p->items[lo] : NULL;
}

/* Of two that bear the same name: who survived, then who lived, then who had more room. */
static bool stands_before(const wt_record *a, const wt_record *b) {
    const bool survived[] = {a->verdict && strcmp(a->verdict->role, "survivor") == 0, b->verdict && strcmp(b->verdict->role, "survivor") == 0};
    if (survived[0] != survived[1]) return survived[0];
    if (!a->row.cause[0] != !b->row.cause[0]) return !a->row.cause[0];
    return a->row.budget > b->row.budget;
}

static const wt_record *unknown(const wt_population *p, const char *word, wt_error *err) {
    const wt_record *best = wt_population_pick(p, 0, 0);
    wt_fail(err, WT_ERR_ARGUMENT, "the run has no individual '%.64s'", word);
    if (best)
        wt_hint(err, "its %zu have names like '%s', or a human's label; 'wildtype show RUN' lists the best", p->count, best->row.name);
    else
        wt_hint(err, "'wildtype show RUN' lists those that there are");
    return NULL;
}

const wt_record *wt_population_find(const wt_population *p, const char *word, wt_error *err) {
    const wt_record *found = NULL;
    const size_t len = strlen(word);
    char *end = NULL;
    if (word[0] == '#' && isdigit((unsigned char)word[1])) {
        found = wt_population_by_id(p, strtoll(word + 1, &end, 10));
        return found && *end == '\0' ? found : unknown(p, word, err);
    }
    for (size_t i = 0; len && i < p->count; i++)
        if (p->items[i].row.label[0] && strcasecmp(p->items[i].row.label, word) == 0) return &p->items[i];
    for (size_t i = 0; len && i < p->count; i++) {
        const wt_record *r = &p->items[i];
        if (strncmp(r->row.name, word, len) != 0) continue;
        if (found && strcmp(found->row.name, r->row.name) != 0) {
            wt_fail(err, WT_ERR_ARGUMENT, "several individuals begin with '%s': '%s' and '%s'", word, found->row.name, r->row.name);
            wt_hint(err, "give more of the name");
            return NULL;
        }
        if (!found || stands_before(r, found)) found = r;
    }
    return found ? found : unknown(p, word, err);
}

/* ---- ranks ---- */

bool wt_record_compares(const wt_population *p, const wt_record *r) {
    return !r->row.cause[0] && r->measured > 0 && r->measured == p->chunks;
}

const wt_record *wt_population_pick(const wt_population *p, uint64_t bytes, double max_kld) {
    const wt_record *best = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const wt_record *r = &p->items[i];
        if (!wt_record_compares(p, r) || (bytes && r->row.bytes > bytes) || (max_kld > 0 && r->kld > max_kld)) continue;
        const bool better = !best                    ? true
                            : bytes || max_kld <= 0 ? r->kld < best->kld || (r->kld == best->kld && r->row.bytes < best->row.bytes)
                                                    : r->row.bytes < best->row.bytes || (r->row.bytes == best->row.bytes && r->kld < best->kld);
        if (better) best = r;
    }
    return best;
}

static int by_divergence(const void *pa, const void *pb) {
    const wt_record *a = *(const wt_record *const *)pa, *b = *(const wt_record *const *)pb;
    if (a->kld != b->kld) return a->kld < b->kld ? -1 : 1;
    return a->row.id < b->row.id ? -1 : a->row.id > b->row.id;
}

const wt_record **wt_population_ranked(const wt_population *p, size_t *count, wt_error *err) {
    const wt_record **list = wt_calloc(p->count + 1, sizeof *list, err);
    *count = 0;
    for (size_t i = 0; list && i < p->count; i++)
        if (wt_record_compares(p, &p->items[i])) list[(*count)++] = &p->items[i];
    if (!list) return NULL;
    qsort(list, *count, sizeof *list, by_divergence);
    size_t left = 0;
    for (size_t i = 0; i < *count; i++) /* born twice, it is one strategy */
        if (left == 0 || strcmp(list[left - 1]->row.name, list[i]->row.name) != 0 || list[left - 1]->row.bytes != list[i]->row.bytes)
            list[left++] = list[i];
    *count = left;
    return list;
}
