#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make model` as a toy (STEPS=tiny), from nothing to a model that detects: what is finished is not
# done again, a run that was stopped goes on and ends in the same bits, other settings are told.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
. tests/support/check.sh
build=${BUILD:-build}
make_model() { STEPS=tiny BUILD=$build WORK=$root/$1 OUT=$root/$1.model tools/scripts/model.sh; }
export XDG_CACHE_HOME=$root/cache

check "from nothing to a model" make_model whole
size=$(du -sk "$root/whole.model" 2>/dev/null | cut -f 1)
check "its folder is small: ${size:-none} KB" test "${size:-16000}" -lt 16000
picture=$(ls demo/pictures/* | head -n 1)
check "it detects" env LEXMASK_MODEL="$root/whole.model" "$build/lexmask" detect "$picture" --names "red heart,anchor"
check "it knows which names it knows" bash -c "LEXMASK_MODEL=$root/whole.model $build/lexmask detect $picture --names hearts 2>&1 | grep 'not among the 8 names'"
check "its card has figures" bash -c "grep -E '^. true boxes named right.* [01].[0-9]+ / [01].[0-9]+ / [01].[0-9]+ .$' $root/whole.model/README.md && ! grep '|  */' $root/whole.model/README.md"
# Updates of 2 pictures, one in 10 s: 8 of them are 80 s, whatever its last sitting took.
cp -R "$root/whole" "$root/slow"
sed -i 's/"pictures_per_second":[0-9.e+-]*/"pictures_per_second":0.2/' "$root/slow/detector/log.jsonl"
check "its card knows the minutes of all sittings" grep -E '^. detector .* 1.3 .$' <(tools/scripts/model_card.sh "$root/slow" "$root/slow/model")
# Another run of which only the boxes are known: 0.1 and 0.3 have the mean 0.2, and deviate from it by 0.141.
boxes() { sed "s#^| box AP / AP50 .*#| box AP / AP50 | $1 |#" "$root/whole.model/README.md"; }
boxes "0.100 / 0.600" >"$root/one.md"
boxes "0.300 / 0.600" >"$root/other.md"
check "the spread of two runs" grep -F '| box AP / AP50 | 0.100 / 0.600 | 0.300 / 0.600 | 0.200 ±0.141 / 0.600 ±0.000 |' <(tools/scripts/model_spread.sh "$root/one.md" "$root/other.md")
check "needs the same figures of both" bash -c "tools/scripts/model_spread.sh $root/one.md docs/lab/training.md 2>&1 | grep 'docs/lab/training.md: no figure'"
check "novel names were told apart" grep -q '^novel ' "$root/whole/named.txt"
check "on the CLIP that came out, the detector alone" env CLIP="$root/whole.model/clip" STEPS=tiny BUILD="$build" WORK="$root/alone" OUT="$root/alone.model" tools/scripts/model.sh
check "has the same adapters" cmp "$root/whole.model/adapters.safetensors" "$root/alone.model/adapters.safetensors"
check "and a card that tells of the CLIP" bash -c "diff <(grep -E '^. (clip|crops)' $root/whole.model/README.md) <(grep -E '^. (clip|crops)' $root/alone.model/README.md)"
check "a second time there is nothing to do" bash -c "! grep -q '^==' <(STEPS=tiny BUILD=$build WORK=$root/whole OUT=$root/whole.model tools/scripts/model.sh)"

# Stopped while the detector learns; SIGTERM reaches the script and the program.
setsid bash -c "STEPS=tiny BUILD=$build WORK=$root/parts OUT=$root/parts.model exec tools/scripts/model.sh" >"$root/stopped.log" 2>&1 &
script=$!
for ((i = 0; i < 1200; i++)); do
    [ ! -e "$root/parts/detector/checkpoint.safetensors" ] || break
    sleep 0.05
done
kill -TERM -- "-$script" 2>/dev/null
wait "$script" 2>/dev/null
check "it was stopped" test ! -e "$root/parts/detector.done"
check "and goes on" make_model parts
check "to the same adapters" cmp "$root/whole.model/adapters.safetensors" "$root/parts.model/adapters.safetensors"
check "and the same CLIP" cmp "$root/whole.model/clip/model.safetensors" "$root/parts.model/clip/model.safetensors"

echo "another command" >"$root/parts/clip.done"
check "other settings are told" bash -c "STEPS=tiny BUILD=$build WORK=$root/parts OUT=$root/x tools/scripts/model.sh 2>&1 | grep 'clip was made by another command'"
checked
