#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The card of a model that tools/scripts/model.sh made: what it is, how it came about, what was measured, all
# of it from the files that the steps left. Usage: tools/scripts/model_card.sh WORK MODEL >README.md
set -euo pipefail
work=$1 model=$2
clip_card=$work/clip-f16/README.md # of a CLIP that was trained before

# The number behind the last `= ` of the first line that holds the text.
figure() { sed -n "/$2/{s/.*= //p;q}" "$work/$1.txt"; }
# Word number $4 of line number $3 that begins with the text.
word() { awk -v begins="$2" -v nth="$3" -v at="$4" 'index($0, begins) == 1 && ++n == nth { print $at; exit }' "$work/$1.txt"; }
# The last value of a key of a run's log.
logged() { grep -o "\"$2\": *[0-9.e-]*" "$work/$1/log.jsonl" | tail -n 1 | sed 's/.*: *//' | xargs printf '%.3f'; }
# How long a step took: of a run the sum of its updates, since it may have gone on after a stop.
minutes() {
    local name=$1 log=$work/$1/log.jsonl batch
    batch=$(sed -n '1s/.* --batch \([0-9]*\).*/\1/p' "$work/$name.done")
    if [ -e "$log" ] && [ -n "$batch" ]; then
        awk -F '"pictures_per_second":' -v batch="$batch" \
            'NF > 1 { seconds += batch / ($2 + 0) } END { printf "%.1f", seconds / 60 }' "$log"
    else
        awk 'NR == 2 { printf "%.1f", $1 / 60 }' "$work/$name.done"
    fi
}
size_of() { wc -c <"$model/$1"; }

# The CLIP's own figures: of its training, or from the card that it came with.
named_crops() {
    if [ -e "$clip_card" ]; then
        sed -n 's/^| crops with clutter[^|]*| \(.*\) |$/\1/p' "$clip_card"
    else
        echo "$(logged clip top1) / $(logged clip top5)"
    fi
}

clip_note() { [ ! -e "$clip_card" ] || echo " The CLIP is of an earlier run; its minutes are of that run's machine."; }

pictures=$(find "$work/unseen/images" -type f | wc -l)
names=$(wc -l <"$model/names.txt")
pixels=$(sed -n 's/.*"picture": {"size": \([0-9]*\)}.*/\1/p' "$model/config.json")
iou='IoU=0.50      | area=   all' all='IoU=0.50:0.95 | area=   all | maxDets=100'

cat <<CARD
# The model that ships

An open-vocabulary detector of emoji, trained from nothing by lexmask itself: a small CLIP, and on it
the adapters of an F-VLM ([docs/fvlm.md](../../docs/fvlm.md)). It knows $names names and pictures made
of one font, such as screenshots, and nothing else: not photos.

    lexmask detect screenshot.png --names "red heart,thumbs up"

| file | what | bytes |
|---|---|---|
| \`clip/\` | a CLIP in Hugging Face's layout: ViT of 6 layers, width 128, patch 8, pictures of 64x64; text tower of 3 layers. float16 | $(size_of clip/model.safetensors) |
| \`adapters.safetensors\` | pyramid, RPN, box, mask and naming heads, preset \`small\`. float16 | $(size_of adapters.safetensors) |
| \`config.json\` | what they are, and the names whose boxes the detector was trained on ([docs/model-config.md](../../docs/model-config.md)) | $(size_of config.json) |
| \`names.txt\` | the names that the CLIP was trained on; they compete with those that are asked for | $(size_of names.txt) |

## Data

Pictures that \`lexmask scenes\` and \`lexmask pretrain\` paint ([docs/scenes.md](../../docs/scenes.md)): bitmaps of Noto Color Emoji
(Debian's \`fonts-noto-color-emoji\`; SIL Open Font License 1.1, which leaves what is made with a font free), names from
Unicode's \`emoji-test.txt\` (Debian's \`unicode-data\`). The CLIP saw all names, the detector boxes and masks of three
quarters of them (base); the others are novel. The weights are under this project's licence, Apache-2.0.

## Recipe

\`make model\` does all of it, and can be stopped and run again:

| step | command | minutes |
|---|---|---|
CARD
for name in scenes unseen clip begin detector model; do
    if [ "$name" = clip ] && [ -e "$clip_card" ]; then
        grep '^| clip |' "$clip_card"
        continue
    fi
    command=$(head -n 1 "$work/$name.done" | sed "s|$work/||g; s|^run [a-z]* ||; s|[^ ]*lexmask |lexmask |")
    echo "| $name | \`$command\` | $(minutes "$name") |"
done
cat <<CARD

Minutes are wall clock on $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), with what else ran there.$(clip_note)

## Figures

Of the files as they are, in half precision, on $pictures scenes (seed in the recipe's \`unseen\`) that nothing was trained on, with
all $names names asked for at once:

| what | figure |
|---|---|
| crops with clutter named right by the CLIP, top 1 / top 5 (its own validation) | $(named_crops) |
| true boxes named right (\`lexmask report\`): all / base / novel | $(word named all 1 3) / $(word named base 1 3) / $(word named novel 1 3) |
| box AP / AP50 | $(figure boxes "$all") / $(figure boxes "$iou") |
| box AP50 of base / novel names | $(word boxes base 1 4) / $(word boxes novel 1 4) |
| mask AP / AP50 | $(figure masks "$all") / $(figure masks "$iou") |
| whatever the names: box AP / AP50 / recall at IoU 0.5 of 100 boxes | $(figure agnostic "$all") / $(figure agnostic "$iou") / $(word agnostic 'the best  100' 1 7) |
| the same by score 1 alone, without CLIP | $(figure alone "$all") / $(figure alone "$iou") / $(word alone 'the best  100' 1 7) |
| found at all, 100 boxes a picture: AR / recall at IoU 0.5 | $(word boxes 'the best  100' 1 6) / $(word boxes 'the best  100' 1 7) |
| proposed at all, 100 boxes a picture: AR / recall at IoU 0.5 | $(word boxes 'the best  100' 2 6) / $(word boxes 'the best  100' 2 7) |

## Limits

- These drawings, in this one style. Other fonts' emoji, and photos, are beyond it.
- Names are Unicode's, learnt by heart: "cat face" is known, "kitten" is not, and is told so.
- Some glyphs can hardly be told apart once they are cut out: sizes of squares and diamonds, half hours and hours,
  heart suit and red heart.
- Pictures are seen at $pixels pixels, larger ones by \`lexmask detect\` at up to 1024: of a very large screenshot the small things are lost; \`--max-size 2048\` finds more of them and takes longer.
CARD
