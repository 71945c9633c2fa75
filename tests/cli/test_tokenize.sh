# tokenize: flags, inputs, and llama.cpp's own vectors where ../shared is there.
source "$(dirname "$0")/lib.sh"

wt tokenize seedling 'Once upon a time'
expect_status 0
expect_silent err
expect_out '^1( [0-9]+)+$'
ids=$(cat "$out")
expect_equal lines 1 "$(wc -l <"$out")"
wt tokenize "$seedling" 'Once upon a time'
expect_equal 'ids by file' "$ids" "$(cat "$out")"
wt tokenize seedling --no-bos 'Once upon a time'
expect_equal 'ids without BOS' "${ids#1 }" "$(cat "$out")"
wt tokenize seedling --no-special 'Once upon a time'
expect_equal 'bare ids' "${ids#1 }" "$(cat "$out")"

# A text from anywhere is the same text.
printf 'Once upon a time' >text.txt
wt tokenize seedling --file text.txt
expect_equal 'ids of a file' "$ids" "$(cat "$out")"
wt tokenize --file text.txt
expect_equal 'ids without a model' "$ids" "$(cat "$out")"
wt_in text.txt tokenize seedling
expect_equal 'ids of standard input' "$ids" "$(cat "$out")"
wt_in text.txt tokenize seedling -
expect_equal 'ids of -' "$ids" "$(cat "$out")"
wt tokenize seedling -- 'Once upon a time'
expect_equal 'ids after --' "$ids" "$(cat "$out")"

# Control tokens in the text.
wt tokenize seedling --no-bos 'a</s>b'
expect_out '(^| )2( |$)'
wt tokenize seedling --no-bos --no-parse-special 'a</s>b'
expect_no_out '(^| )2( |$)'
wt tokenize seedling --no-special 'a</s>b'
expect_no_out '(^| )2( |$)'
wt tokenize seedling --no-special --parse-special 'a</s>b'
expect_out '(^| )2( |$)'

wt tokenize seedling --pieces 'Once upon a time'
expect_out "^ +1  '<s>'$"
expect_out "^ +[0-9]+  ' upon'$"
wt tokenize seedling --json 'Once upon a time'
expect_json
expect_equal keys 'model count tokens' "$(json --keys)"
expect_equal tokens "[$(echo "$ids" | tr ' ' ,)]" "$(json tokens)"
wt tokenize seedling --json --pieces 'Once upon a time'
expect_json
expect_equal keys 'model count tokens pieces' "$(json --keys)"
expect_equal pieces "$(json count)" "$(json --count pieces)"

# Nothing, NUL, invalid UTF-8: no crash, some ids or none.
wt_in /dev/null tokenize seedling
expect_status 0
expect_equal 'ids of nothing' 1 "$(cat "$out")"
wt_in /dev/null tokenize seedling --no-bos
expect_equal 'bare ids of nothing' '' "$(cat "$out")"
printf 'a\000b\377\376\200' >odd.txt
for form in '' --pieces --json '--json --pieces'; do
    wt tokenize seedling $form --file odd.txt
    expect_status 0
done
expect_json

# A vocabulary needs no weights.
"$CLI_GGUF" "$seedling" vocab.gguf drop-all
wt tokenize vocab.gguf 'Once upon a time'
expect_equal 'ids of a vocabulary-only file' "$ids" "$(cat "$out")"

# The model comes first; a text in its place is noticed.
wt tokenize 'Once upon a time'
expect_error "cannot open 'Once upon a time'"
expect_err '^hint: the model comes first'

if [ ! -d "$shared/vocab" ]; then
    echo 'skipped: ../shared is absent'
    finish
    exit
fi
for vocabulary in "$shared"/vocab/*.gguf; do
    rm -f case_*
    LC_ALL=C awk 'BEGIN { RS = "\n__ggml_vocab_test__\n" }
                  { file = sprintf("case_%03d", NR); printf "%s", $0 > file; close(file) }' "$vocabulary.inp"
    n=0
    while IFS= read -r expected; do
        n=$((n + 1))
        file=$(printf 'case_%03d' $n)
        wt tokenize "$vocabulary" --no-special --file "$file"
        expect_equal "ids of case $n of $(basename "$vocabulary")" "${expected# }" "$(cat "$out")"
    done <"$vocabulary.out"
    expect_number "cases of $(basename "$vocabulary")" "$n >= 40"
done
finish
