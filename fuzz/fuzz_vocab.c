/*
 * Any bytes as a GGUF file with a vocabulary in it: what opens must tokenize into ids of its own or fail with a message, and
 * give back the text of each token in as many bytes as it says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const wt_tokenizer *t, const char *text, size_t len, int flags) {
    wt_tokens ids = {0};
    wt_error err = {0};
    if (wt_tokenize(t, text, len, flags, &ids, &err) != 0 && !err.message[0]) abort();
    for (size_t i = 0; i < ids.count; i++) {
        if (ids.ids[i] < 0 || ids.ids[i] >= wt_tokenizer_size(t)) abort();
    }
    free(ids.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] =
        "Hello <s> the\n\n  caf\xc3\xa9 \xff 123456 </s><|end|>\xe4\xb8\xad\0 <a><|endoftext|>  aaaa abcab";
    wt_error err = {0};
    wt_gguf *g = wt_gguf_from_memory(data, size, "fuzz", &err);
    if (!g) return 0;
    wt_tokenizer *t = wt_tokenizer_open(g, &err);
    wt_gguf_close(g);
    if (!t) {
        if (!err.message[0]) abort();
        return 0;
    }
    int32_t n = wt_tokenizer_size(t);
    if (n < 1 || wt_tokenizer_bos(t) < -1 || wt_tokenizer_bos(t) >= n || wt_tokenizer_eos(t) < -1 ||
        wt_tokenizer_eos(t) >= n)
        abort();
    for (int flags = 0; flags < 4; flags++) check_text(t, text, sizeof text - 1, flags);
    check_text(t, (const char *)data, size < 256 ? size : 256, WT_TOKENIZE_PARSE_SPECIAL);
    for (int32_t id = 0; id < n && id < 64; id++) {
        char small[4], *whole;
        size_t len = wt_token_text(t, id, true, small, sizeof small);
        if (!(whole = malloc(len ? len : 1))) abort();
        if (wt_token_text(t, id, true, whole, len) != len) abort();
        if (memcmp(whole, small, len < sizeof small ? len : sizeof small) != 0) abort();
        free(whole);
        wt_tokenizer_is_eog(t, id);
    }
    if (wt_tokenizer_same(t, t, &err) != 0) abort();
    wt_tokenizer_close(t);
    return 0;
}
