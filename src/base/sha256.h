/* SHA-256 (FIPS 180-4): for content security policies, which name inline code by it. Nothing secret goes through here. */
#ifndef WT_BASE_SHA256_H
#define WT_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* The digest of `bytes` bytes at data (NULL only where there are none). */
void wt_sha256(const void *data, size_t bytes, uint8_t digest[32]);

/* The digest in Base64 (RFC 4648, padded), NUL-terminated. */
void wt_sha256_base64(const uint8_t digest[32], char text[45]);

#endif
