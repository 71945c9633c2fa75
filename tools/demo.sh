#!/usr/bin/env bash
# The main job, on the model that is built in: strategies compete for two minutes, and what survives stands beside the presets.
set -euo pipefail
wildtype=$(realpath "${1:?usage: tools/demo.sh PROGRAM}")
folder=$(mktemp -d "${TMPDIR:-/tmp}/wildtype-demo-XXXXXX")
step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

step 'wildtype generate --prompt "The old captain" -n 60 --seed 4     # the model is alive'
"$wildtype" generate --prompt "The old captain" -n 60 --seed 4

step "wildtype evolve --minutes 2 -o $folder/run                       # strategies compete; Ctrl-C goes on to the verdict"
"$wildtype" evolve --minutes 2 -o "$folder/run"

file=$(sed -n 's/^File: `\([^`]*\)`.*/\1/p' "$folder/run/summary.md" | head -n 1)
if [ -n "$file" ]; then
  step "wildtype generate $folder/run/$file --prompt \"The old captain\" -n 60 --seed 4     # so is what survived"
  "$wildtype" generate "$folder/run/$file" --prompt "The old captain" -n 60 --seed 4
fi
cat <<END

The survivors are GGUF files that stock llama.cpp runs. Your own model:

  build/release/wildtype evolve model-F16.gguf --size 3.2MiB --text my.txt -o run/

END
