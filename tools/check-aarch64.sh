#!/usr/bin/env bash
# The aarch64 build, its NEON variants against the plain ones among its tests, under qemu. Fetches what that needs; where it
# cannot be had it says so and passes, except in CI. Prints one line, or what failed. Under an emulator some tests take
# minutes: built beside the program, and run, are those named here, of what has NEON variants or reads files, and the fuzzers'
# corpora. (unit.program alone would take as long as all the others, and programs have no NEON variant.)
set -euo pipefail
cd "$(dirname "$0")/.."
tests=(activations codebook codebook_groups codec cpu encode gguf_read gguf_write kernels matmul presets tokenizer_vocab)
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
corpora=(fuzz/corpus/*)
quietly cmake --build --preset aarch64 -j "$jobs" \
  --target wildtype "${tests[@]/#/test_}" "${corpora[@]/#fuzz\/corpus\//replay_}"
# A thread a test, and as many tests as processors: threads that wait for each other cost most under an emulator.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
named=$(IFS='|'; echo "${tests[*]}")
quietly ctest --test-dir build/aarch64 --no-tests=error --output-on-failure -R "^unit\.($named)\$|^corpus\." -j "$jobs"
grep 'tests passed' "$log"
sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([a-z_.]*\) .*Passed.*/\1/p' "$log" | sort | paste -sd ' '
