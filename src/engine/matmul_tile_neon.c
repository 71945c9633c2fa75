/*
 * The tiles of matrix products on aarch64, in place of oneDNN's: what Debian builds of it there goes through a general matrix
 * product, in which a row's last bits depend on where in the tile it lies. Here every element is one chain of fused
 * multiply-adds over the inner dimension in order, whatever its row and column. A packed block is WT_TILE_COLS / 16 panels
 * [k, 16]; four rows times a panel are 16 registers of sums.
 */
#include <arm_neon.h>
#include <pthread.h>

#include "base/memory.h"
#include "engine/matmul_onednn.h"

#define PANEL 16
#define ROWS 4

_Static_assert(WT_TILE_COLS % PANEL == 0 && WT_TILE_ROWS % ROWS == 0 && WT_TILE_INNER % 4 == 0, "no rests");

/* Nothing that a thread would need for itself: the worker is the kernel. */
struct wt_tile_worker {
    size_t k;
};

struct wt_tile {
    wt_tile *next;
    wt_tile_worker worker;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static wt_tile *registry;

bool wt_tile_has_amx(void) { return false; }

const wt_tile *wt_tile_get(size_t k, wt_precision precision, wt_error *err) {
    if (precision != WT_PRECISION_F32) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "there are no bf16 matrix products on this processor");
        return NULL;
    }
    pthread_mutex_lock(&registry_lock);
    wt_tile *t = registry;
    while (t && t->worker.k != k) t = t->next;
    if (!t && (t = wt_calloc(1, sizeof *t, err))) {
        t->worker.k = k;
        t->next = registry;
        registry = t;
    }
    pthread_mutex_unlock(&registry_lock);
    return t;
}

size_t wt_tile_packed_bytes(const wt_tile *tile) { return tile->worker.k * WT_TILE_COLS * sizeof(float); }

wt_tile_worker *wt_tile_worker_take(const wt_tile *tile) { return (wt_tile_worker *)&tile->worker; }

void wt_tile_worker_give(wt_tile_worker *worker) { (void)worker; }

int wt_tile_pack(wt_tile_worker *worker, const float *rows, void *packed) {
    float *out = packed;
    size_t k = worker->k;
    for (size_t panel = 0; panel < WT_TILE_COLS; panel += PANEL) {
        for (size_t i = 0; i < k; i++) {
            for (size_t c = 0; c < PANEL; c++) *out++ = rows[(panel + c) * k + i];
        }
    }
    return 0;
}

/* sum[r] += x[r][lane] * the panel's 16 weights at w */
#define ADD_LANE(lane)                                                                                                 \
    do {                                                                                                               \
        float32x4x4_t v = {{vld1q_f32(w), vld1q_f32(w + 4), vld1q_f32(w + 8), vld1q_f32(w + 12)}};                     \
        for (int r = 0; r < ROWS; r++) {                                                                               \
            for (int c = 0; c < 4; c++) sum[r][c] = vfmaq_laneq_f32(sum[r][c], v.val[c], row[r], lane);                \
        }                                                                                                              \
        w += PANEL;                                                                                                    \
    } while (0)

/* out [ROWS, PANEL] of a tile = x [ROWS, k] times a panel. */
static inline void multiply_panel(const float *x, const float *w, size_t k, float *out) {
    float32x4_t sum[ROWS][4], row[ROWS];
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < 4; c++) sum[r][c] = vdupq_n_f32(0.0f);
    }
    for (size_t i = 0; i < k; i += 4) {
        for (size_t r = 0; r < ROWS; r++) row[r] = vld1q_f32(x + r * k + i);
        ADD_LANE(0);
        ADD_LANE(1);
        ADD_LANE(2);
        ADD_LANE(3);
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < 4; c++) vst1q_f32(out + r * WT_TILE_COLS + 4 * c, sum[r][c]);
    }
}

int wt_tile_multiply(wt_tile_worker *worker, const void *x, const void *packed, float *out) {
    size_t k = worker->k;
    for (size_t panel = 0; panel < WT_TILE_COLS; panel += PANEL) {
        for (size_t r = 0; r < WT_TILE_ROWS; r += ROWS)
            multiply_panel((const float *)x + r * k, (const float *)packed + panel * k, k, out + r * WT_TILE_COLS + panel);
    }
    return 0;
}
