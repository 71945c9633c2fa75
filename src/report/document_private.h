/* What the files of the document share: the run as it was read, and JSON that remembers when memory was out. */
#ifndef WT_REPORT_DOCUMENT_PRIVATE_H
#define WT_REPORT_DOCUMENT_PRIVATE_H

#include "report/catalog.h"
#include "report/document.h"
#include "report/families.h"
#include "report/json_values.h"
#include "report/run_state.h"

/* Digits of figures, of errors of figures, and of other numbers: no more than they are worth. */
enum { WT_DIGITS_FIGURE = 6, WT_DIGITS_ERROR = 3, WT_DIGITS_SHARE = 5 };

typedef struct wt_document {
    wt_run_store *store;
    bool running;
    wt_run_state state;
    wt_population people;
    wt_catalog catalog;
    wt_families families;
    json_t *knockouts; /* an array */
    bool *explained;   /* [people]: has some */
    bool lost;         /* a value was left out, because memory was out */
    wt_error *err;
} wt_document;

/* Reads and clusters. Release with wt_document_release, also after failure. */
int wt_document_read(wt_document *d, wt_run_store *store, bool running, wt_error *err);
void wt_document_release(wt_document *d);

/* Take `value` over; NULL is remembered in d->lost. */
void wt_document_put(wt_document *d, json_t *object, const char *key, json_t *value);
void wt_document_push(wt_document *d, json_t *array, json_t *value);
json_t *wt_document_words(wt_document *d, const wt_dictionary *words);

/* Adds what there is of many: individuals and their dictionaries, tensors, types, plans, families. (document_columns.c) */
void wt_document_put_columns(wt_document *d, json_t *root);

#endif
