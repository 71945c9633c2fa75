# Ctrl-C: the first stops cleanly with what is known, the second ends the program; nothing is left behind.
source "$(dirname "$0")/lib.sh"

# Long enough to be in the middle of it: the text repeats itself, which no one minds here.
wt generate -n 250
for i in $(seq 400); do cat "$out"; done >text.txt
mkdir temporary
export TMPDIR=$PWD/temporary

# Starts the words in a process group of their own, as a terminal does, and sends the signal after so many seconds.
interrupt() {
    local signal=$1 delay=$2
    shift 2
    command="wildtype $* (and SIG$signal after $delay s)"
    set -m
    "$WILDTYPE" "$@" </dev/null >"$out" 2>"$err" &
    local process=$!
    set +m
    sleep "$delay"
    kill -s "$signal" $process
    wait $process 2>/dev/null
    status=$?
}

known=no
for delay in 0.3 0.6 1.2 2.4 5 10; do
    interrupt INT $delay eval --text text.txt --reference seedling --batch 256 --json
    [ $status = 0 ] && break
    expect_status 130
    expect_err '^wildtype: stopped'
    if [ -s "$out" ]; then
        known=yes
        break
    fi
done
[ $known = yes ] || fail 'no interrupted run told what it knew'
expect_json
expect_equal 'stopped' true "$(json stopped)"
expect_number 'chunks that are known' "$(json chunks) >= 1"
expect_equal 'kld so far' 0.0 "$(json kld_mean)"
interrupt INT $delay eval --text text.txt --reference seedling --batch 256
expect_status 130
expect_equal 'lines on stderr' 1 "$(wc -l <"$err")"
if [ -s "$out" ]; then expect_out 'before it was stopped'; fi
interrupt TERM $delay eval --text text.txt --reference seedling --batch 256
expect_status 143
interrupt INT 0.5 eval --chunks 100000
expect_status 130
expect_silent out
# At any moment: oneDNN's kernels move the stack pointer, and a signal that is handled there would corrupt the heap.
for delay in 0.08 0.12 0.16 0.20 0.24 0.28 0.32 0.36 0.40 0.50; do
    interrupt INT $delay generate --ignore-end -n 255 --threads 1
    checks=$((checks + 1))
    case $status in
    0 | 130) ;;
    *) fail 'neither done nor stopped' ;;
    esac
done
expect_equal 'files left behind' '' "$(ls -A temporary)"

# All of the text in one batch: it would end as if nobody had asked, were signals looked at between batches only.
interrupt INT 1 eval --text text.txt --batch 16000000 --threads 1
expect_status 130
expect_silent out
interrupt INT 1 eval --text text.txt --reference seedling --batch 16000000 --threads 1
expect_status 130
expect_silent out
interrupt INT 1 calibrate seedling --text text.txt --batch 16000000 --threads 1 -o statistics.gguf
expect_status 130
expect_equal 'statistics' no "$([ -e statistics.gguf ] && echo yes || echo no)"

command='wildtype tokenize (a command that is over at once does not listen)'
mkfifo pipe
set -m
"$WILDTYPE" tokenize seedling --file pipe </dev/null >"$out" 2>"$err" &
process=$!
set +m
sleep 0.3
kill -s INT $process
wait $process 2>/dev/null
status=$?
expect_status 130

# The second one ends the program, wherever it is.
command='wildtype eval --batch (two signals)'
set -m
"$WILDTYPE" eval --text text.txt --batch 16000000 --threads 1 </dev/null >"$out" 2>"$err" &
process=$!
set +m
sleep 0.5
kill -s INT $process
sleep 0.1
kill -s INT $process 2>/dev/null
wait $process 2>/dev/null
status=$?
expect_status 130
expect_equal 'files left behind' '' "$(ls -A temporary)"

# Reading what nobody writes: the first one ends the program, whichever command and input it is.
exec 9<>pipe
for words in "eval --text pipe" "eval --text -" "eval --tasks pipe" "eval --reference seedling --tasks pipe" \
    "calibrate seedling --text pipe -o statistics.gguf"; do
    command="wildtype $words (and SIGINT while it waits for input)"
    set -m
    "$WILDTYPE" $words <pipe >"$out" 2>"$err" &
    process=$!
    set +m
    sleep 0.7
    kill -s INT $process
    for i in $(seq 100); do [ -n "$(jobs -r)" ] || break; sleep 0.1; done
    kill -s KILL $process 2>/dev/null
    wait $process 2>/dev/null
    status=$?
    expect_status 130
    expect_silent out
done
exec 9>&-
rm pipe

# nohup and background jobs ignore SIGINT; so do we then.
command='wildtype eval (SIGINT ignored)'
(
    trap '' INT
    "$WILDTYPE" eval --chunks 4 --json </dev/null >"$out" 2>"$err" &
    process=$!
    sleep 0.1
    kill -s INT $process
    wait $process
)
status=$?
expect_status 0
finish
