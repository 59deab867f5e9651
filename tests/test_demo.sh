#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo` names at least nine of ten things right with the model that ships, marks those whose
# boxes it was never shown, and names nothing that is not there.
# Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
. tests/support/check.sh
export XDG_CACHE_HOME=$root/cache
things="airplane,bicycle,birthday cake,flying saucer,guitar,penguin,pizza,rainbow,rocket,T-Rex,unicorn,watermelon"
things+=",anchor,crab,lobster,octopus,sailboat,shark,spiral shell,spouting whale,sun,tropical fish,turtle"
demo() { tools/scripts/demo.sh "${BUILD:-build}/lexmask" | tee "$root/out"; }
check "the demo runs" demo
tr , '\n' <<<"$things" | sort >"$root/there"
sed -nE 's/^([A-Za-z -]*[A-Za-z]) +[01]\.[0-9]{3} .*/\1/p' "$root/out" | sort -u >"$root/named"
right=$(comm -12 "$root/there" "$root/named" | wc -l) all=$(wc -l <"$root/there")
named() { cat "$root/out"; test $((10 * right)) -ge $((9 * all)); }
check "$right of $all are named" named
check "nothing else is: $(comm -13 "$root/there" "$root/named" | paste -sd,)" test -z "$(comm -13 "$root/there" "$root/named")"
novel() { grep -q '^pizza .* novel$' "$root/out" && ! grep -q '^rocket .* novel$' "$root/out"; }
check "novel ones are marked" novel
checked
