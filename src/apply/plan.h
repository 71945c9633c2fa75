/*
 * What a strategy becomes on a model: for every tensor a type, what encodes it, and how it is transformed; and how large the file will
 * be, to the byte.
 */
#ifndef WT_APPLY_PLAN_H
#define WT_APPLY_PLAN_H

#include "apply/workbench.h"

/* A tensor of the plan. */
typedef struct wt_planned {
    const wt_site_tensor *site;
    wt_type type;      /* of a vector: F32 where it is transformed, otherwise the file's */
    bool pinned;       /* by the strategy */
    bool substitute;   /* none of the strategy's types fits its rows: the type is a stand-in */
    uint64_t bytes;    /* without padding */
    double price;      /* of a matrix: alloc.price's value, at least 0 */
    double error;      /* relative error at the type */
    double cost;       /* price x error / the probe's error */
} wt_planned;

typedef struct wt_plan {
    wt_transform *transform;
    wt_encoding encoding;
    wt_planned *tensors; /* [count], those of the transform in its order */
    size_t count;
    uint64_t file_bytes, budget;
    double cost;         /* the sum; nats, where the price is sens */
    wt_type cache_k, cache_v;
    uint32_t file_type;  /* llama.cpp's number of what most weights are */
    char *text;          /* the strategy's canonical text */
    char name[WT_STRATEGY_NAME];
} wt_plan;

/* Laws that a strategy breaks on a model, one error each; those beyond so many are not told. */
enum { WT_MOST_LAWS = 24 };
typedef struct wt_laws {
    wt_error items[WT_MOST_LAWS];
    size_t count;
} wt_laws;

typedef struct wt_plan_options {
    uint64_t budget;            /* bytes of the file; 0: none, and every matrix has to be pinned */
    bool ignore_missing_pins;   /* pins of tensors that the model lacks are passed over */
    wt_laws *laws;              /* filled with all that are broken, not the first alone; NULL: nobody asks. Takes an `err` */
} wt_plan_options;

/*
 * Makes the plan. Laws that the strategy breaks on this model are errors that name them: pins of tensors it lacks (all listed), types
 * that rows do not fit, a budget below the smallest file (which is said) or above the largest, folds that it has no site for; they are
 * looked at before anything is measured. A plan whose matrices are all of one size has no largest file: any budget will do. The
 * strategy's `sens` is measured where it asks for it. Release with wt_plan_release (NULL-safe, idempotent).
 */
int wt_plan_make(wt_plan *plan, wt_workbench *bench, const wt_strategy *strategy, const wt_plan_options *options,
                 const wt_progress *progress, wt_error *err);
void wt_plan_release(wt_plan *plan);

/* Whether the strategy's price asks for sensitivity. */
bool wt_strategy_needs_sensitivity(const wt_strategy *strategy);

/* Whether it uses Gram matrices where there are any: for error feedback, and for what the inputs of rotated matrices are like. */
bool wt_strategy_needs_gram(const wt_strategy *strategy);

/* Bytes of the cache of keys and values at `context` tokens with the plan's types. */
uint64_t wt_plan_cache_bytes(const wt_plan *plan, const wt_model *model, uint64_t context);

#endif
