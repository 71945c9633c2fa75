# What comes between a run and its end: a real Ctrl-C, a full disk, another model, a second process; rules that ask for finalists' numbers and
# outside commands (those that fail are test_evolve_commands.sh's); models too big to be held; humans that breed; budgets given anew.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache
cat "$SOURCE"/docs/architecture.md "$SOURCE"/CONTRIBUTING.md "$SOURCE"/docs/store.md >"$scratch/text"
cp "$SOURCE/src/survive/evolve.c" "$scratch/other"
for i in 0 1 2 3; do
    printf 'The house has a floor and\n%d\na folder of files.\nnothing to see.\nwater %d.\na very long way to go.\n' $i $i
done >"$scratch/tasks"
printf '#!/bin/sh\nstat -c %%s "$1"\n' >"$scratch/size it.sh"
chmod +x "$scratch/size it.sh"

# Rules with what is given in place of lines of the usual ones.
rules() { # file, lines
    cat >"$1" <<END
text: {file: text, context: 32, calibrate_chunks: 4, search_chunks: 4, holdout_chunks: 3, ${3:-final_chunks: 2}}
types: [Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_0]
race: {block: 2}
survivors: 2
seed: 3
$2
END
}
usual='population: 3
offspring: 4
humans: absent
budget: {evaluations: 12, minutes: 0}'

# ---- numbers of finalists, and outside commands ----
run=$scratch/finals
rules "$scratch/finals.yaml" "$usual
tasks: tasks
axes: [kld, kld_half, kld_full, kld_other, encode_seconds, {axis: speed, weight: 2}]
constraints: [{axis: flips, max: 1}, {axis: speed, min: 1000}]
commands:
  - {name: speed, command: [\"./size it.sh\", \"{model}\"], better: lower}
  - {name: by_shell, command: 'wc -c <{model}', better: lower, shell: true}" "other_file: other, final_chunks: 2"
wt evolve --rules "$scratch/finals.yaml" -o "$run"
expect_error "the rules run a program of their own, '.*/size it.sh', as the command 'speed'"
expect_err '^hint: .*--allow-commands'
expect_equal 'the folder of a run that was refused' no "$([ -e "$run" ] && echo yes || echo no)"
wt evolve --rules "$scratch/finals.yaml" -o "$run" --allow-commands --json
expect_status 0
expect_json
expect_err '^note: this run will not repeat to the byte: .*\(encode_seconds, speed, by_shell\)'
expect_equal 'reproducible' false "$(json reproducible)"
bytes=$(json survivors.0.bytes)
expect_number 'what the command saw' "$(json survivors.0.values.speed) == $bytes && $(json survivors.0.values.by_shell) == $bytes"
expect_number 'tokens that the model wrote among those of the text' "$("$CLI_STORE" "$run" written | wc -w) >= 32"
for axis in kld_half kld_full kld_other encode_seconds; do expect_number "$axis" "$(json "survivors.0.values.$axis") > 0"; done
expect_number 'tasks' "$(json survivors.0.values.tasks) >= 0 && $(json survivors.0.values.tasks) <= 1"
expect_number 'flips' "$(json survivors.0.values.flips) >= 0 && $(json survivors.0.values.flips) <= 1"
expect_equal 'left behind' no "$([ -e "$run/.candidate.gguf" ] && echo yes || echo no)"
grep -q 'kld_full' "$run/summary.md" || fail 'summary.md does not show what finalists were measured on'
# That of eval is the same number, by the file.
"$WILDTYPE" eval "$run/$(json survivors.0.file)" --reference seedling --tasks "$scratch/tasks" --json >"$scratch/eval" 2>/dev/null
expect_number 'accuracy as eval has it' "$(json survivors.0.values.tasks) == $("$CLI_JSON" "$scratch/eval" tasks.accuracy)"
cp "$out" "$scratch/before"
wt evolve --resume "$run" --json
expect_error "the rules run a program of their own"
wt evolve --resume "$run" --json --allow-commands
expect_status 0
expect_equal 'resumed, the numbers are those of the store' "$("$CLI_JSON" "$scratch/before" survivors)" "$(json survivors)"
echo 'another' >>"$scratch/other"
sed -i '1s/^/x/' "$scratch/other"
wt evolve --resume "$run" --json --allow-commands
expect_error "cannot use the run in '$run': it was begun with another text or tasks for finalists"

# ---- models too big to be held: the same survivors every time; humans that breed ----
rules "$scratch/big.yaml" "population: 8
offspring: 12
humans: absent
max_memory: 96MiB
budget: {evaluations: 24, minutes: 0}"
for name in big again; do
    wt evolve --rules "$scratch/big.yaml" -o "$scratch/$name" --quiet --threads $((1 + ${#name} % 2))
    expect_status 0
done
grep -q '0% were saved' "$scratch/big/summary.md" || fail 'who is not held races block by block'
expect_equal 'survivors' "$(cd "$scratch/big" && cksum ./*.gguf)" "$(cd "$scratch/again" && cksum ./*.gguf)"
rules "$scratch/breed.yaml" "population: 2
offspring: 6
humans: breed
types: [Q2_K]
budget: {evaluations: 40, minutes: 0}"
sed -i '/^types: \[Q2_K, /d' "$scratch/breed.yaml"
wt evolve --rules "$scratch/breed.yaml" -o "$scratch/breed" --size 1400000 --quiet
expect_status 0
expect_number 'children of humans' "$("$CLI_SQL" "$scratch/breed/run.db" "SELECT count(*) FROM individual AS c JOIN individual AS h ON h.id IN (c.parent1, c.parent2) WHERE h.kind = 'human'") >= 1"

# ---- Ctrl-C in the middle of a generation, in a process group of its own as a terminal has it ----
rules "$scratch/plain.yaml" "population: 3
offspring: 4
humans: absent
budget: {evaluations: 24, minutes: 0}"
wt evolve --rules "$scratch/plain.yaml" -o "$scratch/whole" --quiet
expect_status 0
command='wildtype evolve (and SIGINT)'
set -m
"$WILDTYPE" evolve --rules "$scratch/plain.yaml" -o "$scratch/cut" </dev/null >"$out" 2>"$err" &
process=$!
set +m
for _ in $(seq 2400); do
    grep -q '^generation 1' "$err" && break
    sleep 0.05
done
wt evolve --resume "$scratch/cut"
expect_error "cannot write to '$scratch/cut': process $process is running it"
kill -s INT -- -$process
wait $process 2>/dev/null
status=$?
command='wildtype evolve (and SIGINT)'
expect_status 0
grep -q '"ended": "' "$scratch/cut/summary.json" || fail 'no summary after Ctrl-C'
wt evolve --resume "$scratch/cut" --quiet
expect_status 0
expect_equal 'survivors' "$(cd "$scratch/whole" && cksum ./*.gguf)" "$(cd "$scratch/cut" && cksum ./*.gguf)"

# ---- budgets: the first call's are kept, those given anew take their place and are kept ----
expect_number 'evaluations' "$("$CLI_JSON" "$scratch/cut/summary.json" evaluations) < 32"
wt evolve --resume "$scratch/cut" --evaluations 34 --quiet --json
expect_status 0
expect_number 'evaluations' "$(json evaluations) >= 34"
wt evolve --resume "$scratch/cut" --quiet --json
expect_number 'evaluations' "$(json evaluations) >= 34"

# ---- a run of another model ----
wt evolve --resume "$scratch/cut" "$(ls "$scratch"/cut/*.gguf | head -1)"
expect_error "cannot use the run in '$scratch/cut': it was begun with another model"

# ---- no space: files may have no more than so many bytes ----
command='wildtype evolve (no space left)'
(
    ulimit -f 1200
    trap '' XFSZ
    exec "$WILDTYPE" evolve --rules "$scratch/plain.yaml" -o "$scratch/full" --quiet
) </dev/null >"$out" 2>"$err"
status=$?
expect_status 1
expect_silent out
expect_err '^wildtype: cannot write'
wt evolve --resume "$scratch/full" --quiet
expect_status 0
expect_equal 'survivors' "$(cd "$scratch/whole" && cksum ./*.gguf)" "$(cd "$scratch/full" && cksum ./*.gguf)"
finish
