#include "base/size.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

bool wt_size_parse(const char *text, uint64_t *bytes) {
    static const struct {
        const char *name;
        double bytes;
    } UNITS[] = {{"", 1},          {"b", 1},          {"k", 1024},         {"kib", 1024}, {"m", 1048576}, {"mib", 1048576},
                 {"g", 1073741824}, {"gib", 1073741824}, {"kb", 1e3},      {"mb", 1e6},   {"gb", 1e9}};
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.') return false;
    const double value = strtod(text, &end);
    while (*end == ' ') end++;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        const double b = value * UNITS[i].bytes;
        if (strcasecmp(end, UNITS[i].name) != 0 || !(b >= 0 && b < 9e18)) continue;
        *bytes = (uint64_t)b;
        return true;
    }
    return false;
}
