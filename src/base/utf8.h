/* UTF-8, as far as texts of unknown origin have to be checked for it. */
#ifndef WT_BASE_UTF8_H
#define WT_BASE_UTF8_H

#include <stddef.h>

/*
 * The length of the UTF-8 sequence at s (n > 0 bytes are there): 1..4; 0 where it is invalid; -1 where it is the
 * beginning of one that goes on after the n bytes.
 */
int wt_utf8_sequence(const char *s, size_t n);

#endif
