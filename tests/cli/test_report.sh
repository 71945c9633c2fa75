# wildtype report: the page, the document, the table; files that appear whole or not at all; what is refused.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache
run=$scratch/run
page=$SOURCE/tests/cli/page.html

cat >"$scratch/rules.yaml" <<'END'
text: {context: 64, calibrate_chunks: 2, search_chunks: 2, holdout_chunks: 2}
constraints: [{axis: bytes, max: 950000}]
types: [TQ1_0, TQ2_0, Q4_0, Q8_0]
population: 3
offspring: 4
budget: {evaluations: 8, minutes: 0}
END
wt evolve --rules "$scratch/rules.yaml" -o "$run"
expect_status 0
# Where a page is built in, evolve leaves it in the folder and says so.
if [ -e "$run/report.html" ]; then
    expect_out '^Everything is in .*: report\.html, summary\.md'
    checks=$((checks + 1))
    grep -q '"format":"wildtype-report"' "$run/report.html" || fail 'report.html holds no data'
    grep -q '"running":false' "$run/report.html" || fail 'the run that ended calls itself running'
    built_in=yes
else
    expect_out '^Everything is in .*: summary\.md'
    built_in=no
fi

# ---- json ----
wt report "$run" --format json
expect_status 0
expect_silent err
expect_json
expect_equal 'format' 'wildtype-report 1' "$(json format) $(json version)"
expect_equal 'bytes asked for' 950000 "$(json run.target_bytes)"
people=$(json --count individuals.id)
cp "$out" "$scratch/document"
wt show "$run" --json
expect_equal 'individuals' "$(json individuals)" "$people"
expect_equal 'verdicts' "$(json --count verdicts)" "$("$CLI_JSON" "$scratch/document" --count verdict)"
sentence=$("$CLI_JSON" "$scratch/document" sentence)
expect_equal 'the sentence is the summary'"'"'s first line' "$(head -1 "$run/summary.md" | tr -d '*')" "$sentence"
wt report "$run" --format json -o "$scratch/document.json"
expect_status 0
cmp -s "$scratch/document.json" <(head -c -1 "$scratch/document") || fail 'the file differs from what is printed'

# ---- csv ----
wt report "$run" --format csv
expect_status 0
expect_out '^id,generation,name,'
expect_equal 'lines' $((people + 1)) "$(grep -c $'\r$' "$out")"

# ---- html ----
wt report "$run" --page "$page" -o "$scratch/report.html"
expect_status 0
expect_out "^$scratch/report.html: [0-9.]+ KiB"
checks=$((checks + 3))
grep -q '<script type="application/json" id="wildtype-data">{"format"' "$scratch/report.html" || fail 'no data in the page'
grep -q "content=\"default-src 'none'; script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" "$scratch/report.html" || fail 'no policy in the page'
[ "$(grep -o '</script>' "$scratch/report.html" | wc -l)" = 2 ] || fail 'the data ends the block'
wt report "$run" --page "$page" -o -
cmp -s "$out" "$scratch/report.html" || fail 'standard output has another page'
wt report "$run" --page "$scratch/rules.yaml" -o "$scratch/no.html"
expect_error "cannot use '.*rules.yaml' as the page: it has no empty data block"
wt report "$run" --page "$scratch/nowhere.html" -o "$scratch/no.html"
expect_error ".*nowhere.html"
if [ $built_in = no ]; then
    wt report "$run" -o "$scratch/no.html"
    expect_error 'this wildtype was built without the page'
    expect_err '^hint: .*Node 20.*--format json or csv'
else
    wt report "$run" -o "$scratch/own.html"
    expect_status 0
fi
[ ! -e "$scratch/no.html" ] || fail 'a file was left by a command that failed'

# A name that would be HTML comes back as text.
"$CLI_STORE" "$run" text '</script><script>alert(2)</script><!--'
wt report "$run" --page "$page" -o "$scratch/hostile.html"
expect_status 0
expect_equal 'script elements' 2 "$(grep -oi '<script' "$scratch/hostile.html" | wc -l)"
expect_equal 'comments' 0 "$(grep -o '<!--' "$scratch/hostile.html" | wc -l)"
sed 's/.*id="wildtype-data">//; s/<\/script>.*//' "$scratch/hostile.html" | grep '^{' >"$out"
expect_equal 'the text' '</script><script>alert(2)</script><!--' "$(json run.text)"

# ---- what is refused ----
wt report
expect_usage_error 'which run is not said'
wt report "$run" --format xml
expect_usage_error "unknown format 'xml'"
wt report "$scratch" --format json
expect_error "there is no run in '$scratch'"
wt report "$run" --format json -o "$scratch/nowhere/x.json"
expect_error "cannot write '.*nowhere/x.json'"
if [ -w /dev/full ]; then
    command='wildtype report (standard output is full)'
    "$WILDTYPE" report "$run" --format json >/dev/full 2>"$err"
    status=$?
    : >"$out"
    expect_error 'cannot write standard output'
fi
finish
