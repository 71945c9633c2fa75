/*
 * Strategies as text: a line that says `strategy`, with the name in quotes or without, then a line `GENE = VALUE` for
 * each gene that is not at its default, in any order. What is printed is canonical; the name is a hash of it without
 * its first line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "strategy/gene_kinds.h"

/* Where '=' stands in canonical texts. It never changes: names would. */
enum { NAME_COLUMNS = 15 };

/* ---- printing ---- */

static void print_value(const wt_strategy *s, wt_gene gene, wt_text *to) {
    const wt_gene_info *info = wt_gene_of(gene);
    wt_gene_kind_of(info->kind)->print(info, &s->genes[gene], to);
}

static void print_body(const wt_strategy *s, wt_text *to) {
    for (int g = 0; g < WT_GENES; g++) {
        if (wt_gene_is_default((wt_gene)g, &s->genes[g])) continue;
        wt_text_add(to, "%-*s = ", NAME_COLUMNS, wt_gene_of((wt_gene)g)->name);
        print_value(s, (wt_gene)g, to);
        wt_text_add(to, "\n");
    }
}

static void name_of(const char *body, char name[WT_STRATEGY_NAME]) {
    snprintf(name, WT_STRATEGY_NAME, "%012llx", (unsigned long long)(XXH3_64bits(body, strlen(body)) >> 16));
}

int wt_strategy_name(const wt_strategy *s, char name[WT_STRATEGY_NAME], wt_error *err) {
    wt_text body = {0};
    print_body(s, &body);
    char *text = wt_text_finish(&body, err);
    if (!text) return -1;
    name_of(text, name);
    free(text);
    return 0;
}

char *wt_strategy_print(const wt_strategy *s, wt_error *err) {
    char name[WT_STRATEGY_NAME];
    wt_text body = {0}, whole = {0};
    print_body(s, &body);
    char *text = wt_text_finish(&body, err);
    if (!text) return NULL;
    name_of(text, name);
    wt_text_add(&whole, "strategy \"%s\"\n%s", name, text);
    free(text);
    return wt_text_finish(&whole, err);
}

char *wt_strategy_print_gene(const wt_strategy *s, wt_gene gene, wt_error *err) {
    wt_text text = {0};
    print_value(s, gene, &text);
    return wt_text_finish(&text, err);
}

/* ---- parsing ---- */

/* The name that the text gives itself. */
typedef struct given_name {
    char text[WT_STRATEGY_NAME];
    wt_place place;
    bool given;
} given_name;

static int expect_line_end(wt_reader *r, const char *what, wt_error *err) {
    wt_reader_skip_blanks(r);
    if (r->at == r->len || wt_reader_take(r, '\n')) return 0;
    return wt_reader_fail_expected(r, what, err);
}

static int parse_name(wt_reader *r, given_name *name, wt_error *err) {
    wt_reader_skip_space(r);
    if (!wt_reader_take_word(r, "strategy")) {
        wt_reader_fail_expected(r, "'strategy'", err);
        return wt_hint(err, "the first line of a strategy says 'strategy', its genes follow");
    }
    wt_reader_skip_blanks(r);
    name->place = r->place;
    if (r->at < r->len && r->text[r->at] == '"') {
        char *text = wt_reader_quoted(r, err);
        if (!text) return -1;
        const bool right =
            strlen(text) == WT_STRATEGY_NAME - 1 && strspn(text, "0123456789abcdef") == WT_STRATEGY_NAME - 1;
        if (right) memcpy(name->text, text, sizeof name->text);
        free(text);
        if (!right) {
            wt_reader_fail_at(name->place, err, "a name is 12 hexadecimal digits in small letters");
            return wt_hint(err, "leave it out: it follows from the genes");
        }
        name->given = true;
    }
    return expect_line_end(r, name->given ? "the end of the line" : "a name in quotes or the end of the line", err);
}

/* Which genes there are, of the same family where the unknown one has any. */
static void hint_genes(const char *word, size_t len, wt_error *err) {
    const char *dot = memchr(word, '.', len);
    char list[320] = "";
    size_t used = 0;
    for (int pass = 0; pass < 2 && used == 0; pass++) {
        for (int g = 0; g < WT_GENES; g++) {
            const char *name = wt_gene_of((wt_gene)g)->name;
            const size_t family = strcspn(name, ".");
            const bool same = dot && (size_t)(dot - word) == family && memcmp(word, name, family) == 0;
            if ((pass == 0 && !same) || used + strlen(name) + 3 > sizeof list) continue;
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
        }
    }
    wt_hint(err, "genes: %s", list);
}

static int parse_gene(wt_reader *r, wt_strategy *s, wt_place seen[WT_GENES], wt_error *err) {
    const wt_reader start = *r;
    const size_t len = wt_reader_word(r);
    const char *word = r->text + r->at;
    if (len == 0) return wt_reader_fail_expected(r, "a gene", err);
    const int gene = wt_gene_by_name(word, len);
    if (gene < 0) {
        wt_reader_fail_expected(r, "a gene", err);
        hint_genes(word, len, err);
        return -1;
    }
    if (seen[gene].line)
        return wt_reader_fail_at(start.place, err, "the gene '%s' stands there twice, first in line %u",
                                 wt_gene_of((wt_gene)gene)->name, seen[gene].line);
    seen[gene] = start.place;
    wt_reader_advance(r, len);
    wt_reader_skip_blanks(r);
    if (wt_reader_expect(r, '=', "'='", err) != 0) return -1;
    wt_reader_skip_blanks(r);
    const wt_gene_info *info = wt_gene_of((wt_gene)gene);
    wt_gene_value value;
    if (wt_gene_kind_of(info->kind)->parse(info, r, &value, err) != 0) return -1;
    wt_gene_release(info, &s->genes[gene]);
    s->genes[gene] = value;
    return expect_line_end(r, "the end of the line", err);
}

static int check_name(const wt_strategy *s, const given_name *name, wt_error *err) {
    char right[WT_STRATEGY_NAME];
    if (!name->given) return 0;
    if (wt_strategy_name(s, right, err) != 0) return -1;
    if (strcmp(right, name->text) == 0) return 0;
    wt_reader_fail_at(name->place, err, "the name \"%s\" is another strategy's: these genes are \"%s\"", name->text,
                      right);
    return wt_hint(err, "the text was changed after it was named: give it that name, or none");
}

static int parse_text(wt_strategy *out, wt_reader *r, wt_error *err) {
    given_name name = {.given = false};
    wt_place seen[WT_GENES] = {{0}};
    if (parse_name(r, &name, err) != 0) return -1;
    for (wt_reader_skip_space(r); r->at < r->len; wt_reader_skip_space(r)) {
        if (parse_gene(r, out, seen, err) != 0) return -1;
    }
    return check_name(out, &name, err);
}

/* A copy of the text whose comments are blank. */
static char *uncommented(const char *text, size_t len, wt_error *err) {
    char *copy = wt_calloc(len + 1, 1, err);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    wt_reader_blank_comments(copy, len);
    return copy;
}

int wt_strategy_parse(wt_strategy *out, const char *text, size_t len, const char *name, wt_error *err) {
    wt_strategy_init(out);
    if (len > WT_STRATEGY_MAX_TEXT)
        return wt_fail(err, WT_ERR_FORMAT, "'%s': the text is too long for a strategy: more than %u bytes", name,
                       WT_STRATEGY_MAX_TEXT);
    char *copy = uncommented(text, len, err);
    if (!copy) return -1;
    wt_reader r = {.text = copy, .len = len, .place = {1, 1}};
    const int rc = parse_text(out, &r, err);
    free(copy);
    if (rc == 0) return 0;
    wt_strategy_release(out);
    return wt_error_prefix(err, "'%s'", name);
}

/* At most a byte more than may be parsed, however large the file is. */
static char *read_start(const char *path, size_t *len, wt_error *err) {
    const bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0;
    *len = 0;
    if (!f) {
        wt_fail_errno(err, errno, "cannot open '%s'", path);
        return NULL;
    }
    for (size_t n = 1; n > 0 && *len <= WT_STRATEGY_MAX_TEXT; *len += n) {
        if (wt_grow((void **)&text, &cap, *len + 4096, 1, err) != 0) goto fail;
        n = fread(text + *len, 1, cap - *len, f);
    }
    if (ferror(f)) {
        wt_fail_errno(err, errno, "cannot read '%s'", path);
        goto fail;
    }
    if (!standard) fclose(f);
    return text;
fail:
    if (!standard) fclose(f);
    free(text);
    return NULL;
}

int wt_strategy_read(wt_strategy *out, const char *path, wt_error *err) {
    size_t len;
    wt_strategy_init(out);
    char *text = read_start(path, &len, err);
    if (!text) return -1;
    const int rc = wt_strategy_parse(out, text, len, strcmp(path, "-") == 0 ? "standard input" : path, err);
    free(text);
    return rc;
}

int wt_strategy_set_gene(wt_strategy *s, wt_gene gene, const char *text, wt_error *err) {
    const wt_gene_info *info = wt_gene_of(gene);
    const size_t len = strlen(text);
    char *copy = uncommented(text, len, err);
    if (!copy) return -1;
    wt_reader r = {.text = copy, .len = len, .place = {1, 1}};
    wt_gene_value value;
    wt_reader_skip_space(&r);
    int rc = wt_gene_kind_of(info->kind)->parse(info, &r, &value, err);
    if (rc == 0) {
        wt_reader_skip_space(&r);
        if (r.at < r.len) {
            wt_gene_release(info, &value);
            rc = wt_reader_fail_expected(&r, "the end of the text", err);
        }
    }
    if (rc == 0) {
        wt_gene_release(info, &s->genes[gene]);
        s->genes[gene] = value;
    }
    free(copy);
    return rc;
}
