# What a run will cost is said before it starts, and holds; what cannot fit is refused before anything is measured, and leaves nothing.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache
cat "$SOURCE"/docs/architecture.md "$SOURCE"/CONTRIBUTING.md >"$scratch/text"

rules() { # lines of the budget
    cat >"$scratch/rules.yaml" <<END
text: {file: text, context: 32, calibrate_chunks: 2, search_chunks: 4, holdout_chunks: 2}
types: [Q2_K, Q4_K, Q8_0]
population: 1
offspring: 1
survivors: 1
humans: absent
budget: {$1}
END
}

# Bytes, as wt_format_bytes prints them behind a word.
bytes_behind() { # word
    sed -n "s/^note: memory: .*$1 \([0-9.]*\) \([KMGT]iB\|bytes\).*/\1 \2/p" "$err" |
        awk '{ n = index("KMGT", substr($2, 1, 1)); printf "%.0f", $1 * ($2 == "bytes" ? 1 : 1024 ^ n) }'
}

# ---- said, and kept ----
rules 'evaluations: 3, minutes: 0'
command='wildtype evolve (and its memory)'
"$WILDTYPE" evolve --rules "$scratch/rules.yaml" -o "$scratch/run" </dev/null >"$out" 2>"$err" &
process=$!
peak=0
while read -r _ kilobytes _ < <(grep VmHWM "/proc/$process/status" 2>/dev/null); do
    peak=$kilobytes # what it took at most so far
    sleep 0.05
done
wait $process
status=$?
expect_status 0
least=$(bytes_behind 'at least') most=$(bytes_behind 'at most')
case $(cat "$err") in
*Sanitizer* | '') ;;
*) expect_number 'memory that was announced and taken' "$least > 0 && $least <= 1.3 * 1024 * $peak && 1024 * $peak <= $most" ;;
esac
time='[0-9.e+-]+ (s|min|h)'
expect_err "^note: memory: .* an evaluation on all chunks: about $time to measure and, where nothing is reused, $time to encode, $time with error feedback; the search: about $time( to $time)? if nobody is sent home, then the verdict\$"
expect_number 'the note before the first generation' "$(grep -n '^note: memory' "$err" | cut -d: -f1) < $(grep -n '^generation 0' "$err" | cut -d: -f1)"
expect_equal 'notes of the cost' 1 "$(grep -c '^note: memory' "$err")"

# Three evaluations are three times one, measured and encoded, without error feedback and, where that took longer, with it, up to the two digits
# that are shown.
seconds() { sed -En "s/^note: memory: .*$1([0-9.e+-]+) s.*/\\1/p" "$err"; }
measured=$(seconds 'on all chunks: about ') plain=$(seconds 'nothing is reused, ') feedback=$(seconds ' s to encode, ')
expect_number 'encoding' "$plain > 0 && $feedback > 0"
near() { expect_number "$1" "$2 > 0.85 * $3 && $2 < 1.15 * $3"; }
near 'three evaluations' "$(seconds 'the search: about ')" "3 * ($measured + $plain)"
longest=$(seconds 'the search: about [0-9.e+-]+ s to ')
near 'three evaluations with error feedback' "${longest:-$(seconds 'the search: about ')}" "3 * ($measured + ($feedback > $plain ? $feedback : $plain))"

# What bounds a search: a clock, or what it measures, or neither.
rules 'minutes: 0.01'
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/clock"
expect_err 'the search: at most about 0.6 s, plus the evaluation under way, then the verdict$'
rules 'evaluations: 1, minutes: 300'
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/both"
expect_err 'the search: about .* if nobody is sent home, at most about 5.0 h, then the verdict$'

# Without error feedback nobody has it, and it costs nothing; an evaluation that takes longer than the search may is said.
texts() { "$CLI_SQL" "$1/run.db" "SELECT count(*) FROM individual WHERE text LIKE '%feedback.damp%'"; }
expect_number 'strategies with error feedback' "$(texts "$scratch/run") > 0"
rules 'evaluations: 8, minutes: 0'
echo 'feedback: absent' >>"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/without"
expect_status 0
expect_equal 'strategies with error feedback where it is absent' 0 "$(texts "$scratch/without")"
expect_err "where nothing is reused, $time to encode; the search: about $time if nobody is sent home, then the verdict\$"
rules 'minutes: 0.00001'
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/short"
expect_err "^note: error feedback is left out, .*'feedback: allowed'"
expect_number 'the rule that was stored' "$("$CLI_SQL" "$scratch/short/run.db" "SELECT value LIKE '%feedback: absent%' FROM meta WHERE key = 'rules'") == 1"
expect_equal 'strategies with error feedback where there is no time' 0 "$(texts "$scratch/short")"
checks=$((checks + 1))
grep -q 'same rules with `feedback: absent, first: 2` and `budget' "$scratch/short/summary.md" || fail "summary.md does not say how to repeat it: $(grep Reproducible "$scratch/short/summary.md")"
echo 'feedback: allowed' >>"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/slow"
expect_err "^note: an evaluation with error feedback takes longer than the search may: .*'feedback: absent'"

# ---- refused ----
refused() { # message, hint
    expect_error "$1"
    expect_err "^hint: $2"
    expect_equal 'the folder of a run that was refused' no "$([ -e "$scratch/no" ] && echo yes || echo no)"
    checks=$((checks + 1))
    ! grep -q '^generation' "$err" || fail 'it began'
}
rules 'evaluations: 3'
echo 'max_memory: 40MiB' >>"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/no"
refused "cannot evolve 'seedling': it takes at least [0-9.]+ MiB of memory, the rules allow 40.00 MiB" 'fewer search_chunks'
printf 'text: {context: 64, search_chunks: 100000000}\n' >"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" -o "$scratch/no"
refused "cannot evolve 'seedling': it takes at least [0-9.]+ TiB of memory, free are " 'fewer search_chunks'
expect_equal 'text that is written for nothing' '' "$(grep 'writes its own' "$err")"
# On disk: survivors whose files nobody has room for, Gram matrices where nothing may be written.
printf 'text: {context: 64}\nsurvivors: 1000\nmax_memory: 4096GiB\n' >"$scratch/rules.yaml"
wt evolve --rules "$scratch/rules.yaml" --size 2048GiB -o "$scratch/no"
refused "cannot evolve into '$scratch/no': the survivors' files may take (1.95 PiB|2000.00 TiB), free are " 'make room'
TMPDIR=/proc wt evolve --size 2MiB -o "$scratch/no"
refused "cannot evolve 'seedling': Gram matrices take [0-9.]+ MiB in '/proc', free are 0 bytes" 'TMPDIR'
finish
