/* The table of the rules' keys: reading, printing, checking ranges and the docs go through it. */
#ifndef WT_SURVIVE_RULES_TABLE_H
#define WT_SURVIVE_RULES_TABLE_H

#include <stddef.h>

#include "survive/rules.h"

typedef enum wt_key_kind {
    WT_KEY_TEXT,   /* char * */
    WT_KEY_COUNT,  /* uint64_t, lo..hi */
    WT_KEY_SIZE,   /* uint64_t, bytes, units allowed */
    WT_KEY_NUMBER, /* double, lo..hi */
    WT_KEY_CHOICE, /* an enum, by name */
    WT_KEY_CONSTRAINTS, WT_KEY_AXES, WT_KEY_COMMANDS, WT_KEY_TYPES, WT_KEY_SPECIES, /* lists of their own form */
} wt_key_kind;

typedef struct wt_rule_key {
    const char *section, *key; /* section "": at the top */
    wt_key_kind kind;
    size_t offset;
    double lo, hi;
    const char *const *choices; /* of a choice, NULL-terminated */
    const char *help;           /* what it means, and why its default is so */
} wt_rule_key;

/* Row i, NULL past the end; and by name. */
const wt_rule_key *wt_rule_key_at(size_t i);
const wt_rule_key *wt_rule_key_find(const char *section, const char *key);
/* Whether some key has that section. */
bool wt_rule_section_exists(const char *section);

#endif
