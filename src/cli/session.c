/* Opening a model for running; see session.h. */
#include "cli/session.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/progress.h"

int wt_session_open(wt_session *s, const char *path, wt_error *err) {
    *s = (wt_session){.name = wt_source_name(path)};
    if (!(s->gguf = wt_source_open(path, err))) return -1;
    if (!(s->model = wt_model_from_gguf(s->gguf, err))) return -1;
    const wt_tensor *t = wt_source_undecodable(s->gguf);
    if (t) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot run '%s': tensor '%s' has type %s, which this build cannot decode",
                s->name, t->name, wt_type_find(t->type)->name);
        return wt_hint(err, "'wildtype inspect' lists the types of a file");
    }
    return (s->tokenizer = wt_tokenizer_open(s->gguf, err)) ? 0 : -1;
}

static int interrupted(void *user) {
    (void)user;
    return wt_interrupt_signal();
}

int wt_session_start_as(wt_session *s, const wt_engine_options *options, wt_error *err) {
    if (options->precision == WT_PRECISION_BF16 && !wt_matmul_has_bf16()) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use --bf16: this processor has no bf16 products");
        return wt_hint(err, "leave it out: fp32 is slower and more exact");
    }
    wt_engine_options with_stop = *options;
    with_stop.stop = (wt_stop){.asked = interrupted};
    return (s->engine = wt_engine_open(s->model, &with_stop, err)) ? 0 : -1;
}

int wt_session_start(wt_session *s, size_t context, bool bf16, size_t resident_bytes, wt_error *err) {
    wt_engine_options options = {
        .precision = bf16 ? WT_PRECISION_BF16 : WT_PRECISION_F32, .context = context, .resident_bytes = resident_bytes};
    return wt_session_start_as(s, &options, err);
}

void wt_session_close(wt_session *s) {
    wt_engine_close(s->engine);
    wt_tokenizer_close(s->tokenizer);
    wt_model_close(s->model);
    wt_gguf_close(s->gguf);
    *s = (wt_session){0};
}

/* The number after `key` in a file like /proc/meminfo, or the first one where key is ""; SIZE_MAX where there is none. */
static size_t read_limit(const char *path, const char *key, size_t unit) {
    FILE *f = fopen(path, "r");
    if (!f) return SIZE_MAX;
    char line[256];
    size_t found = SIZE_MAX, n = strlen(key);
    while (found == SIZE_MAX && fgets(line, sizeof line, f)) {
        unsigned long long value;
        if (strncmp(line, key, n) == 0 && sscanf(line + n, "%llu", &value) == 1 && value < SIZE_MAX / unit)
            found = (size_t)value * unit;
    }
    fclose(f);
    return found;
}

size_t wt_session_spare_memory(void) {
    size_t available = read_limit("/proc/meminfo", "MemAvailable:", 1024);
    size_t allowed = read_limit("/sys/fs/cgroup/memory.max", "", 1); /* a container's limit; "max" is no number */
    if (available == SIZE_MAX) {
        long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
        available = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : 0;
    }
    return (allowed < available ? allowed : available) / 2;
}
