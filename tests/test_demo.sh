#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo` names at least nine of ten things right with the model that ships, marks those whose
# boxes it was never shown, and names nothing that is not there.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
passed=0 failed=0
check() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: $name"
        cat "$work/out"
    fi
}
things="airplane,bicycle,birthday cake,flying saucer,guitar,penguin,pizza,rainbow,rocket,T-Rex,unicorn,watermelon"
things+=",anchor,crab,lobster,octopus,sailboat,shark,spiral shell,spouting whale,sun,tropical fish,turtle"
tests/demo.sh "${BUILD:-build}/lexmask" >"$work/out" 2>"$work/err"
check "the demo runs" test $? -eq 0
tr , '\n' <<<"$things" | sort >"$work/there"
sed -nE 's/^([A-Za-z -]*[A-Za-z]) +[01]\.[0-9]{3} .*/\1/p' "$work/out" | sort -u >"$work/named"
right=$(comm -12 "$work/there" "$work/named" | wc -l) all=$(wc -l <"$work/there")
check "$right of $all are named" test $((10 * right)) -ge $((9 * all))
check "nothing else is: $(comm -13 "$work/there" "$work/named" | paste -sd,)" test -z "$(comm -13 "$work/there" "$work/named")"
novel() { grep -q '^pizza .* novel$' "$work/out" && ! grep -q '^rocket .* novel$' "$work/out"; }
check "novel ones are marked" novel
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
