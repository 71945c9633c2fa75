# Comparing two files: figures, files that do not match, wrong words.
source "$(dirname "$0")/lib.sh"
made=$scratch/made
mkdir "$made"
wt compare seedling seedling --json
expect_status 0
expect_silent err
expect_json
expect_equal 'error' 0.0 "$(json total.error)"
expect_equal 'signal to noise of equal files' null "$(json total.snr_db)"
expect_equal 'compared' 29 "$(json compared)"

for type in Q8_0 Q4_0; do wt quantize --pure $type -o "$made/$type.gguf"; done
wt compare seedling "$made/Q8_0.gguf" --json
fine=$(json total.error)
wt compare seedling "$made/Q4_0.gguf" --json
coarse=$(json total.error)
expect_number 'errors of 8 and 4 bits' "$fine > 0 && $fine < 1e-4 && $coarse > 20 * $fine && $coarse < 0.02"
expect_number 'dB' "($(json total.snr_db) + 10 * log($coarse) / log(10)) ^ 2 < 1e-6"
expect_equal 'types' 'F16 Q4_0' "$(json tensors.0.first_type) $(json tensors.0.second_type)"
wt compare seedling "$made/Q4_0.gguf"
expect_status 0
expect_out '^tensor +shape +first +second +error +SNR dB$'
expect_out '^blk\.0\.attn_q\.weight +256 x 256 +F16 +Q4_0 +[0-9.]+e-0[0-9] +[0-9.]+$'
expect_out '^all that are compared +2,885,376 '
cp "$out" "$scratch/two"
wt compare seedling "$made/Q4_0.gguf" --threads 1
cmp -s "$out" "$scratch/two" || fail 'the figures depend on the threads'

"$CLI_GGUF" "$seedling" "$made/other.gguf" drop blk.0.ffn_up.weight rename blk.1.ffn_up.weight new.weight \
    reshape blk.2.ffn_up.weight 96 4
wt compare seedling "$made/other.gguf"
expect_status 0
expect_err '^note: not compared: 2 tensors that only the first file has, 1 that only the second has, 1 of different shapes'
expect_out '^blk\.0\.ffn_up\.weight .* not in the second file$'
expect_out '^blk\.2\.ffn_up\.weight .* has another shape in the second file: 96 x 4$'
expect_out '^new\.weight .* not in the first file$'
wt compare seedling "$made/other.gguf" --json
expect_equal 'counts' '26 2 1' "$(json compared) $(json absent) $(json reshaped)"
expect_equal 'extra' new.weight "$(json extra.0)"

wt compare seedling
expect_usage_error 'two files are needed'
wt compare seedling nowhere.gguf
expect_error "cannot open 'nowhere.gguf'"
"$CLI_GGUF" "$seedling" "$made/empty.gguf" drop-all
wt compare seedling "$made/empty.gguf"
expect_error "cannot compare 'seedling' with '.*empty.gguf': they have no tensor of the same name and shape"
wt compare seedling "$made/Q4_0.gguf" --imatrix nowhere.gguf
expect_status 1
finish
