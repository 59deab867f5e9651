#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What clang-format does not see: a licence line in every file of code, and clang's own warnings.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for file in $(git ls-files '*.c' '*.h' '*.inc' '*.sh' '*.py' '*.cu' '*.cuh' Makefile '.ci/run'); do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$file: no SPDX line"; bad=1; }
done
for script in $(git ls-files '*.sh' '.ci/run'); do bash -n "$script" || bad=1; done
[ "$bad" -eq 0 ] || exit 1
make -s -j"$(nproc)" CC=clang OPT='-O1 -Werror' BUILD=build/lint all tests Q=@
