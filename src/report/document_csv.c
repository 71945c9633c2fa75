/* The individuals as a table for spreadsheets and data frames: RFC 4180, one line an individual, figures of the verdict at its end. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/document_private.h"

static const char HEADINGS[] =
    "id,generation,name,label,kind,species,operator,parent1,parent2,budget,bytes,memory,kld,kld_stderr,same_top,"
    "perplexity_ratio,measured,cause,family,role,holdout_kld,holdout_stderr,holdout_low,holdout_high,file\r\n";

/* Quoted where it has to be. */
static void print_text(FILE *f, const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

/* Nothing where it was not measured. */
static void print_number(FILE *f, double x) {
    if (isfinite(x)) fprintf(f, "%.9g", x);
}

static void print_row(FILE *f, const wt_document *d, size_t i) {
    const wt_record *r = &d->people.items[i];
    const wt_stored_verdict *v = r->verdict;
    const char *const words[] = {r->row.name, r->row.label, r->row.kind, r->row.species, r->row.operator_name};
    fprintf(f, "%" PRId64 ",%" PRIu64, r->row.id, r->row.generation);
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        fputc(',', f);
        print_text(f, words[k]);
    }
    for (int k = 0; k < 2; k++) {
        fputc(',', f);
        if (r->row.parents[k]) fprintf(f, "%" PRId64, r->row.parents[k]);
    }
    fprintf(f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, r->row.budget, r->row.bytes, r->row.memory);
    const double figures[] = {r->kld, r->kld_stderr, r->same_top, r->perplexity_ratio};
    for (int k = 0; k < 4; k++) {
        fputc(',', f);
        print_number(f, figures[k]);
    }
    fprintf(f, ",%zu,", r->measured);
    print_text(f, r->row.cause);
    fputc(',', f);
    if (d->families.of[i] >= 0) fprintf(f, "%d", d->families.of[i]);
    fputc(',', f);
    if (v) print_text(f, v->role);
    const double holdout[] = {v ? v->kld_mean : NAN, v ? v->kld_chunk_stderr : NAN, v ? v->low : NAN,
                              v ? v->high : NAN};
    for (int k = 0; k < 4; k++) {
        fputc(',', f);
        print_number(f, holdout[k]);
    }
    fputc(',', f);
    if (v) print_text(f, v->file);
    fputs("\r\n", f);
}

char *wt_document_csv(wt_run_store *store, size_t *len, wt_error *err) {
    wt_document d;
    char *text = NULL;
    FILE *f = wt_document_read(&d, store, false, err) == 0 ? open_memstream(&text, len) : NULL;
    if (!f && err && !err->code) wt_fail_memory(err, 1);
    if (f) {
        fputs(HEADINGS, f);
        for (size_t i = 0; i < d.people.count; i++) print_row(f, &d, i);
        const bool lost = ferror(f) != 0;
        if (fclose(f) != 0 || lost) {
            free(text);
            text = NULL;
            wt_fail(err, WT_ERR_MEMORY, "cannot build the table: out of memory");
        }
    }
    wt_document_release(&d);
    return text;
}
