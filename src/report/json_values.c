#include "report/json_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

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

json_t *wt_json_short(double x, int digits) {
    char text[40];
    if (!isfinite(x)) return json_null();
    snprintf(text, sizeof text, "%.*g", digits, x);
    return json_real(strtod(text, NULL));
}
