#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: named things in the picture that the repository ships.
set -eu
cd "$(dirname "$0")/../.."
# The model that ships needs no naming.
words=(--names-file demo/names.txt --out build/demo)
for picture in demo/pictures/*; do
    echo "\$ lexmask detect $picture ${words[*]}"
    "$1" detect "$picture" "${words[@]}"
done
