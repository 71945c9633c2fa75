# eval: figures, JSON keys, texts from everywhere, results that do not depend on threads or batches.
source "$(dirname "$0")/lib.sh"

# A text that needs nothing from outside: what the seedling writes.
wt generate -n 250 --seed 7
for seed in 8 9 10; do
    cat "$out" >>text.txt
    wt generate -n 250 --seed $seed
done
[ "$(wc -c <text.txt)" -gt 2000 ] || fail 'the seedling writes too little'

wt eval --text text.txt
expect_status 0
expect_silent err
expect_out '^model +seedling, 5,821,152 bytes, 16.01 bits per weight$'
expect_out "^text +text.txt: [0-9]+ chunks of 256 tokens, [0-9,]+ tokens scored$"
expect_out '^  model +[0-9]+\.[0-9]{4} ± [0-9]+\.[0-9]{4}$'
wt eval --text text.txt --json
expect_status 0
expect_silent err
expect_json
expect_equal keys 'model bytes text context chunks tokens perplexity perplexity_stderr seconds' "$(json --keys)"
expect_equal bytes 5821152 "$(json bytes)"
expect_equal 'scored tokens' $(($(json chunks) * 127)) "$(json tokens)"
perplexity=$(json perplexity)
expect_number 'a plausible perplexity' "$perplexity > 2 && $perplexity < 100"

# The same figures from any number of threads, any batch, standard input.
for words in '--threads 1' '--threads 2' '--threads 3' '--batch 1' '--batch 512'; do
    wt eval --text text.txt --json $words
    expect_equal "perplexity with $words" "$perplexity" "$(json perplexity)"
done
wt_in text.txt eval --text - --json
expect_equal 'perplexity of standard input' "$perplexity" "$(json perplexity)"
expect_equal 'name of standard input' 'standard input' "$(json text)"

# Protocol: one newline at the end is dropped, and only one.
cp text.txt more.txt
printf '\n' >>more.txt
wt eval --text more.txt --json
expect_equal 'perplexity with a newline more' "$perplexity" "$(json perplexity)"
wt eval --text text.txt --chunks 1 --context 64 --json
expect_equal 'one chunk' 1 "$(json chunks)"
expect_equal 'its scored tokens' 31 "$(json tokens)"
expect_equal 'its context' 64 "$(json context)"
wt eval --text text.txt --chunks 999
expect_status 0
expect_err "^note: 'text.txt' has [0-9]+ chunks"
wt eval --text text.txt --context 300
expect_status 0
expect_err "^note: 'seedling' was trained on 256 tokens"

# Against itself: exactly nothing.
wt eval --text text.txt --reference "$seedling" --json
expect_status 0
expect_json
expect_equal keys 'model bytes reference text context chunks tokens perplexity perplexity_stderr reference_perplexity reference_perplexity_stderr log_ratio log_ratio_stderr kld_mean kld_stderr kld_chunk_stderr kld_median kld_p90 kld_p95 kld_p99 kld_p999 kld_max kld_min same_top same_top_stderr rms_dp rms_dp_stderr seconds' "$(json --keys)"
for key in kld_mean kld_stderr kld_chunk_stderr kld_p99 kld_p999 kld_max log_ratio rms_dp; do
    expect_equal $key 0.0 "$(json $key)"
done
expect_equal same_top 1.0 "$(json same_top)"
expect_equal 'perplexity of both' "$(json perplexity)" "$(json reference_perplexity)"

# Against a damaged copy: something, in the right order, and the report says the same.
"$CLI_GGUF" "$seedling" damaged.gguf set-str general.name damaged set-u32 llama.attention.head_count_kv 2 retype blk.1.ffn_up.weight F32
wt eval damaged.gguf --reference seedling --text text.txt --json
expect_status 0
expect_json
kld=$(json kld_mean) max=$(json kld_max) p99=$(json kld_p99) p999=$(json kld_p999)
expect_number 'percentiles' "0 < $kld && $kld < $p99 && $p99 <= $p999 && $p999 <= $max"
expect_number 'shares' "$(json same_top) > 0 && $(json same_top) < 1 && $(json rms_dp) > 0 && $(json rms_dp) < 1"
expect_number 'log ratio' "($(json log_ratio) - log($(json perplexity) / $(json reference_perplexity)))^2 < 1e-12"
expect_equal 'the other file is the candidate' "$(stat -c %s damaged.gguf)" "$(json bytes)"
wt eval damaged.gguf --reference seedling --text text.txt
expect_status 0
expect_out '^candidate +damaged.gguf'
expect_out '^reference +seedling$'
expect_out "^  mean +$(printf %.6f "$kld") ± [0-9.]+ over tokens$"
expect_out "^  99.9% +$(printf %.6f "$p999")$"
expect_out '^  same top token +[0-9.]+ ± [0-9.]+ %$'
# One chunk has no error over chunks.
wt eval damaged.gguf --reference seedling --text text.txt --chunks 1 --json
expect_json
expect_equal 'chunk error of one chunk' null "$(json kld_chunk_stderr)"
wt eval damaged.gguf --reference seedling --text text.txt --chunks 1
expect_no_out 'nan'

# Rounded activations: other figures, of the same protocol; against itself still nothing.
wt eval --text text.txt --activations q8 --reference seedling --json
expect_status 0
expect_json
expect_equal activations q8 "$(json activations)"
expect_equal 'kld against itself' 0.0 "$(json kld_mean)"
expect_number 'the rounding shows, and little' "$(json perplexity) != $perplexity && ($(json perplexity) / $perplexity - 1)^2 < 1e-4"
wt eval damaged.gguf --reference seedling --text text.txt --activations Q8
expect_status 0
expect_out '^rounding +inputs of matrices'
wt eval --text text.txt --activations q4
expect_usage_error "wrong value 'q4' of option '--activations'"

# Rounded keys and values: the candidate's alone, coarser types further off.
wt eval --text text.txt --reference seedling --cache-k q8_0 --cache-v Q8_0 --json
expect_status 0
expect_json
expect_equal cache_k Q8_0 "$(json cache_k)"
expect_equal cache_v Q8_0 "$(json cache_v)"
expect_equal 'the reference is not touched' "$perplexity" "$(json reference_perplexity)"
fine=$(json kld_mean)
wt eval --text text.txt --reference seedling --cache-v Q4_0 --json
expect_json
expect_number 'four bits are worse than eight' "0 < $fine && 10 * $fine < $(json kld_mean)"
wt eval --text text.txt --reference seedling --cache-k Q4_0
expect_out "^cache +keys Q4_0, values F32; the reference's F32$"
wt eval --text text.txt --cache-v nothing
expect_usage_error "wrong value 'nothing' of option '--cache-v'"
for words in '--cache-k Q6_K' '--cache-v I32'; do
    wt eval --text text.txt $words
    expect_status 1
    expect_err '^hint: choose from F32, F16'
done

# No text: the model writes one, and says so; the same seed, the same text.
wt eval --chunks 2 --json
expect_status 0
expect_err "^note: no --text: 'seedling' writes its own, 2 chunks of 256 tokens$"
expect_json
expect_equal 'text' self-written "$(json text)"
expect_equal 'seed' 1 "$(json seed)"
first=$(json perplexity)
wt eval --chunks 2 --json --threads 1
expect_equal 'self-written text again' "$first" "$(json perplexity)"
wt eval --chunks 2 --json --seed 2
[ "$first" != "$(json perplexity)" ] || fail 'another seed gives the same text'
wt eval damaged.gguf --reference seedling --chunks 2
expect_status 0
expect_out '^text +written by seedling, seed 1: 2 chunks'

# Tasks.
for i in 0 1 2 3; do
    printf 'He looked at the sea and\n%d\nsaid nothing.\nwent away.\nzzz qqq xxx.\nthe the the the.\n' $i
done >tasks.txt
wt eval --tasks tasks.txt --json
expect_status 0
expect_silent err
expect_json
expect_equal keys 'model bytes tasks seconds' "$(json --keys)"
expect_equal 'keys of tasks' 'file accuracy accuracy_stderr count' "$(json --keys tasks)"
expect_equal count 4 "$(json tasks.count)"
expect_equal 'the same answer is right once in four' 0.25 "$(json tasks.accuracy)"
wt eval --tasks tasks.txt --reference seedling --text text.txt --json
expect_json
expect_equal flips 0.0 "$(json tasks.flips)"
expect_equal 'kld beside tasks' 0.0 "$(json kld_mean)"
wt eval --tasks tasks.txt --reference seedling
expect_out '^  accuracy +25.00 ± [0-9.]+ %$'
expect_out '^  answers that flipped +0.00 %$'

wt eval --bf16 --text text.txt --json
if grep -q 'no bf16 products' "$err"; then
    expect_error 'cannot use --bf16'
    echo 'note: this processor has no bf16 products'
else
    expect_status 0
    expect_number 'perplexity in bf16' "$(json perplexity) / $perplexity > 0.98 && $(json perplexity) / $perplexity < 1.02"
fi

if [ -d "$shared/models" ]; then
    head -c 8000 "$shared/text/novel_chesterton.txt" >novel.txt
    wt eval "$shared/models/gnarled-F16.gguf" --reference "$shared/models/sapling-F16.gguf" --text novel.txt --json
    expect_status 0
    expect_number 'the same function' "$(json kld_mean) < 1e-6 && $(json same_top) > 0.99"
    wt eval "$shared/models/stories260K-F32.gguf" --reference "$shared/models/sapling-F16.gguf" --text novel.txt
    expect_error 'cannot compare .*vocabular'
else
    echo 'skipped: ../shared is absent'
fi
finish
