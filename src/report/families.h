/*
 * Families: strategies that became alike, by clustering their plans and genes (docs/report-data.md tells the method and its numbers). Who
 * descends from whom plays no part: two lines of descent that found the same are one family.
 */
#ifndef WT_REPORT_FAMILIES_H
#define WT_REPORT_FAMILIES_H

#include "report/catalog.h"

/* How far two strategies are apart, 0 to 1, is the weighted mean of what plans and genes say. */
#define WT_FAMILY_PLAN_WEIGHT 0.5
#define WT_FAMILY_GENE_WEIGHT 0.5
/* Whoever is farther than this from every founder founds a family. */
#define WT_FAMILY_THRESHOLD 0.35
/* Two types are at least so far apart, and wholly when their bits per weight differ by so many. */
#define WT_FAMILY_TYPE_STEP 0.25
#define WT_FAMILY_TYPE_BITS 2.0
/* Two values of a gene that have the same words and other numbers are so far apart. */
#define WT_FAMILY_NUMBER_STEP 0.1

/*
 * Founders that are compared with at the same time: what bounds the work. Families that are told of: the largest. Lines that tell a family
 * from others.
 */
enum { WT_FAMILY_FOUNDERS = 256, WT_FAMILY_MOST = 64, WT_FAMILY_GENES = 5 };

typedef struct wt_family {
    size_t founder; /* index of the individual */
    size_t size;
    uint64_t born, last;             /* generations of the first member's birth and of the last's */
    bool alive;                      /* it had young in the last generation, or a finalist */
    const wt_record *best;           /* of those who were measured on everything and live; NULL: none */
    uint32_t genes[WT_FAMILY_GENES]; /* numbers of lines that most members have and few others */
    size_t gene_count;
} wt_family;

typedef struct wt_families {
    wt_family *items; /* the largest first, of equals the one that was there first */
    size_t count;
    int32_t *of; /* [people]: whose family, -1: alone */
} wt_families;

/* The catalog and its people must outlive them. Fails without memory alone. Release with wt_families_release, also after failure. */
int wt_families_find(wt_families *f, const wt_catalog *c, wt_error *err);
void wt_families_release(wt_families *f);

#endif
