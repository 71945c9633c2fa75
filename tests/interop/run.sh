#!/usr/bin/env bash
# Runs one suite with Node, or says aloud that it is skipped (exit 77) where Node 20 or the npm package is not there.
set -euo pipefail
cd "$(dirname "$0")"
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [ "${major:-0}" -lt 20 ]; then
  echo "SKIPPED: the comparison with stock llama.cpp needs Node 20 or newer (here: $(node --version 2>/dev/null || echo none))"
  exit 77
fi
if [ ! -d node_modules/node-llama-cpp ] || [ ! -d node_modules/@node-llama-cpp/linux-x64 ]; then
  echo "SKIPPED: stock llama.cpp is not installed; run tools/install-dependencies test"
  exit 77
fi
exec node suite.mjs "$1"
