# The rules of survival: written, read back, checked; what evolve refuses before it does anything.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache

wt rules init
expect_status 0
expect_silent err
expect_out '^# The rules of survival'
expect_out '^population: 8$'
cp "$out" "$scratch/all.yaml"
wt rules check "$scratch/all.yaml"
expect_status 0
expect_out 'can be played by'
wt rules init -o "$scratch/rules.yaml"
expect_status 0
expect_equal 'the file' "$(cat "$scratch/all.yaml")" "$(cat "$scratch/rules.yaml")"
wt rules init -o "$scratch/rules.yaml"
expect_error ".*is there already"
# Every key of the file is explained in docs/rules.md, and none is there that the file lacks.
grep -oE '^ *[a-z_]+:' "$scratch/all.yaml" | grep -vE '^(text|race|budget):' | tr -d ' :' | sort >"$scratch/keys"
sed -n '/^## Keys/,/^## Lists/s/^| [^|]*| `\([a-z_]*\)` |.*/\1/p' "$SOURCE/docs/rules.md" | sort >"$scratch/documented"
expect_equal 'keys' "$(cat "$scratch/keys")" "$(cat "$scratch/documented")"
expect_number 'number of keys' "$(wc -l <"$scratch/keys") > 20"

wrong() { # text, message, hint
    printf "$1" >"$scratch/wrong.yaml"
    wt rules check "$scratch/wrong.yaml"
    expect_error "$2"
    [ $# -lt 3 ] || expect_err "^hint: $3"
}
wrong 'populaton: 3\n' ".*line 1, column 1: unknown key 'populaton'" "did you mean 'population'"
wrong 'seed: 1\npopulation: many\n' ".*line 2, column 13: wrong value of 'population'"
wrong 'text: {calibrate: 0.9}\n' '.*the parts of the text sum to 1.4' 'the nearest is'
wrong 'constraints: [{axis: bytes, min: 3MiB, max: 2MiB}]\n' ".*'bytes' cannot be met" 'the nearest that can be met'
wrong 'constraints: [{axis: weight, max: 2}]\n' ".*axis 'weight' that does not exist" 'axes are kld'
wrong 'budget: {minutes: 0}\n' '.*have no end'
wrong 'a: [\n' ".*line"
wt rules check nowhere.yaml
expect_error ".*nowhere.yaml"

wt rules
expect_usage_error 'what to do is not said'
wt rules chek x
expect_usage_error "unknown verb 'chek'"
expect_err "did you mean 'wildtype rules check'"
wt rules init x
expect_usage_error ".*takes no file"
wt rules check
expect_usage_error ".*takes a FILE"
wt rules check x -o y
expect_usage_error ".*writes nothing"

# evolve: a text that is too short, found beside the rules that name it; standard input; memory; nothing is left behind.
mkdir "$scratch/beside"
printf 'Call me Ishmael. Some years ago, never mind how long precisely.\n' >"$scratch/beside/short.txt"
printf 'text: {file: short.txt}\n' >"$scratch/beside/rules.yaml"
wt evolve --rules "$scratch/beside/rules.yaml" -o "$scratch/run"
expect_error "cannot use '$scratch/beside/short.txt': the text's part 'calibrate' has"
expect_err '^hint: it takes about [0-9]+ bytes'
wt evolve --text "$scratch/beside/nothing.txt" -o "$scratch/run"
expect_error ".*nothing.txt"
wt evolve --text - -o "$scratch/run"
expect_error ".*standard input"
printf 'max_memory: 1MiB\ntext: {context: 64}\n' >"$scratch/small.yaml"
wt evolve --rules "$scratch/small.yaml" -o "$scratch/run"
expect_error "cannot evolve 'seedling': it takes at least [0-9.]+ MiB of memory, the rules allow 1.00 MiB"
wt evolve --size 12 -o "$scratch/run"
expect_error ".*no model fits into 12 bytes"
expect_equal 'the folder of a run that was refused' no "$([ -e "$scratch/run" ] && echo yes || echo no)"
finish
