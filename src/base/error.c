#include "base/error.h"

#include <stdio.h>
#include <string.h>

int wt_fail(wt_error *err, wt_code code, const char *fmt, ...) {
    if (!err) return -1;
    err->code = code;
    err->hint[0] = '\0';
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return -1;
}

int wt_hint(wt_error *err, const char *fmt, ...) {
    if (!err) return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return -1;
}

int wt_error_prefix(wt_error *err, const char *fmt, ...) {
    if (!err) return -1;
    char prefixed[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefixed, sizeof prefixed, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof prefixed) return -1;
    snprintf(prefixed + n, sizeof prefixed - (size_t)n, ": %.*s", (int)sizeof prefixed - n - 3, err->message);
    memcpy(err->message, prefixed, sizeof prefixed);
    return -1;
}

int wt_fail_errno(wt_error *err, int saved_errno, const char *fmt, ...) {
    if (!err) return -1;
    err->code = WT_ERR_IO;
    err->hint[0] = '\0';
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof err->message) return -1;
    snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", strerror(saved_errno));
    return -1;
}

int wt_fail_memory(wt_error *err, size_t bytes) {
    wt_fail(err, WT_ERR_MEMORY, "cannot allocate %zu bytes", bytes);
    return wt_hint(err, "close other programs, or lower --context or --batch");
}

int wt_progress_report(const wt_progress *p, const char *stage, double done, double total, const char *unit,
                       wt_error *err) {
    if (!p || !p->report || p->report(p->user, stage, done, total, unit) == 0) return 0;
    if (!(total > 0)) return wt_fail(err, WT_ERR_INTERRUPTED, "stopped while %s", stage);
    return wt_fail(err, WT_ERR_INTERRUPTED, "stopped at %.0f of %.0f %s", done, total, unit);
}
