#include "engine/matmul_onednn.h"

#include <dnnl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"

#if !defined(__aarch64__) /* which has tiles of its own: matmul_tile_neon.c */

/*
 * oneDNN 2.x passes memory descriptors as structs by pointer and creates primitives through operation descriptors; 3.x made
 * descriptors opaque and dropped the operation step. MD is what a descriptor argument looks like.
 */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t tile_desc;
#define MD(d) (d)
static int desc_plain(tile_desc *d, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(d, 2, dims, type, tag) == dnnl_success ? 0 : -1;
}
static int desc_query(tile_desc *d, const_dnnl_primitive_desc_t pd, dnnl_query_t what) {
    return dnnl_memory_desc_clone(d, dnnl_primitive_desc_query_md(pd, what, 0)) == dnnl_success ? 0 : -1;
}
static int matmul_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, tile_desc x, tile_desc w, tile_desc y,
                       const_dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(pd, engine, x, w, NULL, y, attr) == dnnl_success ? 0 : -1;
}
#else
typedef dnnl_memory_desc_t tile_desc;
#define MD(d) (&(d))
static int desc_plain(tile_desc *d, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(d, 2, dims, type, tag) == dnnl_success ? 0 : -1;
}
static int desc_query(tile_desc *d, const_dnnl_primitive_desc_t pd, dnnl_query_t what) {
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, what, 0);
    if (!found) return -1;
    *d = *found;
    return 0;
}
static int matmul_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, tile_desc x, tile_desc w, tile_desc y,
                       const_dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t operation;
    if (dnnl_matmul_desc_init(&operation, &x, &w, NULL, &y) != dnnl_success) return -1;
    return dnnl_primitive_desc_create(pd, &operation, attr, engine, NULL) == dnnl_success ? 0 : -1;
}
#endif

struct wt_tile {
    wt_tile *next;
    size_t k;
    wt_precision precision;
    tile_desc x, plain, packed, y, multiply_scratch, pack_scratch;
    size_t packed_bytes, multiply_scratch_bytes, pack_scratch_bytes;
    dnnl_primitive_t multiply, pack;
};

struct wt_tile_worker {
    wt_tile_worker *next; /* of those that are idle */
    const wt_tile *tile;
    dnnl_stream_t stream;
    dnnl_memory_t x, plain, packed, y, multiply_scratch, pack_scratch;
    void *scratch;
};

/* Kernels are few (one per inner dimension and precision), immutable, and live as long as the process. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static wt_tile *registry;
static dnnl_engine_t cpu_engine;

/* Workers that nobody uses: at most one per kernel and thread. */
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static wt_tile_worker *idle;

/* Builds both primitives of a tile under a thread count of one, which oneDNN bakes into what it builds. */
static int tile_build(wt_tile *t) {
    dnnl_data_type_t type = t->precision == WT_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
    const dnnl_dims_t x_dims = {WT_TILE_ROWS, (dnnl_dim_t)t->k}, w_dims = {(dnnl_dim_t)t->k, WT_TILE_COLS},
                      y_dims = {WT_TILE_ROWS, WT_TILE_COLS};
    tile_desc any;
    dnnl_primitive_desc_t multiply = NULL, pack = NULL;
    dnnl_primitive_attr_t attr = NULL;
    int rc = -1;
    if (desc_plain(&t->x, x_dims, type, dnnl_ab) || desc_plain(&any, w_dims, type, dnnl_format_tag_any) ||
        desc_plain(&t->plain, w_dims, dnnl_f32, dnnl_ba) || desc_plain(&t->y, y_dims, dnnl_f32, dnnl_ab))
        return -1;
    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return -1;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) != dnnl_success) goto done;
    if (matmul_desc(&multiply, cpu_engine, t->x, any, t->y, attr) != 0) goto done;
    if (desc_query(&t->packed, multiply, dnnl_query_weights_md) != 0) goto done;
    if (desc_query(&t->multiply_scratch, multiply, dnnl_query_scratchpad_md) != 0) goto done;
    if (dnnl_reorder_primitive_desc_create(&pack, MD(t->plain), cpu_engine, MD(t->packed), cpu_engine, attr) !=
        dnnl_success)
        goto done;
    if (desc_query(&t->pack_scratch, pack, dnnl_query_scratchpad_md) != 0) goto done;
    t->packed_bytes = (dnnl_memory_desc_get_size(MD(t->packed)) + WT_ALIGN - 1) / WT_ALIGN * WT_ALIGN;
    t->multiply_scratch_bytes = dnnl_memory_desc_get_size(MD(t->multiply_scratch));
    t->pack_scratch_bytes = dnnl_memory_desc_get_size(MD(t->pack_scratch));
    if (dnnl_primitive_create(&t->multiply, multiply) != dnnl_success) goto done;
    if (dnnl_primitive_create(&t->pack, pack) != dnnl_success) goto done;
    rc = 0;
done:
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(any);
#endif
    dnnl_primitive_attr_destroy(attr);
    if (multiply) dnnl_primitive_desc_destroy(multiply);
    if (pack) dnnl_primitive_desc_destroy(pack);
    return rc;
}

bool wt_tile_has_amx(void) {
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

const wt_tile *wt_tile_get(size_t k, wt_precision precision, wt_error *err) {
    pthread_mutex_lock(&registry_lock);
    wt_tile *t = registry;
    while (t && (t->k != k || t->precision != precision)) t = t->next;
    if (t) goto done;
    if (!cpu_engine && dnnl_engine_create(&cpu_engine, dnnl_cpu, 0) != dnnl_success) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot start oneDNN on this processor");
        goto done;
    }
    if (!(t = wt_calloc(1, sizeof *t, err))) goto done;
    t->k = k;
    t->precision = precision;
    int threads = wt_threads_get();
    wt_threads_set(1);
    int rc = tile_build(t);
    wt_threads_set(threads);
    if (rc != 0) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot build a %s matrix product of inner dimension %zu with oneDNN",
                precision == WT_PRECISION_BF16 ? "bf16" : "fp32", k);
        free(t);
        t = NULL;
        goto done;
    }
    t->next = registry;
    registry = t;
done:
    pthread_mutex_unlock(&registry_lock);
    return t;
}

size_t wt_tile_packed_bytes(const wt_tile *tile) { return tile->packed_bytes; }

/* A handle without memory of its own (it is given some before each use), or with `data`. */
static int memory_new(dnnl_memory_t *m, const tile_desc *d, void *data) {
    return dnnl_memory_create(m, MD(*d), cpu_engine, data ? data : DNNL_MEMORY_NONE) == dnnl_success ? 0 : -1;
}

static void worker_free(wt_tile_worker *worker) {
    dnnl_memory_t all[] = {worker->x, worker->plain,           worker->packed,
                           worker->y, worker->multiply_scratch, worker->pack_scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]) dnnl_memory_destroy(all[i]);
    }
    if (worker->stream) dnnl_stream_destroy(worker->stream);
    free(worker->scratch);
    free(worker);
}

static wt_tile_worker *worker_new(const wt_tile *tile) {
    wt_tile_worker *w = wt_calloc(1, sizeof *w, NULL);
    if (!w) return NULL;
    w->tile = tile;
    size_t scratch = tile->multiply_scratch_bytes > tile->pack_scratch_bytes ? tile->multiply_scratch_bytes
                                                                             : tile->pack_scratch_bytes;
    w->scratch = wt_alloc_aligned(scratch + 1, 1, NULL);
    if (!w->scratch || dnnl_stream_create(&w->stream, cpu_engine, dnnl_stream_default_flags) != dnnl_success ||
        memory_new(&w->x, &tile->x, NULL) || memory_new(&w->plain, &tile->plain, NULL) ||
        memory_new(&w->packed, &tile->packed, NULL) || memory_new(&w->y, &tile->y, NULL) ||
        memory_new(&w->multiply_scratch, &tile->multiply_scratch, w->scratch) ||
        memory_new(&w->pack_scratch, &tile->pack_scratch, w->scratch)) {
        worker_free(w);
        return NULL;
    }
    return w;
}

wt_tile_worker *wt_tile_worker_take(const wt_tile *tile) {
    pthread_mutex_lock(&idle_lock);
    wt_tile_worker **at = &idle;
    while (*at && (*at)->tile != tile) at = &(*at)->next;
    wt_tile_worker *found = *at;
    if (found) *at = found->next;
    pthread_mutex_unlock(&idle_lock);
    return found ? found : worker_new(tile);
}

void wt_tile_worker_give(wt_tile_worker *worker) {
    if (!worker) return;
    pthread_mutex_lock(&idle_lock);
    worker->next = idle;
    idle = worker;
    pthread_mutex_unlock(&idle_lock);
}

int wt_tile_pack(wt_tile_worker *worker, const float *rows, void *packed) {
    if (dnnl_memory_set_data_handle(worker->plain, (void *)rows) != dnnl_success) return -1;
    if (dnnl_memory_set_data_handle(worker->packed, packed) != dnnl_success) return -1;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, worker->plain},
                                    {DNNL_ARG_TO, worker->packed},
                                    {DNNL_ARG_SCRATCHPAD, worker->pack_scratch}};
    return dnnl_primitive_execute(worker->tile->pack, worker->stream, 3, args) == dnnl_success ? 0 : -1;
}

int wt_tile_multiply(wt_tile_worker *worker, const void *x, const void *packed, float *out) {
    if (dnnl_memory_set_data_handle(worker->x, (void *)x) != dnnl_success) return -1;
    if (dnnl_memory_set_data_handle(worker->packed, (void *)packed) != dnnl_success) return -1;
    if (dnnl_memory_set_data_handle(worker->y, out) != dnnl_success) return -1;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, worker->x},
                                    {DNNL_ARG_WEIGHTS, worker->packed},
                                    {DNNL_ARG_DST, worker->y},
                                    {DNNL_ARG_SCRATCHPAD, worker->multiply_scratch}};
    return dnnl_primitive_execute(worker->tile->multiply, worker->stream, 4, args) == dnnl_success ? 0 : -1;
}

#endif

int wt_gemm(bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
            size_t ldb, float *c, size_t ldc) {
    return dnnl_sgemm('N', transpose_b ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, alpha, a,
                      (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, 0.0f, c, (dnnl_dim_t)ldc) == dnnl_success
               ? 0
               : -1;
}
