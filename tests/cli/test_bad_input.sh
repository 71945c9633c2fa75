# Inputs that are wrong: a clear error with the file's name, status 1, nothing on stdout, nothing written, no crash.
source "$(dirname "$0")/lib.sh"
head -c 20000 /dev/urandom | base64 >text.txt

# Writes bytes (as \xNN) at an offset of a copy of the seedling: poke NAME OFFSET BYTES.
poke() {
    cp "$seedling" "$1" && printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
# Every command has to refuse the file and name it.
refused() {
    local file=$1 what=$2 quoted
    quoted=$(printf '%s' "$file" | sed 's/[.]/\\./g')
    for words in "inspect $file" "eval $file --text text.txt" "eval --reference $file --text text.txt" \
        "generate $file" "tokenize $file hello"; do
        wt $words
        expect_error ".*'$quoted'"
        expect_err "$what"
    done
}

wt inspect nowhere.gguf
refused nowhere.gguf 'No such file or directory'
mkdir folder
refused folder 'not a regular file'
mkfifo pipe.gguf
program=$WILDTYPE
WILDTYPE=patient
patient() { timeout 20 "$program" "$@"; }
refused pipe.gguf 'not a regular file'
WILDTYPE=$program
refused text.txt 'GGUF'
: >empty.gguf
refused empty.gguf 'the file is empty'
head -c 3 "$seedling" >short.gguf
refused short.gguf ''
poke big.gguf 4 '\x00\x00\x00\x03'
refused big.gguf 'big-endian'
poke version.gguf 4 '\x09\x00\x00\x00'
refused version.gguf 'version'
poke tensors.gguf 8 '\xff\xff\xff\xff\xff\xff\xff\x7f'
refused tensors.gguf ''
poke entries.gguf 16 '\xff\xff\xff\xff\xff\xff\xff\xff'
refused entries.gguf ''
poke length.gguf 24 '\xff\xff\xff\xff\xff\xff\xff\xff'
refused length.gguf ''
for bytes in 20 24 100 5000 40000 60000 1000000 5821151; do
    head -c $bytes "$seedling" >truncated.gguf
    refused truncated.gguf ''
done
if [ "$(id -u)" != 0 ]; then
    cp "$seedling" secret.gguf && chmod 000 secret.gguf
    refused secret.gguf 'Permission denied'
fi
"$CLI_GGUF" "$seedling" parts split 3
rm parts-00002-of-00003.gguf
wt inspect parts-00001-of-00003.gguf
expect_error ".*'parts-00002-of-00003.gguf'"

# Well-formed files that cannot be run.
unfit() {
    local file=$1 what=$2
    for words in "eval $file --text text.txt" "generate $file"; do
        wt $words
        expect_error ".*'$file'"
        expect_err "$what"
    done
}
"$CLI_GGUF" "$seedling" arch.gguf set-str general.architecture martian
unfit arch.gguf "'martian'"
expect_err '(known|llama).*qwen2|qwen2.*llama'
"$CLI_GGUF" "$seedling" missing.gguf drop blk.1.ffn_up.weight
unfit missing.gguf "'blk.1.ffn_up.weight'"
"$CLI_GGUF" "$seedling" shape.gguf reshape blk.1.ffn_up.weight 256 769
unfit shape.gguf "'blk.1.ffn_up.weight'"
"$CLI_GGUF" "$seedling" type.gguf retype blk.1.ffn_up.weight I16
unfit type.gguf "'blk.1.ffn_up.weight'"
expect_err 'I16'
"$CLI_GGUF" "$seedling" vocab.gguf drop-all
unfit vocab.gguf ''
"$CLI_GGUF" "$seedling" tokenizer.gguf set-str tokenizer.ggml.model martian
unfit tokenizer.gguf "'martian'"
wt tokenize tokenizer.gguf hello
expect_error ".*'martian'"
"$CLI_GGUF" "$seedling" heads.gguf set-u32 llama.attention.head_count 3
unfit heads.gguf ''
"$CLI_GGUF" "$seedling" layers.gguf set-u32 llama.block_count 4000000000
unfit layers.gguf ''

# Weights that make no predictions: no figure is printed that would mean nothing.
printf 'He looked at the sea and\n1\nsaid nothing.\nwent away.\nzzz qqq.\nthe the.\n' >task.txt
for value in nan inf -inf; do
    for tensor in output_norm blk.1.ffn_norm; do
        "$CLI_GGUF" "$seedling" odd.gguf set-last $tensor.weight $value
        wt eval odd.gguf --text text.txt
        expect_error "cannot measure 'odd.gguf': its logits are not finite in chunk 1"
        expect_err '^hint: a weight is NaN'
        wt eval seedling --reference odd.gguf --text text.txt --json
        expect_error "cannot measure 'odd.gguf': its logits are not finite in chunk 1"
        wt eval odd.gguf --tasks task.txt
        expect_error "cannot measure 'odd.gguf': its logits are not finite in task 1"
        wt eval odd.gguf --reference seedling --tasks task.txt --json
        expect_error "cannot measure 'odd.gguf': its logits are not finite in task 1"
        wt eval odd.gguf
        grep -v '^note:' "$err" >text.err && mv text.err "$err"
        expect_error "cannot draw tokens from 'odd.gguf': its logits are not finite"
        for temperature in 0 1; do
            wt generate odd.gguf --prompt 'The old' --temperature $temperature
            expect_error "cannot draw tokens from 'odd.gguf': its logits are not finite"
        done
    done
done

# Texts.
: >empty.txt
wt eval --text empty.txt
expect_error "cannot use 'empty.txt': the text is empty"
printf '\n' >newline.txt
wt eval --text newline.txt
expect_error "cannot use 'newline.txt': the text is empty"
echo 'a few words only' >few.txt
wt eval --text few.txt
expect_error "cannot use 'few.txt': the text has [0-9]+ tokens, fewer than one chunk of 256"
expect_err '^hint: .*--context [0-9]+'
wt eval --text /dev/zero
expect_error "cannot use '/dev/zero': it is longer than 256 MiB"
wt eval --text nowhere.txt
expect_error "cannot open 'nowhere.txt': No such file or directory"
wt eval --text folder
expect_error "cannot read 'folder': Is a directory"
wt tokenize seedling --file folder
expect_error "cannot read 'folder': Is a directory"
wt tokenize seedling --file nowhere.txt
expect_error "cannot open 'nowhere.txt': No such file or directory"
wt_in few.txt eval --text -
expect_error "cannot use 'standard input': the text has"

# Models that do not belong together.
"$CLI_GGUF" "$seedling" other.gguf replace-token 700 zebra
wt eval other.gguf --reference seedling --text text.txt
expect_error "cannot compare 'other.gguf' with its reference 'seedling'"
expect_err '700'

# Task files.
wt eval --tasks nowhere.txt
expect_error ".*'nowhere.txt'"
printf 'context\n1\na\nb\nc\n' >five.txt
wt eval --tasks five.txt
expect_error ".*'five.txt'"
printf 'context\n7\na\nb\nc\nd\n' >index.txt
wt eval --tasks index.txt
expect_error ".*'index.txt'"
: >none.txt
wt eval --tasks none.txt
expect_error ".*'none.txt'"
# The tasks are read before any text is measured.
wt eval --text text.txt --tasks five.txt
expect_error ".*'five.txt'"
finish
