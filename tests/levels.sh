#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of whole models at each processor level that this machine has.
# Usage: tests/levels.sh BUILD LEVEL...; ends with "N passed, N failed".
set -u
build=$1
shift
tests=()
for name in test_clip test_detector test_crop; do
    for program in "$build"/tests/"$name"*; do [ -x "$program" ] && tests+=("$program"); done
done
passed=0 failed=0
for level in "$@"; do
    if ! LEXMASK_CPU=$level "$build/lexmask" --version >/dev/null 2>&1; then
        echo "skipped: this processor or build has no level $level"
        continue
    fi
    echo "level $level"
    last=$(LEXMASK_CPU=$level tests/run.sh "${tests[@]}" | tee /dev/stderr | tail -n 1)
    read -r ok _ bad _ <<<"${last//,/}"
    passed=$((passed + ok)) failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
