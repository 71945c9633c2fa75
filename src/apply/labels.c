#include "apply/labels.h"

#include <string.h>

/* llama.cpp's number for the block formats' version; its limit on a metadata text from its command line. */
enum { QUANTIZATION_VERSION = 2, MOST_TEXT = 127 };

/* As llama-quantize cuts it, but not inside a character. */
static int set_text(wt_gguf_writer *w, const char *key, const char *text, wt_error *err) {
    char cut[MOST_TEXT + 1];
    size_t n = strlen(text);
    if (n > MOST_TEXT) {
        n = MOST_TEXT;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    }
    memcpy(cut, text, n);
    cut[n] = '\0';
    return wt_gguf_writer_set_str(w, key, cut, err);
}

/* Where the importance came from; what an earlier quantization wrote there is of another one. */
static int set_importance(wt_gguf_writer *w, const wt_statistics *s, wt_error *err) {
    static const char *const KEYS[] = {"quantize.imatrix.file", "quantize.imatrix.dataset",
                                       "quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"};
    const char *dataset = wt_statistics_dataset(s);
    const uint32_t chunks = wt_statistics_chunks(s);
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) wt_gguf_writer_remove(w, KEYS[i]);
    if (set_text(w, KEYS[0], wt_statistics_path(s), err) != 0) return -1;
    if (dataset[0] && set_text(w, KEYS[1], dataset, err) != 0) return -1;
    if (wt_gguf_writer_set_u32(w, KEYS[2], (uint32_t)wt_statistics_count(s), err) != 0) return -1;
    return chunks ? wt_gguf_writer_set_u32(w, KEYS[3], chunks, err) : 0;
}

int wt_label_quantized(wt_gguf_writer *w, const wt_gguf *source, uint32_t file_type, const wt_statistics *statistics,
                       wt_error *err) {
    for (size_t i = 0; i < wt_gguf_kv_count(source); i++) {
        if (wt_gguf_writer_copy_kv(w, wt_gguf_kv(source, i), err) != 0) return -1;
    }
    if (wt_gguf_writer_set_u32(w, "general.quantization_version", QUANTIZATION_VERSION, err) != 0 ||
        wt_gguf_writer_set_u32(w, "general.file_type", file_type, err) != 0)
        return -1;
    return statistics ? set_importance(w, statistics, err) : 0;
}

int wt_refuse_source(const wt_gguf *source, const char *path, wt_error *err) {
    if (!wt_gguf_is_at(source, path)) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "cannot write '%s': it is the model that is read", path);
    return wt_hint(err, "give the quantized model a name of its own");
}
