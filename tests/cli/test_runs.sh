# A run and what can be asked of it afterwards: runs, show, pick, export, explain; the disk full in its middle; what is refused.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache
run=$scratch/run

# Small types, few chunks: seconds. The size has room for one preset.
cat >"$scratch/rules.yaml" <<'END'
text: {context: 64, calibrate_chunks: 6, search_chunks: 6, holdout_chunks: 3}
constraints: [{axis: bytes, max: 950000}]
types: [TQ1_0, TQ2_0, Q4_0, Q8_0]
population: 3
offspring: 4
race: {block: 3}
budget: {evaluations: 12, minutes: 0}
survivors: 2
smaller: 0.3
END

# The first generation is there when the disk becomes full: it stops, says so, and goes on later.
wait_for_generation() {
    local i
    for i in $(seq 600); do
        "$WILDTYPE" runs "$run" --json >"$out" 2>/dev/null && [ "$(json runs.0.generations 2>/dev/null)" = 1 ] && return 0
        kill -0 "$process" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
command='wildtype evolve (no space left)'
(
    trap '' XFSZ
    exec "$WILDTYPE" evolve --rules "$scratch/rules.yaml" -o "$run"
) </dev/null >"$scratch/first.out" 2>"$scratch/first.err" &
process=$!
if command -v prlimit >/dev/null && wait_for_generation; then
    expect_equal 'running' true "$(json runs.0.running)"
    wt evolve --resume "$run"
    expect_error "cannot write to '$run': process $process is running it"
    wt show "$run"
    expect_status 0
    expect_out 'running'
    prlimit --fsize=4096 --pid "$process"
fi
wait "$process"
status=$?
cp "$scratch/first.out" "$out"
cp "$scratch/first.err" "$err"
checks=$((checks + 1))
[ $status = 0 ] || { expect_status 1 && expect_silent out && grep -q '^wildtype: cannot write' "$err"; } || fail 'neither done nor stopped as it should be'
expect_err '^note: memory: at least'
wt evolve --resume "$run"
expect_status 0
expect_out 'divergence of'
expect_equal 'model' seedling "$("$CLI_STORE" "$run" model)"

# Every key of what was printed last is explained in docs/json.md.
documented() {
    local key
    expect_json
    for key in $(json --keys "$@"); do
        grep -qE "^\| \`$key\` \||^Also .*\`$key\`|^\`.*\`$key\`" "$SOURCE/docs/json.md" || fail "docs/json.md does not explain the key $key"
        checks=$((checks + 1))
    done
}

# ---- runs ----
wt runs "$scratch"
expect_status 0
expect_out "^$run +seedling +927.73 KiB +evaluations spent +[0-9]+ +[0-9]+ "
wt runs "$scratch" --json
documented
documented runs.0
expect_equal 'runs' 1 "$(json --count runs)"
expect_equal 'size' 950000 "$(json runs.0.size)"
expect_equal 'running' false "$(json runs.0.running)"
survivor_kld=$(json runs.0.survivor_kld)
name=$(json runs.0.survivor)
mkdir "$scratch/none" "$scratch/broken"
wt runs "$scratch/none"
expect_status 0
expect_out '^no runs below'
echo 'no database' >"$scratch/broken/run.db"
wt runs "$scratch/broken"
expect_status 0
expect_out 'cannot'
wt runs "$scratch/nowhere"
expect_error ".*nowhere"

# ---- show ----
wt show "$run"
expect_status 0
expect_out "^survivor +$name"
expect_out '^human +IQ1_S'
expect_out '^best '
wt show "$run" --json
for part in '' verdicts.0 best.0 generations.0; do documented $part; done
expect_equal 'the first verdict' "survivor $name" "$(json verdicts.0.role) $(json verdicts.0.name)"
expect_equal 'its divergence' "$survivor_kld" "$(json verdicts.0.kld_mean)"
expect_equal 'that of summary.json' "$survivor_kld" "$("$CLI_JSON" "$run/summary.json" survivors.0.kld_mean)"
wt show "$run" "${name:0:6}"
expect_status 0
expect_out "^name +$name"
expect_out '^holdout '
expect_out "^strategy \"$name\""
expect_out '^plan'
wt show "$run" "$name" --json
documented
expect_equal 'text' "$(cat "$run/$name.strategy")" "$(json text)"
expect_equal 'bytes' "$(stat -c %s "$run/$name.gguf")" "$(json bytes)"
cp "$out" "$scratch/individual"
wt show "$run" iq1_s
expect_status 0
expect_out 'human IQ1_S'
# Its plan is what is in the file.
wt inspect "$run/$name.gguf" --json
expect_equal 'the type of a tensor' "$("$CLI_JSON" "$scratch/individual" plan | sed 's/.*"blk.1.ffn_up.weight":"\([^"]*\)".*/\1/')" \
    "$(tr -d '\n ' <"$out" | sed 's/.*"name":"blk.1.ffn_up.weight","shape":[^]]*\],"type":"\([^"]*\)".*/\1/')"
wt show "$run" nobody
expect_error "the run has no individual 'nobody'"
wt show "$run" ''
expect_error "the run has no individual ''"
wt show "$scratch/none"
expect_error "there is no run in '$scratch/none'"
wt show "$scratch/broken"
expect_error "cannot .*'$scratch/broken/run.db'"
wt show
expect_usage_error 'which run is not said'

# ---- export ----
for file in "$run"/*.gguf; do
    each=$(basename "$file" .gguf)
    wt export "$run" "$each" -o "$scratch/again.gguf" --threads 1
    expect_status 0
    cmp "$file" "$scratch/again.gguf" >"$err" 2>&1 || fail "the export of $each differs from what evolve wrote"
    checks=$((checks + 1))
done
wt export "$run" IQ1_S -o "$scratch/human.gguf" --model "$seedling"
expect_status 0
wt inspect "$scratch/human.gguf"
expect_status 0
expect_out 'IQ1_S'
wt export "$run" IQ1_S
expect_usage_error 'where to write is not said'
wt export "$run" IQ1_S -o "$scratch/nowhere/x.gguf"
expect_error ".*nowhere"
wt export "$run" IQ1_S -o "$scratch/x.gguf" --model "$scratch/human.gguf"
expect_error "cannot use the run in '$run': it was begun with another model"

# ---- pick ----
wt pick "$run" --size 950000 --json
documented
expect_number 'bytes' "$(json bytes) <= 950000"
best=$(json kld_mean)
wt show "$run" --json
expect_equal 'the best of all is picked' "$(json best.0.kld_mean)" "$best"
wt pick "$run" --size 800KB --json -o "$scratch/picked.gguf"
expect_json
expect_number 'bytes' "$(json bytes) <= 800000"
expect_equal 'the file' "$(json bytes)" "$(stat -c %s "$scratch/picked.gguf")"
expect_number 'not better than the best' "$(json kld_mean) >= $best"
wt pick "$run" --max-kld 1e6 --json
expect_json
expect_number 'the smallest' "$(json bytes) <= $(stat -c %s "$scratch/picked.gguf")"
wt pick "$run" --size 950000
expect_out 'no verdict'
wt pick "$run" --size 100KB
expect_error 'nobody in the run has 97.66 KiB or less'
wt pick "$run" --size 950000 --max-kld 1e-9
expect_error 'nobody .* has a mean divergence of 1e-09 or less'
wt pick "$run"
expect_usage_error 'what to pick by is not said'

# ---- explain ----
set -m
"$WILDTYPE" explain "$run" "$name" --pins 1 </dev/null >"$out" 2>"$err" &
process=$!
set +m
sleep 1.5
kill -s INT $process 2>/dev/null
wait $process 2>/dev/null
status=$?
command='wildtype explain (and SIGINT)'
checks=$((checks + 1))
[ $status = 130 ] || [ $status = 0 ] || fail 'neither done nor stopped'
wt explain "$run" "$name" --pins 1 --json
expect_status 0
documented
documented knockouts.0
expect_equal 'stopped' false "$(json stopped)"
expect_number 'knock-outs' "$(json --count knockouts) >= 5"
expect_number 'sorted' "$(json knockouts.0.change) >= $(json knockouts.1.change)"
expect_number 'inside its interval' "$(json knockouts.0.change) >= $(json knockouts.0.low) && $(json knockouts.0.change) <= $(json knockouts.0.high)"
first=$(json knockouts.0.gene) change=$(json knockouts.0.change)
wt show "$run" "$name" --json
expect_equal 'stored' "$first $change" "$(json knockouts.0.gene) $(json knockouts.0.change)"
wt show "$run" "$name"
expect_out "^$first +[+-]"
wt explain "$run" nobody
expect_error "the run has no individual 'nobody'"

# Nobody was born by being looked at: the run goes on as if nobody had asked.
cp "$run/$name.gguf" "$scratch/before.gguf"
wt evolve --resume "$run" --json
expect_status 0
for part in '' survivors.0 humans.0; do documented $part; done
expect_equal 'the survivor' "$name" "$(json survivors.0.name)"
cmp "$scratch/before.gguf" "$run/$name.gguf" || fail 'the survivor changed'

# ---- what the model wrote stays with the run ----
written=$("$CLI_STORE" "$run" written)
expect_equal 'tokens of 15 chunks' 960 "$(wc -w <<<"$written")"
"$CLI_STORE" "$run" written "1 2 3"
wt export "$run" "$name" -o "$scratch/x.gguf"
expect_error "cannot use the run in '$run': 'written' in its store is not a text that its model wrote"
"$CLI_STORE" "$run" written "${written% *} 3"
wt export "$run" "$name" -o "$scratch/x.gguf"
expect_error "cannot use the run in '$run': it was begun with another text"
"$CLI_SQL" "$run/run.db" "delete from meta where key = 'written'"
wt export "$run" "$name" -o "$scratch/x.gguf"
expect_status 0
cmp "$scratch/x.gguf" "$scratch/before.gguf" || fail 'written again, the text is another one'
"$CLI_STORE" "$run" written "$written"
wt export "$run" "$name" -o "$scratch/x.gguf"
expect_status 0
cmp "$scratch/x.gguf" "$scratch/before.gguf" || fail 'the text that was kept is another one'

sed -e 's/^budget:.*/budget: {evaluations: 2, minutes: 0}/' -e 's/holdout_chunks: 3/holdout_chunks: 3, final_chunks: 2/' "$scratch/rules.yaml" >"$scratch/half.yaml"
echo 'axes: [kld, kld_half]' >>"$scratch/half.yaml"
wt evolve --rules "$scratch/half.yaml" -o "$scratch/half" --quiet
expect_status 0
half=$("$CLI_STORE" "$scratch/half" written_half)
expect_number 'tokens of 2 chunks of half the context' "$(wc -w <<<"$half") == 256"
wt evolve --resume "$scratch/half" --quiet
expect_status 0
"$CLI_STORE" "$scratch/half" written_half "${half% *} 3"
wt evolve --resume "$scratch/half" --quiet
expect_error "cannot use the run in '$scratch/half': it was begun with another text or tasks for finalists"

# ---- births that another program rated ----
"$CLI_STORE" "$run" operators 1
wt evolve --resume "$run"
expect_error "cannot go on with the run in '$run': the program that began it varied strategies in another way"
expect_number 'the end that it had' "$("$CLI_STORE" "$run" ended | wc -w) > 0"
wt export "$run" "$name" -o "$scratch/x.gguf"
expect_status 0

# ---- another version ----
"$CLI_STORE" "$run" version 9.9.9
for words in "export $run $name -o $scratch/x.gguf" "explain $run $name" "evolve --resume $run"; do
    wt $words
    expect_error "cannot use the run in '$run': it was begun with another version of wildtype \(9.9.9, now "
done
wt show "$run"
expect_status 0
finish
