#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: named things in the picture that the repository ships.
set -eu
cd "$(dirname "$0")/.."
out=build/demo
for picture in demo/pictures/*; do
    echo "\$ lexmask detect $picture --model demo/pair --names-file demo/names.txt --score 0.85 --out $out"
    "$1" detect "$picture" --model demo/pair --names-file demo/names.txt --score 0.85 --out $out
done
