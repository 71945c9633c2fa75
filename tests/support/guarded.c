#include "support/guarded.h"

#include <string.h>
#include <sys/mman.h>

#include "support/testing.h"

guarded guarded_new(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    guarded g = {.map_bytes = body + page};
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED) fail_msg("mmap of %zu bytes failed", g.map_bytes);
    g.end = (unsigned char *)g.map + body;
    if (mprotect(g.end, page, PROT_NONE) != 0) fail_msg("mprotect failed");
    return g;
}

void guarded_free(guarded *g) { munmap(g->map, g->map_bytes); }

void *guarded_tail(const guarded *g, size_t bytes) { return g->end - bytes; }

int same_float(float a, float b) { return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0; }
int same_double(double a, double b) { return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0; }
