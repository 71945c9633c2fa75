# Budgets: so many evaluations are so many, not a generation more; a clock ends a run in the middle of a generation, and the count that the summary
# names, without a clock, ends it with the same survivors; the run itself, gone through again, ends there too. Presets are the largest ones within
# the size, and only some of them.
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
${2:-humans: absent}
END
}
query() { "$CLI_SQL" "$1/run.db" "$2"; }
measured() { query "$1" "SELECT count(DISTINCT s.name || s.budget) FROM score s JOIN individual i USING (name) WHERE part = 'search' AND kind = '$2'"; }
digest() { (cd "$1" && for f in *.gguf *.strategy; do echo "$f $(cksum <"$f")"; done && grep -v '"seconds"\|"ended"' summary.json); }

# ---- evaluations ----
for n in 1 7 14; do # less than the first generation has, and one between two
    rules "evaluations: $n, minutes: 0"
    wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/n$n"
    expect_status 0
    expect_equal "individuals measured of $n" "$n" "$(measured "$scratch/n$n" evolved)"
    expect_equal "why it ended" 'evaluations spent' "$("$CLI_JSON" "$scratch/n$n/summary.json" ended)"
done

# ---- a clock ----
rules 'minutes: 0.0001'
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/first"
expect_status 0
expect_equal 'nobody but the first' 1 "$(measured "$scratch/first" evolved)"
# a clock that ends in the middle of the first generation, wherever that is on this machine; not all of it can be over in a second
rules 'minutes: 0.02'
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/clock"
expect_status 0
expect_equal "why it ended" 'minutes spent' "$("$CLI_JSON" "$scratch/clock/summary.json" ended)"
count=$(query "$scratch/clock" "SELECT value FROM meta WHERE key = 'repeat_evaluations'")
expect_equal 'what the summary counts' "$count" "$(measured "$scratch/clock" evolved)"
digest "$scratch/clock" >"$scratch/expected"
wt evolve --resume "$scratch/clock" --quiet
expect_status 0
digest "$scratch/clock" | cmp -s "$scratch/expected" - || fail 'a run that a clock ended ends elsewhere when it is gone through again'
rules "evaluations: $count, minutes: 0"
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/repeated"
expect_status 0
digest "$scratch/repeated" | cmp -s "$scratch/expected" - || fail "$count evaluations give other survivors than the clock did: $(digest "$scratch/repeated" | diff "$scratch/expected" - | head -20)"
# given more, it goes on
wt evolve --resume "$scratch/clock" --evaluations $((count + 2)) --quiet
expect_status 0
expect_equal 'individuals measured in all' $((count + 2)) "$(measured "$scratch/clock" evolved)"

# ---- humans ----
rules 'evaluations: 2, minutes: 0' 'presets: 2'
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/humans"
expect_status 0
expect_equal 'humans are no evaluations' 2 "$(measured "$scratch/humans" evolved)"
labels=$(query "$scratch/humans" "SELECT group_concat(label, ' ') FROM (SELECT DISTINCT label, i.bytes FROM individual i JOIN score s USING (name) WHERE kind = 'human' ORDER BY i.bytes DESC)")
expect_equal 'humans' 4 "$(echo "$labels" | wc -w)"
size=$(query "$scratch/humans" "SELECT max(budget) FROM individual")
largest=$(query "$scratch/humans" "SELECT group_concat(label, ' ') FROM (SELECT label FROM individual WHERE kind = 'human' AND budget = 0 AND cause = '' AND bytes <= $size ORDER BY bytes DESC, id LIMIT 2)")
for preset in $largest; do
    case " $labels " in *" $preset "*) ;; *) fail "$preset, one of the two largest within $size bytes, was not measured: $labels" ;; esac
done
# of a clock's first third, they get at least one
rules 'minutes: 0.0001' 'presets: 2'
wt evolve --rules "$scratch/rules.yaml" --quiet -o "$scratch/hurried"
expect_status 0
expect_equal 'humans of a run without time' 1 "$(measured "$scratch/hurried" human)"
finish
