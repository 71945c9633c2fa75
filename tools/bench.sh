#!/usr/bin/env bash
# Speed, each figure a ratio inside one run: the forward pass against oneDNN's sgemm, and (with Node 20 and the npm package) prompt
# processing against stock llama.cpp, side by side; decoding against memcpy; and rules against hand-written loops.
# Usage: tools/bench.sh BUILD [--json]
set -euo pipefail
build=${1:?usage: tools/bench.sh BUILD [--json]}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
models=("$root/data/seedling.gguf")
[ -f "$root/../shared/models/sapling-F16.gguf" ] && models+=("$root/../shared/models/sapling-F16.gguf")
export GOMP_SPINCOUNT=1000 OMP_WAIT_POLICY=passive # as the program sets them for itself
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "forward pass, $(nproc) threads"
"$build/bench/bench_forward" "$@" --keep "$scratch"
"$build/bench/bench_forward" "$@" "${models[@]}"
if [ -d "$root/tests/interop/node_modules/node-llama-cpp" ]; then
  echo
  echo "prompt processing against stock llama.cpp (node-llama-cpp), same F16 model and threads, in turn"
  node "$root/tests/interop/bench_prompt.mjs" "$build" "$@" "${models[@]}" "$scratch"/random-512.gguf "$scratch"/random-1024.gguf
fi
for model in "${models[@]}"; do
  echo
  echo "inspect $(basename "$model"): $( { TIMEFORMAT=%3R; time "$build/wildtype" inspect "$model" >/dev/null; } 2>&1) s"
done
echo
echo "memory of quantizing a model of a billion weights"
"$build/bench/bench_quantize" "$build/wildtype" "$scratch" "$@"
echo
echo "decoding against the memory bandwidth of a thread"
"$build/bench/bench_decode" "$@"
echo
echo "rules as programs against hand-written loops"
"$build/bench/bench_expression" "$@"
