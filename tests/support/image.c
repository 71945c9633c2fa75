#include "support/image.h"

#include <stdlib.h>
#include <string.h>

void image_bytes(image *m, const void *p, size_t n) {
    if (m->size + n > m->cap) {
        m->cap = (m->size + n) * 2;
        m->data = realloc(m->data, m->cap);
        if (!m->data) abort();
    }
    if (n) memcpy(m->data + m->size, p, n);
    m->size += n;
}

void image_u32(image *m, uint32_t v) { image_bytes(m, &v, 4); }
void image_u64(image *m, uint64_t v) { image_bytes(m, &v, 8); }

void image_str(image *m, const char *s) {
    image_u64(m, strlen(s));
    image_bytes(m, s, strlen(s));
}

void image_head(image *m, uint32_t version, uint64_t tensors, uint64_t kvs) {
    image_bytes(m, "GGUF", 4);
    image_u32(m, version);
    image_u64(m, tensors);
    image_u64(m, kvs);
}

void image_kv_u32(image *m, const char *key, uint32_t v) {
    image_str(m, key);
    image_u32(m, 4);
    image_u32(m, v);
}

void image_kv_f32(image *m, const char *key, float v) {
    image_str(m, key);
    image_u32(m, 6);
    image_bytes(m, &v, 4);
}

void image_kv_str(image *m, const char *key, const char *v) {
    image_str(m, key);
    image_u32(m, 8);
    image_str(m, v);
}

void image_kv_array(image *m, const char *key, uint32_t element, uint64_t count) {
    image_str(m, key);
    image_u32(m, 9);
    image_u32(m, element);
    image_u64(m, count);
}

void image_tensor(image *m, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset) {
    image_str(m, name);
    image_u32(m, n_dims);
    for (uint32_t d = 0; d < n_dims; d++) image_u64(m, dims[d]);
    image_u32(m, type);
    image_u64(m, offset);
}

void image_pad(image *m, size_t to) {
    static const uint8_t zero;
    while (m->size % to) image_bytes(m, &zero, 1);
}

void image_free(image *m) {
    free(m->data);
    *m = (image){0};
}

image image_sample(uint32_t version) {
    image m = {0};
    image_head(&m, version, 3, 16);
    image_kv_str(&m, "general.architecture", "none");
    static const size_t bytes_of[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (uint32_t type = 0; type <= 12; type++) {
        if (type == 8 || type == 9) continue;
        char key[16] = "value.a";
        key[6] = (char)('a' + type);
        image_str(&m, key);
        image_u32(&m, type);
        const uint8_t value[8] = {1};
        image_bytes(&m, value, bytes_of[type]);
    }
    image_kv_array(&m, "array.u32", 4, 3);
    for (uint32_t i = 0; i < 3; i++) image_u32(&m, i);
    image_kv_array(&m, "array.str", 8, 2);
    image_str(&m, "one");
    image_str(&m, "");
    image_kv_array(&m, "array.empty", 6, 0);
    image_kv_u32(&m, "general.alignment", 64);
    const uint64_t square[] = {32, 2}, row[] = {5}, cube[] = {64, 1, 2};
    image_tensor(&m, "a", 2, square, 8, 0);   /* Q8_0: 68 bytes */
    image_tensor(&m, "b", 1, row, 0, 128);    /* F32: 20 bytes */
    image_tensor(&m, "c", 3, cube, 1, 192);   /* F16: 256 bytes */
    image_pad(&m, 64);
    for (int i = 0; i < 192 + 256; i++) image_bytes(&m, &(uint8_t){(uint8_t)i}, 1);
    return m;
}
