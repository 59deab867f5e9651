#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The binary interface of liblexmask against the recorded one, by libabigail.
#   tools/scripts/abi.sh check LIBRARY    fails when the two differ, and shows how (`make lint`)
#   tools/scripts/abi.sh record LIBRARY   records the library's own (`make abi-record`)
# api/abi/lexmask.abi is the interface of the last release with this SONAME. While the SONAME stays
# (0.N, all of its patches), structs of options may only grow at their end and functions may only be
# added: then record. Any other change needs a new minor version in include/lexmask.h: raise
# LEXMASK_VERSION and LEXMASK_VERSION_NUMBER, which raises the SONAME, and record. A release records
# what it ships.
set -eu
cd "$(dirname "$0")/../.."
dump=api/abi/lexmask.abi
case $1 in
record)
    mkdir -p "${dump%/*}"
    abidw --exported-interfaces-only --headers-dir include --no-comp-dir-path --no-corpus-path --out-file "$dump" "$2"
    ;;
check)
    # The dump is of x86-64, where types have the sizes that it says.
    [ "$(uname -m)" = x86_64 ] || { echo "abi: not compared on $(uname -m)"; exit 0; }
    grep -q "soname='$(basename "$2" | sed -E 's/(\.so\.[0-9]+\.[0-9]+).*/\1/')'" "$dump" ||
        { echo "$dump is of another SONAME: record the new one (make abi-record)"; exit 1; }
    abidiff --exported-interfaces-only --headers-dir1 include --headers-dir2 include "$dump" "$2" ||
        { echo "the binary interface is not that of $dump: see tools/scripts/abi.sh"; exit 1; }
    ;;
*) echo "usage: $0 check|record LIBRARY" >&2; exit 2 ;;
esac
