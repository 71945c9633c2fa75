# Outside commands that fail, hang or outlive what they were started for: what the run says of them, and that nothing of them goes on.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache
cat "$SOURCE"/docs/architecture.md "$SOURCE"/CONTRIBUTING.md "$SOURCE"/docs/store.md >"$scratch/text"

rules() { # file, lines
    cat >"$1" <<END
text: {file: text, context: 32, calibrate_chunks: 4, search_chunks: 4, holdout_chunks: 3, final_chunks: 2}
types: [Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_0]
race: {block: 2}
survivors: 2
seed: 3
humans: absent
$2
END
}

# ---- commands that fail ----
failing() { # the script, what is said
    rules "$scratch/failing.yaml" "population: 1
offspring: 2
budget: {evaluations: 60, minutes: 0}
axes: [kld, speed]
commands: [{name: speed, command: '$1; : {model}', better: higher, seconds: 0.4, shell: true}]"
    rm -rf "$scratch/failing"
    wt evolve --rules "$scratch/failing.yaml" -o "$scratch/failing" --allow-commands --quiet
    expect_error "$2"
}
failing 'echo 12; echo nan' "no strategy lived .* final: command: 'speed' printed no number; its output ends: 12 nan"
failing 'echo 1 >&2' "no strategy lived .* 'speed' printed no number"
failing 'echo 5; echo alas >&2; exit 3' "no strategy lived .* 'speed' failed with status 3; its output ends: alas"
failing 'echo waiting; sleep 4242.'$$' & sleep 4242.'$$ "no strategy lived .* 'speed' took longer than its 0.4 seconds; its output ends: waiting"
expect_equal 'what the command had started' '' "$(pgrep -f "sleep 4242.$$")"
failing 'set -e; no-such-program' "'speed' failed with status 127"
# Who starts the program may have told it to ignore its children's ends, of which the kernel then keeps no status.
printf '#!/bin/sh\nexec env --ignore-signal=CHLD "%s" "$@"\n' "$WILDTYPE" >"$scratch/ignoring"
chmod +x "$scratch/ignoring"
WILDTYPE=$scratch/ignoring failing 'echo 5; exit 3' "no strategy lived .* 'speed' failed with status 3"

# ---- a second Ctrl-C, while the verdict of what there was at the first one runs a command ----
rules "$scratch/slow.yaml" "population: 2
offspring: 4
budget: {evaluations: 2000, minutes: 0}
commands: [{name: speed, command: 'touch begun; sleep 4343.$$ & sleep 4343.$$; : {model}', better: higher, seconds: 300, shell: true}]"
command='wildtype evolve (and two SIGINT)'
set -m
"$WILDTYPE" evolve --rules "$scratch/slow.yaml" -o "$scratch/slow" --allow-commands </dev/null >"$out" 2>"$err" &
process=$!
set +m
for _ in $(seq 2400); do
    grep -q '^generation 1' "$err" && break
    sleep 0.05
done
expect_equal 'the command before anybody asked for a verdict' no "$([ -e begun ] && echo yes || echo no)"
kill -s INT -- -$process
for _ in $(seq 2400); do
    [ -e begun ] && break
    sleep 0.05
done
expect_number 'programs of the command' "$(pgrep -c -f "sleep 4343.$$") >= 1"
kill -s INT -- -$process
wait $process 2>/dev/null
status=$?
expect_status 130
for _ in $(seq 200); do # what was killed takes a moment to go
    pgrep -f "sleep 4343.$$" >/dev/null || break
    sleep 0.05
done
expect_equal 'what the command had started' '' "$(pgrep -f "sleep 4343.$$")"
rm begun
finish
