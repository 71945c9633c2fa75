# Help, versions and wrong command lines.
source "$(dirname "$0")/lib.sh"

wt
expect_status 2
expect_silent out
expect_err 'usage: wildtype COMMAND'
for words in --help -h help; do
    wt $words
    expect_status 0
    expect_silent err
    expect_out 'usage: wildtype COMMAND'
done
wt --version
expect_status 0
expect_out '^wildtype [0-9]+\.[0-9]+\.[0-9]+$'
version=$(cat "$out")

for c in inspect eval generate tokenize quantize compare evolve runs show export pick explain rules help; do
    wt --help
    expect_out "^  $c +[a-z]"
    wt $c --help
    expect_status 0
    expect_silent err
    expect_out "^usage: wildtype $c"
    expect_out '^examples$'
    expect_out "^  wildtype $c"
    expect_number 'longest line of the help' "$(awk '{ if (length > m) m = length } END { print m + 0 }' "$out") <= 84"
    cp "$out" "$scratch/help"
    wt $c -h
    expect_equal 'help by -h' "$(cat "$scratch/help")" "$(cat "$out")"
    wt help $c
    expect_equal 'help by the command' "$(cat "$scratch/help")" "$(cat "$out")"
    wt $c --version
    expect_status 0
    expect_equal 'version' "$version" "$(cat "$out")"
    wt help --man $c
    expect_status 0
    expect_out "^\.TH \"WILDTYPE"
    expect_out '^\.SH EXAMPLES'
    wt $c --no-such-option
    expect_usage_error "unknown option '--no-such-option' of command '$c'"
    expect_err '^hint: '
    wt $c -Z
    expect_usage_error "unknown option '-Z'"
done
# Help does not need the rest of the line to make sense, and does no work.
wt eval --text nowhere.txt --help
expect_status 0
expect_out '^usage: wildtype eval'

wt evla
expect_usage_error "unknown command 'evla'"
expect_err "did you mean 'wildtype eval'"
wt inspekt
expect_err "did you mean 'wildtype inspect'"
wt xyzzy
expect_usage_error "unknown command 'xyzzy'"
expect_err "'wildtype --help' lists the commands"
wt help evla
expect_usage_error "unknown command 'evla'"
wt --json inspect
expect_usage_error "unknown option '--json' before a command"
wt ''
expect_usage_error "unknown command ''"

wt eval --txet novel.txt
expect_usage_error "unknown option '--txet'"
expect_err "did you mean '--text'"
wt eval --ref x
expect_err "did you mean '--reference'"
wt eval --text
expect_usage_error "option '--text' needs a value: FILE"
wt eval --text --json
expect_usage_error "option '--text' needs a value: FILE"
wt eval -f
expect_usage_error "option '-f' needs a value: FILE"
wt eval --json=yes
expect_usage_error "option '--json' takes no value"
wt eval a.gguf b.gguf
expect_usage_error "unexpected argument 'b.gguf'"
wt inspect a.gguf b.gguf
expect_usage_error "unexpected argument 'b.gguf'"
wt tokenize seedling -- --json extra
expect_usage_error "unexpected argument 'extra'"

for value in 12x -5 +5 ' 5' '' 5. 0x10 1e3 99999999999999999999999 0 1025; do
    wt eval --threads "$value"
    expect_usage_error "wrong value '.*' of option '--threads': not a whole number from 1 to 1024"
    wt eval "--threads=$value"
    expect_usage_error "wrong value '.*' of option '--threads'"
done
for option in --context --chunks --batch; do
    wt eval $option -1
    expect_usage_error "wrong value '-1' of option '$option'"
    wt eval $option 18446744073709551616
    expect_usage_error "wrong value '18446744073709551616' of option '$option'"
done
for command_line in eval generate calibrate; do
    wt $command_line --seed 9007199254740993
    expect_usage_error "wrong value '9007199254740993' of option '--seed': not a whole number from 0 to 9007199254740992"
done
# How OpenMP's threads wait (libgomp tells its settings; another runtime may not).
export OMP_DISPLAY_ENV=verbose
wt tokenize seedling hello
if grep -q GOMP_SPINCOUNT "$err"; then
    expect_status 0
    expect_err "GOMP_SPINCOUNT = '1000'"
    expect_err "OMP_WAIT_POLICY = 'PASSIVE'"
    export OMP_WAIT_POLICY=active
    wt tokenize seedling hello
    expect_equal 'starts where the user has decided' 1 "$(grep -c GOMP_SPINCOUNT "$err")"
    expect_err "OMP_WAIT_POLICY = 'ACTIVE'"
    unset OMP_WAIT_POLICY
else
    echo 'skipped: the OpenMP runtime does not tell how it waits'
fi
unset OMP_DISPLAY_ENV
wt eval --context 3
expect_usage_error "wrong value '3' of option '--context'"
for value in nan inf -0.1 abc 1e999 1x ''; do
    wt generate --temperature "$value"
    expect_usage_error "wrong value '.*' of option '--temperature'"
done
wt generate -n 0
expect_usage_error "wrong value '0' of option '-n'"
wt generate -n12q
expect_usage_error "wrong value '12q' of option '-n'"
wt tokenize seedling text --file other
expect_usage_error "a text and --file cannot both be given"
finish
