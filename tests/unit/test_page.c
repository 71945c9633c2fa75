/* The page: where documents go, that nothing in them can leave that place, and a policy whose hashes are those of the page's own code. */
#include "support/testing.h"

#include <jansson.h>
#include <string.h>

#include "report/page.h"

#define BLOCK "<script type=\"application/json\" id=\"wildtype-data\">"
#define PAGE(head, body) "<!doctype html><html><head>" head "</head><body>" BLOCK "null</script>" body "</body></html>"

static wt_error err;

static void refuse(const char *html, size_t len, const char *said) {
    assert_int_equal(wt_page_check(html, len, "x.html", &err), -1);
    if (!strstr(err.message, said)) fail_msg("'%s' does not say '%s'", err.message, said);
    assert_non_null(strstr(err.message, "x.html"));
    assert_null(wt_page_fill(html, len, "1", 1, true, &len, &err));
}

static void test_check(void **state) {
    static const char GOOD[] = PAGE("", ""), TWO[] = PAGE("", BLOCK "null</script>"), FILLED[] = BLOCK "{}</script>",
                      CUT[] = BLOCK "nul";
    (void)state;
    assert_int_equal(wt_page_check(GOOD, strlen(GOOD), "x.html", &err), 0);
    refuse("", 0, "no empty data block");
    refuse("<html></html>", 13, "no empty data block");
    refuse(FILLED, strlen(FILLED), "no empty data block");
    refuse(CUT, strlen(CUT), "no empty data block");
    refuse(TWO, strlen(TWO), "more than one");
    refuse(PAGE("", "\r"), strlen(PAGE("", "\r")), "CR");
    refuse(PAGE("", "\0"), sizeof PAGE("", "\0") - 1, "NUL");
}

/* What a browser takes for the block's text: from the block to the first end tag of a script, whatever comes between. */
static char *block_text(const char *html) {
    const char *from = strstr(html, BLOCK), *to = from ? strcasestr(from, "</script") : NULL;
    assert_non_null(to);
    from += strlen(BLOCK);
    return strndup(from, (size_t)(to - from));
}

static void test_fill(void **state) {
    static const char HTML[] = PAGE("<title>t</title>", "<p>end");
    static const char *const NAMES[] = {
        "</script>", "</SCRIPT\n>", "<!--<script>", "-->",     "a<b",  "<",
        "<<",        "\\",          "\"",           "\\u003c", "&lt;", "</script><script>alert(1)</script>"};
    (void)state;
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        for (int alone = 0; alone < 2; alone++) {
            size_t len;
            json_t *given = json_pack("{s:s}", NAMES[k], NAMES[k]);
            char *document = json_dumps(given, JSON_COMPACT);
            char *html = wt_page_fill(HTML, strlen(HTML), document, strlen(document), alone, &len, &err);
            assert_non_null(html);
            assert_int_equal(len, strlen(html));
            char *text = block_text(html);
            json_t *read = json_loads(text, 0, NULL);
            assert_true(json_equal(read, given));
            assert_null(strchr(text, '<'));
            /* around it nothing changed */
            assert_non_null(strstr(html, "</script><p>end</body></html>"));
            assert_int_equal(strstr(html, "Content-Security-Policy") != NULL, alone);
            if (alone) assert_non_null(strstr(html, "connect-src 'none'"));
            json_decref(read);
            json_decref(given);
            free(text);
            free(html);
            free(document);
        }
    }
}

static void policy_is(const char *html, const char *scripts, const char *styles) {
    char expected[1024];
    char *policy = wt_page_policy(html, strlen(html), &err);
    assert_non_null(policy);
    snprintf(
        expected, sizeof expected,
        "default-src 'none'; script-src%s; style-src%s; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        scripts, styles);
    assert_string_equal(policy, expected);
    free(policy);
}

/* printf 'alert(1)' | openssl dgst -sha256 -binary | base64, and so on */
#define ALERT " 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
#define RED " 'sha256-FcQqt3aNlV7AZnGV4zkQRVeCeJOxbMPnQSx258L803E='"
#define TRICK " 'sha256-9oMgAta5jFrXD4nYe8d2mENEpUgU6zRMkrFSntpC0ZI='"

static void test_policy(void **state) {
    (void)state;
    policy_is(PAGE("", ""), " 'none'", " 'none'");
    policy_is(PAGE("<style>body{color:red}</style>", "<script type=\"module\">alert(1)</script>"), ALERT, RED);
    policy_is(PAGE("<STYLE media='>'>body{color:red}</STYLE>", "<script>alert(1)</script><SCRIPT>alert(1)</SCRIPT >"),
              ALERT ALERT, RED);
    policy_is(PAGE("<!-- <script>alert(2)</script> -->", "<script>alert(1)</script>"), ALERT, " 'none'");
    policy_is(PAGE("", "<script src=\"x.js\"></script><scripts>alert(1)</scripts><script></script>"), " 'none'",
              " 'none'");
    policy_is(PAGE("", "<script>\"<style>x\" + '<script '</script>"), TRICK, " 'none'");
    policy_is("<script>alert(1)", ALERT, " 'none'"); /* to the end of the file */
}

/* The one that is built in, where there is one. */
static void test_embedded(void **state) {
    size_t len, n;
    (void)state;
    const char *page = wt_page_embedded(&len);
    if (!page) {
        assert_int_equal(len, 0);
        assert_int_equal(wt_page_missing("wait", &err), -1);
        assert_non_null(strstr(err.hint, "Node 20"));
        skip();
    }
    if (wt_page_check(page, len, "built in", &err) != 0) fail_msg("%s", err.message);
    if (len > 300000) fail_msg("%zu bytes: more than 300 KB", len);
    char *policy = wt_page_policy(page, len, &err);
    assert_non_null(strstr(policy, "script-src 'sha256-"));
    free(policy);
    char *html = wt_page_fill(page, len, "{}", 2, true, &n, &err);
    assert_non_null(html);
    free(html);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_check), cmocka_unit_test(test_fill),
                                       cmocka_unit_test(test_policy), cmocka_unit_test(test_embedded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
