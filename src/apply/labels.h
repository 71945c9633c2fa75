/* What a quantized file says of itself: the metadata that llama-quantize sets. */
#ifndef WT_APPLY_LABELS_H
#define WT_APPLY_LABELS_H

#include "engine/statistics.h"

/*
 * Copies the source's metadata, then sets general.quantization_version, general.file_type and, where there are statistics, the
 * quantize.imatrix.* keys.
 */
int wt_label_quantized(wt_gguf_writer *w, const wt_gguf *source, uint32_t file_type, const wt_statistics *statistics,
                       wt_error *err);

/* Fails where `path` is (a part of) the source: it is mapped while the output is written. */
int wt_refuse_source(const wt_gguf *source, const char *path, wt_error *err);

#endif
