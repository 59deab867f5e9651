#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make model`: from nothing to the model that ships, by the program alone. Scenes, a CLIP, a detector
# on it, its figures on scenes that nothing was trained on, and all of it in
# half precision in $BUILD/model. Every step that is finished is skipped, one that was stopped goes
# on where it was: run it again. SEED=N chooses another run, STEPS=tiny a toy that takes seconds,
# CLIP=FOLDER (demo/model/clip, say) trains the detector alone.
# Usage: BUILD=build SEED=1 STEPS=full WORK=build/model.work/full-1 OUT=build/model tools/scripts/model.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build} seed=${SEED:-1} steps=${STEPS:-full}
lexmask=$build/lexmask out=${OUT:-$build/model}
work=${WORK:-$build/model.work/$steps-$seed}
mkdir -p "$work"

# ---- settings ----------------------------------------------------------------------------------

case $steps in
full)
    scenes=(--count 8000 --pool base --most 20) validation=(--count 100) unseen=(--count 500)
    clip=(--optimizer muon --lr 2e-3 --warmup 200 --batch 160 --empty 16 --steps 5000)
    learning=(--no-flip --batch 4 --regions 128 --optimizer muon --matmul bf16)
    # Most of it is learned from smaller pictures, at two thirds of the time an update.
    begin=(--lr 6e-3 --size 256 --steps 8500)
    detector=(--lr 3e-3 --size 384 --steps 7500 --warmup 50 --val-every 7500)
    model=(--size 512 --alpha 0.8 --beta 0.9 --objectness 0.6 --proposals 1000)
    ;;
tiny)
    printf '%s\n' pizza guitar rocket 'red heart' penguin unicorn 'cat face' anchor >"$work/few.txt"
    scenes=(--count 6 --width 128 --height 128 --names "$work/few.txt")
    validation=("${scenes[@]}") unseen=("${scenes[@]}")
    clip=(--names "$work/few.txt" --size 32 --width 32 --heads 2 --text-width 32 --text-layers 1
        --text-heads 2 --embed 24 --vocabulary 600 --context 20 --batch 12 --empty 2 --steps 20
        --warmup 5 --save-every 5)
    learning=(--no-flip --batch 2 --size 64)
    begin=(--steps 4)
    detector=(--steps 8 --val-every 8 --val-limit 2 --save-every 3)
    model=(--size 128)
    ;;
*)
    echo "STEPS=$steps: expected full or tiny" >&2
    exit 2
    ;;
esac
first_of_unseen=1000 # seeds of pictures that nothing is trained on
first_of_validation=88000

# ---- steps -------------------------------------------------------------------------------------

# Runs a command once: $work/NAME.done keeps it, and how long it took.
step() {
    local name=$1 start=$SECONDS
    shift
    if [ -e "$work/$name.done" ]; then
        [ "$(head -n 1 "$work/$name.done")" = "$*" ] && return 0
        echo "$name was made by another command: remove $work/$name and $work/$name.done" >&2
        exit 1
    fi
    echo "== $name: $*"
    "$@"
    printf '%s\n%d seconds\n' "$*" $((SECONDS - start)) >"$work/$name.done"
}

# A run that can go on: with --resume where it was begun.
run() {
    local out=$1 go_on=()
    shift
    [ ! -e "$work/$out/checkpoint.safetensors" ] || go_on=(--resume)
    "$@" "${go_on[@]}"
}

# A model's CLIP, with the card that tells where it is from.
take() {
    [ -f "$1/../README.md" ] || { echo "CLIP=$1: expected a model's folder clip, its card beside it" >&2; exit 1; }
    mkdir -p "$work/clip-f16"
    cp "$1"/* "$1/../README.md" "$work/clip-f16"
}

# To the screen and into a file, which is there only when it is whole.
say() {
    local file=$1
    shift
    "$@" | tee "$file.part"
    mv "$file.part" "$file"
}

step scenes "$lexmask" scenes --out "$work/scenes" --seed $((10 + seed)) "${scenes[@]}"
step validation "$lexmask" scenes --out "$work/validation" \
    --seed $((first_of_validation + seed)) "${validation[@]}"
step unseen "$lexmask" scenes --out "$work/unseen" --seed $((first_of_unseen + seed)) "${unseen[@]}"
# The detector learns on the CLIP that ships, in half precision.
if [ -n "${CLIP:-}" ]; then
    step clip-f16 take "$CLIP"
else
    step clip run clip "$lexmask" pretrain --out "$work/clip" --seed "$seed" "${clip[@]}"
    step clip-f16 "$lexmask" convert "$work/clip" "$work/clip-f16" --dtype f16
fi
learning+=(--data "$work/scenes/annotations.json" --pictures "$work/scenes/images"
    --base "$work/scenes/base.txt" --seed "$seed")
step begin run begin "$lexmask" train --out "$work/begin" --preset small --clip "$work/clip-f16" \
    "${learning[@]}" "${begin[@]}"
step detector run detector "$lexmask" train --out "$work/detector" --model "$work/begin" \
    "${learning[@]}" --val "$work/validation/annotations.json" \
    --val-pictures "$work/validation/images" "${detector[@]}"

cat "$work/unseen/base.txt" "$work/unseen/novel.txt" >"$work/names.txt"
step model "$lexmask" convert "$work/detector" "$work/model" --dtype f16 \
    --contrast "$work/names.txt" "${model[@]}"

# The figures are those of what ships, in half precision.
unseen=(--gt "$work/unseen/annotations.json")
of_model=(--model "$work/model" --pictures "$work/unseen/images")
split=(--base "$work/unseen/base.txt")
step boxes say "$work/boxes.txt" "$lexmask" eval "${unseen[@]}" "${of_model[@]}" "${split[@]}" \
    --recall --results-out "$work/results.json"
# Whatever the names, by both scores and by the first alone: for recall also what is hardly a thing.
whatever=("${unseen[@]}" "${of_model[@]}" --agnostic --recall --score 0.001)
step agnostic say "$work/agnostic.txt" "$lexmask" eval "${whatever[@]}" \
    --results-out "$work/agnostic.json"
step alone say "$work/alone.txt" "$lexmask" eval "${whatever[@]}" --score2 none \
    --results-out "$work/alone.json"
step masks say "$work/masks.txt" "$lexmask" eval "${unseen[@]}" --results "$work/results.json" \
    --type segm "${split[@]}"
step named say "$work/named.txt" "$lexmask" report "${unseen[@]}" "${of_model[@]}" --digits 3 \
    "${split[@]}" --named-out "$work/named.json"

tools/scripts/model_card.sh "$work" "$work/model" >"$work/README.part"
mv "$work/README.part" "$work/model/README.md"
rm -rf "$out"
cp -R "$work/model" "$out"
echo
echo "$out: $(du -sk "$out" | cut -f 1) KB; figures in $work/boxes.txt, masks.txt and named.txt"
# As the card has it: what went on after a stop with all its sittings.
for name in scenes clip begin detector; do
    [ ! -e "$work/$name.done" ] || sed -n "s/^| $name | .* | \(.*\) |\$/  $name: \1 minutes/p" "$out/README.md"
done
echo "  boxes: $(tail -n 1 "$work/boxes.done")"
echo "make model-ship puts it into demo/model"
