#!/usr/bin/env bash
# Every test: an ordinary build with its unit, command, corpus and interop tests, then the same under the address and
# undefined-behaviour sanitizers (interop and the page apart, which would only be slower or the same), and part of it as an aarch64 would run it. Ends
# with ctest's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc 2>/dev/null || echo 2)
export CTEST_OUTPUT_ON_FAILURE=1

cmake --preset asan >/dev/null
cmake --build --preset asan -j "$jobs"
cmake --preset release -DWT_WERROR=ON >/dev/null
cmake --build --preset release -j "$jobs"

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export LSAN_OPTIONS=suppressions=$PWD/tools/leaks.supp:print_suppressions=0
# One test at a time: each uses all processors, and OpenMP's threads wait for each other badly when there are more of them.
echo "== under address and undefined-behaviour sanitizers"
# A run that is killed twenty times is the release build's: under the sanitizers three times have to do;
# cli.evolve_trouble, two minutes of whole runs, is the release build's too.
WT_TEST_KILLS=3 ctest --test-dir build/asan --no-tests=error -LE 'interop|web' -E '^cli\.evolve_trouble$' -j 1
echo "== aarch64 under qemu"
tools/check-aarch64.sh
echo "== release build"
ctest --test-dir build/release --no-tests=error -j 1
