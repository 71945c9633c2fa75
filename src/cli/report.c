/* Numbers, harmless text and JSON; see report.h. */
#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *wt_format_count(char buf[32], uint64_t n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}

const char *wt_format_bytes(char buf[32], uint64_t n) {
    static const char *const UNITS[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double x = (double)n;
    int unit = 0;
    for (; x >= 1024 && unit < 6; unit++) x /= 1024;
    snprintf(buf, 32, unit ? "%.2f %s" : "%.0f %s", x, UNITS[unit]);
    return buf;
}

int wt_utf8_sequence(const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *)text;
    unsigned char lead = s[0];
    if (lead < 0x80) return 1;
    int len = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (len == 0) return 0;
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n) return -1;
        /* The second byte's range keeps out overlong forms, surrogates and what lies past U+10FFFF. */
        unsigned char lo = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        unsigned char hi = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (s[i] < lo || s[i] > hi) return 0;
    }
    return len;
}

const char *wt_printable(char *buf, size_t size, const char *s, size_t len) {
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        int n = wt_utf8_sequence(s + i, len - i);
        unsigned char c = (unsigned char)s[i];
        bool control = c < 0x20 || c == 0x7F || (c == 0xC2 && n == 2 && (unsigned char)s[i + 1] < 0xA0);
        if (n > 0 && !control) {
            if (used + (size_t)n >= size) break;
            memcpy(buf + used, s + i, (size_t)n);
            used += (size_t)n;
            i += (size_t)n;
        } else {
            if (used + 4 >= size) break;
            used += (size_t)snprintf(buf + used, size - used, "\\x%02x", c);
            i++;
        }
    }
    buf[used] = '\0';
    return buf;
}

json_t *wt_json_text(const char *s, size_t len) {
    json_t *json = json_stringn(s, len);
    if (json) return json;
    char *clean = malloc(3 * len + 1); /* U+FFFD has three bytes */
    if (!clean) return NULL;
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        int n = wt_utf8_sequence(s + i, len - i);
        if (n > 0) {
            memcpy(clean + used, s + i, (size_t)n);
        } else {
            memcpy(clean + used, "\xEF\xBF\xBD", 3);
        }
        used += n > 0 ? (size_t)n : 3;
        i += n > 0 ? (size_t)n : 1;
    }
    json = json_stringn(clean, used);
    free(clean);
    return json;
}

json_t *wt_json_real(double x) { return isfinite(x) ? json_real(x) : json_null(); }

int wt_json_print(json_t *root, wt_error *err) {
    if (!root) return wt_fail(err, WT_ERR_MEMORY, "cannot build the JSON: out of memory");
    int rc = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (rc == 0 && putchar('\n') == EOF) rc = -1;
    json_decref(root);
    return rc == 0 ? 0 : wt_fail_errno(err, errno, "cannot write standard output");
}

int wt_stdout_finish(wt_error *err) {
    errno = 0;
    int failed = ferror(stdout);
    if (fflush(stdout) != 0) failed = 1;
    if (!failed) return 0;
    if (errno == 0) return wt_fail(err, WT_ERR_IO, "cannot write standard output");
    return wt_fail_errno(err, errno, "cannot write standard output");
}
