#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves who includes whom: a file includes headers of its own folder, of tensor/, and of the
# folders that the list below allows it; and no folders include each other in a circle. Also that
# no folder of product code holds more than 40 files of C, and that the name of a source file is
# unique, so that it can be found by its name alone.
# Ends with an error and the offending lines otherwise.
set -eu
cd "$(dirname "$0")/../.."

# folder: what it may include besides; a star stands for a folder and the folders in it.
allowed='
kernels:
kernels/ref: kernels
kernels/cpu: kernels
io:
io/weights: io
io/image: io
io/coco: io
draw: io
nn: kernels io/weights
nn/blocks: nn kernels
models/text: io
models/clip: nn nn/blocks kernels io io/weights models/text
models/detector: nn nn/blocks kernels io io/weights io/coco
models/names: models/clip models/text nn kernels io
models/crop: models/clip models/detector models/names nn kernels
models/fvlm: models/* nn nn/blocks kernels io io/weights
train/world: io io/image io/coco
train: models/* nn nn/blocks kernels train/world io io/*
# A job validates what it trains, so that a C program can run one without the command. eval/ knows
# no training, and train/ itself no evaluation.
train/jobs: models/* train nn kernels eval io io/*
train/jobs/painted: models/* train train/jobs train/world nn kernels io io/*
eval: nn kernels io io/coco
api: include models/* eval train train/* io io/* kernels
api/draw: include api draw io io/image
tools: *
tools/eval: include tools/shared models/* eval kernels draw io io/*
tools/train: tools/shared draw train train/jobs io io/image
tools/shared: include models/* train train/* kernels draw io io/*
tools/bench: include tools/shared models/* train train/* nn nn/* kernels io io/*
tests: *
tests/support: *
tests/golden:
'

files=$(git ls-files -co --exclude-standard 'tensor/*' 'kernels/*' 'io/*' 'draw/*' 'nn/*' 'models/*' \
    'train/*' 'eval/*' 'api/*' 'tools/*' 'tests/*' | grep -E '\.(c|h|inc|cu|cuh)$')

# shellcheck disable=SC2086
awk -v allowed="$allowed" '
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
# A folder is a room of itself, of "folder/*" and of "*".
function may(from, to,    i, rule, n) {
    if (from == to || to == "tensor") return 1
    n = split(list[from], rule, " ")
    for (i = 1; i <= n; i++)
        if (rule[i] == to || rule[i] == "*" || \
            (rule[i] ~ /\/\*$/ && index(to, substr(rule[i], 1, length(rule[i]) - 1)) == 1)) return 1
    return 0
}
function fail(text) { print text; bad++ }
# Follows the includes between folders; a folder that is met again on its own path is a circle.
function visit(at, path,    to) {
    if (state[at] == 2) return
    if (state[at] == 1) { fail("folders in a circle: " path " " at); return }
    state[at] = 1
    for (to in seen) if ((at, to) in edge) visit(to, path " " at " ->")
    state[at] = 2
}
BEGIN {
    lines = split(allowed, line, "\n")
    for (i = 1; i <= lines; i++) if (split(line[i], part, ":") == 2) { list[part[1]] = part[2]; known[part[1]] }
    known["tensor"]; known["include"]
}
FNR == 1 {
    from = folder(FILENAME)
    if (!(from in known)) fail(FILENAME ": folder " from " is not in the list of tools/scripts/layers.sh")
    if (FILENAME !~ /^tests\//) {
        if (++count[from] == 41) fail(from "/ holds more than 40 files of C")
        name = FILENAME; sub(/.*\//, "", name)
        # kernels/ref and kernels/cpu repeat the names of kernels/ on purpose.
        if (from !~ /^kernels/ && (name in place)) fail(FILENAME ": there is " place[name] " already")
        if (from !~ /^kernels/) place[name] = FILENAME
    }
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    to = quoted[2] ~ /^lexmask[a-z_]*\.h$/ ? "include" : folder(quoted[2])
    includes++
    if (!(to in known)) { fail(FILENAME ":" FNR ": \"" quoted[2] "\" is not named from the root"); next }
    if (!may(from, to)) fail(FILENAME ":" FNR ": " from "/ must not include " quoted[2])
    if (from != to && from !~ /^tests/) { edge[from, to]; seen[from]; seen[to] }
}
END {
    if (!includes) { print "no includes were checked"; exit 1 }
    for (at in seen) visit(at, "")
    if (bad) exit 1
    print includes " includes, all as allowed; no circle of folders"
}
' $files
