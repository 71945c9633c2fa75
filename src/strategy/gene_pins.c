/*
 * The kind that is a list of tensors with a type each, sorted by name. In strategies of pinned types it has a row for
 * every tensor of the scope; in those of rules few, as exceptions from what the price would choose.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "strategy/gene_kinds.h"

#define BIT(type) (UINT64_C(1) << (type))

/* Pins that a random strategy of rules has at most, and the share of those that have some. */
enum { MOST_DRAWN_PINS = 3 };
static const double DRAWN_SHARE = 0.2;

/* ---- the list ---- */

/* Where `tensor` is, or would be. */
static size_t place_of(const wt_pins *pins, const char *tensor, bool *found) {
    size_t lo = 0, hi = pins->count;
    *found = false;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(pins->items[mid].tensor, tensor);
        if (order == 0) *found = true;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const wt_pin *wt_pins_find(const wt_pins *pins, const char *tensor) {
    bool found;
    const size_t at = place_of(pins, tensor, &found);
    return found ? &pins->items[at] : NULL;
}

int wt_pins_set(wt_pins *pins, const char *tensor, wt_type type, wt_error *err) {
    bool found;
    const size_t at = place_of(pins, tensor, &found);
    if (found) {
        pins->items[at].type = type;
        return 0;
    }
    if (!*tensor) return wt_fail(err, WT_ERR_ARGUMENT, "a pin without the name of a tensor");
    if (pins->count == WT_STRATEGY_MAX_PINS)
        return wt_fail(err, WT_ERR_ARGUMENT, "more than %d pins", WT_STRATEGY_MAX_PINS);
    const size_t len = strlen(tensor);
    char *name = wt_calloc(len + 1, 1, err);
    if (!name) return -1;
    memcpy(name, tensor, len);
    if (wt_grow((void **)&pins->items, &pins->cap, pins->count + 1, sizeof *pins->items, err) != 0) {
        free(name);
        return -1;
    }
    memmove(pins->items + at + 1, pins->items + at, (pins->count - at) * sizeof *pins->items);
    pins->items[at] = (wt_pin){name, type};
    pins->count++;
    return 0;
}

bool wt_pins_remove(wt_pins *pins, const char *tensor) {
    bool found;
    const size_t at = place_of(pins, tensor, &found);
    if (!found) return false;
    free(pins->items[at].tensor);
    pins->count--;
    memmove(pins->items + at, pins->items + at + 1, (pins->count - at) * sizeof *pins->items);
    return true;
}

static void release(wt_gene_value *v) {
    for (size_t i = 0; i < v->pins.count; i++) free(v->pins.items[i].tensor);
    free(v->pins.items);
    v->pins = (wt_pins){0};
}

static int copy(wt_gene_value *to, const wt_gene_value *from, wt_error *err) {
    to->pins = (wt_pins){0};
    for (size_t i = 0; i < from->pins.count; i++) {
        if (wt_pins_set(&to->pins, from->pins.items[i].tensor, from->pins.items[i].type, err) == 0) continue;
        release(to);
        return -1;
    }
    return 0;
}

/* ---- text ---- */

/* A pin as it is read: sorted at the end, and then two of one name are found. */
typedef struct read_pin {
    char *tensor;
    wt_type type;
    wt_place place;
} read_pin;

typedef struct read_pins {
    read_pin *items;
    size_t count, cap;
} read_pins;

static char *read_name(wt_reader *r, wt_error *err) {
    if (r->at < r->len && r->text[r->at] == '"') {
        const wt_place start = r->place;
        char *name = wt_reader_quoted(r, err);
        if (!name || *name) return name;
        free(name);
        wt_reader_fail_at(start, err, "a tensor's name is empty");
        return NULL;
    }
    const size_t n = wt_reader_word(r);
    if (n == 0) {
        wt_reader_fail_expected(r, "a tensor's name or '}'", err);
        return NULL;
    }
    char *name = wt_calloc(n + 1, 1, err);
    if (!name) return NULL;
    memcpy(name, r->text + r->at, n);
    wt_reader_advance(r, n);
    return name;
}

static int read_one(wt_reader *r, read_pins *pins, wt_error *err) {
    const wt_place start = r->place;
    if (pins->count == WT_STRATEGY_MAX_PINS)
        return wt_reader_fail_at(start, err, "more than %d pins", WT_STRATEGY_MAX_PINS);
    if (wt_grow((void **)&pins->items, &pins->cap, pins->count + 1, sizeof *pins->items, err) != 0) return -1;
    char *name = read_name(r, err);
    if (!name) return -1;
    read_pin *pin = &pins->items[pins->count++];
    *pin = (read_pin){.tensor = name, .place = start};
    wt_reader_skip_space(r);
    if (wt_reader_expect(r, ':', "':'", err) != 0) return -1;
    wt_reader_skip_space(r);
    return wt_reader_type(r, wt_types_all(), &pin->type, err);
}

static int by_name(const void *a, const void *b) {
    const read_pin *p = a, *q = b;
    const int order = strcmp(p->tensor, q->tensor);
    if (order) return order;
    if (p->place.line != q->place.line) return p->place.line < q->place.line ? -1 : 1;
    return p->place.column < q->place.column ? -1 : p->place.column > q->place.column;
}

static int fail_twice(const read_pin *first, const read_pin *second, wt_error *err) {
    wt_text name = {0};
    wt_text_add_quoted(&name, second->tensor); /* a name may hold what would steer a terminal */
    char *shown = wt_text_finish(&name, err);
    if (!shown) return -1;
    wt_reader_fail_at(second->place, err, "the tensor %.80s is pinned twice, first in line %u", shown,
                      first->place.line);
    free(shown);
    return -1;
}

static int sort_pins(read_pins *pins, wt_pins *out, wt_error *err) {
    if (pins->count == 0) return 0;
    qsort(pins->items, pins->count, sizeof *pins->items, by_name);
    for (size_t i = 1; i < pins->count; i++) {
        if (strcmp(pins->items[i - 1].tensor, pins->items[i].tensor) == 0)
            return fail_twice(&pins->items[i - 1], &pins->items[i], err);
    }
    if (wt_grow((void **)&out->items, &out->cap, pins->count, sizeof *out->items, err) != 0) return -1;
    for (size_t i = 0; i < pins->count; i++) {
        out->items[i] = (wt_pin){pins->items[i].tensor, pins->items[i].type};
        pins->items[i].tensor = NULL;
    }
    out->count = pins->count;
    return 0;
}

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    (void)gene;
    read_pins pins = {0};
    int rc = -1;
    out->pins = (wt_pins){0};
    if (wt_reader_expect(r, '{', "'{' before the pins", err) != 0) return -1;
    for (;;) {
        wt_reader_skip_space(r);
        if (pins.count && wt_reader_take(r, ',')) wt_reader_skip_space(r);
        if (wt_reader_take(r, '}')) break;
        if (read_one(r, &pins, err) != 0) goto done;
    }
    rc = sort_pins(&pins, &out->pins, err);
done:
    for (size_t i = 0; i < pins.count; i++) free(pins.items[i].tensor);
    free(pins.items);
    return rc;
}

static void print_name(const char *name, wt_text *to) {
    const wt_reader r = {.text = name, .len = strlen(name)};
    if (wt_reader_word(&r) == r.len)
        wt_text_add(to, "%s", name);
    else
        wt_text_add_quoted(to, name);
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    const wt_pins *pins = &v->pins;
    const bool lines = pins->count > 1;
    wt_text_add(to, "{");
    for (size_t i = 0; i < pins->count; i++) {
        wt_text_add(to, lines ? "\n    " : " ");
        print_name(pins->items[i].tensor, to);
        wt_text_add(to, ": %s", wt_type_find(pins->items[i].type)->name);
    }
    wt_text_add(to, pins->count == 0 ? "}" : lines ? "\n}" : " }");
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    (void)gene;
    const wt_pins *pins = &v->pins;
    for (size_t i = 0; i < pins->count; i++) {
        if ((uint32_t)pins->items[i].type >= WT_TYPE_LIMIT || !(wt_types_all() & BIT(pins->items[i].type)))
            return false;
        if (!pins->items[i].tensor[0]) return false;
        if (i && strcmp(pins->items[i - 1].tensor, pins->items[i].tensor) >= 0) return false;
    }
    return pins->count <= WT_STRATEGY_MAX_PINS;
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    if (a->pins.count != b->pins.count) return false;
    for (size_t i = 0; i < a->pins.count; i++) {
        const wt_pin *p = &a->pins.items[i], *q = &b->pins.items[i];
        if (p->type != q->type || strcmp(p->tensor, q->tensor) != 0) return false;
    }
    return true;
}

/* ---- variation ---- */

static uint64_t choices(const wt_scope *scope, const wt_scope_tensor *t) { return scope->types & t->fits; }

static const wt_scope_tensor *find_tensor(const wt_scope *scope, const char *name) {
    size_t lo = 0, hi = scope->tensor_count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(scope->tensors[mid].name, name);
        if (order == 0) return &scope->tensors[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* What a pinned tensor may be. Of one that the scope does not know, its blocks tell that shorter ones fit too. */
static uint64_t types_of_pin(const wt_scope *scope, const wt_pin *pin) {
    const wt_scope_tensor *t = find_tensor(scope, pin->tensor);
    if (t) return choices(scope, t);
    uint64_t fits = 0;
    for (uint32_t type = 0; type < WT_TYPE_LIMIT; type++) {
        if (scope->types & BIT(type) && wt_type_find(pin->type)->block % wt_type_find(type)->block == 0)
            fits |= BIT(type);
    }
    return fits;
}

/*
 * A type for every tensor. Types near one size are likelier than others, and how near differs: chosen evenly, all
 * strategies would be mixes of the same mean size.
 */
static int draw_all(const wt_scope *scope, wt_rng *rng, wt_pins *out, wt_error *err) {
    const double center = wt_rng_uniform(rng), spread = 0.5 * wt_rng_uniform(rng);
    for (size_t i = 0; i < scope->tensor_count; i++) {
        wt_type sorted[WT_TYPE_LIMIT];
        const size_t n = wt_types_sorted(choices(scope, &scope->tensors[i]), sorted);
        if (n == 0) continue;
        const double at = (center + spread * wt_rng_normal(rng)) * (double)n;
        const size_t which = at <= 0 ? 0 : at >= (double)n ? n - 1 : (size_t)at;
        if (wt_pins_set(out, scope->tensors[i].name, sorted[which], err) != 0) return -1;
    }
    return 0;
}

static int set_any(const wt_scope *scope, wt_rng *rng, wt_pins *pins, wt_error *err) {
    const wt_scope_tensor *t = &scope->tensors[wt_rng_below(rng, scope->tensor_count)];
    return choices(scope, t) ? wt_pins_set(pins, t->name, wt_type_any(choices(scope, t), rng), err) : 0;
}

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)gene;
    int rc = 0;
    out->pins = (wt_pins){0};
    if (scope->all_pinned) {
        rc = draw_all(scope, rng, &out->pins, err);
    } else if (scope->tensor_count && wt_rng_uniform(rng) < DRAWN_SHARE) {
        for (uint64_t n = 1 + wt_rng_below(rng, MOST_DRAWN_PINS); n && rc == 0; n--)
            rc = set_any(scope, rng, &out->pins, err);
    }
    if (rc != 0) release(out);
    return rc;
}

static double bytes_of(const wt_scope *scope, const wt_pin *pin, wt_type type) {
    const wt_scope_tensor *t = find_tensor(scope, pin->tensor);
    return (t ? (double)t->weights : 1) * wt_type_bits(type) / 8;
}

/* Those of `types` that have so many bits. */
static uint64_t of_bits(uint64_t types, double bits) {
    uint64_t same = 0;
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++) {
        if (types & BIT(t) && wt_type_bits((wt_type)t) == bits) same |= BIT(t);
    }
    return same;
}

/*
 * A type that is `steps` sizes larger (or smaller) than the pin's, of those that it may have; its own where there is
 * none.
 */
static wt_type stepped(const wt_scope *scope, const wt_pin *pin, int direction, size_t steps, wt_rng *rng) {
    wt_type sorted[WT_TYPE_LIMIT];
    const uint64_t types = types_of_pin(scope, pin);
    const size_t n = wt_types_sorted(types, sorted);
    const double before = wt_type_bits(pin->type);
    double bits = before;
    for (size_t k = 0; k < n && steps; k++) {
        const double now = wt_type_bits(sorted[direction > 0 ? k : n - 1 - k]);
        if ((now - bits) * direction <= 0) continue;
        bits = now;
        steps--;
    }
    return bits == before ? pin->type : wt_type_any(of_bits(types, bits), rng);
}

/* The first number from `at` on that has no divisor in common with n: steps of it meet every one of n places. */
static size_t coprime(size_t n, size_t at) {
    for (;; at++) {
        size_t a = n, b = at;
        while (b) {
            const size_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1) return at;
    }
}

/* Takes up to three steps with the pin that bring the excess nearest to 0; returns what is left of it. */
static double give_back(const wt_scope *scope, wt_pin *pin, double excess, wt_rng *rng) {
    wt_type best = pin->type;
    double least = excess;
    for (size_t steps = 1; steps <= 3; steps++) {
        const wt_type t = stepped(scope, pin, excess > 0 ? -1 : 1, steps, rng);
        const double left = excess + bytes_of(scope, pin, t) - bytes_of(scope, pin, pin->type);
        if (fabs(left) >= fabs(least)) continue;
        least = left;
        best = t;
    }
    pin->type = best;
    return least;
}

/*
 * One tensor gets more bits (or fewer), and others, tried in random order, give them: each takes the step that brings
 * the sum nearest to what it was. Now and then only a type of the same size takes the place of one.
 */
static void exchange(const wt_scope *scope, wt_rng *rng, wt_pins *pins) {
    const size_t n = pins->count;
    wt_pin *chosen = &pins->items[wt_rng_below(rng, n)];
    const uint64_t alike = of_bits(types_of_pin(scope, chosen), wt_type_bits(chosen->type)) & ~BIT(chosen->type);
    if (alike && wt_rng_below(rng, 4) == 0) {
        chosen->type = wt_type_any(alike, rng);
        return;
    }
    const int direction = wt_rng_below(rng, 2) ? 1 : -1;
    const wt_type to = stepped(scope, chosen, direction, 1 + (size_t)wt_rng_below(rng, 2), rng);
    double excess = bytes_of(scope, chosen, to) - bytes_of(scope, chosen, chosen->type);
    chosen->type = to;
    const size_t start = (size_t)wt_rng_below(rng, n), stride = coprime(n, 1 + (size_t)wt_rng_below(rng, n));
    for (size_t k = 0; k < n && excess != 0; k++) {
        wt_pin *pin = &pins->items[(start + k * stride) % n];
        if (pin != chosen) excess = give_back(scope, pin, excess, rng);
    }
}

double wt_pins_bytes(const wt_pins *pins, const wt_scope *scope) {
    double sum = 0;
    for (size_t i = 0; i < pins->count; i++) {
        if (find_tensor(scope, pins->items[i].tensor)) sum += bytes_of(scope, &pins->items[i], pins->items[i].type);
    }
    return sum;
}

void wt_pins_shrink(wt_pins *pins, const wt_scope *scope, double excess, wt_rng *rng) {
    const size_t n = pins->count;
    for (bool saved = true; excess > 0 && saved;) {
        const size_t start = n ? (size_t)wt_rng_below(rng, n) : 0;
        double best = 0; /* what the best step so far saves */
        wt_pin *chosen = NULL;
        wt_type to = 0;
        for (size_t k = 0; k < n; k++) {
            wt_pin *pin = &pins->items[(start + k) % n];
            if (!find_tensor(scope, pin->tensor)) continue;
            const wt_type t = stepped(scope, pin, -1, 1, rng);
            const double saves = bytes_of(scope, pin, pin->type) - bytes_of(scope, pin, t);
            const bool enough = saves >= excess;
            if (saves <= 0 || (chosen && (best >= excess ? !enough || saves >= best : saves <= best))) continue;
            chosen = pin;
            best = saves;
            to = t;
        }
        saved = chosen != NULL;
        if (saved) chosen->type = to;
        excess -= best;
    }
}

/* In strategies of rules: a pin more, one less, or another type. */
static int edit(const wt_scope *scope, wt_rng *rng, wt_pins *pins, wt_error *err) {
    const uint64_t how = wt_rng_below(rng, 3);
    if (scope->tensor_count && (how == 0 || pins->count == 0)) return set_any(scope, rng, pins, err);
    if (pins->count == 0) return 0;
    wt_pin *pin = &pins->items[wt_rng_below(rng, pins->count)];
    const uint64_t types = types_of_pin(scope, pin);
    if (how == 1 && types)
        pin->type = wt_type_any(types, rng);
    else
        wt_pins_remove(pins, pin->tensor);
    return 0;
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    (void)gene;
    (void)op;
    if (!scope->all_pinned) return edit(scope, rng, &v->pins, err);
    if (v->pins.count) exchange(scope, rng, &v->pins);
    return 0;
}

/*
 * Those of one parent up to a tensor, then the other's, or each by chance; what only one pins stays where all are
 * pinned.
 */
static int cross(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)gene;
    const wt_pins *p = &a->pins, *q = &b->pins;
    const bool halves = wt_rng_below(rng, 2);
    const size_t cut = (size_t)wt_rng_below(rng, p->count + q->count + 1);
    bool from_a = wt_rng_below(rng, 2);
    out->pins = (wt_pins){0};
    for (size_t i = 0, k = 0; i < p->count || k < q->count;) {
        if (halves ? i + k == cut : (bool)wt_rng_below(rng, 2)) from_a = !from_a;
        const int order = i == p->count ? 1 : k == q->count ? -1 : strcmp(p->items[i].tensor, q->items[k].tensor);
        const wt_pin *pin = order < 0 ? &p->items[i] : order > 0 ? &q->items[k] : from_a ? &p->items[i] : &q->items[k];
        const bool mine = order == 0 || (order < 0) == from_a;
        const size_t before = i + k;
        i += order <= 0;
        k += order >= 0;
        if (halves && before < cut && cut < i + k) from_a = !from_a; /* the cut was between the two of one tensor */
        if (!mine && !scope->all_pinned) continue;
        if (wt_pins_set(&out->pins, pin->tensor, pin->type, err) == 0) continue;
        release(out);
        return -1;
    }
    return 0;
}

static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    const wt_pins *p = &a->pins, *q = &b->pins;
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0, k = 0; i < p->count || k < q->count; n++) {
        const int order = i == p->count ? 1 : k == q->count ? -1 : strcmp(p->items[i].tensor, q->items[k].tensor);
        sum += order == 0 ? wt_type_distance(p->items[i].type, q->items[k].type) : 1;
        i += order <= 0;
        k += order >= 0;
    }
    return n ? sum / (double)n : 0;
}

const wt_gene_kind_info wt_kind_pins = {
    .name = "pins",
    .form = "{ TENSOR: TYPE ... }",
    .help =
        "A type for each of some tensors, by the names in the model's file; names of other characters than letters, "
        "digits and '._-' stand in double quotes. Where every tensor is pinned, mutation gives one more bits or fewer "
        "and takes them from others, so that the bytes stay about the same; otherwise it adds a pin, removes one or "
        "changes one. Crossover takes pins of both parents, in two parts or one by one.",
    .operators = BIT(WT_OPERATOR_SWITCH),
    .parse = parse,
    .print = print,
    .valid = valid,
    .equal = equal,
    .draw = draw,
    .mutate = mutate,
    .cross = cross,
    .distance = distance,
    .copy = copy,
    .release = release,
};
