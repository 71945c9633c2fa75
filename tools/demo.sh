#!/usr/bin/env bash
# What the program does today, on the model that is built in: look into it, let it write, measure it.
set -euo pipefail
wildtype=${1:?usage: tools/demo.sh PROGRAM}
step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
step wildtype inspect
"$wildtype" inspect | head -n 22
echo "..."
step 'wildtype generate --prompt "The old captain" -n 80 --seed 4'
"$wildtype" generate --prompt "The old captain" -n 80 --seed 4
step wildtype eval
"$wildtype" eval
step wildtype eval --reference seedling
"$wildtype" eval --reference seedling
cat <<'END'

The last table compares the model with itself, so every divergence is exactly 0. Measure your own models with

  build/release/wildtype eval CANDIDATE.gguf --reference ORIGINAL.gguf --text novel.txt

END
