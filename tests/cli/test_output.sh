# Standard output that is full, closed, or not read to the end; standard input that is closed.
source "$(dirname "$0")/lib.sh"

# Runs the program with output to a place of its own: outcome WHERE WORDS...
full() {
    command="wildtype $* > /dev/full"
    "$WILDTYPE" "$@" </dev/null >/dev/full 2>"$err"
    status=$?
    : >"$out"
}
closed() {
    command="wildtype $* >&-"
    "$WILDTYPE" "$@" </dev/null >&- 2>"$err"
    status=$?
    : >"$out"
}
one_message() {
    expect_status 1
    expect_err "^wildtype: cannot write standard output: $1$"
    expect_equal 'lines on stderr that are errors' 1 "$(grep -vc '^note' "$err")"
}
for words in --help --version 'inspect' 'inspect --json' 'help --markdown' 'eval --help' 'tokenize seedling hello' \
    'tokenize seedling hello --json' 'generate -n 5' 'generate -n 5 --json' 'eval --chunks 1 --context 16' \
    'eval --chunks 1 --context 16 --json'; do
    if [ -w /dev/full ]; then
        full $words
        one_message 'No space left on device'
    fi
    closed $words
    one_message 'Bad file descriptor'
done

# A reader that leaves early gives no stack of errors, whatever the shell does with SIGPIPE.
command='wildtype inspect | head -1'
"$WILDTYPE" inspect 2>"$err" | head -1 >"$out"
expect_equal 'lines read' 1 "$(wc -l <"$out")"
expect_silent err
command='wildtype help --markdown | true'
(for i in 1 2 3; do "$WILDTYPE" help --markdown; done) 2>"$err" | true
expect_silent err

# Closed descriptors are not handed to models or temporary files.
command='wildtype inspect <&- 2>&-'
"$WILDTYPE" inspect <&- >"$out" 2>&-
status=$?
: >"$err"
expect_status 0
expect_out '^architecture +llama$'
command='wildtype tokenize seedling <&-'
"$WILDTYPE" tokenize seedling <&- >"$out" 2>"$err"
status=$?
expect_status 0
finish
