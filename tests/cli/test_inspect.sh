# inspect: the embedded model, odd files, JSON.
source "$(dirname "$0")/lib.sh"

wt inspect
expect_status 0
expect_silent err
expect_out '^architecture +llama$'
expect_out '^parameters +2,885,376'
expect_out '^layers +3$'
expect_out '^width +256$'
expect_out '^heads +4, 2 of keys and values$'
expect_out '^ffn +768$'
expect_out '^vocabulary +2,048$'
expect_out '^context +256$'
expect_out '^tokenizer +llama'
expect_out '^runs here +yes$'
expect_out '^token_embd.weight +256 x 2,048 +F16 +1,048,576 +16.000 +18.0%$'
expect_out '^ffn_down +F16 +3 +589,824 +1,179,648 +16.000 +20.3%$'
expect_out '^ +F32 +7 +1,792 +7,168 +32.000 +0.1%$'
cp "$out" "$scratch/embedded"
wt inspect seedling
expect_equal 'by name' "$(cat "$scratch/embedded")" "$(cat "$out")"
wt inspect "$seedling"
expect_equal 'from the file' "$(tail -n +2 "$scratch/embedded")" "$(tail -n +2 "$out")"

wt inspect --json "$seedling"
expect_status 0
expect_json
expect_equal keys 'model bytes files version alignment architecture name parameters bits_per_weight layers width heads kv_heads ffn experts vocabulary context tokenizer runs runs_why_not tensors roles types' "$(json --keys)"
expect_equal bytes "$(stat -c %s "$seedling")" "$(json bytes)"
expect_equal tensors 29 "$(json --count tensors)"
expect_equal shape '[256,2048]' "$(json tensors.0.shape)"
expect_equal runs true "$(json runs)"
expect_equal kv_heads 2 "$(json kv_heads)"
wt inspect --json --metadata
expect_json
expect_equal 'first entry' general.architecture "$(json metadata.0.key)"
wt inspect -m
expect_out '^tokenizer.ggml.tokens +string +\["<unk>", .* 2,048 in all$'

# Files that the engine cannot run are shown, and said to be so.
"$CLI_GGUF" "$seedling" vocab.gguf drop-all || fail 'cli_gguf'
wt inspect vocab.gguf
expect_status 0
expect_out 'no tensors'
expect_out '^runs here +no: the file has no weights'
wt inspect --json vocab.gguf
expect_json
expect_equal tensors 0 "$(json --count tensors)"
"$CLI_GGUF" "$seedling" arch.gguf set-str general.architecture martian set-u32 martian.block_count 77
wt inspect arch.gguf
expect_status 0
expect_out '^architecture +martian$'
expect_out '^layers +77$'
expect_out "^runs here +no: .*'martian'"
"$CLI_GGUF" "$seedling" type.gguf retype blk.1.ffn_up.weight I16
wt inspect type.gguf
expect_status 0
expect_out '^blk.1.ffn_up.weight +256 x 768 +I16'
expect_out "^runs here +no: .*blk.1.ffn_up.weight"
"$CLI_GGUF" "$seedling" missing.gguf drop blk.1.ffn_up.weight
wt inspect missing.gguf
expect_status 0
expect_out "^runs here +no: .*blk.1.ffn_up.weight"
"$CLI_GGUF" "$seedling" tokenizer.gguf set-str tokenizer.ggml.model martian
wt inspect tokenizer.gguf
expect_status 0
expect_out '^tokenizer +martian'
expect_out "^runs here +no: .*'martian'"
"$CLI_GGUF" "$seedling" parts split 3
for part in 1 2 3; do
    wt inspect parts-0000$part-of-00003.gguf
    expect_status 0
    expect_out 'in 3 files$'
    expect_out '^parameters +2,885,376'
done
# A whole file that is named like one of one, with and without keys about parts.
"$CLI_GGUF" "$seedling" single split 1
cp "$seedling" whole-00001-of-00001.gguf
for file in single-00001-of-00001.gguf whole-00001-of-00001.gguf; do
    wt inspect $file
    expect_status 0
    expect_no_out 'in [0-9]+ files'
    expect_out '^parameters +2,885,376'
done
cp parts-00002-of-00003.gguf lost-00001-of-00001.gguf
wt inspect lost-00001-of-00001.gguf
expect_error "cannot read 'lost-00001-of-00001.gguf': it is part 2 of 3"
# What a file says must not steer the terminal, and must not spoil the JSON.
"$CLI_GGUF" "$seedling" hostile.gguf set-str general.name '\x1b[31mred\x9b\xff' rename blk.1.ffn_up.weight 'blk.1.\x1b]0;x\x07'
wt inspect hostile.gguf
expect_status 0
expect_out '^name +\\x1b\[31mred\\x9b\\xff$'
expect_no_out "$(printf '\033')"
wt inspect --json --metadata hostile.gguf
expect_json
expect_equal 'name in JSON' "$(printf '\033[31mred\357\277\275\357\277\275')" "$(json name)"

if [ -d "$shared/models" ]; then
    wt inspect "$shared/models/sapling-F16.gguf"
    expect_status 0
    expect_out '^layers +8$'
    for file in "$shared"/vocab/*.gguf; do
        wt inspect "$file"
        expect_status 0
        expect_out '^tokenizer +(llama|gpt2)'
    done
else
    echo 'skipped: ../shared is absent'
fi
finish
