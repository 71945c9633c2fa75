# Strategies applied: files under a budget, what they say of themselves, the same on any number of threads; laws that are broken, and
# what is wrong with strategies, sizes, statistics.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$scratch/cache OMP_WAIT_POLICY=passive
text=$SOURCE/tests/data/passage.txt
use="--text $text --chunks 2 --context 128"
strategy() { # FILE GENE...
    local file=$1
    shift
    printf 'strategy\n' >"$file"
    printf '%s\n' "$@" >>"$file"
}
size_of() { stat -c %s "$1"; }

# The file is what was planned, at most the budget, nearly all of it; it carries its strategy.
strategy "$scratch/a" 'alloc.price = sens' 'alloc.types = [Q2_K Q3_K Q4_K Q5_K Q6_K]' 'fold.ffn_in = 0.3 * log(act)' \
    'rotate.residual = hadamard 7' 'feedback.damp = 0.1' 'cache.k = Q8_0' 'cache.v = Q4_0'
wt quantize --strategy "$scratch/a" --size 1.7MiB $use -o "$scratch/a.gguf" --json
expect_status 0
expect_json
expect_equal 'bytes' "$(json bytes)" "$(size_of "$scratch/a.gguf")"
expect_number 'budget' "$(json bytes) <= 1782579 && $(json bytes) >= 0.999 * 1782579"
expect_equal 'flags' '-ctk q8_0 -ctv q4_0 -fa on' "$(json run_with)"
name=$("$WILDTYPE" strategy show "$scratch/a" | sed -n '1s/strategy "\(.*\)"/\1/p')
expect_equal 'name' "$name" "$(json strategy)"
wt inspect "$scratch/a.gguf" --metadata
expect_out 'wildtype.strategy '
expect_out "wildtype.strategy_name .*$name"
expect_out 'wildtype.version '
expect_out 'general.file_type '
expect_out 'general.quantization_version '
expect_out 'quantize.imatrix.dataset .*passage.txt'
expect_out 'quantize.imatrix.entries_count '
expect_out 'quantize.imatrix.chunks_count '

# The same bytes with another number of threads, from a cache or not; by bits per weight; from a strategy on standard input.
for threads in 1 3; do
    rm -rf "$XDG_CACHE_HOME"
    wt quantize --strategy "$scratch/a" --size 1.7MiB $use -o "$scratch/b.gguf" --threads $threads
    expect_status 0
    expect_out '^run with +-ctk q8_0 -ctv q4_0 -fa on$'
    expect_out '^budget '
    cmp -s "$scratch/a.gguf" "$scratch/b.gguf" || fail "other bytes with $threads threads"
done
wt quantize --strategy "$scratch/a" --size 1782579 $use -o "$scratch/b.gguf"
cmp -s "$scratch/a.gguf" "$scratch/b.gguf" || fail "other bytes from the cache"
wt_in "$scratch/a" quantize --strategy - --bpw 4 $use -o "$scratch/c.gguf" --json
expect_status 0
expect_number 'bits' "$(json bytes) <= 4.0 * 2885376 / 8 && $(json bytes) >= 0.999 * 4.0 * 2885376 / 8"

# Checking: the plan, tensor by tensor, or every law that is broken.
wt strategy check "$scratch/a" --size 1.7MiB $use
expect_status 0
expect_out '^blk.0.ffn_up.weight +I?Q[2-6]_K '
expect_out '^head +untied'
wt strategy check "$scratch/a" --size 1.7MiB $use --json
expect_json
expect_equal 'bytes' "$(size_of "$scratch/a.gguf")" "$(json bytes)"
strategy "$scratch/bad" 'alloc.types = [Q4_K Q6_K]' 'alloc.pins = { none.weight: Q8_0, blk.7.attn_q.weight: Q4_K }'
wt strategy check "$scratch/bad" --size 1000 $use
expect_status 1
expect_out '^broken .*pins 2 matrices that the model lacks: blk.7.attn_q.weight, none.weight'
expect_out '^broken .*1000 bytes is too small: the smallest file of this strategy has [0-9]+ bytes$'
expect_err 'it breaks 2 laws'
wt strategy check "$scratch/bad" --size 1000 $use --json
expect_status 1
expect_json
expect_equal 'laws' 'a budget of 1000 bytes' "$(json laws.1.message | cut -c1-22)"
wt strategy check
expect_usage_error "'strategy check' takes a FILE"
wt strategy check "$scratch/a" --size 1MiB --bpw 3
expect_usage_error '--size and --bpw do not go together'
wt strategy check "$scratch/a" --size 3apples
expect_usage_error '.*3apples'

# Budgets: the smallest and the largest file are said, and are files; one byte less is none.
strategy "$scratch/s" 'alloc.types = [Q3_K Q4_K]'
wt quantize --strategy "$scratch/s" --size 2000 $use -o none.gguf
expect_error 'a budget of 2000 bytes is too small'
least=$(sed -n '1s/.* has \([0-9]*\) bytes$/\1/p' "$err")
wt quantize --strategy "$scratch/s" --size 1GiB $use -o none.gguf
expect_error 'a budget of 1073741824 bytes is too large: the largest file of this strategy has [0-9]+ bytes$'
most=$(sed -n '1s/.* has \([0-9]*\) bytes$/\1/p' "$err")
wt quantize --strategy "$scratch/s" --size $((least - 1)) $use -o none.gguf
expect_error 'a budget of .* is too small'
for size in "$least" "$most"; do
    wt quantize --strategy "$scratch/s" --size "$size" $use -o "$scratch/edge.gguf"
    expect_status 0
    expect_equal 'size at the edge' "$size" "$(size_of "$scratch/edge.gguf")"
done
wt quantize --strategy "$scratch/s" $use -o none.gguf
expect_error 'the strategy leaves types open, and there is no budget'
for size in 0 -5 1e99MiB '' 99999999999999999999 3.2XB; do
    wt quantize --strategy "$scratch/s" "--size=$size" $use -o none.gguf
    expect_usage_error ''
done

# Pins of matrices that the model lacks.
wt quantize --strategy "$scratch/bad" --size 1.7MiB $use -o none.gguf
expect_error 'the strategy pins 2 matrices that the model lacks'
expect_err '--ignore-missing-pins'
wt quantize --strategy "$scratch/bad" --size 1.7MiB $use --ignore-missing-pins -o "$scratch/c.gguf"
expect_status 0

# Bad strategies, none of which leaves a file.
wrong() { # MESSAGE GENE
    strategy "$scratch/wrong" "$2"
    wt quantize --strategy "$scratch/wrong" --size 1.7MiB $use -o none.gguf
    expect_error "'$scratch/wrong': line 2, column [0-9]+: $1"
}
wrong "expected a gene but found 'alloc.rice'" 'alloc.rice = 3'
wrong '' 'encode.bias = 7'
wrong '' 'encode.passes = 9'
wrong '' 'feedback.damp = -1'
wrong '' 'alloc.types = [Q9_K]'
wrong '' 'alloc.price = frequency'
wrong '' "alloc.price = $(printf '(%.0s' $(seq 500))1"
wrong '' "alloc.price = 1$(printf ' + kurt*%s' $(seq 500))"
wrong '' 'alloc.pins = { a: Q4_K, a: Q5_K }'
head -c 100 "$scratch/a" >"$scratch/wrong"
wt quantize --strategy "$scratch/wrong" --size 1.7MiB $use -o none.gguf
expect_error "'$scratch/wrong': line"
head -c 3000 /dev/urandom >"$scratch/wrong"
wt quantize --strategy "$scratch/wrong" --size 1.7MiB $use -o none.gguf
expect_error "'$scratch/wrong': line 1"
wt quantize --strategy "$scratch/none" --size 1.7MiB $use -o none.gguf
expect_error "cannot open '$scratch/none'"

# Statistics and models that do not belong together; a file that is quantized already; the model itself as the output.
if [ -f "$shared/models/stories260K-F32.gguf" ]; then
    wt calibrate "$shared/models/stories260K-F32.gguf" --text "$text" --chunks 1 -o "$scratch/other.gguf" --gram "$scratch/gram.gguf"
    wt quantize --strategy "$scratch/s" --size "$least" --imatrix "$scratch/other.gguf" -o none.gguf
    expect_error ''
    wt quantize --strategy "$scratch/s" --size "$least" $use --gram "$scratch/gram.gguf" -o none.gguf
    expect_error "the Gram matrices are another model's"
fi
wt calibrate --text "$text" --chunks 2 --context 128 -o "$scratch/own.gguf"
wt quantize --strategy "$scratch/a" --size 1.7MiB --imatrix "$scratch/own.gguf" -o none.gguf
expect_error "the strategy asks for 'sens'"
wt quantize --strategy "$scratch/s" --size $((least + 1000)) --imatrix "$scratch/own.gguf" -o "$scratch/c.gguf"
expect_status 0
wt quantize "$scratch/a.gguf" --strategy "$scratch/s" --size "$least" $use -o none.gguf
expect_error ".*has type .* already"
cp "$seedling" "$scratch/copy.gguf"
wt quantize "$scratch/copy.gguf" --strategy "$scratch/s" --size "$least" $use -o "$scratch/copy.gguf"
expect_error "cannot write '$scratch/copy.gguf': it is the model that is read"
wt quantize --strategy "$scratch/s" --type Q4_K_M -o none.gguf
expect_usage_error '--strategy and --type do not go together'
finish
