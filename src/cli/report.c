/* Numbers, harmless text and printing JSON; see report.h. */
#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
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
