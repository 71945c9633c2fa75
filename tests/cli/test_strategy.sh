# Strategies on the command line: drawn, shown, varied, compared; what people made; wrong words, wrong files.
source "$(dirname "$0")/lib.sh"

# The same seed draws the same strategy, another seed another; what is printed is canonical and reads back as itself.
wt strategy random --seed 3
expect_status 0
expect_out '^strategy "[0-9a-f]{12}"$'
expect_silent err
cp "$out" "$scratch/a"
wt strategy random --seed 3
expect_equal 'the same seed' "$(cat "$scratch/a")" "$(cat "$out")"
wt strategy random -s 4
cp "$out" "$scratch/b"
expect_equal 'strategies of two seeds that are equal' no "$(cmp -s "$scratch/a" "$scratch/b" && echo yes || echo no)"
wt strategy show "$scratch/a"
expect_status 0
expect_equal 'the canonical text' "$(cat "$scratch/a")" "$(grep -v '^#' "$out")"
expect_out '^# [0-9]+ of 18 genes set, [0-9]+ expression nodes?$'
expect_out '^#   rules .*alloc.price \([0-9]+ nodes?\)'
expect_out '^#   at default +[a-z]+\.'
cp "$out" "$scratch/shown"
wt_in "$scratch/shown" strategy show -
expect_equal 'shown again' "$(cat "$scratch/shown")" "$(cat "$out")"

# A price may ask for anything that was measured; no type of the newest runtimes comes by itself, only where a person says so.
for seed in $(seq 1 40); do
    "$WILDTYPE" strategy random --seed $seed
done >"$scratch/many"
command='40 random strategies' status=0
cp "$scratch/many" "$out"
expect_no_out '[^A-Z](Q1_0|Q2_0|NVFP4)'
expect_out 'feedback.damp'
expect_out 'alloc.price .*sens'
wt strategy random --seed 5 --types Q3_K,NVFP4
expect_out '^alloc.types += \[(Q3_K|NVFP4|Q3_K NVFP4)\]$'

# Pinned: a type for each of the model's tensors, of the types that were asked for.
wt strategy random --pinned --types 'Q2_K Q6_K' --seed 2
expect_status 0
expect_equal 'pinned tensors' "$("$WILDTYPE" strategy human Q8_0 | grep -c ': ')" "$(grep -c ': Q[26]_K$' "$out")"
expect_no_out 'alloc.price'
cp "$out" "$scratch/pinned"
wt strategy show "$scratch/pinned"
expect_out '^#   pinned +[0-9]+ tensors$'
wt strategy mutate "$scratch/pinned" --pinned --types 'Q2_K Q6_K' --operator switch
expect_status 0
cp "$out" "$scratch/switched"
wt strategy diff "$scratch/pinned" "$scratch/switched"
expect_out '^alloc.pins +distance 0\.'
expect_out 'weight: Q2_K -> Q6_K'
expect_out 'weight: Q6_K -> Q2_K'

# Mutation changes one gene and says how; crossover takes every gene from its parents or mixes them.
wt strategy mutate "$scratch/a" --seed 9
expect_status 0
expect_err '^operator: (rule|constant|switch|types|choice)$'
cp "$out" "$scratch/child"
wt strategy diff "$scratch/a" "$scratch/child"
expect_out ': 1 of 18 genes differ, distance 0\.'
for operator in rule constant types choice; do
    wt strategy mutate "$scratch/a" --operator $operator
    expect_status 0
    expect_silent err
done
wt strategy cross "$scratch/a" "$scratch/b" --seed 2
expect_status 0
cp "$out" "$scratch/child"
wt strategy show "$scratch/child"
expect_status 0
wt strategy cross "$scratch/a" "$scratch/a"
expect_equal 'a strategy crossed with itself' "$(cat "$scratch/a")" "$(cat "$out")"
wt strategy diff "$scratch/a" "$scratch/a"
expect_out ': 0 of 18 genes differ, distance 0.0000$'

# Humans: a preset pins what the quantizer assigns, the methods need no model.
wt strategy human
expect_out '^sensitivity '
expect_out '^Q4_K_M '
for name in $(cut -d' ' -f1 "$out"); do
    wt strategy human $name
    expect_status 0
    cp "$out" "$scratch/human"
done
wt strategy show "$scratch/human"
expect_status 0
wt quantize --type Q3_K_M --dry-run --json
grep -o '"\(name\|type\)": *"[^"]*"' "$out" | cut -d'"' -f4 | grep -A1 '\.weight$' | grep -v '^--' | paste -d' ' - - |
    sed -n 's/ \(I\{0,1\}Q.*\)/: \1/p' | sort >"$scratch/assigned"
wt strategy human Q3_K_M --no-importance
grep -o '[^ ]*: [A-Z0-9_]*$' "$out" | sort >"$scratch/pins"
expect_equal 'tensors of Q3_K_M' 22 "$(wc -l <"$scratch/assigned")"
expect_equal "pins of Q3_K_M" "$(cat "$scratch/assigned")" "$(cat "$scratch/pins")"
wt strategy human sensitivity
expect_out '^alloc.price += sens$'
expect_out '^feedback.damp += 0.1$'
wt strategy human nobody
expect_error "unknown human strategy 'nobody'"

# JSON.
wt strategy show "$scratch/a" --json
expect_json
expect_equal 'name' "$(sed -n '1s/strategy "\(.*\)"/\1/p' "$scratch/a")" "$(json name)"
expect_equal 'first gene' alloc.price "$(json genes.0.gene)"
wt strategy diff "$scratch/a" "$scratch/b" --json
expect_json

# Wrong texts: the file, the place, what was expected, what found.
printf 'strategy\nalloc.price = 2 * (kurt + foo)\n' >"$scratch/wrong"
wt strategy show "$scratch/wrong"
expect_error "'$scratch/wrong': line 2, column 27: .*foo"
expect_err '^hint: .*rms_act'
printf 'strategy\nalloc.prize = 2\n' >"$scratch/wrong"
wt strategy show "$scratch/wrong"
expect_error "'$scratch/wrong': line 2, column 1: expected a gene but found 'alloc.prize'"
expect_err '^hint: genes: alloc.price'
sed 's/^strategy.*/strategy "0123456789ab"/' "$scratch/a" >"$scratch/wrong"
wt strategy show "$scratch/wrong"
expect_error ".*line 1, column 10: the name \"0123456789ab\" is another strategy's"
head -c 2000000 /dev/zero >"$scratch/wrong"
wt strategy show "$scratch/wrong"
expect_error '.*too long'
wt strategy show /dev/zero
expect_error '.*too long'
wt strategy show "$scratch/none"
expect_error "cannot open '$scratch/none'"
wt strategy show "$scratch"
expect_error "cannot read '$scratch'"

# Wrong words.
wt strategy
expect_usage_error 'what to do is not said'
wt strategy randon
expect_usage_error "unknown verb 'randon'"
expect_err "did you mean 'wildtype strategy random'"
wt strategy show
expect_usage_error "'strategy show' takes a FILE"
wt strategy cross a
expect_usage_error "'strategy cross' takes two FILEs"
wt strategy diff - -
expect_usage_error 'standard input cannot be both'
wt strategy random --types Q9_K
expect_error "--types 'Q9_K': line 1, column 2: expected a type but found 'Q9_K'"
wt strategy mutate "$scratch/a" --operator rul
expect_error "unknown operator 'rul'"
wt strategy random --model "$scratch/a"
expect_error ''
finish
