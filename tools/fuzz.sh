#!/usr/bin/env bash
# Runs each fuzzer of a build folder for so many seconds, from its corpus, and says how much it did. New inputs go to a
# scratch folder; a finding stays in the folder `findings` and fails the run.
set -uo pipefail
build=${1:?usage: tools/fuzz.sh BUILD SECONDS [NAME]}
seconds=${2:?usage: tools/fuzz.sh BUILD SECONDS [NAME]}
only=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
failed=0
for program in "$build"/fuzz/fuzz_*; do
  [ -x "$program" ] && [ -f "$program" ] || continue
  name=$(basename "$program"); name=${name#fuzz_}
  [ -z "$only" ] || [ "$only" = "$name" ] || continue
  scratch=$(mktemp -d)
  mkdir -p findings
  log=$scratch.log
  echo "== $name for $seconds s"
  if ! "$program" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 -artifact_prefix=findings/ \
      "$scratch" "$root/fuzz/corpus/$name" >"$log" 2>&1; then
    echo "   FINDING:"; tail -40 "$log"; failed=1
  fi
  grep -E 'number_of_executed_units|new_units_added|peak_rss' "$log" | sed 's/^/   /'
  rm -rf "$scratch" "$log"
done
rmdir findings 2>/dev/null
[ $failed = 0 ] && echo "no findings"
exit $failed
