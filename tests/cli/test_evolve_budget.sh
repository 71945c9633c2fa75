# Budgets: so many evaluations are so many, not a generation more, and at least one; a clock ends a run in the middle of a generation, and the
# count that the summary names, without a clock, ends it with the same survivors; the run itself, gone through again, ends there too, with the same
# humans. Presets are the largest ones within the size, and only some of them.
. "$(dirname "$0")/lib.sh"
cat "$SOURCE"/docs/architecture.md "$SOURCE"/CONTRIBUTING.md "$SOURCE"/docs/store.md >"$scratch/text"

rules() { # budget, further lines
    cat >"$scratch/rules.yaml" <<END
text: {file: text, context: 32, calibrate_chunks: 4, search_chunks: 4, holdout_chunks: 3}
types: [Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_0]
population: 3
offspring: 4
race: {block: 2}
budget: {$1}
survivors: 2
seed: 5
smaller: 0.5
${2:-humans: absent}
END
}
query() { "$CLI_SQL" "$1/run.db" "$2"; }
measured() { query "$1" "SELECT count(DISTINCT s.name || s.budget) FROM score s JOIN individual i USING (name) WHERE part = 'search' AND kind = '$2'"; }
digest() { (cd "$1" && for f in *.gguf *.strategy; do echo "$f $(cksum <"$f")"; done && grep -v '"seconds"\|"ended"' summary.json); }
expect_same() { # folder, what
    checks=$((checks + 1))
    digest "$1" >"$scratch/digest"
    cmp -s "$scratch/expected" "$scratch/digest" || fail "$2: $(diff "$scratch/expected" "$scratch/digest" | head -20)"
}

# ---- evaluations ----
for n in 1 3 7; do # fewer than the first generation has; half of the children are made for less and survive nothing
    rules "evaluations: $n, minutes: 0"
    wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/n$n"
    expect_status 0
    expect_equal "individuals measured of $n" "$n" "$(measured "$scratch/n$n" evolved)"
    expect_equal 'why it ended' 'evaluations spent' "$("$CLI_JSON" "$scratch/n$n/summary.json" ended)"
done
# given more, it goes on in the middle, and is what it would have been
wt evolve --resume "$scratch/n3" --evaluations 7 --quiet
expect_status 0
digest "$scratch/n7" >"$scratch/expected"
expect_same "$scratch/n3" 'three evaluations and then four more are not seven'
expect_equal 'evaluations of the generation that went on' 7 "$(query "$scratch/n3" 'SELECT max(evaluations) FROM generation')"

# ---- a clock ----
# wherever it ends on this machine: with the first, in the middle of a generation, or between two
for minutes in 0.0001 0.03; do
    rules "minutes: $minutes" 'presets: 1'
    run=$scratch/clock-$minutes
    wt evolve --rules "$scratch/rules.yaml" --quiet -o "$run"
    expect_status 0
    expect_equal 'why it ended' 'minutes spent' "$("$CLI_JSON" "$run/summary.json" ended)"
    count=$(query "$run" "SELECT value FROM meta WHERE key = 'repeat_evaluations'")
    expect_equal 'what the summary counts' "$count" $(($(measured "$run" evolved) + $(measured "$run" human)))
    expect_equal 'humans' 3 "$(measured "$run" human)"
    digest "$run" >"$scratch/expected"
    wt evolve --resume "$run" --quiet
    expect_status 0
    expect_same "$run" 'a run that a clock ended ends elsewhere when it is gone through again'
    rules "evaluations: $count, minutes: 0" 'presets: 1'
    query "$run" "SELECT value FROM meta WHERE key = 'decided'" | sed 's/, /\n/g' >>"$scratch/rules.yaml" # as its summary says
    wt evolve --rules "$scratch/rules.yaml" --quiet -o "$run-repeated"
    expect_status 0
    expect_same "$run-repeated" "$count evaluations are not what the clock gave"
done
# no more are planned than there may be time for, and such a run goes on with as many
expect_equal 'what the clock decided' 'feedback: absent, first: 2' "$(query "$scratch/clock-0.0001" "SELECT value FROM meta WHERE key = 'decided'")"
born=$(query "$scratch/clock-0.0001" "SELECT count(*) FROM individual WHERE kind = 'evolved'")
expect_number 'children of the first generation: two, or more until one can race' "$born >= 2 && $born < 12"
expect_equal 'of them those who can race' 1 "$(query "$scratch/clock-0.0001" "SELECT count(*) >= 1 AND ($born = 2 OR count(*) = 1) FROM individual WHERE kind = 'evolved' AND cause = '' AND budget = (SELECT max(budget) FROM individual)")"
expect_equal 'the first generation of a run without a clock' 12 "$(query "$scratch/n7" "SELECT count(*) FROM individual WHERE generation = 0 AND kind = 'evolved'")"
expect_equal 'nobody but the first, and humans' 4 "$(query "$scratch/clock-0.0001" "SELECT value FROM meta WHERE key = 'repeat_evaluations'")"
wt evolve --resume "$run" --evaluations $((count + 2)) --quiet
expect_status 0
expect_equal 'individuals measured in all' $((count + 2)) $(($(measured "$run" evolved) + $(measured "$run" human)))
query "$run" "SELECT value FROM meta WHERE key = 'decided'" >"$scratch/decided"
rules "evaluations: $((count + 2)), minutes: 0" 'presets: 1'
sed 's/, /\n/g' "$scratch/decided" >>"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/longer"
digest "$scratch/longer" >"$scratch/expected"
expect_same "$run" 'a run that a clock ended and that got more is not what it would have been'

# ---- humans ----
rules 'evaluations: 6, minutes: 0' 'presets: 2'
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/humans"
expect_status 0
expect_equal 'humans are evaluations' 2 "$(measured "$scratch/humans" evolved)"
expect_equal 'humans' 4 "$(measured "$scratch/humans" human)"
size=$(query "$scratch/humans" "SELECT max(budget) FROM individual")
for preset in $(query "$scratch/humans" "SELECT name FROM individual WHERE kind = 'human' AND budget = 0 AND cause = '' AND bytes <= $size ORDER BY bytes DESC, id LIMIT 2"); do
    expect_equal "whether preset $preset, of the two largest, was measured" 1 "$(query "$scratch/humans" "SELECT count(DISTINCT name) FROM score WHERE name = '$preset'")"
done
finish
