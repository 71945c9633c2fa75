#include "report/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sha256.h"

static const char OPEN[] = "<script type=\"application/json\" id=\"wildtype-data\">", EMPTY[] = "null</script>";

/* ---- the data block ---- */

static const char *find(const char *from, const char *end, const char *word) {
    return memmem(from, (size_t)(end - from), word, strlen(word));
}

/* Where the document goes, in place of `null`; NULL: nowhere. */
static const char *find_block(const char *html, size_t len) {
    const char *at = find(html, html + len, OPEN);
    if (!at) return NULL;
    at += strlen(OPEN);
    return (size_t)(html + len - at) >= strlen(EMPTY) && memcmp(at, EMPTY, strlen(EMPTY)) == 0 ? at : NULL;
}

int wt_page_check(const char *html, size_t len, const char *name, wt_error *err) {
    const char *block = find_block(html, len), *why = NULL;
    if (!block)
        why = "it has no empty data block";
    else if (find(block, html + len, OPEN))
        why = "it has more than one data block";
    else if (memchr(html, '\0', len) || memchr(html, '\r', len)) /* which browsers change before they hash */
        why = "it has characters that browsers replace: NUL or CR";
    if (!why) return 0;
    wt_fail(err, WT_ERR_FORMAT, "cannot use '%s' as the page: %s", name, why);
    return wt_hint(err, "a page is what 'npm run build' makes in web/dist/report.html");
}

/* The document with every `<` as an escape of JSON: no tag and no comment can begin in it. */
static void write_document(FILE *f, const char *document, size_t len) {
    for (const char *end = document + len; document < end;) {
        const char *mark = memchr(document, '<', (size_t)(end - document));
        const size_t n = (size_t)((mark ? mark : end) - document);
        fwrite(document, 1, n, f);
        if (mark) fputs("\\u003c", f);
        document += n + (mark != NULL);
    }
}

/* ---- the policy ---- */

/* The end of the tag that begins at `tag`, behind its `>`. */
static const char *end_of_tag(const char *tag, const char *end) {
    char quote = 0;
    for (; tag < end; tag++) {
        if (quote)
            quote = *tag == quote ? 0 : quote;
        else if (*tag == '"' || *tag == '\'')
            quote = *tag;
        else if (*tag == '>')
            return tag + 1;
    }
    return end;
}

static const char *find_close(const char *from, const char *end, const char *close) {
    const size_t n = strlen(close);
    for (; from + n <= end; from++)
        if (strncasecmp(from, close, n) == 0) return from;
    return end;
}

static bool is_tag(const char *at, const char *end, const char *name) {
    const size_t n = strlen(name);
    return (size_t)(end - at) > n && strncasecmp(at, name, n) == 0 && strchr(" \t\n\f/>", at[n]);
}

static void add_hash(FILE *f, const char *from, const char *to) {
    uint8_t digest[32];
    char text[45];
    wt_sha256(from, (size_t)(to - from), digest);
    wt_sha256_base64(digest, text);
    fprintf(f, " 'sha256-%s'", text);
}

/* The hashes of all inline blocks of that tag, or 'none'. Data and what is not inline needs no permission, and gets none. */
static void write_sources(FILE *f, const char *html, size_t len, bool scripts) {
    const char *at = html, *const end = html + len;
    size_t count = 0;
    while ((at = memchr(at, '<', (size_t)(end - at)))) {
        const bool script = is_tag(at, end, "<script"), style = is_tag(at, end, "<style");
        if ((size_t)(end - at) > 4 && memcmp(at, "<!--", 4) == 0) {
            at = find_close(at + 4, end, "-->");
        } else if (script || style) {
            const char *body = end_of_tag(at, end), *close = find_close(body, end, script ? "</script" : "</style");
            const bool data = script && (find(at, body, "application/json") || find(at, body, " src="));
            if (script == scripts && !data && close > body) {
                add_hash(f, body, close);
                count++;
            }
            at = close;
        } else {
            at++;
        }
    }
    if (count == 0) fputs(" 'none'", f);
}

static void write_policy(FILE *f, const char *html, size_t len, bool alone) {
    fputs("default-src 'none'; script-src", f);
    write_sources(f, html, len, true);
    fputs("; style-src", f);
    write_sources(f, html, len, false);
    fprintf(f, "; connect-src %s; img-src data:; base-uri 'none'; form-action 'none'", alone ? "'none'" : "'self'");
    if (!alone) fputs("; frame-ancestors 'none'", f); /* which a page cannot say of itself */
}

/* ---- both ---- */

static char *finish(FILE *f, char **text, wt_error *err) {
    const bool lost = ferror(f) != 0;
    if (fclose(f) == 0 && !lost) return *text;
    free(*text);
    wt_fail_memory(err, 1);
    return NULL;
}

char *wt_page_policy(const char *html, size_t len, wt_error *err) {
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    if (!f) {
        wt_fail_memory(err, 1);
        return NULL;
    }
    write_policy(f, html, len, false);
    return finish(f, &text, err);
}

char *wt_page_fill(const char *html, size_t len, const char *document, size_t document_len, bool alone, size_t *out_len,
                   wt_error *err) {
    if (wt_page_check(html, len, "the page", err) != 0) return NULL;
    const char *block = find_block(html, len), *head = find(html, html + len, "<head>"), *from = html;
    char *text = NULL;
    if (alone && !(head && head < block)) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use the page: it has no <head> to say in what it may do");
        return NULL;
    }
    FILE *f = open_memstream(&text, out_len);
    if (!f) {
        wt_fail_memory(err, len);
        return NULL;
    }
    if (alone) {
        from = head + strlen("<head>");
        fwrite(html, 1, (size_t)(from - html), f);
        fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"", f);
        write_policy(f, html, len, true);
        fputs("\">", f);
    }
    fwrite(from, 1, (size_t)(block - from), f);
    write_document(f, document, document_len);
    block += strlen("null");
    fwrite(block, 1, (size_t)(html + len - block), f);
    return finish(f, &text, err);
}
