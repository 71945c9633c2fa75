/*
 * `wildtype inspect`: what is in a model file. Reads metadata and the list of tensors, never their data, so that it is
 * instant on files of any size, works on files that the engine cannot run, and says whether it can.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/report.h"
#include "cli/source.h"

typedef struct settings {
    const char *model;
    bool metadata, json;
} settings;

/* Elements of an array that are shown. */
enum { SHOWN = 8 };

/* What every printing function needs. */
typedef struct view {
    const settings *options;
    const wt_gguf *gguf;
    wt_facts facts;
    wt_share *roles, *types;
    size_t n_roles, n_types;
} view;

static double share_of_file(const view *v, uint64_t bytes) {
    uint64_t all = wt_gguf_file_bytes(v->gguf);
    return all ? (double)bytes / (double)all : 0;
}

static double bits_per_weight(uint64_t bytes, uint64_t parameters) {
    return parameters ? 8.0 * (double)bytes / (double)parameters : 0;
}

static const char *type_name(uint32_t type) {
    const wt_type_info *info = wt_type_find(type);
    return info ? info->name : "?";
}

static void print_text(const char *label, wt_str s, const char *absent) {
    char text[400];
    printf("%-15s %s\n", label, s.data ? wt_printable(text, sizeof text, s.data, s.len) : absent);
}

static void print_fact(const char *label, wt_fact fact) {
    char least[32], most[32];
    if (!fact.known) return;
    printf("%-15s %s", label, wt_format_count(least, fact.least));
    if (fact.most != fact.least) printf(" to %s", wt_format_count(most, fact.most));
}

static void print_fact_line(const char *label, wt_fact fact) {
    print_fact(label, fact);
    if (fact.known) putchar('\n');
}

static void print_summary(const view *v) {
    const wt_facts *f = &v->facts;
    char text[1024], a[32], b[32];
    uint64_t bytes = wt_gguf_file_bytes(v->gguf);
    const char *name = wt_source_name(v->options->model);
    printf("%-15s %s%s\n", "file", wt_printable(text, sizeof text, name, strlen(name)),
           wt_source_is_embedded(v->options->model) ? ", built into the program" : "");
    printf("%-15s GGUF version %u, %s bytes (%s)", "format", wt_gguf_version(v->gguf), wt_format_count(a, bytes),
           wt_format_bytes(b, bytes));
    if (wt_gguf_parts(v->gguf) > 1) printf(" in %d files", wt_gguf_parts(v->gguf));
    putchar('\n');
    print_text("architecture", f->architecture, "not stated");
    if (f->name.data) print_text("name", f->name, "");
    if (wt_gguf_tensor_count(v->gguf) > 0)
        printf("%-15s %s, %.2f bits each\n", "parameters", wt_format_count(a, f->parameters),
               bits_per_weight(f->tensor_bytes, f->parameters));
    else
        printf("%-15s none: there are no tensors in this file\n", "parameters");
    print_fact_line("layers", f->layers);
    print_fact_line("width", f->width);
    print_fact("heads", f->heads);
    if (f->heads.known && f->kv_heads.known) {
        printf(", %s", wt_format_count(a, f->kv_heads.least));
        if (f->kv_heads.most != f->kv_heads.least) printf(" to %s", wt_format_count(a, f->kv_heads.most));
        printf(" of keys and values");
    }
    if (f->heads.known) putchar('\n');
    print_fact_line("ffn", f->ffn);
    print_fact_line("experts", f->experts);
    print_fact_line("vocabulary", f->vocabulary);
    print_fact_line("context", f->context);
    printf("%-15s %s", "tokenizer",
           f->tokenizer.data ? wt_printable(text, sizeof text, f->tokenizer.data, f->tokenizer.len) : "none");
    if (f->pre.data) printf(", %s", wt_printable(text, sizeof text, f->pre.data, f->pre.len));
    if (f->bos.known) printf(", BOS %" PRIu64, f->bos.least);
    if (f->eos.known) printf(", EOS %" PRIu64, f->eos.least);
    printf("\n%-15s %s", "runs here", f->engine_gap ? "no: " : "yes");
    printf("%s\n", f->engine_gap ? wt_printable(text, sizeof text, f->engine_gap, strlen(f->engine_gap)) : "");
}

/* "256 x 4,096": the contiguous dimension first, as the file has it. */
static void format_shape(char *text, size_t size, const wt_tensor *t) {
    char count[32];
    int n = 0;
    for (uint32_t d = 0; d < t->n_dims; d++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", d ? " x " : "", wt_format_count(count, t->dims[d]));
}

static void print_tensors(const view *v) {
    size_t n = wt_gguf_tensor_count(v->gguf), longest = 6;
    char name[512], shape[160], count[32];
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(wt_gguf_tensor(v->gguf, i)->name);
        if (len > longest) longest = len > 48 ? 48 : len;
    }
    if (n)
        printf("\n%-*s  %-19s  %-7s %15s  %11s  %6s\n", (int)longest, "tensor", "shape", "type", "bytes", "bits/weight",
               "share");
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(v->gguf, i);
        format_shape(shape, sizeof shape, t);
        printf("%-*s  %-19s  %-7s %15s  %11.3f  %5.1f%%\n", (int)longest,
               wt_printable(name, sizeof name, t->name, strlen(t->name)), shape, type_name(t->type),
               wt_format_count(count, t->bytes), bits_per_weight(t->bytes, t->dims[0] * t->rows),
               100 * share_of_file(v, t->bytes));
    }
}

static void print_share(const view *v, const wt_share *s, const char *label, const char *type) {
    char parameters[32], bytes[32];
    printf("%-24s  %-7s %7" PRIu64 "  %15s %15s  %11.3f  %5.1f%%\n", label, type, s->tensors,
           wt_format_count(parameters, s->parameters), wt_format_count(bytes, s->bytes),
           bits_per_weight(s->bytes, s->parameters), 100 * share_of_file(v, s->bytes));
}

static void print_shares(const view *v) {
    static const char HEAD[] = "\n%-24s  %-7s %7s  %15s %15s  %11s  %6s\n";
    char name[256], bytes[32];
    uint64_t rest = wt_gguf_file_bytes(v->gguf) - v->facts.tensor_bytes;
    if (v->n_roles) printf(HEAD, "role", "type", "tensors", "parameters", "bytes", "bits/weight", "share");
    for (size_t i = 0; i < v->n_roles; i++) {
        const wt_share *s = &v->roles[i];
        print_share(v, s, wt_printable(name, sizeof name, s->role, s->role_len), type_name(s->type));
    }
    printf(HEAD, "all roles", "type", "tensors", "parameters", "bytes", "bits/weight", "share");
    for (size_t i = 0; i < v->n_types; i++) print_share(v, &v->types[i], "", type_name(v->types[i].type));
    printf("%-24s  %-7s %7s  %15s %15s  %11s  %5.1f%%\n", "metadata and padding", "", "", "",
           wt_format_count(bytes, rest), "", 100 * share_of_file(v, rest));
}

static const char *kv_type_name(wt_kv_type t) {
    static const char *const NAMES[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)t < sizeof NAMES / sizeof *NAMES ? NAMES[t] : "?";
}

/* Element i of a number, truth value or array of them as JSON. */
static json_t *number_json(const wt_kv *kv, uint64_t i) {
    wt_kv_type t = kv->type == WT_KV_ARRAY ? kv->element : kv->type;
    if (t == WT_KV_BOOL) return json_boolean(wt_kv_integer(kv, i) != 0);
    if (t == WT_KV_F32 || t == WT_KV_F64) return wt_json_real(wt_kv_number(kv, i));
    if (t == WT_KV_U64 && wt_kv_integer(kv, i) == INT64_MAX) return wt_json_real(wt_kv_number(kv, i));
    return json_integer(wt_kv_integer(kv, i));
}

/* An entry's value; of an array the first SHOWN elements. NULL where memory is out. */
static json_t *value_json(const wt_kv *kv) {
    bool array = kv->type == WT_KV_ARRAY, strings = (array ? kv->element : kv->type) == WT_KV_STRING;
    uint64_t shown = array && kv->count > SHOWN ? SHOWN : kv->count;
    wt_str *texts = NULL;
    if (strings) {
        texts = wt_calloc((size_t)kv->count + 1, sizeof *texts, NULL);
        if (!texts) return NULL;
        wt_kv_strings(kv, texts);
    }
    json_t *list = json_array();
    for (uint64_t i = 0; i < shown; i++)
        json_array_append_new(list, strings ? wt_json_text(texts[i].data, texts[i].len) : number_json(kv, i));
    free(texts);
    if (array) return list;
    json_t *one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

static int print_metadata(const view *v, wt_error *err) {
    char key[256], text[1024], count[32];
    printf("\n%zu metadata entries\n", wt_gguf_kv_count(v->gguf));
    for (size_t i = 0; i < wt_gguf_kv_count(v->gguf); i++) {
        const wt_kv *kv = wt_gguf_kv(v->gguf, i);
        json_t *value = value_json(kv);
        char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
        json_decref(value);
        if (!dumped) return wt_fail(err, WT_ERR_MEMORY, "cannot show the metadata: out of memory");
        printf("%-42s %-7s ", wt_printable(key, sizeof key, kv->key, strlen(kv->key)),
               kv_type_name(kv->type == WT_KV_ARRAY ? kv->element : kv->type));
        size_t len = strlen(dumped);
        printf("%s%s", wt_printable(text, sizeof text, dumped, len > 300 ? 300 : len), len > 300 ? "..." : "");
        if (kv->type == WT_KV_ARRAY)
            printf("%s %s in all", kv->count > SHOWN ? " ..." : "", wt_format_count(count, kv->count));
        putchar('\n');
        free(dumped);
    }
    return 0;
}

static json_t *fact_json(wt_fact fact) {
    if (!fact.known) return json_null();
    if (fact.least == fact.most) return json_integer((json_int_t)fact.most);
    return json_pack("[II]", (json_int_t)fact.least, (json_int_t)fact.most);
}

static json_t *text_json(wt_str s) { return s.data ? wt_json_text(s.data, s.len) : json_null(); }

static json_t *tensors_json(const view *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < wt_gguf_tensor_count(v->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(v->gguf, i);
        json_t *shape = json_array();
        for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s, s:I, s:f, s:f}", "name", wt_json_text(t->name, strlen(t->name)), "shape",
                            shape, "type", type_name(t->type), "bytes", (json_int_t)t->bytes, "bits_per_weight",
                            bits_per_weight(t->bytes, t->dims[0] * t->rows), "share", share_of_file(v, t->bytes)));
    }
    return list;
}

static json_t *shares_json(const view *v, const wt_share *shares, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const wt_share *s = &shares[i];
        json_t *row = json_object();
        if (s->role_len) json_object_set_new(row, "role", wt_json_text(s->role, s->role_len));
        json_object_set_new(row, "type", json_string(type_name(s->type)));
        json_object_set_new(row, "tensors", json_integer((json_int_t)s->tensors));
        json_object_set_new(row, "parameters", json_integer((json_int_t)s->parameters));
        json_object_set_new(row, "bytes", json_integer((json_int_t)s->bytes));
        json_object_set_new(row, "bits_per_weight", json_real(bits_per_weight(s->bytes, s->parameters)));
        json_object_set_new(row, "share", json_real(share_of_file(v, s->bytes)));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *metadata_json(const view *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < wt_gguf_kv_count(v->gguf); i++) {
        const wt_kv *kv = wt_gguf_kv(v->gguf, i);
        bool array = kv->type == WT_KV_ARRAY;
        json_t *row = json_object();
        json_object_set_new(row, "key", wt_json_text(kv->key, strlen(kv->key)));
        json_object_set_new(row, "type", json_string(kv_type_name(kv->type)));
        if (array) json_object_set_new(row, "element", json_string(kv_type_name(kv->element)));
        if (array) json_object_set_new(row, "count", json_integer((json_int_t)kv->count));
        json_object_set_new(row, array ? "first" : "value", value_json(kv));
        json_array_append_new(list, row);
    }
    return list;
}

static int print_json(const view *v, wt_error *err) {
    const wt_facts *f = &v->facts;
    const char *name = wt_source_name(v->options->model);
    json_t *root = json_object();
    json_object_set_new(root, "model", wt_json_text(name, strlen(name)));
    json_object_set_new(root, "bytes", json_integer((json_int_t)wt_gguf_file_bytes(v->gguf)));
    json_object_set_new(root, "files", json_integer(wt_gguf_parts(v->gguf)));
    json_object_set_new(root, "version", json_integer(wt_gguf_version(v->gguf)));
    json_object_set_new(root, "alignment", json_integer(wt_gguf_alignment(v->gguf)));
    json_object_set_new(root, "architecture", text_json(f->architecture));
    json_object_set_new(root, "name", text_json(f->name));
    json_object_set_new(root, "parameters", json_integer((json_int_t)f->parameters));
    json_object_set_new(root, "bits_per_weight", json_real(bits_per_weight(f->tensor_bytes, f->parameters)));
    json_object_set_new(root, "layers", fact_json(f->layers));
    json_object_set_new(root, "width", fact_json(f->width));
    json_object_set_new(root, "heads", fact_json(f->heads));
    json_object_set_new(root, "kv_heads", fact_json(f->kv_heads));
    json_object_set_new(root, "ffn", fact_json(f->ffn));
    json_object_set_new(root, "experts", fact_json(f->experts));
    json_object_set_new(root, "vocabulary", fact_json(f->vocabulary));
    json_object_set_new(root, "context", fact_json(f->context));
    json_object_set_new(root, "tokenizer",
                        json_pack("{s:o, s:o, s:o, s:o}", "model", text_json(f->tokenizer), "pre", text_json(f->pre),
                                  "bos", fact_json(f->bos), "eos", fact_json(f->eos)));
    json_object_set_new(root, "runs", json_boolean(!f->engine_gap));
    json_object_set_new(root, "runs_why_not",
                        f->engine_gap ? wt_json_text(f->engine_gap, strlen(f->engine_gap)) : json_null());
    if (v->options->metadata) json_object_set_new(root, "metadata", metadata_json(v));
    json_object_set_new(root, "tensors", tensors_json(v));
    json_object_set_new(root, "roles", shares_json(v, v->roles, v->n_roles));
    json_object_set_new(root, "types", shares_json(v, v->types, v->n_types));
    return wt_json_print(root, err);
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    view v = {.options = s};
    int rc = -1;
    wt_gguf *gguf = wt_source_open(s->model, err);
    if (!gguf) return WT_EXIT_FAILED;
    v.gguf = gguf;
    wt_facts_read(&v.facts, gguf);
    if (wt_shares_sum(gguf, &v.roles, &v.n_roles, &v.types, &v.n_types, err) != 0) goto done;
    if (s->json) {
        rc = print_json(&v, err);
    } else {
        print_summary(&v);
        print_tensors(&v);
        print_shares(&v);
        rc = s->metadata ? print_metadata(&v, err) : 0;
    }
done:
    free(v.roles);
    free(v.types);
    wt_gguf_close(gguf);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model),
     "A GGUF file, or any part of a split one; 'seedling', the model that is built in, where left out."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "metadata",
     .letter = 'm',
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, metadata),
     .help = "Lists the metadata entries too; of an array its first elements."},
    {.name = "json",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, json),
     .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype inspect", "Shows the model that is built in."},
    {"wildtype inspect Qwen3-8B-Q4_K_M.gguf", "Shows sizes, every tensor, and where the bytes are."},
    {"wildtype inspect --json model.gguf", "The same for a program."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_INSPECT = {
    .name = "inspect",
    .summary = "show what is in a model file",
    .synopsis = "[MODEL] [--metadata] [--json]",
    .description =
        "Shows a model's architecture, sizes, context and tokenizer, a table of its tensors with shape, type, bytes "
        "and "
        "bits per weight, and the share of the file that each role and each type has.\n"
        "\n"
        "Works on every readable GGUF file: vocabularies without weights, split files, architectures and types that "
        "this build cannot run; the line 'runs here' says whether it can. The first number of a shape is the "
        "contiguous "
        "dimension. No weights are read, so it is instant on a file of any size.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
