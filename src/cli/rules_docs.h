/* docs/rules.md, written by `wildtype help --rules`. */
#ifndef WT_CLI_RULES_DOCS_H
#define WT_CLI_RULES_DOCS_H

#include "base/error.h"

/* Prints it to standard output. */
int wt_rules_docs(wt_error *err);

#endif
