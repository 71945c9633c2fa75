# The harness of the command-line tests. A test sources this file, runs commands with `wt`, states what it expects, and ends
# with `finish`. Whatever does not hold is printed with the command and its output; the test then fails at the end.
set -u
: "${WILDTYPE:?set by ctest}" "${CLI_JSON:?}" "${CLI_GGUF:?}" "${SOURCE:?}"
seedling=$SOURCE/data/seedling.gguf
shared=$SOURCE/../shared
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/here"
cd "$scratch/here" || exit 1
out=$scratch/out err=$scratch/err
failures=0 checks=0 command="" status=0

# Runs the program with standard input from /dev/null; `wt_in FILE ...` with it from FILE.
wt_in() {
    local input=$1 before
    shift
    command="wildtype $*"
    before=$(ls -A)
    "$WILDTYPE" "$@" <"$input" >"$out" 2>"$err"
    status=$?
    [ "$before" = "$(ls -A)" ] || fail "files appeared or vanished: before [$before], after [$(ls -A)]"
    [ $status -lt 126 ] || fail "died with status $status"
    grep -q "Sanitizer\|runtime error" "$err" && fail "a sanitizer complained"
}
wt() { wt_in /dev/null "$@"; }

fail() {
    failures=$((failures + 1))
    {
        echo "FAILED: ${command:0:200}"
        echo "  $1"
        echo "  status $status; stdout:"
        head -c 2000 "$out" 2>/dev/null | head -12 | cut -c1-200 | sed 's/^/    /'
        echo "  stderr:"
        head -c 2000 "$err" 2>/dev/null | head -12 | sed 's/^/    /'
    } >&2
}

expect_status() {
    checks=$((checks + 1))
    [ "$status" = "$1" ] || fail "expected exit status $1"
}
expect_out() {
    checks=$((checks + 1))
    grep -qE -- "$1" "$out" || fail "expected on stdout: $1"
}
expect_no_out() {
    checks=$((checks + 1))
    ! grep -qE -- "$1" "$out" || fail "not expected on stdout: $1"
}
expect_err() {
    checks=$((checks + 1))
    grep -qE -- "$1" "$err" || fail "expected on stderr: $1"
}
expect_silent() { # out or err
    checks=$((checks + 1))
    [ ! -s "$scratch/$1" ] || fail "expected nothing on std$1"
}
expect_equal() { # what, expected, got
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}
# Compares numbers: expect_number WHAT EXPRESSION, an awk condition.
expect_number() {
    checks=$((checks + 1))
    awk "BEGIN { exit !($2) }" || fail "$1: does not hold: $2"
}
json() { "$CLI_JSON" "$out" "$@"; }
expect_json() {
    checks=$((checks + 1))
    "$CLI_JSON" "$out" 2>>"$err" || fail "stdout is no valid JSON"
}

# A failing command: status 1, nothing on stdout, one message of the right form that matches.
expect_error() {
    expect_status 1
    expect_silent out
    expect_err "^wildtype: $1"
    expect_equal "lines that begin with 'wildtype: '" 1 "$(grep -c '^wildtype: ' "$err")"
}
expect_usage_error() {
    expect_status 2
    expect_silent out
    expect_err "^wildtype: $1"
}

skip() {
    echo "skipped: $1"
    exit 77
}
finish() {
    if [ "$failures" -gt 0 ]; then
        echo "$failures of $checks checks failed" >&2
        exit 1
    fi
    [ "$checks" -gt 0 ] || {
        echo "no check was made" >&2
        exit 1
    }
    echo "$checks checks passed"
}
