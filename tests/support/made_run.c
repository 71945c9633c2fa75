#include "support/made_run.h"

#include <string.h>

#include "report/document.h"
#include "support/testing.h"

int made_run_set_up(void **state) {
    made_run *run = calloc(1, sizeof *run);
    wt_error err = {0};
    snprintf(run->folder, sizeof run->folder, "/tmp/wt-made-XXXXXX");
    if (!mkdtemp(run->folder) || !(run->store = wt_store_open(run->folder, WT_STORE_CREATE, &err))) return -1;
    *state = run;
    return 0;
}

int made_run_tear_down(void **state) {
    made_run *run = *state;
    char command[128];
    wt_store_close(run->store);
    snprintf(command, sizeof command, "rm -rf '%s'", run->folder);
    free(run);
    return system(command);
}

wt_stored_individual made_individual(void) {
    return (wt_stored_individual){.name = "000000000001",
                                  .text = "strategy \"000000000001\"\n",
                                  .kind = "evolved",
                                  .label = "",
                                  .species = "rule",
                                  .operator_name = "random",
                                  .plan = "",
                                  .cause = ""};
}

int64_t made_add(made_run *run, wt_stored_individual i) {
    wt_error err = {0};
    i.id = 0;
    if (wt_store_put_individual(run->store, &i, &err) != 0) fail_msg("%s", err.message);
    return i.id;
}

json_t *made_document(made_run *run) {
    wt_error err = {0};
    json_error_t wrong;
    size_t len;
    char *text = wt_document_make(run->store, false, &len, &err);
    if (!text) fail_msg("%s", err.message);
    assert_int_equal(len, strlen(text));
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
    if (!root) fail_msg("no JSON: %s", wrong.text);
    free(text);
    return root;
}

json_t *made_at(json_t *value, const char *path) {
    char part[128];
    while (value && *path) {
        const size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part)) : json_object_get(value, part);
        path += n + (path[n] == '.');
    }
    return value;
}

void made_set(made_run *run, const char *key, const char *value) {
    wt_error err = {0};
    if (wt_store_set(run->store, key, value, &err) != 0) fail_msg("%s", err.message);
}

void made_is_text(json_t *root, const char *path, const char *text) {
    const char *there = json_string_value(made_at(root, path));
    if (!there || strcmp(there, text) != 0) fail_msg("%s is '%s', not '%s'", path, there ? there : "no text", text);
}
