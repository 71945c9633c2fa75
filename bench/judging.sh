# What bench/survival and bench/transfer share: stock files, and two words on a file, the judge's and our own, each kept beside it and not made again.
# Sourced with $source, $build and $results set; $chunks is how many chunks of 256 tokens the judge scores.
shared=$source/../shared
presets="IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS Q2_K_S Q2_K IQ3_XS IQ3_S IQ3_M Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL Q4_K_S Q4_K_M Q5_K_S"
search=$shared/text/novel_haggard.txt unseen=$shared/text/novel_chesterton.txt
modules=$source/tests/interop/node_modules
wildtype=$build/wildtype
[ -f "$search" ] || { echo "$0: needs ../shared (models and texts)" >&2; exit 1; }
[ -d "$modules" ] || { echo "$0: needs the judge: tools/install-dependencies test" >&2; exit 1; }
mkdir -p "$results"
cp "$shared/tools/judge/judge.mjs" "$results/judge.mjs"
[ -e "$results/node_modules" ] || ln -s "$modules" "$results/node_modules"

say() { echo "[$(date +%H:%M:%S)] $*" >&2; }
field() { python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(eval("d"+sys.argv[2]))' "$1" "$2"; }

# The judge's word on a file, kept beside it.
judge() { # MODEL FILE
  local word=$2.judge-$chunks
  [ -s "$word" ] || { node "$results/judge.mjs" "$1" "$2" "$unseen" 256 "$chunks" > "$word.part" && mv "$word.part" "$word"; }
  field "$word" "['kld']"
}

# Our own word, which agrees with the judge's within 3% and takes a tenth of the time: which preset is the best.
ours() { # MODEL FILE
  [ -s "$2.ours" ] || { "$wildtype" eval "$2" --reference "$1" --text "$unseen" --context 256 --chunks 96 --activations q8 --json \
    > "$2.ours.part" 2>/dev/null && mv "$2.ours.part" "$2.ours"; }
  field "$2.ours" "['kld_mean']"
}

stock() { # MODEL NAME PRESET
  local file=$results/$2/$3.gguf
  [ -s "$results/$2/importance.gguf" ] || "$wildtype" calibrate "$1" --text "$search" --context 256 -o "$results/$2/importance.gguf" > /dev/null 2>&1
  [ -s "$file" ] || { "$build/bench/stock-quantize" "$source/tests/interop" "$1" "$file.part" "$3" --imatrix "$results/$2/importance.gguf" > "$file.log" 2>&1 \
    && mv "$file.part" "$file"; }
  echo "$file"
}

# The best of the stock presets that are no larger.
best_stock() { # MODEL NAME BYTES
  local best="" least=1e9 preset file value
  for preset in $presets; do
    file=$(stock "$1" "$2" "$preset")
    [ "$(stat -c %s "$file")" -le "$3" ] || continue
    value=$(ours "$1" "$file")
    if python3 -c "exit(0 if $value < $least else 1)"; then best=$preset least=$value; fi
  done
  echo "$best"
}

