/* Building GGUF images in memory, right ones and wrong ones, byte by byte. */
#ifndef WT_TESTS_IMAGE_H
#define WT_TESTS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct image {
    uint8_t *data;
    size_t size, cap;
} image;

void image_bytes(image *m, const void *p, size_t n);
void image_u32(image *m, uint32_t v);
void image_u64(image *m, uint64_t v);
void image_str(image *m, const char *s);                      /* length and bytes */
void image_head(image *m, uint32_t version, uint64_t tensors, uint64_t kvs);
void image_kv_u32(image *m, const char *key, uint32_t v);
void image_kv_f32(image *m, const char *key, float v);
void image_kv_str(image *m, const char *key, const char *v);
void image_kv_array(image *m, const char *key, uint32_t element, uint64_t count); /* the elements follow */
void image_tensor(image *m, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset);
void image_pad(image *m, size_t to);                          /* zeros up to a multiple */
void image_free(image *m);

/* A small, right file with every kind of value and three tensors; `version` 2 or 3. */
image image_sample(uint32_t version);

#endif
