#!/usr/bin/env bash
# The report page in Debian's Chromium, and its modules in Node: web/'s own tests, on the page that the program has in it ($WT_TEST_PAGE).
# Says aloud that it is skipped (exit 77) where Node 20, the packages of web/package-lock.json, Chromium or the page is not there.
set -euo pipefail
cd "$(dirname "$0")/../../web"
skip() { echo "SKIPPED: the report page in a browser: $1"; exit 77; }
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
[ "${major:-0}" -ge 20 ] || skip "it needs Node 20 or newer (here: $(node --version 2>/dev/null || echo none))"
cmp -s package-lock.json node_modules/.installed-lock || skip 'its packages are not installed; run tools/install-dependencies web'
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || skip 'there is no Chromium; run tools/install-dependencies web'
[ -s "$WT_TEST_PAGE" ] || skip 'the program was built without the page'
node_modules/.bin/tsc --noEmit
exec node --test --test-concurrency=1 test/unit.test.mjs test/page.test.mjs
