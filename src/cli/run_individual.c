#include "cli/run_individual.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/labels.h"
#include "base/file.h"
#include "cli/run_report.h"

int wt_run_individual(wt_individual *i, const wt_record *r, wt_error *err) {
    *i = (wt_individual){.id = r->row.id, .human = r->human, .visitor = true, .budget = r->row.budget, .made_by = "store", .made_with = -1};
    if (r->row.bytes == 0) {
        wt_fail(err, WT_ERR_ARGUMENT, "'%s' has no file: it died of %s", wt_record_called(r), r->row.cause);
        return wt_hint(err, "'wildtype show RUN' lists those that live");
    }
    if (wt_strategy_parse(&i->strategy, r->row.text, strlen(r->row.text), r->row.name, err) != 0) {
        *i = (wt_individual){0};
        return -1;
    }
    if (wt_strategy_name(&i->strategy, i->name, err) != 0) return -1;
    if (strcmp(i->name, r->row.name) == 0) return 0;
    wt_fail(err, WT_ERR_FORMAT, "the run's individual '%.40s' has the text of '%s'", r->row.name, i->name);
    return wt_hint(err, "run.db was changed by something else than wildtype");
}

/* The output's place is tried before anything is measured. */
static int try_output(const wt_gguf *gguf, const char *path, wt_error *err) {
    wt_output out;
    if (wt_refuse_source(gguf, path, err) != 0 || wt_output_open(&out, path, err) != 0) return -1;
    wt_output_abandon(&out);
    return 0;
}

int wt_run_export(wt_run_session *run, const wt_record *r, const char *path, wt_error *err) {
    wt_individual i;
    wt_contest *c = &run->contest;
    int rc = wt_run_individual(&i, r, err);
    if (rc == 0) rc = try_output(run->session.gguf, path, err);
    if (rc == 0 && (wt_run_open_texts(run, NULL, err) != 0 || wt_run_open_study(run, err) != 0 ||
                    wt_contest_plan(c, &i, err) != 0))
        rc = -1;
    if (rc == 0 && i.bytes != r->row.bytes)
        rc = wt_fail(err, WT_ERR_MISMATCH, "'%s' would have %" PRIu64 " bytes, the run says %" PRIu64 "%s%s", wt_record_called(r), i.bytes, r->row.bytes,
                     i.cause[0] ? ": " : "", i.cause);
    if (rc == 0) rc = wt_contest_export(c, &i, path, err);
    wt_individual_release(&i);
    return rc;
}
