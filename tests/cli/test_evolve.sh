# Evolution repeats itself: with one thread and with two, killed at any moment and resumed, interrupted and resumed, a run ends with the
# same survivors, byte for byte. WT_TEST_KILLS (20) says how often it is killed, WT_TEST_SEED when.
. "$(dirname "$0")/lib.sh"
kills=${WT_TEST_KILLS:-20}
seed=${WT_TEST_SEED:-$(date +%s)}
echo "seed: WT_TEST_SEED=$seed"
RANDOM=$((seed % 32768))

cat "$SOURCE"/docs/architecture.md "$SOURCE"/CONTRIBUTING.md "$SOURCE"/docs/store.md >"$scratch/text"
rules=$scratch/rules.yaml
cat >"$rules" <<END
text: {file: $scratch/text, context: 32, calibrate_chunks: 4, search_chunks: 4, holdout_chunks: 3}
types: [Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_0]
population: 3
offspring: 4
humans: absent
race: {block: 2}
budget: {evaluations: 16, minutes: 0}
survivors: 2
seed: 3
END

now() { date +%s%N; }

# Everything in the folder that has to be the same: names and bytes of survivors, and the summary but for its seconds.
digest() {
    (cd "$1" && for f in *.gguf *.strategy; do echo "$f $(cksum <"$f")"; done && grep -v '"seconds"' summary.json)
}
expect_same() { # folder, what
    digest "$1" >"$scratch/digest"
    checks=$((checks + 1))
    cmp -s "$scratch/expected" "$scratch/digest" ||
        fail "$2: other survivors: $(diff "$scratch/expected" "$scratch/digest" | head -20)"
}

# Begins the run in a folder, or goes on with it. Not waited for: $child.
start() { # folder, option...
    local folder=$1 how
    shift
    how=(--rules "$rules" -o "$folder")
    [ -e "$folder/run.db" ] && "$CLI_SQL" "$folder/run.db" "SELECT 1 FROM meta WHERE key = 'rules'" 2>/dev/null | grep -q 1 &&
        how=(--resume "$folder")
    command="wildtype evolve ${how[*]} $*"
    "$WILDTYPE" evolve "${how[@]}" "$@" </dev/null >"$out" 2>"$err" &
    child=$!
}
end() {
    wait "$child"
    status=$?
}

begin=$(now)
start "$scratch/one" --threads 1 --quiet
end
expect_status 0
took=$((($(now) - begin) / 1000000))
[ -s "$scratch/one/summary.json" ] || { fail "no summary" && finish; }
digest "$scratch/one" >"$scratch/expected"
expect_number "survivors" "$(ls "$scratch"/one/*.gguf | wc -l) >= 1"

# Survivors stand as the search and the play-off have them, whatever holdout said then.
query() { "$CLI_SQL" "$scratch/one/run.db" "$1"; }
expect_number "chunks of the play-off" "$(query "SELECT count(*) FROM score WHERE part = 'playoff'") == 8 * $(query "SELECT count(DISTINCT name || budget) FROM score WHERE part = 'playoff'")"
expect_number "who played off" "$(query "SELECT count(DISTINCT name || budget) FROM score WHERE part = 'playoff'") >= 2"
means="SELECT avg(s.kld) FROM score s JOIN individual i ON i.name = s.name AND i.budget = s.budget WHERE i.id = v.individual AND part IN ('search', 'playoff')"
places=$(query "SELECT individual FROM verdict v WHERE place > 0 ORDER BY place")
[ "$places" = "$(query "SELECT individual FROM verdict v WHERE place > 0 ORDER BY ($means)")" ] || fail "the play-off did not put survivors in order: $places"
grep -q "^- Play-off: " "$scratch/one/summary.md" || fail "summary.md does not tell of the play-off"
first=$("$CLI_JSON" "$scratch/one/summary.json" survivors.0.file)
[ "$first" = "$(query "SELECT file FROM verdict WHERE place = 1")" ] || fail "summary.json's first survivor, $first, is not the first"

# Operators are credited for children that are better than all their parents, and for no others.
credited="SELECT count(*) FROM now JOIN now AS before ON before.g = now.g - 1 LEFT JOIN ahead ON ahead.g = now.g
    WHERE now.s - 0.9 * before.s"
scores="WITH k AS (SELECT name, budget, avg(kld) AS k FROM score WHERE part = 'search' GROUP BY name, budget),
    i AS (SELECT individual.*, k FROM individual LEFT JOIN k USING (name, budget)),
    ahead AS (SELECT c.generation AS g, count(*) AS n FROM i AS c LEFT JOIN i AS a ON a.id = c.parent1 LEFT JOIN i AS b ON b.id = c.parent2
        WHERE c.k < ifnull(a.k, 1e9) AND c.k < ifnull(b.k, 1e9) GROUP BY c.generation),
    now AS (SELECT number AS g, (SELECT sum(json_extract(value, '$.stayed')) FROM json_each(operators)) AS s FROM generation)"
expect_equal "generations with more credit than children ahead" 0 "$(query "$scores $credited > ifnull(ahead.n, 0) + 1e-6")"
expect_number "generations with credit" "$(query "$scores $credited > 0.5") >= 1"

start "$scratch/two" --threads 2 --quiet
end
expect_status 0
expect_same "$scratch/two" "two threads"

# A run that has ended and is resumed says the same again.
start "$scratch/two" --threads 2 --quiet
end
expect_status 0
expect_same "$scratch/two" "resumed after its end"

folder=$scratch/killed
killed=0 whole=0
while [ "$killed" -lt "$kills" ]; do
    start "$folder" --threads $((1 + killed % 2)) --quiet
    wait_ms=$(((RANDOM * 32768 + RANDOM) % (took / 3 + 50)))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -KILL "$child" 2>/dev/null
    wait "$child" 2>/dev/null
    status=$?
    if [ $status = 137 ]; then
        killed=$((killed + 1))
        echo "kill $killed after $wait_ms ms"
    else # it had come to its end before
        expect_status 0
        expect_same "$folder" "ended after $killed kills"
        whole=$((whole + 1))
        folder=$scratch/killed-$whole
    fi
done
start "$folder" --threads 2 --quiet
end
expect_status 0
expect_same "$folder" "killed $killed times"
expect_equal "the store after it all" ok "$("$CLI_SQL" "$folder/run.db" 'PRAGMA integrity_check')"

# Ctrl-C: a verdict on what there is; then it goes on.
folder=$scratch/stopped
start "$folder" --threads 2
for _ in $(seq 600); do
    grep -q "^generation 1" "$err" && break
    kill -0 "$child" 2>/dev/null || break
    sleep 0.1
done
kill -TERM "$child" # as Ctrl-C; of that the shell's children in the background hear nothing
end
expect_status 0
grep -q '"ended": "interrupted"' "$folder/summary.json" || fail "no verdict of what there was at Ctrl-C"
expect_number "survivors at Ctrl-C" "$(ls "$folder"/*.gguf | wc -l) >= 1"
start "$folder" --threads 1 --quiet
end
expect_status 0
expect_same "$folder" "interrupted"

# What cannot be begun, or gone on with.
wt evolve --rules "$rules" -o "$folder"
expect_error "there is a run in "
sed -i 's/calibrate_chunks: 4/calibrate_chunks: 4, calibrate: 0.4, search: 0.3, holdout: 0.3/; s/context: 32/context: 4096/' "$rules"
wt evolve --rules "$rules" -o "$scratch/short"
expect_error ".*the text's part '[a-z]*' has [0-9]+ bytes, which is less than 2 chunks of 4096 tokens"
expect_err "bytes of text in all"
finish
