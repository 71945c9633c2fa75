# Quantizing from the command line: presets, rules, reports, and everything that is refused.
source "$(dirname "$0")/lib.sh"
made=$scratch/made # where files are to appear; anywhere else the harness notices
mkdir "$made"

# ---- the dry run ----
wt quantize --type Q4_K_M --dry-run
expect_status 0
expect_silent err
expect_out '^tensor +shape +from +to'
expect_out '^token_embd.weight +256 x 2,048 +F16 +Q6_K +1,048,576 +430,080$'
expect_out '^blk\.2\.attn_v\.weight .* Q6_K '
expect_out '^would be +Q4_K_M, [0-9,]+ bytes'
wt quantize --type q4_k_m --dry-run --json
expect_status 0
expect_json
expect_equal 'type' Q4_K_M "$(json type)"
expect_equal 'file_type' 15 "$(json file_type)"
expect_equal 'dry_run' true "$(json dry_run)"
planned=$(json bytes)

# ---- a file ----
wt quantize --type Q4_K_M -o "$made/q4.gguf"
expect_status 0
expect_silent err
expect_out '^output +.*q4.gguf, [0-9,]+ bytes'
expect_out '^Q4_K +19 '
expect_equal 'bytes as planned' "$planned" "$(stat -c %s "$made/q4.gguf")"
wt inspect "$made/q4.gguf" --metadata
expect_out '^general.file_type +u32 +15'
expect_out '^general.quantization_version +u32 +2'
wt eval "$made/q4.gguf" --reference seedling --chunks 2 --json
expect_number 'divergence' "$(json kld_mean) > 0 && $(json kld_mean) < 0.02"
wt quantize --type Q4_K_M -o "$made/again.gguf" --threads 1 --json
expect_equal 'bytes in JSON' "$planned" "$(json bytes)"
cmp "$made/q4.gguf" "$made/again.gguf" || fail 'the file depends on the threads'
wt quantize "$made/q4.gguf" --type Q8_0 -o "$made/q4.gguf.new"
expect_error "cannot quantize '.*q4.gguf' to Q8_0: '.*' is quantized already, to Q"
expect_err '^hint: .*--allow-requantize'
wt quantize "$made/q4.gguf" --type Q8_0 -o "$made/q8.gguf" --allow-requantize
expect_status 0
expect_out '^Q8_0 +22 '
[ "$(ls "$made" | wc -l)" = 3 ] || fail "left over: $(ls "$made")"

# ---- rules ----
wt quantize --type Q4_K_S --tensor-type 'FFN_down=q6_k' --tensor-type='blk\.0\.=Q5_K' --output-tensor-type Q8_0 --dry-run
expect_status 0
expect_out '^blk\.0\.ffn_down.weight .* Q6_K '
expect_out '^blk\.0\.ffn_up.weight .* Q5_K '
expect_out '^blk\.1\.ffn_up.weight .* Q4_K '
expect_out '^token_embd.weight .* Q8_0 '
wt quantize --pure IQ4_NL --token-embedding-type F16 --dry-run --json
expect_status 0
expect_equal 'name' IQ4_NL "$(json type)"
expect_equal 'file type' 25 "$(json file_type)"
wt quantize --pure Q4_K_M --dry-run
expect_out '^type +Q4_K, file type 14'
wt quantize --type Q4_K_M --pure Q4_K --dry-run
expect_out '^type +Q4_K_M, file type 15'
expect_no_out ' Q6_K '
wt quantize --type Q4_K_M --tensor-type ffn_down=Q8_0 --tensor-type 'blk\.0\.ffn_down=Q6_K' --tensor-type atn_q=Q6_K --dry-run
expect_status 0
expect_err "^note: --tensor-type 'blk\\\\.0\\\\.ffn_down' decides nothing"
expect_err "^note: --tensor-type 'atn_q' decides nothing"
expect_equal 'rules that decide nothing' 2 "$(grep -c 'decides nothing' "$err")"
wt quantize --type F16 --dry-run
expect_status 0
expect_err '^note: no tensor changes its type'

# ---- wrong words ----
wt quantize --type Q4_K_N -o x.gguf
expect_usage_error "unknown type 'Q4_K_N' of option '--type'"
expect_err "did you mean 'Q4_K_"
wt quantize --type NVFP4 -o x.gguf
expect_usage_error "unknown type 'NVFP4'"
expect_err '--pure NVFP4'
wt quantize --pure Q9_K -o x.gguf
expect_usage_error "unknown type 'Q9_K' of option '--pure'"
wt quantize --pure I32 -o x.gguf
expect_usage_error "unknown type 'I32' of option '--pure'"
for rule in ffn_down =Q4_K ffn_down= ''; do
    wt quantize --type Q8_0 -o x.gguf "--tensor-type=$rule"
    expect_usage_error "wrong value '$rule' of option '--tensor-type'"
done
wt quantize --type Q8_0 -o x.gguf --tensor-type 'x=Q4_L'
expect_usage_error "unknown type 'Q4_L' of option '--tensor-type'"
wt quantize -o x.gguf
expect_usage_error 'no type is given'
wt quantize --type Q8_0
expect_usage_error 'no output is given'
wt quantize --type Q4_K_M --pure -o x.gguf # as llama-quantize has it
expect_usage_error "option '--pure' needs a value: TYPE"
for option in --text=x --context=64 --chunks=2 --ignore-missing-pins; do
    wt quantize --type Q8_0 -o x.gguf $option
    expect_usage_error "${option%%=*} goes with --strategy"
done

# ---- what is refused ----
wt quantize --type Q8_0 -o x.gguf --tensor-type 'attn_(q=Q4_K'
expect_error "cannot use the pattern 'attn_\(q': missing closing parenthesis, at character 8"
wt quantize nowhere.gguf --type Q8_0 -o x.gguf
expect_error "cannot open 'nowhere.gguf'"
wt quantize --type Q8_0 -o nowhere/x.gguf
expect_error "cannot write 'nowhere/x.gguf'"
wt quantize --type Q8_0 -o .
expect_error "cannot write '.': not a regular file"
"$CLI_GGUF" "$seedling" "$made/no-model.gguf" remove general.architecture
wt quantize "$made/no-model.gguf" --type Q8_0 -o x.gguf
expect_error "cannot quantize '.*no-model.gguf': key 'general.architecture' is missing"
wt quantize --type IQ2_XXS -o x.gguf
expect_error "cannot quantize 'blk.0.attn_q.weight' to IQ2_XXS: it needs importance"
expect_err '^hint: .*wildtype calibrate'
wt quantize --type IQ2_XXS --dry-run
expect_status 0
expect_err '^note: quantizing will need importance'
wt quantize --type Q8_0 -o x.gguf --imatrix nowhere.gguf
expect_status 1
expect_err nowhere.gguf
cp "$made/q8.gguf" "$made/same.gguf"
ln -s same.gguf "$made/link.gguf"
for path in same.gguf ../made/same.gguf link.gguf; do
    wt quantize "$made/same.gguf" --type F16 --allow-requantize -o "$made/$path"
    expect_error "cannot write '.*': it is the model that is read"
done
cmp "$made/q8.gguf" "$made/same.gguf" || fail 'the input was touched'
"$CLI_GGUF" "$seedling" "$made/odd.gguf" reshape blk.1.ffn_up.weight 80 12
wt quantize "$made/odd.gguf" --pure Q1_0 -o x.gguf
expect_error "cannot quantize 'blk.1.ffn_up.weight' to Q1_0: its rows of 80 weights are no whole number of 128-weight blocks"
wt quantize "$made/odd.gguf" --type Q4_K_M --dry-run
expect_status 0
expect_out '^blk.1.ffn_up.weight +80 x 12 .* F16 .* does not fit Q4_K$'
expect_err '^note: the rows of 1 tensor do not fit the type'

# ---- what stands under the output's name ----
echo old >"$made/target.gguf"
ln -s target.gguf "$made/other-name.gguf"
wt quantize --type Q8_0 -o "$made/other-name.gguf"
expect_status 0
[ -L "$made/other-name.gguf" ] || fail 'the link became a file'
cmp "$made/target.gguf" "$made/q8.gguf" >/dev/null && fail 'that file is of another source'
expect_equal 'bytes behind the link' "$(stat -c %s "$made/q8.gguf")" "$(stat -c %s "$made/target.gguf")"
# "cannot write": its standard output or error; by a name that is no device, so that a mistake costs a scratch file
command='wildtype quantize -o FILE >FILE'
"$WILDTYPE" quantize --type Q8_0 -o "$made/printed" </dev/null >"$made/printed" 2>"$err"
status=$?
: >"$out"
expect_error "cannot write '.*printed': standard output or error goes there"
expect_equal 'bytes printed' 0 "$(stat -c %s "$made/printed")"

# ---- importance, in the older format because a shell can write it ----
le32() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x00\\x00"; }
entry() { # NAME COLUMNS: the first column has 0, the others 1
    le32 ${#1}
    printf %s "$1"
    le32 1
    le32 "$2"
    le32 0
    for ((i = 1; i < $2; i++)); do printf '\x00\x00\x80\x3f'; done
}
{ le32 2; entry blk.0.attn_q.weight 256; entry token_embd.weight 256; } >"$made/stats.dat"
wt quantize --type Q4_K_M --imatrix "$made/stats.dat" -o "$made/weighted.gguf" --json
expect_status 0
expect_err '^note: 20 tensors without importance, .*: blk\.0\.attn_k\.weight, blk\.0\.attn_v\.weight, '
expect_err '^note: 2 of 512 columns have importance 0'
expect_equal 'zeros' 2 "$(json zeros)"
expect_equal 'missing' blk.0.attn_k.weight "$(json missing.0)"
wt inspect "$made/weighted.gguf" --metadata
expect_out '^quantize.imatrix.file +string .*stats.dat'
expect_out '^quantize.imatrix.entries_count +u32 +2'
wt compare "$made/q4.gguf" "$made/weighted.gguf" --imatrix "$made/stats.dat" --json
expect_number 'what importance changed' "$(json total.error) > 0 && $(json total.weighted_error) > 0"
wt quantize --type IQ2_XXS --imatrix "$made/stats.dat" -o x.gguf
expect_error "cannot quantize 'blk.0.attn_k.weight' to IQ2_XXS: it needs importance, and '.*stats.dat' has none for it"
{ le32 1; entry blk.7.attn_q.weight 256; } >"$made/other.dat"
wt quantize --type Q4_K_M --imatrix "$made/other.dat" -o x.gguf
expect_error "cannot use the statistics in '.*other.dat'.*blk.7.attn_q.weight"
{ le32 1; entry blk.0.attn_q.weight 128; } >"$made/other.dat"
wt quantize --type Q4_K_M --imatrix "$made/other.dat" -o x.gguf
expect_error "cannot use the statistics in '.*other.dat'.*blk.0.attn_q.weight"
cp "$made/stats.dat" "$made/kept.dat"
wt quantize --type Q4_K_M --imatrix "$made/stats.dat" -o "$made/stats.dat"
expect_error "cannot write '.*stats.dat': it is the file with the importance"
cmp "$made/stats.dat" "$made/kept.dat" || fail 'the importance was touched'

# ---- a split source becomes one file ----
"$CLI_GGUF" "$seedling" "$made/part" split 3
wt quantize "$made/part-00002-of-00003.gguf" --type Q4_K_M -o "$made/whole.gguf"
expect_status 0
wt inspect "$made/whole.gguf" --metadata
expect_no_out '^split\.'
wt compare "$made/q4.gguf" "$made/whole.gguf" --json
expect_equal 'error of the split one' 0.0 "$(json total.error)"
wt quantize "$made/part-00002-of-00003.gguf" --type Q4_K_M -o "$made/part-00003-of-00003.gguf"
expect_error 'cannot write .*: it is the model that is read'

# ---- Ctrl-C leaves nothing ----
mkdir "$made/stopped"
left=0
for delay in 0.02 0.05 0.1 0.2; do
    set -m
    "$WILDTYPE" quantize --type Q3_K_M -o "$made/stopped/x.gguf" --threads 1 </dev/null >"$out" 2>"$err" &
    process=$!
    set +m
    sleep $delay
    kill -s INT $process 2>/dev/null
    wait $process 2>/dev/null
    status=$?
    command="wildtype quantize (SIGINT after $delay s)"
    checks=$((checks + 1))
    case $status in
    0) rm "$made/stopped/x.gguf" ;;
    130) ;;
    *) fail 'neither done nor stopped' ;;
    esac
    expect_equal 'files left behind' '' "$(ls -A "$made/stopped")"
done
finish
