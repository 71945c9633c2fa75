/* Opening models by name, and the model that is built in; see source.h. */
#include "cli/source.h"

#include <string.h>

#include "quant/codec.h"

/*
 * The bytes of data/seedling.gguf, put into the read-only data by the assembler: no generated source of 30 megabytes,
 * and nothing is read from the disk until a page is touched. WT_SEEDLING_FILE is the path, from cmake/cli.cmake.
 * Aligned as the file's own tensors are.
 */
__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        ".hidden wt_seedling_begin\n"
        ".hidden wt_seedling_end\n"
        ".globl wt_seedling_begin\n"
        ".globl wt_seedling_end\n"
        "wt_seedling_begin:\n"
        ".incbin \"" WT_SEEDLING_FILE "\"\n"
        "wt_seedling_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const unsigned char wt_seedling_begin[] __attribute__((visibility("hidden")));
extern const unsigned char wt_seedling_end[] __attribute__((visibility("hidden")));

bool wt_source_is_embedded(const char *path) { return !path || strcmp(path, WT_SOURCE_EMBEDDED) == 0; }

const char *wt_source_name(const char *path) { return wt_source_is_embedded(path) ? WT_SOURCE_EMBEDDED : path; }

wt_gguf *wt_source_open(const char *path, wt_error *err) {
    if (wt_source_is_embedded(path)) {
        return wt_gguf_from_memory(wt_seedling_begin, (size_t)(wt_seedling_end - wt_seedling_begin),
                                   wt_source_name(NULL), err);
    }
    wt_gguf *gguf = wt_gguf_open(path, err);
    if (!gguf && err->code == WT_ERR_IO && !err->hint[0])
        wt_hint(err, "give the path of a GGUF file, or '%s' for the model that is built in", WT_SOURCE_EMBEDDED);
    return gguf;
}

const wt_tensor *wt_source_undecodable(const wt_gguf *gguf) {
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (!wt_codec_of(t->type)->decode) return t;
    }
    return NULL;
}
