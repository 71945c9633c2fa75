/*
 * Families: strategies that are planted as alike are found as alike, whatever their order; the distance's figures against the docs' by hand;
 * what families say of themselves; and 5,000 individuals of 60 tensors: under a second, under 2 MB, the same twice.
 */
#include "support/testing.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "report/document.h"
#include "report/families.h"
#include "support/made_run.h"

static wt_error err;

static bool nobody(void *user, const wt_record *r) {
    (void)user, (void)r;
    return false;
}

typedef struct found {
    wt_population people;
    wt_catalog catalog;
    wt_families families;
} found;

static void find_families(made_run *run, found *f) {
    *f = (found){0};
    if (wt_population_read(&f->people, run->store, &err) != 0 ||
        wt_catalog_make(&f->catalog, &f->people, nobody, NULL, &err) != 0 ||
        wt_families_find(&f->families, &f->catalog, &err) != 0)
        fail_msg("%s", err.message);
}

static void release(found *f) {
    wt_families_release(&f->families);
    wt_catalog_release(&f->catalog);
    wt_population_release(&f->people);
}

/* Somebody with that text and plan; both may be NULL. */
static void add(made_run *run, const char *text, const char *plan, uint64_t generation) {
    wt_stored_individual i = made_individual();
    char given[512];
    snprintf(given, sizeof given, "strategy \"000000000001\"\n%s", text ? text : "");
    i.text = given;
    i.plan = plan ? plan : "";
    i.generation = generation;
    made_add(run, i);
}

/* Whether the second joins the first, at distances about the threshold of 0.35 that are worked out by the rules of docs/report-data.md. */
static void test_distance(void **state) {
    static const struct {
        const char *text[2], *plan[2];
        bool together;
    } PAIRS[] = {
        {{"a = 1\n", "a = 1\n"}, {NULL, NULL}, true},                              /* 0 */
        {{"a = 1\n", "b = 1\n"}, {NULL, NULL}, false},                             /* 1 */
        {{"a = 1\n", "a = 2\n"}, {NULL, NULL}, true},                              /* other numbers: 0.1 */
        {{"a = x\n", "a = y\n"}, {NULL, NULL}, false},                             /* no common word: 1 */
        {{"a = x y z\n", "a = x y z u\n"}, {NULL, NULL}, true},                    /* 1 of 4 words: 0.25 */
        {{"a = x y z\n", "a = x y z u v\n"}, {NULL, NULL}, false},                 /* 2 of 5 words: 0.4 */
        {{"a = x\nb = y\nc = z\n", "a = x\nb = y\nc = u\n"}, {NULL, NULL}, true},  /* 1 of 3 genes: 0.333 */
        {{"a = x\nb = y\n", "a = x\nb = u\n"}, {NULL, NULL}, false},               /* 1 of 2: 0.5 */
        {{"a = x\n", "a = y\n"}, {"{\"t\":\"Q4_K\"}", "{\"t\":\"Q4_K\"}"}, false}, /* (0 + 1) / 2 */
        {{"a = x\n", "a = x\n"}, {"{\"t\":\"Q4_K\"}", "{\"t\":\"Q8_0\"}"}, false}, /* (1 + 0) / 2: four bits apart */
        {{"a = x\n", "a = x\n"}, {"{\"t\":\"Q4_K\"}", "{\"t\":\"Q5_K\"}"}, true}, /* (0.25 + 0.75 * 1/2) / 2 = 0.3125 */
        {{"a = x\n", "a = x\n"}, {"{\"t\":\"Q4_K\"}", "{\"t\":\"Q6_K\"}"}, false}, /* (0.25 + 0.75) / 2 = 0.5 */
        {{"a = x\n", "a = x\n"},
         {"{\"t\":\"Q4_K\",\"u\":\"Q4_K\"}", "{\"t\":\"Q4_K\"}"},
         true},                                                                    /* one of two is absent: 0.25 */
        {{"a = x\n", "a = x\n"}, {"{\"t\":\"Q4_K\"}", "{\"u\":\"Q4_K\"}"}, false}, /* both absent: 0.5 */
        {{"a = x\n", "a = x\n"}, {"{\"t\":\"Q4_K\"}", NULL}, true},                /* genes alone: 0 */
        {{"a = x\nalloc.pins = { t: Q4_K }\n", "a = x\nalloc.pins = { u: Q8_0 }\n"},
         {NULL, NULL},
         true}, /* pins do not count */
    };
    for (size_t k = 0; k < sizeof PAIRS / sizeof *PAIRS; k++) {
        void *own = NULL;
        found f;
        (void)state;
        assert_int_equal(made_run_set_up(&own), 0);
        for (int i = 0; i < 2; i++) add(own, PAIRS[k].text[i], PAIRS[k].plan[i], 0);
        find_families(own, &f);
        if ((f.families.count == 1) != PAIRS[k].together) fail_msg("pair %zu: %zu families", k, f.families.count);
        assert_int_equal(f.families.of[0], PAIRS[k].together ? 0 : -1);
        assert_int_equal(f.families.of[1], f.families.of[0]);
        release(&f);
        assert_int_equal(made_run_tear_down(&own), 0);
    }
}

/* Eight centres that have no word in common, each with children that differ in a number and one tensor; in a drawn order. */
static void test_planted(void **state) {
    static const char *const TYPES[] = {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ1_S", "F16"};
    made_run *run = *state;
    const uint64_t seed = test_seed();
    wt_rng rng;
    found f;
    size_t centre[300], size[8] = {0};
    wt_rng_init(&rng, seed, 5, 0);
    for (size_t i = 0; i < 300; i++) {
        char text[256], plan[512];
        const size_t c = centre[i] = wt_rng_below(&rng, 8), odd = wt_rng_below(&rng, 10);
        size[c]++;
        snprintf(text, sizeof text, "alloc.price = p%zu*q%zu\nfold.ffn_in = %" PRIu64 "*r%zu\nencode.weight = w%zu\n",
                 c, c, 1 + wt_rng_below(&rng, 1000), c, c);
        size_t used = 0;
        for (size_t t = 0; t < 10; t++)
            used += (size_t)snprintf(plan + used, sizeof plan - used, "%c\"t%zu\":\"%s\"", t ? ',' : '{', t,
                                     TYPES[(c + (t == odd)) % 8]);
        strcat(plan, "}");
        add(run, text, plan, i / 50);
    }
    find_families(run, &f);
    assert_int_equal(f.families.count, 8);
    for (size_t i = 0; i < 300; i++)
        for (size_t j = 0; j < i; j++) assert_int_equal(centre[i] == centre[j], f.families.of[i] == f.families.of[j]);
    for (size_t k = 0; k < 8; k++) {
        const wt_family *family = &f.families.items[k];
        assert_int_equal(family->size, size[centre[family->founder]]);
        if (k) assert_true(family->size <= f.families.items[k - 1].size);
        /* the two lines that all members have and nobody else */
        char telling[32];
        assert_true(family->gene_count >= 2);
        snprintf(telling, sizeof telling, "w%zu", centre[family->founder]);
        assert_true(strstr(f.catalog.lines.items[family->genes[0]], telling) ||
                    strstr(f.catalog.lines.items[family->genes[1]], telling));
        assert_true(family->born <= family->last && family->last <= 5);
        assert_int_equal(family->alive, family->last == 5);
    }
    release(&f);
}

/* A family whose last member was born long ago lives on where it has a child in the last generation, or a finalist. */
static void test_alive(void **state) {
    made_run *run = *state;
    found f;
    for (int k = 0; k < 8; k++) { /* families of two: 1 2, 3 4, 5 6, 7 8 */
        char text[32];
        snprintf(text, sizeof text, "g%d = x\n", k / 2);
        add(run, text, NULL, 0);
    }
    wt_stored_individual child = made_individual();
    child.text = "strategy\nnew = x\n";
    child.generation = 3;
    child.parents[1] = 3;
    made_add(run, child);
    child.text = "strategy\ng3 = x\n";
    child.parents[1] = 0;
    child.cause = "plan: too small";
    made_add(run, child);
    const wt_stored_verdict rejected = {6, "rejected", "", 1, 1, 1, 1, 1, 1, 1, "", 0};
    assert_int_equal(wt_store_put_verdict(run->store, &rejected, &err), 0);
    find_families(run, &f);
    assert_int_equal(f.families.count, 4);
    for (int k = 0; k < 4; k++) {
        const int who = f.families.of[2 * k];
        assert_int_equal(f.families.items[who].alive,
                         k == 1 || k == 2); /* a child, a finalist; not by one who died at birth */
        assert_int_equal(f.families.items[who].last, k == 3 ? 3 : 0);
    }
    release(&f);
}

/* ---- 5,000 ---- */

enum { PEOPLE = 5000, TENSORS = 60, GENES = 9, CHUNKS = 6 };

/* A strategy of numbers: which value each gene has (0: none), and the type of each tensor. */
typedef struct made {
    uint32_t genes[GENES];
    uint8_t types[TENSORS];
    bool pinned;
} made;

static const char *const KINDS[] = {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ3_XXS", "IQ4_XS"};
static const char *const ROLES[] = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

static size_t write_tensor(char *to, size_t size, size_t t) {
    return (size_t)snprintf(to, size, "blk.%zu.%s.weight", t / 7, ROLES[t % 7]);
}

static void write_strategy(const made *m, size_t i, char *name, char *text, char *plan) {
    static const char *const NAMES[GENES] = {"alloc.price    ", "alloc.types    ", "fold.attn_in   ",
                                             "fold.attn_out  ", "fold.ffn_in    ", "fold.ffn_mid   ",
                                             "encode.weight  ", "encode.grid    ", "feedback.damp  "};
    char tensor[64];
    size_t at, p = 1;
    sprintf(name, "%012zx", i * 2654435761u % 0xffffffffffff);
    at = (size_t)sprintf(text, "strategy \"%s\"\n", name);
    for (size_t g = 0; g < GENES; g++)
        if (m->genes[g])
            at += (size_t)sprintf(text + at, "%s = 0.%u*log(act_max) + min(%u, depth)\n", NAMES[g], m->genes[g],
                                  m->genes[g] % 97);
    if (m->pinned) at += (size_t)sprintf(text + at, "alloc.pins      = {\n");
    plan[0] = '{';
    for (size_t t = 0; t < TENSORS; t++) {
        write_tensor(tensor, sizeof tensor, t);
        if (m->pinned) at += (size_t)sprintf(text + at, "    %s: %s\n", tensor, KINDS[m->types[t]]);
        p += (size_t)sprintf(plan + p, "%s\"%s\":\"%s\"", t ? "," : "", tensor, KINDS[m->types[t]]);
    }
    strcpy(plan + p, "}");
    if (m->pinned) strcpy(text + at, "}\n");
}

static void draw(made *m, const made *parent, wt_rng *rng) {
    if (parent) {
        *m = *parent;
        m->genes[wt_rng_below(rng, GENES)] = (uint32_t)wt_rng_below(rng, 100000);
        for (int k = 0; k < 3; k++) m->types[wt_rng_below(rng, TENSORS)] = (uint8_t)wt_rng_below(rng, 8);
        return;
    }
    for (int g = 0; g < GENES; g++) m->genes[g] = wt_rng_below(rng, 2) ? (uint32_t)wt_rng_below(rng, 100000) : 0;
    for (int t = 0; t < TENSORS; t++) m->types[t] = (uint8_t)wt_rng_below(rng, 8);
    m->pinned = wt_rng_below(rng, 2);
}

static void make_people(made_run *run, wt_rng *rng) {
    static made all[PEOPLE];
    static char text[8192], plan[8192];
    char name[16], cause[96];
    for (size_t i = 0; i < PEOPLE; i++) {
        const size_t parent = i > 50 && wt_rng_below(rng, 4) ? 1 + wt_rng_below(rng, i) : 0;
        draw(&all[i], parent ? &all[parent - 1] : NULL, rng);
        write_strategy(&all[i], i, name, text, plan);
        snprintf(cause, sizeof cause, "plan: a budget of %" PRIu64 " bytes is too small: the smallest file has more",
                 1500000 + wt_rng_below(rng, 1000));
        const bool dead = wt_rng_below(rng, 12) == 0;
        const wt_stored_individual who = {.generation = i / 24,
                                          .place = i % 24,
                                          .name = name,
                                          .text = text,
                                          .kind = "evolved",
                                          .label = "",
                                          .species = all[i].pinned ? "pinned" : "rule",
                                          .operator_name = parent ? "constant" : "random",
                                          .parents = {(int64_t)parent, 0},
                                          .budget = 3997824,
                                          .bytes = dead ? 0 : 3900000 + wt_rng_below(rng, 97824),
                                          .memory = 5100000 + wt_rng_below(rng, 97824),
                                          .plan = dead ? "" : plan,
                                          .cause = dead ? cause : ""};
        made_add(run, who);
        wt_stored_score scores[CHUNKS];
        for (uint32_t c = 0; c < CHUNKS; c++) {
            const double kld = 0.005 + 0.05 * wt_rng_uniform(rng);
            scores[c] = (wt_stored_score){c, kld, -2.5 - kld, -2.5, 1 - kld};
        }
        if (!dead)
            assert_int_equal(wt_store_put_scores(run->store, name, 3997824, "search", scores, CHUNKS, NULL, 0, &err),
                             0);
    }
}

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void test_five_thousand(void **state) {
    made_run *run = *state;
    const uint64_t seed = test_seed();
    wt_rng rng;
    found f;
    size_t len, len_again;
    wt_rng_init(&rng, seed, 6, 0);
    make_people(run, &rng);
    double started = cpu_seconds();
    char *text = wt_document_make(run->store, false, &len, &err);
    const double whole = cpu_seconds() - started;
    if (!text) fail_msg("%s", err.message);
    char *again = wt_document_make(run->store, false, &len_again, &err);
    assert_int_equal(len, len_again);
    assert_memory_equal(text, again, len);
    find_families(run, &f);
    wt_families_release(&f.families);
    started = cpu_seconds();
    assert_int_equal(wt_families_find(&f.families, &f.catalog, &err), 0);
    const double families = cpu_seconds() - started;
    printf(
        "%d individuals of %d tensors: %zu bytes, %.3f s, of which families %.3f s (%zu families, %zu lines, %zu plans)\n",
        PEOPLE, TENSORS, len, whole, families, f.families.count, f.catalog.lines.count, f.catalog.plans.count);
    assert_true(len < 2000000);
#if !defined(__SANITIZE_ADDRESS__) && defined(__OPTIMIZE__) && (defined(__x86_64__))
    assert_true(families < 1); /* processor time: others on the machine do not count */
#endif
    release(&f);
    free(text);
    free(again);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, made_run_set_up, made_run_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distance), ALONE(test_planted), ALONE(test_alive),
                                       ALONE(test_five_thousand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
