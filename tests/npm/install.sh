#!/bin/sh
# Installs what tests need from npm as locked, once for each lock file. ./build.sh calls it, and so does the first test that needs it.
set -eu
cd "$(dirname "$0")"

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "tests/npm: Node.js 20 or later with npm is not in PATH; tests on Azurite and with foreign clients are skipped by name (https://nodejs.org)." >&2
    exit 69
fi

wanted=$(sha256sum package-lock.json package.json)
current() { [ "$(cat node_modules/.installed 2>/dev/null)" = "$wanted" ]; }

if ! current; then
    exec 9>.install.lock
    if command -v flock >/dev/null 2>&1; then flock 9; fi
    if ! current; then
        echo "tests/npm: npm ci…" >&2
        # No install scripts: nothing here needs one.
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
        echo "$wanted" >node_modules/.installed
    fi
fi
