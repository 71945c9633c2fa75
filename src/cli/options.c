/*
 * The parser of command lines. Everything it knows of a command comes from the command's tables; numbers are read
 * strictly, because a silently ignored "12x" or "-5" is a measurement of something else than was asked for.
 */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const wt_option WT_COMMON_OPTIONS[] = {
    {.name = "help", .letter = 'h', .kind = WT_OPTION_FLAG, .help = "Shows this help and ends."},
    {.name = "version", .kind = WT_OPTION_FLAG, .help = "Shows the version and ends."},
    {0},
};

int wt_usage(wt_error *err, const char *fmt, ...) {
    err->code = WT_ERR_ARGUMENT;
    err->hint[0] = '\0';
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return WT_EXIT_USAGE;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many letters have to be inserted, removed, replaced or swapped with their neighbour to make b of a. */
static size_t edit_distance(const char *a, const char *b) {
    enum { LONGEST = 40 };
    size_t rows[3][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST) return LONGEST;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++) last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) best = least(best, before[j - 2] + 1);
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *wt_nearest(const char *word, const char *const *words) {
    size_t length = strlen(word);
    size_t best_distance = length / 3 + 1; /* a third of the letters wrong is still a slip */
    const char *best = NULL;
    for (; *words; words++) {
        size_t distance = edit_distance(word, *words);
        if (length >= 3 && strncmp(*words, word, length) == 0) distance = 1; /* the beginning of it */
        if (distance < best_distance || (distance == best_distance && !best)) {
            best = *words;
            best_distance = distance;
        }
    }
    return best;
}

/* Reads a whole number: digits only, no sign, no blanks. */
static bool read_count(const char *text, uint64_t *out) {
    if (!*text || strspn(text, "0123456789") != strlen(text)) return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

static bool read_number(const char *text, double *out) {
    if (!*text || !strchr("0123456789.+-", *text)) return false; /* no blanks, no "inf", no "nan" */
    char *end;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* Stores `value` (NULL for a flag) as the option's setting. `shown` is the option as the user spelt it. */
static int store(const wt_option *o, const char *shown, const char *value, void *settings, wt_error *err) {
    char *at = (char *)settings + o->offset;
    switch (o->kind) {
    case WT_OPTION_FLAG: {
        *(bool *)at = true;
        return 0;
    }
    case WT_OPTION_TEXT: {
        *(const char **)at = value;
        return 0;
    }
    case WT_OPTION_COUNT: {
        uint64_t n;
        if (!read_count(value, &n) || n < (uint64_t)o->min || n > (uint64_t)o->max) {
            return wt_usage(err, "wrong value '%s' of option '%s': not a whole number from %.0f to %.0f", value, shown,
                            o->min, o->max);
        }
        memcpy(at, &n, sizeof n);
        return 0;
    }
    case WT_OPTION_NUMBER: {
        double x;
        if (!read_number(value, &x) || x < o->min || x > o->max) {
            return wt_usage(err, "wrong value '%s' of option '%s': not a number from %g to %g", value, shown, o->min,
                            o->max);
        }
        memcpy(at, &x, sizeof x);
        return 0;
    }
    case WT_OPTION_LIST: {
        wt_text_list *list = (wt_text_list *)at;
        if (list->count == WT_MOST_VALUES)
            return wt_usage(err, "option '%s' is given more than %d times", shown, WT_MOST_VALUES);
        list->items[list->count++] = value;
        return 0;
    }
    }
    return wt_usage(err, "option '%s' has no kind", shown);
}

/* Finds an option by its name (`len` bytes) or, where `name` is NULL, by its letter; NULL where there is none. */
static const wt_option *find(const wt_option *table, const char *name, size_t len, char letter) {
    for (; table && table->name; table++) {
        if (name ? strlen(table->name) == len && memcmp(table->name, name, len) == 0 : table->letter == letter)
            return table;
    }
    return NULL;
}

static void suggest_option(const wt_command *command, const char *name, wt_error *err) {
    const char *names[64];
    size_t n = 0;
    for (const wt_option *o = command->options; o && o->name && n < 60; o++) names[n++] = o->name;
    for (const wt_option *o = WT_COMMON_OPTIONS; o->name && n < 63; o++) names[n++] = o->name;
    names[n] = NULL;
    const char *near = wt_nearest(name, names);
    if (near)
        wt_hint(err, "did you mean '--%s'? 'wildtype %s --help' lists all options", near, command->name);
    else
        wt_hint(err, "'wildtype %s --help' lists the options", command->name);
}

/* One word that begins with a dash; *i moves on where the value is the next word. */
static wt_parsed parse_option(const wt_command *command, int argc, char **argv, int *i, void *settings, wt_error *err) {
    const char *word = argv[*i];
    char shown[80];
    const char *value = NULL;
    const wt_option *o, *common;
    if (word[1] == '-') {
        const char *name = word + 2, *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        if (equals) value = equals + 1;
        snprintf(shown, sizeof shown, "--%.*s", (int)least(len, 70), name);
        o = find(command->options, name, len, 0);
        common = find(WT_COMMON_OPTIONS, name, len, 0);
    } else {
        if (word[2]) value = word + 2 + (word[2] == '=');
        snprintf(shown, sizeof shown, "-%c", word[1]);
        o = find(command->options, NULL, 0, word[1]);
        common = find(WT_COMMON_OPTIONS, NULL, 0, word[1]);
    }
    if (!o && !common) {
        wt_usage(err, "unknown option '%s' of command '%s'", shown, command->name);
        suggest_option(command, shown + 1 + (shown[1] == '-'), err);
        return WT_PARSED_WRONG;
    }
    if ((o ? o : common)->kind == WT_OPTION_FLAG) {
        if (value) {
            wt_usage(err, "option '%s' takes no value, but got '%s'", shown, value);
            return WT_PARSED_WRONG;
        }
        if (!o) return strcmp(common->name, "help") == 0 ? WT_PARSED_HELP : WT_PARSED_VERSION;
    } else if (!value) {
        const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
        const bool letter = next && next[0] == '-' && next[1] && !next[2] && find(command->options, NULL, 0, next[1]);
        if (!next || strncmp(next, "--", 2) == 0 || letter) {
            wt_usage(err, "option '%s' needs a value: %s", shown, o->value);
            if (next) wt_hint(err, "write --%s=%s if the value begins with dashes", o->name, next);
            return WT_PARSED_WRONG;
        }
        value = next;
        ++*i;
    }
    return store(o, shown, value, settings, err) == 0 ? WT_PARSED_RUN : WT_PARSED_WRONG;
}

wt_parsed wt_command_parse(const wt_command *command, int argc, char **argv, void *settings, wt_error *err) {
    memcpy(settings, command->defaults, command->settings_size);
    const wt_argument *argument = command->arguments;
    bool options = true;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1]) {
            wt_parsed parsed = parse_option(command, argc, argv, &i, settings, err);
            if (parsed != WT_PARSED_RUN) return parsed;
        } else if (argument && argument->name) {
            *(const char **)((char *)settings + argument->offset) = word;
            argument++;
        } else {
            wt_usage(err, "unexpected argument '%s' of command '%s'", word, command->name);
            wt_hint(err, "'wildtype %s --help' shows what it takes; quote a text that has spaces", command->name);
            return WT_PARSED_WRONG;
        }
    }
    return WT_PARSED_RUN;
}
