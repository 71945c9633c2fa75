#include "apply/scope.h"

#include <stdlib.h>
#include <string.h>

#include "apply/presets.h"
#include "base/memory.h"

static int by_name(const void *a, const void *b) {
    return strcmp(((const wt_scope_tensor *)a)->name, ((const wt_scope_tensor *)b)->name);
}

static uint64_t fitting(const wt_tensor *t) {
    uint64_t fits = 0, bytes;
    for (uint32_t type = 0; type < WT_TYPE_LIMIT; type++) {
        if (wt_type_find(type) && wt_type_row_bytes((wt_type)type, t->dims[0], &bytes)) fits |= UINT64_C(1) << type;
    }
    return fits;
}

int wt_scope_set_model(wt_scope *scope, const wt_gguf *gguf, wt_error *err) {
    const size_t n = wt_gguf_tensor_count(gguf);
    wt_scope_tensor *tensors = wt_calloc(n ? n : 1, sizeof *tensors, err);
    if (!tensors) return -1;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (!wt_preset_applies(t)) continue;
        tensors[count++] = (wt_scope_tensor){.name = t->name, .weights = t->rows * t->dims[0], .fits = fitting(t)};
    }
    qsort(tensors, count, sizeof *tensors, by_name);
    scope->tensors = tensors;
    scope->tensor_count = count;
    return 0;
}

void wt_scope_release_model(wt_scope *scope) {
    free((void *)scope->tensors);
    scope->tensors = NULL;
    scope->tensor_count = 0;
}
