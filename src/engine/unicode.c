#include "engine/unicode.h"

wt_class wt_unicode_class(uint32_t code) {
    size_t low = 0, high = WT_UNICODE_RUN_COUNT; /* the run that starts at or before `code` */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (WT_UNICODE_RUNS[middle] >> 8 <= code)
            low = middle;
        else
            high = middle;
    }
    return code > 0x10ffff ? WT_CLASS_OTHER : (wt_class)(WT_UNICODE_RUNS[low] & 0xff);
}

size_t wt_utf8_length(unsigned char first) {
    if (first < 0xc0) return 1;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

uint32_t wt_utf8_decode(const char *text, size_t len, size_t *at) {
    const unsigned char *p = (const unsigned char *)text + *at;
    size_t left = len - *at, n = wt_utf8_length(p[0]);
    if (p[0] < 0x80) {
        (*at)++;
        return p[0];
    }
    if (n > 1 && n <= left && p[0] < 0xf8) {
        uint32_t code = p[0] & (0xffu >> (n + 1));
        size_t i = 1;
        while (i < n && (p[i] & 0xc0) == 0x80) code = code << 6 | (p[i++] & 0x3fu);
        if (i == n && code <= 0x10ffff) {
            *at += n;
            return code;
        }
    }
    (*at)++;
    return 0xfffd;
}

size_t wt_utf8_encode(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
