# Calibrating from the command line: the file and the report, the same however it is computed, self-written text, what is
# refused, and that nothing is left behind.
source "$(dirname "$0")/lib.sh"
made=$scratch/made
mkdir "$made" temporary
export TMPDIR=$PWD/temporary
text=$SOURCE/tests/data/passage.txt

# ---- a text ----
wt calibrate --text "$text" --chunks 3 -o "$made/stats.gguf"
expect_status 0
expect_silent err
expect_out '^model +seedling$'
expect_out '^text +.*passage.txt: 3 chunks of 256 tokens$'
expect_out '^matrices +22$'
expect_out '^output +.*stats.gguf, [0-9,]+ bytes'
expect_out '^  blk\.[0-2]\.[a-z_]+\.weight +[0-9]+ '
wt inspect "$made/stats.gguf" --metadata
expect_out '^general.type +string +"?imatrix'
expect_out '^imatrix.chunk_count +u32 +3$'
expect_out '^imatrix.chunk_size +u32 +256$'
expect_out '^imatrix.datasets .*passage.txt'
expect_out '^blk.0.attn_q.weight.in_sum2 +256 x 1 +F32'
expect_out '^blk.0.attn_q.weight.counts +1 x 1 +F32'
expect_out '^blk.2.ffn_down.weight.in_max +768 x 1 +F32'
expect_out '^token_embd.weight.in_sum4 +256 x 1 +F32'

# ---- the same bits whatever the work is cut into ----
wt calibrate "$seedling" -f "$text" --chunks=3 -o "$made/again.gguf" --threads 1 --batch 256 --json
expect_status 0
expect_json
expect_equal keys 'model text context chunks tokens output bytes tensors seconds' "$(json --keys)"
expect_equal tokens 768 "$(json tokens)"
expect_equal bytes "$(stat -c %s "$made/again.gguf")" "$(json bytes)"
expect_equal tensors 22 "$(json --count tensors)"
expect_equal 'first tensor' blk.0.attn_k.weight "$(json tensors.0.name)"
expect_number 'maximum' "$(json tensors.0.max) > $(json tensors.0.rms)"
expect_number 'kurtosis' "$(json tensors.0.kurtosis) > 1"
cmp "$made/stats.gguf" "$made/again.gguf" || fail 'the file depends on threads or batches'
wt calibrate --text - -o "$made/stdin.gguf"
expect_error "cannot use 'standard input': the text is empty"
wt_in "$text" calibrate --text - --chunks 1 -o "$made/stdin.gguf"
expect_status 0
expect_out '^text +standard input: 1 chunk of 256 tokens'

# ---- Gram matrices ----
wt calibrate --text "$text" --chunks 3 -o "$made/with-gram.gguf" --gram "$made/gram.gguf" --json
expect_status 0
expect_equal gram_bytes "$(stat -c %s "$made/gram.gguf")" "$(json gram_bytes)"
cmp "$made/stats.gguf" "$made/with-gram.gguf" || fail 'the statistics depend on --gram'
wt inspect "$made/gram.gguf" --metadata
expect_out '^general.type +string +"?gram'
expect_out '^blk.0.attn_q.weight.in_gram +32,896 +F32'
expect_no_out '^blk.0.attn_v.weight.in_gram'
expect_equal 'files left behind' '' "$(ls -A temporary)"

# ---- the model's own text ----
wt calibrate --chunks 2 --seed 5 -o "$made/own.gguf" --json
expect_status 0
expect_err "^note: no --text: 'seedling' writes its own, 2 chunks of 256 tokens"
expect_equal text self-written "$(json text)"
expect_equal seed 5 "$(json seed)"
wt inspect "$made/own.gguf" --metadata
expect_out '^imatrix.datasets .*written by seedling, seed 5'
wt calibrate --chunks 2 --seed 5 -o "$made/own-again.gguf" --threads 1
expect_out '^text +written by seedling, seed 5: 2 chunks of 256 tokens'
cmp "$made/own.gguf" "$made/own-again.gguf" || fail 'the self-written text depends on the threads'
wt calibrate --chunks 2 --seed 6 -o "$made/own-other.gguf"
! cmp -s "$made/own.gguf" "$made/own-other.gguf" || fail 'another seed writes the same text'

# ---- what it is for ----
wt quantize --type Q2_K --imatrix "$made/stats.gguf" -o "$made/q2.gguf"
expect_status 0
expect_silent err
wt eval "$made/q2.gguf" --reference seedling --text "$text" --chunks 12 --json
with=$(json kld_mean)
wt quantize --type Q2_K -o "$made/q2-plain.gguf"
wt eval "$made/q2-plain.gguf" --reference seedling --text "$text" --chunks 12 --json
expect_number 'divergence with and without statistics' "$with < $(json kld_mean)"
wt quantize "$seedling" --type Q4_K_M --imatrix "$made/gram.gguf" -o "$made/no.gguf"
expect_error "cannot read '.*gram.gguf'"

# ---- another model's ----
if [ -f "$shared/models/stories260K-F32.gguf" ]; then
    wt quantize "$shared/models/stories260K-F32.gguf" --type Q8_0 --imatrix "$made/stats.gguf" -o "$made/no.gguf"
    expect_error "cannot use the statistics in '.*stats.gguf': 'blk.0.attn_k.weight' has 256 columns in them, 64 in '"
    expect_err '^hint: .*measured on another model'
else
    echo 'note: ../shared is absent; statistics of another model were not tried'
fi

# ---- what is refused ----
wt calibrate --text "$text"
expect_usage_error 'no output is given: -o FILE'
wt calibrate --text "$text" -o
expect_usage_error "option '-o' needs a value: FILE"
cp "$seedling" "$made/model.gguf"
cp "$text" "$made/text.txt"
ln "$made/model.gguf" "$made/link.gguf"
for file in model link; do
    wt calibrate "$made/model.gguf" --text "$text" -o "$made/$file.gguf"
    expect_error "cannot write '.*$file.gguf': it is the model"
    wt calibrate "$made/model.gguf" --text "$text" -o "$made/no.gguf" --gram "$made/$file.gguf"
    expect_error "cannot write '.*$file.gguf': it is the model"
done
cmp "$seedling" "$made/model.gguf" || fail 'the model was changed'
wt calibrate --text "$made/text.txt" -o "$made/text.txt"
expect_error "cannot write '.*text.txt': it is the text"
cmp "$text" "$made/text.txt" || fail 'the text was changed'
wt calibrate --text "$text" -o "$made/no.gguf" --gram "$made/no.gguf"
expect_error "cannot write '.*no.gguf': --output and --gram name the same file"
wt calibrate --text "$text" -o "$made/no/such.gguf"
expect_error "cannot .*'.*no/such.gguf'.*No such file"
wt calibrate --text "$text" -o "$made"
expect_error "cannot write '.*made': not a regular file"
wt calibrate nowhere.gguf --text "$text" -o "$made/no.gguf"
expect_error "cannot open 'nowhere.gguf'"
wt calibrate --text nowhere.txt -o "$made/no.gguf"
expect_error "cannot open 'nowhere.txt'"
printf 'short' >short.txt
wt calibrate --text short.txt -o "$made/no.gguf"
expect_error "cannot use 'short.txt': the text has [0-9]+ tokens, fewer than one chunk of 256"
wt calibrate --text "$text" --context 3 -o "$made/no.gguf"
expect_usage_error "wrong value '3' of option '--context'"
wt calibrate --text "$text" --context 300 --chunks 1000 -o "$made/long.gguf"
expect_status 0
expect_err '^note: .*trained on 256 tokens of context'
expect_err '^note: .*fewer than --chunks 1000'
"$CLI_GGUF" "$made/stats.gguf" "$made/lacking.gguf" drop blk.1.attn_q.weight.counts
wt quantize --type Q4_K_M --imatrix "$made/lacking.gguf" -o "$made/no.gguf"
expect_error "cannot read '.*lacking.gguf': tensor 'blk.1.attn_q.weight.in_sum2' comes without its counts"

# ---- Ctrl-C ----
for i in $(seq 40); do cat "$text"; done >long.txt
for gram in '' "--gram $made/no-gram.gguf"; do
    command="wildtype calibrate $gram (and SIGINT)"
    set -m
    "$WILDTYPE" calibrate --text long.txt -o "$made/no.gguf" $gram </dev/null >"$out" 2>"$err" &
    process=$!
    set +m
    sleep 0.7
    kill -s INT $process
    wait $process
    status=$?
    expect_status 130
    expect_silent out
    expect_err '^wildtype: stopped'
done
expect_equal 'files left behind' '' "$(ls -A temporary)"
expect_equal 'outputs of what failed' '' "$(ls "$made" | grep -E '^no|^\.|wildtype' | tr '\n' ' ')"
expect_equal 'hidden files' '' "$(ls -A "$made" | grep '^\.' | tr '\n' ' ')"
finish
