# On a terminal: progress with rate and time left, drawn seldom and removed at the end; no control characters from a model.
source "$(dirname "$0")/lib.sh"
command -v script >/dev/null || skip 'no script(1) here to make a terminal with'

# Runs a command line with standard input, output and error on a terminal 100 columns wide.
on_terminal() {
    command="$1 (on a terminal)"
    script -qec "stty cols 100; $1" "$scratch/typescript" </dev/null >/dev/null 2>&1
    status=$?
    sed '1d;$d' "$scratch/typescript" | tr -d '\r' >"$out" # script's own first and last lines
    : >"$err"
}

wt generate -n 250
for i in $(seq 480); do cat "$out"; done >text.txt
escape=$(printf '\033')
# Rate and time left show after half a second: how much text that takes depends on the machine.
for chunks in 20 80 320; do
    started=$(date +%s)
    on_terminal "'$WILDTYPE' eval --text text.txt --batch 256 --chunks $chunks"
    seconds=$(($(date +%s) - started + 1))
    expect_status 0
    grep -q ' left' "$out" && break
done
expect_out "${escape}\[Kmeasuring +[0-9]+%  [0-9,]+ of [0-9,]+ tokens  [0-9,.]+ tokens/s  [0-9]+:[0-9]+ left"
expect_out "${escape}\[Kmodel +seedling"
expect_out '^[0-9.]+ seconds$'
drawn=$(grep -o 'measuring' "$out" | wc -l)
expect_number 'drawings' "$drawn >= 2 && $drawn <= 10 * $seconds + 2"
expect_number 'width of the line' \
    "$(grep measuring "$out" | tr "$escape" '\n' | awk '{ if (length > m) m = length } END { print m + 0 }') <= 102"

# Off a terminal there is none of it.
wt eval --text text.txt --chunks 4 --batch 256
expect_silent err

# A prompt comes back without what would steer the terminal, and untouched elsewhere.
on_terminal "'$WILDTYPE' generate -n 2 --prompt \"\$(printf 'a\\033[31mb')\""
expect_status 0
expect_out "^a$(printf '\357\277\275')\[31mb"
on_terminal "'$WILDTYPE' tokenize seedling"
expect_status 2
expect_out '^wildtype: nothing to tokenize'
finish
