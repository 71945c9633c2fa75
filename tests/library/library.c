/*
 * A program other than our command line: it knows include/wildtype.h and nothing else of the tree, and does with the library what that
 * header promises. Arguments: a model, a text, a folder to write to.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wildtype.h>

static wt_error err;

#define check(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "line %d: not so: %s (%s)\n", __LINE__, #x, err.message);                                  \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static const char STRATEGY[] = "strategy\nalloc.types = [Q4_0 Q8_0]\nencode.bias = 1.01\n";

static int reports;

static int count_report(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)unit;
    reports += done <= total;
    return 0;
}

static int stop(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)done, (void)total, (void)unit;
    return 1;
}

static char *read_all(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    char *text = malloc(1 << 20);
    *len = f && text ? fread(text, 1, 1 << 20, f) : 0;
    if (f) fclose(f);
    return text;
}

static int try_strategies(wt_lab *lab) {
    char *a = wt_lab_draw_strategy(lab, 1, &err), *b = wt_lab_draw_strategy(lab, 1, &err);
    char *c = wt_lab_draw_strategy(lab, 2, &err);
    check(a && b && c);
    check(strncmp(a, "strategy", 8) == 0 && strcmp(a, b) == 0 && strcmp(a, c) != 0);
    free(a);
    free(b);
    free(c);
    check(wt_lab_apply(lab, "strategy\nalloc.nothing = 1\n", 2200000, NULL, NULL, NULL, &err) == -1);
    check(err.code == WT_ERR_FORMAT && strstr(err.message, "line 2"));
    check(wt_lab_apply(lab, STRATEGY, 1000, NULL, NULL, NULL, &err) == -1);
    check(err.code == WT_ERR_ARGUMENT);
    return 0;
}

/* The file has the bytes that the plan says; the original loses nothing, and fewer bytes lose more. */
static int try_files(wt_lab *lab, const char *model, const char *small, const char *large, const char *text,
                     size_t len) {
    wt_lab_plan plan, again;
    wt_lab_loss none, lost, less;
    struct stat status;
    check(wt_lab_apply(lab, STRATEGY, 2000000, small, &plan, NULL, &err) == 0);
    check(stat(small, &status) == 0 && (uint64_t)status.st_size == plan.file_bytes);
    check(plan.file_bytes <= 2000000 && plan.file_bytes >= 1900000);
    check(strlen(plan.name) == 12 && strcmp(plan.cache_k, "F16") == 0);
    check(wt_lab_apply(lab, STRATEGY, 2700000, large, &again, NULL, &err) == 0);
    check(strcmp(plan.name, again.name) == 0 && again.cost < plan.cost);
    check(wt_lab_measure(lab, model, NULL, 0, &none, NULL, &err) == 0);
    check(fabs(none.kld) < 1e-6 && none.same_top == 1 && none.perplexity == none.reference_perplexity);
    check(wt_lab_measure(lab, small, NULL, 0, &lost, NULL, &err) == 0);
    check(wt_lab_measure(lab, large, NULL, 0, &less, NULL, &err) == 0);
    printf("%g nats in %g bytes, %g in %g\n", lost.kld, (double)plan.file_bytes, less.kld, (double)again.file_bytes);
    check(lost.kld > less.kld && less.kld > 0 && lost.same_top < 1 && lost.chunks == 3);
    check(wt_lab_measure(lab, small, text, len, &less, NULL, &err) == 0);
    check(less.chunks > lost.chunks && less.kld > 0);
    check(wt_lab_measure(lab, "no such file", NULL, 0, &less, NULL, &err) == -1 && err.code == WT_ERR_IO);
    return 0;
}

static int try_text(wt_lab *lab) {
    char *a = wt_lab_generate(lab, "Once upon a time", 12, 0, 1, &err);
    char *b = wt_lab_generate(lab, "Once upon a time", 12, 0, 2, &err);
    char *c = wt_lab_generate(lab, "", 12, 1, 3, &err);
    check(a && b && c);
    check(strlen(a) > 0 && strcmp(a, b) == 0 && strlen(c) > 0);
    free(a);
    free(b);
    free(c);
    return 0;
}

int main(int argc, char **argv) {
    char small[4096], large[4096];
    size_t len;
    check(argc == 4);
    check(strlen(wt_version()) >= 5);
    snprintf(small, sizeof small, "%s/library-small.gguf", argv[3]);
    snprintf(large, sizeof large, "%s/library-large.gguf", argv[3]);
    check(!wt_lab_open("no such file", NULL, NULL, &err) && err.code == WT_ERR_IO);
    char *text = read_all(argv[2], &len);
    const wt_lab_options options = {.text = text, .text_bytes = len, .context = 64, .chunks = 3};
    const wt_progress never = {stop, NULL}, progress = {count_report, NULL};
    check(!wt_lab_open(argv[1], &options, &never, &err) && err.code == WT_ERR_INTERRUPTED);
    wt_lab *lab = wt_lab_open(argv[1], &options, &progress, &err);
    check(lab && reports > 0);
    const int failed = try_strategies(lab) || try_files(lab, argv[1], small, large, text, len) || try_text(lab);
    wt_lab_close(lab);
    wt_lab_close(NULL);
    free(text);
    remove(small);
    remove(large);
    return failed;
}
