/*
 * What the pieces of a strategy are worth: the divergence on text that nothing was measured on, at the bytes of the best stock file that is no
 * larger than asked. First that file (llama.cpp's encoders, importance from the same text), then our encoders with its types, then
 * types allocated by sensitivity, and on top of that folds, rotations, error feedback and scales fitted anew to its errors, one at a
 * time and together.
 *
 *     bench_ablation MODEL --text CALIBRATION --unseen TEXT [--bits 2.6,3.4,4.5 | --preset Q3_K_M] [--chunks N] [--json]
 *                    [--modules FOLDER] [--keep FOLDER]
 *
 * Activations are rounded as llama.cpp's CPU kernels do. --keep leaves the files there, for the judge.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/candidate.h"
#include "apply/humans.h"
#include "apply/presets.h"
#include "apply/study.h"
#include "base/file.h"
#include "bench/stock.h"
#include "engine/divergence.h"

enum { MOST_PRESETS = 64, MOST_SIZES = 8, MOST_ROWS = 16 };

/* A stock file and what it is worth. */
typedef struct stock_file {
    const wt_preset *preset;
    uint64_t bytes;
    double kld, se, q99;
} stock_file;

typedef struct bench {
    const char *path, *folder, *text, *unseen_text, *modules;
    size_t chunk_count;
    bool json, keep;
    wt_gguf *gguf;
    wt_tokenizer *tokenizer;
    wt_model *model;
    wt_chunks text_chunks, unseen;
    wt_engine *exact;
    wt_reference *reference;
    wt_study study;
    stock *library;
    stock_file files[MOST_PRESETS];
    size_t file_count;
} bench;

/* What each row changes; NULL ends a list. */
typedef struct row {
    const char *name;
    const char *genes[10];
} row;

#define SENS "alloc.price = sens"
#define TYPES                                                                                                          \
    "alloc.types = [Q2_K Q3_K Q4_K Q5_K Q6_K Q8_0 IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_XS IQ4_NL Q4_0 Q5_0]"
#define FOLDS "fold.attn_in = 0.25 * log(act)", "fold.ffn_in = 0.25 * log(act)", "fold.ffn_mid = 0.25 * log(act)"
#define TURNS "rotate.residual = hadamard 1", "rotate.value = hadamard 1"
#define FEEDBACK "feedback.damp = 0.1"
#define REFIT "feedback.refit = 4"

static const row ROWS[] = {
    {"+ allocation by sens", {TYPES, SENS}},
    {"  and folds", {TYPES, SENS, FOLDS}},
    {"  and rotation", {TYPES, SENS, TURNS}},
    {"  and feedback", {TYPES, SENS, FEEDBACK}},
    {"  and feedback, refit", {TYPES, SENS, FEEDBACK, REFIT}},
    {"  and folds, feedback, refit", {TYPES, SENS, FOLDS, FEEDBACK, REFIT}},
    {"  all", {TYPES, SENS, FOLDS, TURNS, FEEDBACK, REFIT}},
};

static wt_error err;

static void die(void) {
    fprintf(stderr, "bench_ablation: %s\n%s%s", err.message, err.hint, err.hint[0] ? "\n" : "");
    exit(1);
}

static void measure(bench *b, const wt_model *model, wt_type k, wt_type v, wt_divergence *d) {
    const wt_engine_options options = {.resident_bytes = (size_t)1 << 30,
                                       .activations = WT_ACTIVATIONS_Q8,
                                       .cache_k = k,
                                       .cache_v = v,
                                       .context = b->unseen.context};
    wt_engine *engine = wt_engine_open(model, &options, &err);
    if (!engine || wt_measure(engine, b->exact, b->reference, &b->unseen, 0, d, NULL, &err) != 0) die();
    wt_engine_close(engine);
}

static void cut(bench *b, const char *path, wt_chunks *chunks) {
    size_t len;
    char *text = wt_read_text(path, &len, &err);
    uint32_t context = wt_model_hparams(b->model)->context;
    if (!text || wt_chunks_cut(chunks, b->tokenizer, text, len, context && context < 512 ? context : 512,
                               b->chunk_count, &err) != 0)
        die();
    free(text);
}

static void print(const bench *b, const char *name, uint64_t bytes, const wt_divergence *d, double base) {
    if (b->json)
        printf("{\"row\": \"%s\", \"bytes\": %llu, \"kld_mean\": %.6f, \"kld_chunk_stderr\": %.6f, \"kld_p99\": %.6f, "
               "\"same_top\": %.5f, \"ratio\": %.4f}\n",
               name, (unsigned long long)bytes, d->kld_mean, d->kld_chunk_stderr, d->kld_p99, d->same_top,
               d->kld_mean / base);
    else
        printf("  %-28s %10llu  %.6f +- %.6f  %.4f  %.3f  %.3f\n", name, (unsigned long long)bytes, d->kld_mean,
               d->kld_chunk_stderr, d->kld_p99, d->same_top, d->kld_mean / base);
    fflush(stdout);
}

/* ---- stock files ---- */

static const char *file_name(const bench *b, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.gguf", b->folder, name);
    return path;
}

static void measure_file(bench *b, const char *path, wt_divergence *d) {
    wt_model *model = wt_model_open(path, &err);
    if (!model) die();
    measure(b, model, WT_F16, WT_F16, d);
    wt_model_close(model);
}

static void make_stock(bench *b, const char *imatrix) {
    size_t count;
    const wt_preset *presets = wt_presets(&count);
    for (size_t i = 0; i < count && b->file_count < MOST_PRESETS; i++) {
        const wt_preset *p = &presets[i];
        if (wt_type_find(p->type)->block == 1 || p->type == WT_Q1_0 || p->type == WT_Q2_0 || p->type == WT_NVFP4 ||
            p->type == WT_TQ1_0 || p->type == WT_TQ2_0 || p->type == WT_MXFP4)
            continue;
        const stock_request request = {.file_type = p->file_type, .output_type = -1, .embedding_type = -1, .threads = 2,
                                       .imatrix = imatrix};
        char path[4096];
        snprintf(path, sizeof path, "%s", file_name(b, p->name));
        if (stock_quantize(b->library, b->path, path, &request, &err) != 0) {
            fprintf(stderr, "bench_ablation: %s is left out: %s\n", p->name, err.message);
            continue;
        }
        struct stat st;
        wt_divergence d;
        stat(path, &st);
        measure_file(b, path, &d);
        b->files[b->file_count++] = (stock_file){p, (uint64_t)st.st_size, d.kld_mean, d.kld_chunk_stderr, d.kld_p99};
        if (!b->keep) unlink(path);
    }
}

static int by_size(const void *pa, const void *pb) {
    const stock_file *a = pa, *b = pb;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

/* The least divergence among files of at most so many bytes; the smallest file where none is. */
static const stock_file *best_stock(const bench *b, uint64_t bytes) {
    const stock_file *best = NULL;
    for (size_t i = 0; i < b->file_count; i++)
        if (b->files[i].bytes <= bytes && (!best || b->files[i].kld < best->kld)) best = &b->files[i];
    return best ? best : &b->files[0];
}

/* ---- strategies ---- */

static void measure_strategy(bench *b, const char *name, const wt_strategy *s, uint64_t budget, double base) {
    const wt_plan_options options = {.budget = budget};
    wt_plan plan;
    wt_divergence d;
    if (wt_plan_make(&plan, b->study.bench, s, &options, NULL, &err) != 0) {
        printf("  %-28s %s\n", name, err.message);
        return;
    }
    wt_candidate *c = wt_candidate_new(b->study.bench, &plan, NULL, &err);
    if (!c) die();
    measure(b, wt_candidate_model(c), plan.cache_k, plan.cache_v, &d);
    print(b, name, plan.file_bytes, &d, base);
    if (b->keep) {
        char file[128];
        snprintf(file, sizeof file, "%llu%s", (unsigned long long)budget, name);
        for (char *p = file; *p; p++)
            if (*p == ' ' || *p == '+' || *p == ',') *p = '-';
        if (wt_candidate_write(c, file_name(b, file), &err) != 0) die();
    }
    wt_candidate_free(c);
    wt_plan_release(&plan);
}

static void measure_row(bench *b, const row *r, uint64_t budget, double base) {
    wt_strategy s;
    wt_strategy_init(&s);
    for (size_t i = 0; i < sizeof r->genes / sizeof *r->genes && r->genes[i]; i++) {
        char gene[512];
        snprintf(gene, sizeof gene, "%s", r->genes[i]);
        char *value = strstr(gene, " = ");
        int id = wt_gene_by_name(gene, (size_t)(value - gene));
        if (id < 0 || wt_strategy_set_gene(&s, (wt_gene)id, value + 3, &err) != 0) die();
    }
    measure_strategy(b, r->name, &s, budget, base);
    wt_strategy_release(&s);
}

static void measure_human(bench *b, const char *name, const char *label, uint64_t budget, double base) {
    wt_strategy s;
    if (wt_human(&s, name, b->gguf, true, &err) != 0) die();
    measure_strategy(b, label, &s, budget, base);
    wt_strategy_release(&s);
}

static void measure_size(bench *b, uint64_t asked) {
    const stock_file *base = best_stock(b, asked);
    const wt_divergence d = {.kld_mean = base->kld, .kld_chunk_stderr = base->se, .kld_p99 = base->q99, .same_top = NAN};
    char name[64];
    snprintf(name, sizeof name, "stock %s", base->preset->name);
    if (!b->json) printf("\n%s, asked for %llu bytes\n", b->path, (unsigned long long)asked);
    print(b, name, base->bytes, &d, base->kld);
    measure_human(b, base->preset->name, "our encoders, its types", 0, base->kld);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) measure_row(b, &ROWS[i], base->bytes, base->kld);
    measure_human(b, "sensitivity", "human sensitivity", base->bytes, base->kld);
    measure_human(b, "target-size", "human target-size", base->bytes, base->kld);
}

/* ---- the program ---- */

static void prepare(bench *b) {
    char imatrix[4096];
    if (!(b->gguf = wt_gguf_open(b->path, &err)) || !(b->model = wt_model_from_gguf(b->gguf, &err)) ||
        !(b->tokenizer = wt_tokenizer_open(b->gguf, &err)) || !(b->library = stock_open(b->modules, &err)))
        die();
    cut(b, b->text, &b->text_chunks);
    cut(b, b->unseen_text, &b->unseen);
    const wt_engine_options exact = {.context = b->unseen.context, .resident_bytes = (size_t)1 << 30};
    if (!(b->exact = wt_engine_open(b->model, &exact, &err)) ||
        !(b->reference = wt_reference_new(b->exact, &b->unseen, 0, "reference", NULL, &err)))
        die();
    char *cache = wt_cache_folder();
    const wt_study_options options = {.chunks = &b->text_chunks, .dataset = b->text, .cache = cache};
    if (wt_study_open(&b->study, b->gguf, &options, NULL, &err) != 0) die();
    free(cache);
    snprintf(imatrix, sizeof imatrix, "%s", file_name(b, "imatrix"));
    if (wt_statistics_write(b->study.statistics, imatrix, &err) != 0) die();
    make_stock(b, imatrix);
    qsort(b->files, b->file_count, sizeof *b->files, by_size);
    if (b->file_count == 0) die();
}

static uint64_t preset_bytes(const bench *b, const char *name) {
    for (size_t i = 0; i < b->file_count; i++)
        if (strcmp(b->files[i].preset->name, name) == 0) return b->files[i].bytes;
    fprintf(stderr, "bench_ablation: no stock file '%s'\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    bench b = {.modules = "tests/interop", .chunk_count = 64};
    const char *bits = "2.6,3.4,4.5", *preset = NULL;
    char folder[] = "/tmp/wildtype-ablation-XXXXXX";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') b.path = argv[i];
        else if (strcmp(argv[i], "--json") == 0) b.json = true;
        else if (!value) return fprintf(stderr, "bench_ablation: '%s' needs a value\n", argv[i]), 2;
        else if (strcmp(argv[i], "--text") == 0) b.text = argv[++i];
        else if (strcmp(argv[i], "--unseen") == 0) b.unseen_text = argv[++i];
        else if (strcmp(argv[i], "--bits") == 0) bits = argv[++i];
        else if (strcmp(argv[i], "--preset") == 0) preset = argv[++i];
        else if (strcmp(argv[i], "--chunks") == 0) b.chunk_count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--modules") == 0) b.modules = argv[++i];
        else if (strcmp(argv[i], "--keep") == 0) b.folder = argv[++i], b.keep = true;
        else return fprintf(stderr, "bench_ablation: unknown option '%s'\n", argv[i]), 2;
    }
    if (!b.path || !b.text || !b.unseen_text) {
        fputs("usage: bench_ablation MODEL --text CALIBRATION --unseen TEXT [--bits LIST | --preset NAME] [--chunks N] "
              "[--json] [--modules FOLDER] [--keep FOLDER]\n", stderr);
        return 2;
    }
    if (!b.keep && !(b.folder = mkdtemp(folder))) return perror("bench_ablation"), 1;
    prepare(&b);
    double weights = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(b.gguf); i++)
        weights += (double)(wt_gguf_tensor(b.gguf, i)->dims[0] * wt_gguf_tensor(b.gguf, i)->rows);
    if (!b.json) printf("  %-28s %10s  %-20s  %-6s  %-5s  %s\n", "", "bytes", "mean KLD", "99%", "top", "ratio");
    if (preset) {
        measure_size(&b, preset_bytes(&b, preset));
    } else {
        for (const char *at = bits; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
            measure_size(&b, (uint64_t)(strtod(at, NULL) * weights / 8));
    }
    if (!b.keep) {
        unlink(file_name(&b, "imatrix"));
        rmdir(folder);
    }
    wt_study_close(&b.study);
    return 0;
}
