/* JSON of values of unknown origin. Each gives a new reference; NULL where memory is out. */
#ifndef WT_REPORT_JSON_VALUES_H
#define WT_REPORT_JSON_VALUES_H

#include <jansson.h>
#include <stddef.h>

/* Of a text of any bytes: what is not UTF-8 becomes U+FFFD. */
json_t *wt_json_text(const char *s, size_t len);

/* Of a number: null where it is not finite. */
json_t *wt_json_real(double x);

/* The same, rounded to so many significant digits, for documents that have to stay small. */
json_t *wt_json_short(double x, int digits);

#endif
