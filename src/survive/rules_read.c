/*
 * Reading rules: libyaml makes a tree of nodes with their places, the table says what each key may be. Aliases lead to nodes that are
 * there once; the walk is no deeper than the table, so that no file makes it long.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "survive/rules_table.h"

/* libyaml's time grows with the square of open brackets: what no rules need is refused before it begins. */
enum { MOST_TEXT = 1 << 16, MOST_ITEMS = 256, MOST_BRACKETS = 1024 };

typedef struct reader {
    wt_rules *rules;
    yaml_document_t *document;
    const char *name;
    wt_error *err;
} reader;

static yaml_node_t *node_of(const reader *r, int index) { return yaml_document_get_node(r->document, index); }

/* "'rules.yaml', line 3, column 5: ..." */
static int fail_at(const reader *r, const yaml_node_t *n, const char *message, const char *what) {
    return wt_fail(r->err, WT_ERR_FORMAT, "'%s', line %zu, column %zu: %s '%.80s'", r->name, n->start_mark.line + 1,
                   n->start_mark.column + 1, message, what);
}

/* The scalar's text; NULL, with an error, where it is none or holds a NUL. */
static const char *text_of(const reader *r, const yaml_node_t *n, const char *key) {
    if (n->type == YAML_SCALAR_NODE && strlen((const char *)n->data.scalar.value) == n->data.scalar.length)
        return (const char *)n->data.scalar.value;
    fail_at(r, n, "expected a single value for", key);
    return NULL;
}

/* Letters that a typist gets wrong: the known word with the least of them, or NULL. */
static size_t distance(const char *a, const char *b) {
    size_t row[64], n = strlen(b);
    if (n >= 64 || strlen(a) >= 64) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), least = row[j] + 1;
            diagonal = row[j];
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static int unknown_key(const reader *r, const yaml_node_t *n, const char *section, const char *key) {
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; wt_rule_key_at(i); i++) {
        const wt_rule_key *k = wt_rule_key_at(i);
        const char *word = strcmp(k->section, section) == 0 ? k->key : section[0] == '\0' ? k->section : NULL;
        if (word && distance(key, word) < best) {
            best = distance(key, word);
            nearest = word;
        }
    }
    fail_at(r, n, "unknown key", key);
    return nearest ? wt_hint(r->err, "did you mean '%s'?", nearest) : wt_hint(r->err, "docs/rules.md lists the keys");
}

/* ---- single values ---- */

static int read_number(const reader *r, const yaml_node_t *n, const char *key, double lo, double hi, double *out) {
    const char *text = text_of(r, n, key);
    char *end;
    if (!text) return -1;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= lo && *out <= hi) return 0;
    fail_at(r, n, "wrong value of", key);
    return wt_hint(r->err, "a number from %.10g to %.10g, not '%.40s'", lo, hi, text);
}

static int read_count(const reader *r, const yaml_node_t *n, const wt_rule_key *k, uint64_t *out) {
    const char *text = text_of(r, n, k->key);
    char *end;
    if (!text) return -1;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && (double)*out >= k->lo && (double)*out <= k->hi) return 0;
    fail_at(r, n, "wrong value of", k->key);
    return wt_hint(r->err, "a whole number from %.0f to %.0f, not '%.40s'", k->lo, k->hi, text);
}

static int read_size(const reader *r, const yaml_node_t *n, const char *key, uint64_t *out) {
    const char *text = text_of(r, n, key);
    if (!text) return -1;
    if (wt_size_parse(text, out)) return 0;
    fail_at(r, n, "wrong value of", key);
    return wt_hint(r->err, "bytes, or a number with a unit: 3200000, 3.2MiB, 14GB; not '%.40s'", text);
}

static int read_text(const reader *r, const yaml_node_t *n, const char *key, char **out) {
    const char *text = text_of(r, n, key);
    if (!text) return -1;
    free(*out);
    *out = NULL;
    if (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0) return 0;
    return (*out = strdup(text)) ? 0 : wt_fail_memory(r->err, strlen(text));
}

static int read_choice(const reader *r, const yaml_node_t *n, const wt_rule_key *k, int *out) {
    const char *text = text_of(r, n, k->key);
    char known[128] = "";
    if (!text) return -1;
    for (int i = 0; k->choices[i]; i++) {
        if (strcmp(text, k->choices[i]) == 0) {
            *out = i;
            return 0;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", k->choices[i]);
    }
    fail_at(r, n, "wrong value of", k->key);
    return wt_hint(r->err, "one of %s; not '%.40s'", known, text);
}

/* ---- lists ---- */

/* A mapping's pairs, one after another: *at from 0 on; false at the end. */
static bool next_pair(const reader *r, const yaml_node_t *map, size_t *at, yaml_node_t **key, yaml_node_t **value) {
    const yaml_node_pair_t *p = map->data.mapping.pairs.start + *at;
    if (p >= map->data.mapping.pairs.top) return false;
    *key = node_of(r, p->key);
    *value = node_of(r, p->value);
    (*at)++;
    return true;
}

static int expect_list(const reader *r, const yaml_node_t *n, const char *key, size_t *count) {
    if (n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0) { /* "types:" and nothing behind it */
        *count = 0;
        return 0;
    }
    if (n->type != YAML_SEQUENCE_NODE) return fail_at(r, n, "expected a list for", key);
    *count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    return *count <= MOST_ITEMS ? 0 : fail_at(r, n, "too many items in", key);
}

static bool is_size_axis(const char *axis) { return strcmp(axis, "bytes") == 0 || strcmp(axis, "memory") == 0; }

static int read_limit(const reader *r, const yaml_node_t *n, const char *axis, const char *key, double *out) {
    uint64_t bytes;
    if (!is_size_axis(axis)) return read_number(r, n, key, -1e300, 1e300, out);
    if (read_size(r, n, key, &bytes) != 0) return -1;
    *out = (double)bytes;
    return 0;
}

/* The value of `name` in a mapping, or NULL. */
static yaml_node_t *member(const reader *r, const yaml_node_t *map, const char *name) {
    yaml_node_t *key, *value;
    for (size_t at = 0; next_pair(r, map, &at, &key, &value);)
        if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, name) == 0) return value;
    return NULL;
}

/* That a mapping has no keys but those of `known`, "axis min max" say. */
static int check_members(const reader *r, const yaml_node_t *map, const char *known) {
    yaml_node_t *key, *value;
    if (map->type != YAML_MAPPING_NODE) return fail_at(r, map, "expected {axis: ...} with", known);
    for (size_t at = 0; next_pair(r, map, &at, &key, &value);) {
        const char *word = text_of(r, key, "a key");
        if (!word) return -1;
        const char *found = strstr(known, word);
        const size_t n = strlen(word);
        if (n && found && (found == known || found[-1] == ' ') && (found[n] == ' ' || found[n] == '\0')) {
            if (member(r, map, word) != value) return fail_at(r, key, "twice the key", word);
            continue;
        }
        fail_at(r, key, "unknown key", word);
        return wt_hint(r->err, "known here are: %s", known);
    }
    return 0;
}

static int read_constraints(const reader *r, const yaml_node_t *list) {
    size_t count = 0;
    if (expect_list(r, list, "constraints", &count) != 0) return -1;
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *n = node_of(r, list->data.sequence.items.start[i]);
        if (check_members(r, n, "axis min max") != 0) return -1;
        yaml_node_t *axis = member(r, n, "axis"), *min = member(r, n, "min"), *max = member(r, n, "max");
        const char *name = axis ? text_of(r, axis, "axis") : NULL;
        double low, high;
        if (!axis) return fail_at(r, n, "a constraint without", "axis");
        const wt_rule_constraint *before = name ? wt_rules_constraint(r->rules, name) : NULL;
        if (before && ((min && before->min) || (max && before->max))) return fail_at(r, n, "twice a constraint on", name);
        if (!name || (min && read_limit(r, min, name, "min", &low) != 0) || (max && read_limit(r, max, name, "max", &high) != 0) ||
            wt_rules_bound(r->rules, name, min ? &low : NULL, max ? &high : NULL, r->err) != 0)
            return -1;
    }
    return 0;
}

static int read_axes(const reader *r, const yaml_node_t *list) {
    size_t count = 0;
    if (expect_list(r, list, "axes", &count) != 0 || count == 0) return r->err && r->err->message[0] ? -1 : 0;
    if (!(r->rules->axes = wt_calloc(count, sizeof *r->rules->axes, r->err))) return -1;
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *n = node_of(r, list->data.sequence.items.start[i]);
        wt_rule_axis *a = &r->rules->axes[r->rules->axis_count];
        const bool plain = n->type == YAML_SCALAR_NODE; /* "- kld" */
        if (!plain && check_members(r, n, "axis weight") != 0) return -1;
        yaml_node_t *axis = plain ? n : member(r, n, "axis"), *weight = plain ? NULL : member(r, n, "weight");
        if (!axis) return fail_at(r, n, "an axis without", "axis");
        a->weight = 1;
        r->rules->axis_count++; /* from here on it is released with the rules */
        if (read_text(r, axis, "axis", &a->axis) != 0 || (weight && read_number(r, weight, "weight", 0, 1e9, &a->weight) != 0))
            return -1;
        if (!a->axis) return fail_at(r, axis, "an axis without", "a name");
    }
    return 0;
}

static int read_bool(const reader *r, const yaml_node_t *n, const char *key, bool *out) {
    const char *text = text_of(r, n, key);
    if (!text) return -1;
    *out = strcmp(text, "true") == 0;
    if (*out || strcmp(text, "false") == 0) return 0;
    fail_at(r, n, "wrong value of", key);
    return wt_hint(r->err, "true or false, not '%.40s'", text);
}

/* The words that a program gets, or with a shell the one text that it reads. */
static int read_words(const reader *r, const yaml_node_t *n, wt_command_axis *c) {
    size_t count = 1;
    const bool list = n->type == YAML_SEQUENCE_NODE;
    if (c->shell && list) return fail_at(r, n, "with 'shell: true', expected one text for", "command");
    if (!c->shell && !list) {
        fail_at(r, n, "expected a list of words for", "command");
        return wt_hint(r->err, "command: [./bench, \"{model}\"]; no shell sees it unless 'shell: true' stands beside it");
    }
    if (list && expect_list(r, n, "command", &count) != 0) return -1;
    if (!(c->words = wt_calloc(count + 1, sizeof *c->words, r->err))) return -1;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = list ? node_of(r, n->data.sequence.items.start[i]) : n;
        const char *text = text_of(r, item, "a word of command");
        if (!text) return -1;
        if (!(c->words[i] = strdup(text))) return wt_fail_memory(r->err, strlen(text));
        c->count++;
    }
    return 0;
}

static int read_command(const reader *r, const yaml_node_t *n, wt_command_axis *c) {
    if (check_members(r, n, "name command better seconds shell") != 0) return -1;
    yaml_node_t *name = member(r, n, "name"), *words = member(r, n, "command"), *better = member(r, n, "better"),
                *seconds = member(r, n, "seconds"), *shell = member(r, n, "shell");
    if (!name || !words || !better) return fail_at(r, n, "a command without", !name ? "name" : !words ? "command" : "better");
    if (read_text(r, name, "name", &c->name) != 0 || (shell && read_bool(r, shell, "shell", &c->shell) != 0) ||
        (seconds && read_number(r, seconds, "seconds", 0.1, 1e6, &c->seconds) != 0) || read_words(r, words, c) != 0)
        return -1;
    if (!c->name) return fail_at(r, name, "a command without", "name");
    const char *direction = text_of(r, better, "better");
    if (!direction) return -1;
    c->higher = strcmp(direction, "higher") == 0;
    if (c->higher || strcmp(direction, "lower") == 0) return 0;
    return fail_at(r, better, "better is higher or lower, not", direction);
}

static int read_commands(const reader *r, const yaml_node_t *list) {
    size_t count = 0;
    if (expect_list(r, list, "commands", &count) != 0 || count == 0) return r->err && r->err->message[0] ? -1 : 0;
    if (!(r->rules->commands = wt_calloc(count, sizeof *r->rules->commands, r->err))) return -1;
    for (size_t i = 0; i < count; i++) {
        wt_command_axis *c = &r->rules->commands[r->rules->command_count++]; /* from here on it is released with the rules */
        c->seconds = 60;
        if (read_command(r, node_of(r, list->data.sequence.items.start[i]), c) != 0) return -1;
    }
    return 0;
}

static int read_types(const reader *r, const yaml_node_t *list) {
    size_t count = 0;
    if (expect_list(r, list, "types", &count) != 0 || count == 0) return r->err && r->err->message[0] ? -1 : 0;
    if (!(r->rules->types = wt_calloc(count, sizeof *r->rules->types, r->err))) return -1;
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *n = node_of(r, list->data.sequence.items.start[i]);
        if (read_text(r, n, "types", &r->rules->types[i]) != 0) return -1;
        if (!r->rules->types[i]) return fail_at(r, n, "a type without", "a name");
        r->rules->type_count++;
    }
    return 0;
}

static int read_species(const reader *r, const yaml_node_t *list) {
    size_t count = 0;
    if (expect_list(r, list, "species", &count) != 0) return -1;
    r->rules->rule_species = r->rules->pinned_species = false;
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *n = node_of(r, list->data.sequence.items.start[i]);
        const char *text = text_of(r, n, "species");
        if (!text) return -1;
        if (strcmp(text, "rule") == 0)
            r->rules->rule_species = true;
        else if (strcmp(text, "pinned") == 0)
            r->rules->pinned_species = true;
        else
            return fail_at(r, n, "species are rule and pinned, not", text);
    }
    return 0;
}

/* ---- the whole ---- */

static int read_key(const reader *r, const wt_rule_key *k, const yaml_node_t *n) {
    void *at = (char *)r->rules + k->offset;
    switch (k->kind) {
    case WT_KEY_TEXT: return read_text(r, n, k->key, at);
    case WT_KEY_COUNT: return read_count(r, n, k, at);
    case WT_KEY_SIZE: return read_size(r, n, k->key, at);
    case WT_KEY_NUMBER: return read_number(r, n, k->key, k->lo, k->hi, at);
    case WT_KEY_CHOICE: return read_choice(r, n, k, at);
    case WT_KEY_CONSTRAINTS: return read_constraints(r, n);
    case WT_KEY_AXES: return read_axes(r, n);
    case WT_KEY_COMMANDS: return read_commands(r, n);
    case WT_KEY_TYPES: return read_types(r, n);
    case WT_KEY_SPECIES: return read_species(r, n);
    default: return fail_at(r, n, "not read here:", k->key);
    }
}

static int read_section(const reader *r, const char *section, const yaml_node_t *map) {
    yaml_node_t *key, *value, *other, *ignored;
    if (map->type == YAML_SCALAR_NODE && map->data.scalar.length == 0) return 0;
    if (map->type != YAML_MAPPING_NODE) return fail_at(r, map, "expected keys in", section[0] ? section : r->name);
    for (size_t at = 0; next_pair(r, map, &at, &key, &value);) {
        const char *name = text_of(r, key, "a key");
        if (!name) return -1;
        for (size_t before = 0; before + 1 < at;) { /* YAML says that keys are unique; libyaml does not look */
            if (!next_pair(r, map, &before, &other, &ignored)) break;
            if (other->type == YAML_SCALAR_NODE && strcmp((const char *)other->data.scalar.value, name) == 0)
                return fail_at(r, key, "twice the key", name);
        }
        const wt_rule_key *k = wt_rule_key_find(section, name);
        int rc = k                                                       ? read_key(r, k, value)
                 : section[0] == '\0' && wt_rule_section_exists(name) ? read_section(r, name, value)
                                                                         : unknown_key(r, key, section, name);
        if (rc != 0) return -1;
    }
    return 0;
}

static int fail_yaml(const yaml_parser_t *p, const char *name, wt_error *err) {
    if (p->error == YAML_MEMORY_ERROR) return wt_fail_memory(err, MOST_TEXT);
    if (p->error == YAML_READER_ERROR) /* which knows no line yet */
        return wt_fail(err, WT_ERR_FORMAT, "'%s', byte %zu: %s", name, p->problem_offset, p->problem ? p->problem : "not UTF-8");
    return wt_fail(err, WT_ERR_FORMAT, "'%s', line %zu, column %zu: %s", name, p->problem_mark.line + 1, p->problem_mark.column + 1,
                   p->problem ? p->problem : "not YAML");
}

/* That nothing stands behind the first document, which would be read by nobody. */
static int expect_end(yaml_parser_t *parser, const char *name, wt_error *err) {
    yaml_document_t more;
    if (!yaml_parser_load(parser, &more)) return fail_yaml(parser, name, err);
    yaml_node_t *root = yaml_document_get_root_node(&more);
    const size_t line = root ? root->start_mark.line + 1 : 0;
    yaml_document_delete(&more);
    return line == 0 ? 0 : wt_fail(err, WT_ERR_FORMAT, "'%s', line %zu, column 1: a second document; rules are one", name, line);
}

/* Messages quote the file: what would command a terminal becomes a question mark. */
static void defuse(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127) *text = '?';
}

int wt_rules_parse(wt_rules *rules, const char *text, size_t len, const char *name, wt_error *err) {
    yaml_parser_t parser;
    yaml_document_t document;
    wt_error own = {0};
    if (wt_rules_init(rules, err) != 0) return -1;
    if (len > MOST_TEXT)
        return wt_fail(err, WT_ERR_FORMAT, "'%s' is too large for rules: %zu bytes", name, len);
    size_t brackets = 0;
    for (size_t i = 0; i < len; i++) brackets += text[i] == '[' || text[i] == '{';
    if (brackets > MOST_BRACKETS) return wt_fail(err, WT_ERR_FORMAT, "'%s' has %zu brackets, more than rules need", name, brackets);
    if (!yaml_parser_initialize(&parser)) return wt_fail_memory(err, sizeof parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = -1;
    if (!yaml_parser_load(&parser, &document)) {
        fail_yaml(&parser, name, &own);
    } else {
        yaml_node_t *root = yaml_document_get_root_node(&document);
        const reader r = {rules, &document, name, &own};
        rc = root ? read_section(&r, "", root) : 0; /* an empty file is all defaults */
        yaml_document_delete(&document);
        if (rc == 0 && root) rc = expect_end(&parser, name, &own);
    }
    yaml_parser_delete(&parser);
    if (rc != 0) {
        wt_rules_release(rules);
        defuse(own.message);
        defuse(own.hint);
        if (err) *err = own;
    }
    return rc;
}

/* Files that a rules file names lie beside it, wherever it is read from. */
static int resolve(char **file, const char *path, wt_error *err) {
    const char *slash = strrchr(path, '/');
    char *joined;
    if (!*file || (*file)[0] == '/' || !slash || strcmp(*file, "-") == 0) return 0;
    if (asprintf(&joined, "%.*s/%s", (int)(slash - path), path, *file) < 0) return wt_fail_memory(err, strlen(path) + strlen(*file));
    free(*file);
    *file = joined;
    return 0;
}

int wt_rules_read(wt_rules *rules, const char *path, wt_error *err) {
    size_t len;
    char *text = wt_read_text(path, &len, err);
    if (!text) return -1;
    int rc = wt_rules_parse(rules, text, len, path, err);
    free(text);
    if (rc != 0) return -1;
    int failed = 0;
    for (unsigned i = 0; i < rules->command_count && !failed; i++) { /* programs without a folder are found by PATH */
        wt_command_axis *c = &rules->commands[i];
        if (!c->shell && c->count && strchr(c->words[0], '/')) failed = resolve(&c->words[0], path, err);
    }
    if (!failed && resolve(&rules->text, path, err) == 0 && resolve(&rules->holdout_text, path, err) == 0 &&
        resolve(&rules->other_text, path, err) == 0 && resolve(&rules->tasks, path, err) == 0)
        return 0;
    wt_rules_release(rules);
    return -1;
}
