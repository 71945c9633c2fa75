#include "cli/size_option.h"

#include "base/size.h"
#include "cli/options.h"

int wt_read_size(const char *option, const char *text, uint64_t *bytes, wt_error *err) {
    if (wt_size_parse(text, bytes) && *bytes > 0) return 0;
    wt_usage(err, "wrong value '%s' of option '%s': not a size", text, option);
    wt_hint(err, "a number of bytes, or one with a unit: 3200000, 3.2MiB, 14GB");
    return -1;
}
