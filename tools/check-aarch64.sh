#!/usr/bin/env bash
# The aarch64 build, its NEON variants against the plain ones among its tests, under qemu. Fetches what that needs; where it
# cannot be had it says so and passes, except in CI. Prints one line, or what failed. Under an emulator some tests take
# minutes; those that run are named here.
set -euo pipefail
cd "$(dirname "$0")/.."
tests='^unit\.(activations|codebook|codebook_groups|codec|cpu|encode|gguf_read|gguf_write|kernels|matmul|presets|program|tokenizer_vocab)$|^corpus\.'
jobs=$(nproc 2>/dev/null || echo 2)

if [ "$(uname -m)" = aarch64 ]; then
  echo "skipped: this machine is an aarch64 itself"
  exit 0
fi
if ! tools/install-dependencies cross; then
  if [ "${CI:-}" = true ]; then
    echo "check-aarch64: CI needs the cross compiler, qemu and the arm64 libraries" >&2
    exit 1
  fi
  echo "SKIPPED: the aarch64 build and its tests; the cross compiler, qemu or the arm64 libraries cannot be had (see above)"
  exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; echo "check-aarch64: '$*' failed" >&2; exit 1; }; }
quietly cmake --preset aarch64
quietly cmake --build --preset aarch64 -j "$jobs"
# A thread a test, and as many tests as processors: threads that wait for each other cost most under an emulator.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
quietly ctest --test-dir build/aarch64 --no-tests=error --output-on-failure -R "$tests" -j "$jobs"
grep 'tests passed' "$log"
sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([a-z_.]*\) .*Passed.*/\1/p' "$log" | sort | paste -sd ' '
