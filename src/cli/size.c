#include "cli/size.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/options.h"

int wt_read_size(const char *option, const char *text, uint64_t *bytes, wt_error *err) {
    static const struct {
        const char *name;
        double bytes;
    } UNITS[] = {{"", 1},        {"b", 1},        {"k", 1024},     {"kib", 1024},   {"m", 1048576},
                 {"mib", 1048576}, {"g", 1073741824}, {"gib", 1073741824}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}};
    char *end;
    double value = isdigit((unsigned char)text[0]) || text[0] == '.' ? strtod(text, &end) : NAN;
    if (isfinite(value)) {
        while (*end == ' ') end++;
        for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
            double b = value * UNITS[i].bytes;
            if (strcasecmp(end, UNITS[i].name) != 0 || !(b >= 1 && b < 9e18)) continue;
            *bytes = (uint64_t)b;
            return 0;
        }
    }
    wt_usage(err, "wrong value '%s' of option '%s': not a size", text, option);
    wt_hint(err, "a number of bytes, or one with a unit: 3200000, 3.2MiB, 14GB");
    return -1;
}
