#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static wt_hash of(XXH128_hash_t h) { return (wt_hash){h.low64, h.high64}; }

wt_hash wt_hash_bytes(const void *data, size_t bytes) { return of(XXH3_128bits(bytes ? data : "", bytes)); }

wt_hash wt_hash_add(wt_hash hash, const void *data, size_t bytes) {
    /* both halves go in: the seed has room for one, the other is added to the result's text */
    XXH128_hash_t h = XXH3_128bits_withSeed(bytes ? data : "", bytes, hash.low);
    const uint64_t both[4] = {hash.low, hash.high, h.low64, h.high64};
    return of(XXH3_128bits(both, sizeof both));
}

wt_hash wt_hash_add_u64(wt_hash hash, uint64_t value) { return wt_hash_add(hash, &value, sizeof value); }

wt_hash wt_hash_add_str(wt_hash hash, const char *text) { return wt_hash_add(hash, text, strlen(text) + 1); }

void wt_hash_print(wt_hash hash, char *out, size_t digits) {
    char all[33];
    snprintf(all, sizeof all, "%016llx%016llx", (unsigned long long)hash.high, (unsigned long long)hash.low);
    memcpy(out, all, digits < 32 ? digits : 32);
    out[digits < 32 ? digits : 32] = '\0';
}
