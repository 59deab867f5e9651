#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs test programs (cmocka, or scripts that print "N passed, N failed" as their last line), as
# many at a time as there are processors (JOBS=N: N), adds up what they counted, and ends with
# "N passed, N failed". A program that dies, or that ran nothing, is a failure.
# Usage: tests/run.sh PROGRAM...
set -u
jobs=${JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One program; its report goes out in one piece, its counts into $work/counts.
run() {
    local program=$1 log=$work/$2 start=${EPOCHREALTIME/[.,]/} code tenths last ok bad skip
    "$program" >"$log" 2>&1
    code=$?
    tenths=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
    if last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) && [ -n "$last" ]; then
        read -r ok _ bad _ <<<"${last//,/}"
        skip=0
    else
        ok=$(grep -c '^\[       OK \]' "$log")
        bad=$(grep -c '^\[  FAILED  \] [A-Za-z_]' "$log")
        skip=$(grep -c '^\[  SKIPPED \] [A-Za-z_]' "$log")
        bad=$((bad / 2)) skip=$((skip / 2)) # cmocka names each of them once more in its summary
    fi
    [ "$code" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ $((ok + bad + skip)) -eq 0 ] && bad=1 && echo "$program ran nothing" >>"$log"
    {
        printf '%-34s %4d passed %3d failed %3d skipped  %4d.%d s\n' "$(basename "$program")" "$ok" "$bad" "$skip" $((tenths / 10)) $((tenths % 10))
        if [ "$bad" -ne 0 ]; then
            echo "---- $program (exit code $code)"
            grep -vE '^\[ (RUN|      OK)' "$log" | tail -n 60
            echo "----"
        elif [ "$skip" -ne 0 ]; then
            grep -h '^skipped: ' "$log" | sort -u | sed 's/^/    /'
        fi
    } >"$log.report"
    {
        flock 9
        cat "$log.report"
        echo "$ok $bad $skip" >>"$work/counts"
    } 9>"$work/lock"
}

number=0
for program in "$@"; do
    [ "$number" -lt "$jobs" ] || wait -n
    number=$((number + 1))
    run "$program" "$number" &
done
wait
passed=0 failed=0 skipped=0 ended=0
while read -r ok bad skip; do
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip)) ended=$((ended + 1))
done < <(cat "$work/counts" 2>/dev/null)
[ "$skipped" -eq 0 ] || echo "$skipped skipped (each says why above)"
[ "$ended" -eq $# ] || { echo "only $ended of $# programs ended" && failed=$((failed + $# - ended)); }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
