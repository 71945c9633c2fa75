/* SentencePiece BPE: neighbours merge where the two make a token, the token of the highest score first. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tokenizer_private.h"

static bool spm_key(const wt_tokenizer *t, const char *text, uint32_t at, uint32_t left, uint32_t right, double *key) {
    int32_t id = token_find(t, text + at, left + right);
    if (id < 0) return false;
    *key = -(double)t->scores[id];
    return true;
}

/* The bytes of a piece that is no token. */
static int push_bytes(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->byte_ids[(unsigned char)text[i]];
        if (id < 0) id = t->unk;
        if (id < 0) {
            return wt_fail(err, WT_ERR_FORMAT, "the vocabulary has no token for byte 0x%02X and no unknown token",
                           (unsigned char)text[i]);
        }
        if (token_push(out, id, err) != 0) return -1;
    }
    return 0;
}

int spm_tokenize(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    merger m = {0};
    int rc = -1;
    if (merger_start(&m, text, len, err) != 0 || merger_run(&m, t, text, spm_key, err) != 0) goto done;
    for (int32_t i = m.n ? 0 : -1; i >= 0; i = m.symbols[i].next) {
        const symbol *s = &m.symbols[i];
        int32_t id = token_find(t, text + s->at, s->len);
        if (id >= 0 ? token_push(out, id, err) != 0 : push_bytes(t, text + s->at, s->len, out, err) != 0) goto done;
    }
    rc = 0;
done:
    merger_release(&m);
    return rc;
}
