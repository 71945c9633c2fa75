#include "bench/stock_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>

void *stock_library(const char *folder, const char *name, bool *missing, wt_error *err) {
    char pattern[4096];
    glob_t found;
    void *library = NULL;
    snprintf(pattern, sizeof pattern, "%s/node_modules/@node-llama-cpp/linux-*/bins/linux-*/%s.*so*", folder, name);
    *missing = glob(pattern, 0, NULL, &found) != 0;
    if (*missing) {
        wt_fail(err, WT_ERR_IO, "no stock llama.cpp under '%s'", folder);
        wt_hint(err, "tools/install-dependencies test installs it");
        return NULL;
    }
    if (!(library = dlopen(found.gl_pathv[0], RTLD_NOW))) wt_fail(err, WT_ERR_IO, "%s", dlerror());
    globfree(&found);
    return library;
}
