#include "survive/rules_table.h"

#include <string.h>

static const char *const RUNTIMES[] = {"llama.cpp-cpu", "exact", NULL};
static const char *const SELECTIONS[] = {"pareto", "lexicase", "score", NULL};
static const char *const FEEDBACK[] = {"auto", "allowed", "absent", NULL};
static const char *const HUMANS[] = {"compete", "breed", "absent", NULL};

#define AT(member) offsetof(wt_rules, member)
#define MANY 1e12

static const wt_rule_key KEYS[] = {
    {"text", "file", WT_KEY_TEXT, AT(text), 0, 0, NULL,
     "The text that everything is measured on, like those the model is for. Empty: the model writes its own from its beginning, which needs "
     "nothing at hand and is like what it was trained on."},
    {"text", "holdout_file", WT_KEY_TEXT, AT(holdout_text), 0, 0, NULL,
     "Another text for the verdict. Empty: the last part of the text. A text that shares passages with the first is refused."},
    {"text", "other_file", WT_KEY_TEXT, AT(other_text), 0, 0, NULL,
     "A text of another kind, for the axis kld_other: whether what was found holds away from the text that it was found on. None: nobody asks."},
    {"text", "calibrate", WT_KEY_NUMBER, AT(calibrate), 0.01, 0.98, NULL,
     "The share of the text, from its beginning, that statistics come from. Half: Gram matrices want many tokens."},
    {"text", "search", WT_KEY_NUMBER, AT(search), 0.01, 0.98, NULL, "The share behind it that strategies compete on."},
    {"text", "holdout", WT_KEY_NUMBER, AT(holdout), 0.01, 0.98, NULL,
     "The share at the end that nobody looks at before the verdict."},
    {"text", "own", WT_KEY_NUMBER, AT(own), 0, 0.9, NULL,
     "The share of the chunks, those of the holdout apart, that the model writes itself in place of the text's: what is chosen on one author's text alone "
     "fits that author. 0: none, for a model that is to serve texts like this one only."},
    {"text", "context", WT_KEY_COUNT, AT(context), 0, 1 << 24, NULL,
     "Tokens of a chunk. 0: what the model was trained for, at most 512."},
    {"text", "calibrate_chunks", WT_KEY_COUNT, AT(calibrate_chunks), 1, MANY, NULL,
     "At most so many chunks of that part are used."},
    {"text", "search_chunks", WT_KEY_COUNT, AT(search_chunks), 2, MANY, NULL,
     "At most so many. More separate close rivals, and each evaluation takes longer."},
    {"text", "playoff", WT_KEY_NUMBER, AT(playoff), 0, 1000, NULL,
     "Before the verdict the last generation is measured on so many times the search's chunks more, later ones of the same part of the text, and its "
     "order follows from both: the best of many on few chunks are the luckiest too. A short text has a shorter play-off, one that the model writes "
     "itself has none. 0: none."},
    {"text", "holdout_chunks", WT_KEY_COUNT, AT(holdout_chunks), 2, MANY, NULL,
     "At most so many. More make the verdict's intervals narrower."},
    {"text", "final_chunks", WT_KEY_COUNT, AT(final_chunks), 1, MANY, NULL,
     "At most so many chunks of each text that finalists alone are measured on: kld_half, kld_full, kld_other. Few: chunks of the whole training "
     "context are long."},
    {"", "tasks", WT_KEY_TEXT, AT(tasks), 0, 0, NULL,
     "A file of multiple-choice tasks, as HellaSwag's six lines a task (context, number of the right ending, four endings), for the axes tasks and flips. "
     "None: nobody asks."},
    {"", "commands", WT_KEY_COMMANDS, 0, 0, 0, NULL,
     "Outside commands, each an axis of its name: a list of {name, command, better, seconds, shell}. They run only with --allow-commands, as rules "
     "may come from somebody else."},
    {"", "runtime", WT_KEY_CHOICE, AT(runtime), 0, 0, RUNTIMES,
     "Whose rounding of activations is simulated. llama.cpp-cpu: 8-bit blocks, as people run models; exact: none."},
    {"", "constraints", WT_KEY_CONSTRAINTS, 0, 0, 0, NULL,
     "What a survivor must meet: a list of {axis, min, max}. bytes is the size that strategies are made for; sizes may have units."},
    {"", "axes", WT_KEY_AXES, 0, 0, 0, NULL,
     "What is valued: a list of {axis, weight}; the first one is what races compare. None: kld alone, the mean divergence."},
    {"", "types", WT_KEY_TYPES, 0, 0, 0, NULL,
     "The block types that strategies may use. None: all that llama.cpp has known for long."},
    {"", "feedback", WT_KEY_CHOICE, AT(feedback), 0, 0, FEEDBACK,
     "Error feedback in strategies: allowed, absent (humans keep theirs), or auto: absent where fewer than four evaluations with it fit into the "
     "budget's minutes. It is what gains most, and it takes time that grows with the weights times their columns: on models of billions of weights "
     "most of an evaluation, as the note before a run says."},
    {"", "memory_context", WT_KEY_COUNT, AT(memory_context), 0, MANY, NULL,
     "Tokens for which memory counts the cache of keys and values. 0: what the model was trained for."},
    {"", "max_memory", WT_KEY_SIZE, AT(max_memory), 0, 0, NULL,
     "Memory that this program may use, in bytes or with a unit. 0: half of what is free when it starts."},
    {"", "population", WT_KEY_COUNT, AT(population), 1, 10000, NULL,
     "Who stays from one generation to the next. Few: a run has hundreds of evaluations."},
    {"", "offspring", WT_KEY_COUNT, AT(offspring), 1, 100000, NULL,
     "Children of a generation: most are sent home after a few chunks."},
    {"", "first", WT_KEY_COUNT, AT(first), 0, 100000, NULL,
     "Children of the first generation. 0: three times the offspring, or population and offspring together, or as many as half of the budget's minutes "
     "are enough for, to plan and to measure; and more than that where none of them can be measured."},
    {"", "selection", WT_KEY_CHOICE, AT(selection), 0, 0, SELECTIONS,
     "Who stays: pareto (non-domination with crowding), lexicase (chunk by chunk, in a random order), score (a weighted sum)."},
    {"", "humans", WT_KEY_CHOICE, AT(humans), 0, 0, HUMANS,
     "Hand-made presets and methods of about the size: compete (measured, but without children), breed, or absent."},
    {"", "presets", WT_KEY_COUNT, AT(presets), 0, 1000, NULL,
     "So many presets take part besides the methods, those of most bytes within the size: smaller ones tell less, and each takes as long as anybody."},
    {"", "species", WT_KEY_SPECIES, 0, 0, 0, NULL,
     "rule: types come from rules that work on any model; pinned: a type for each tensor, which works on this architecture alone."},
    {"", "smaller", WT_KEY_NUMBER, AT(smaller), 0, 0.9, NULL,
     "The share of children that are made for less than the size, so that the run can answer other budgets later."},
    {"race", "level", WT_KEY_NUMBER, AT(level), 1e-6, 0.5, NULL,
     "How often a race may lose its best, over all rivals and looks."},
    {"race", "block", WT_KEY_COUNT, AT(race_block), 1, MANY, NULL, "Chunks between two looks."},
    {"budget", "evaluations", WT_KEY_COUNT, AT(evaluations), 0, MANY, NULL,
     "The search ends after so many individuals were measured, humans among them, and never before a first child. 0: no such end. A run by evaluations or tokens repeats to the byte."},
    {"budget", "tokens", WT_KEY_COUNT, AT(tokens), 0, 1e18, NULL,
     "Or after so many tokens went through the model. 0: no such end."},
    {"budget", "minutes", WT_KEY_NUMBER, AT(minutes), 0, 1e9, NULL,
     "Or after so many minutes, before the next individual is measured; the verdict comes on top. 0: no such end."},
    {"budget", "patience", WT_KEY_COUNT, AT(patience), 0, MANY, NULL,
     "Or after so many generations without progress. 0: no such end."},
    {"", "survivors", WT_KEY_COUNT, AT(survivors), 1, 1000, NULL, "At most so many survivors become files."},
    {"", "seed", WT_KEY_COUNT, AT(seed), 0, 9007199254740992.0, NULL, "Everything that is drawn comes from it."},
};

const wt_rule_key *wt_rule_key_at(size_t i) { return i < sizeof KEYS / sizeof *KEYS ? &KEYS[i] : NULL; }

const wt_rule_key *wt_rule_key_find(const char *section, const char *key) {
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        if (strcmp(KEYS[i].section, section) == 0 && strcmp(KEYS[i].key, key) == 0) return &KEYS[i];
    return NULL;
}

bool wt_rule_section_exists(const char *section) {
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        if (section[0] && strcmp(KEYS[i].section, section) == 0) return true;
    return false;
}
