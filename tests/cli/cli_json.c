/*
 * Reads JSON for the shell tests: `cli_json FILE` checks that it is one valid document, `cli_json FILE PATH` prints the
 * value at a dotted path ("tasks.accuracy", "tensors.0.name"), `cli_json FILE --keys [PATH]` the keys of an object in
 * order, `cli_json FILE --count PATH` the length of an array. Exit 1 with a message where that cannot be done.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *at(json_t *value, const char *path) {
    char part[256];
    while (value && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part)) : json_object_get(value, part);
        path += n + (path[n] == '.');
    }
    return value;
}

static int fail(const char *file, const char *what, const char *detail) {
    fprintf(stderr, "cli_json: %s: %s %s\n", file, what, detail);
    return 1;
}

static void print_value(json_t *value) {
    if (json_is_string(value)) {
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
        fputs(text ? text : "?", stdout);
        free(text);
    }
    putchar('\n');
}

int main(int argc, char **argv) {
    if (argc < 2) return fail("", "no file", "");
    json_error_t error;
    json_t *root = json_load_file(argv[1], JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root) return fail(argv[1], "no valid JSON:", error.text);
    int rc = 0;
    const char *mode = argc > 2 ? argv[2] : "";
    const char *path = mode[0] == '-' ? argc > 3 ? argv[3] : "" : mode;
    json_t *value = at(root, path);
    if (!value) {
        rc = fail(argv[1], "has no value at", path);
    } else if (strcmp(mode, "--keys") == 0) {
        const char *key, *gap = "";
        json_t *item;
        json_object_foreach(value, key, item) {
            printf("%s%s", gap, key);
            gap = " ";
        }
        putchar('\n');
    } else if (strcmp(mode, "--count") == 0) {
        printf("%zu\n", json_array_size(value));
    } else if (*mode) {
        print_value(value);
    }
    json_decref(root);
    return rc;
}
