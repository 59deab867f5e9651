#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The binary interface of the shared libraries against the recorded one, by libabigail.
#   tools/scripts/abi.sh check LIBRARY…    fails when the two differ, and shows how (`make lint`)
#   tools/scripts/abi.sh record LIBRARY…   records the libraries' own (`make abi-record`)
# api/abi/lexmask.abi and lexmask-draw.abi are the interface of the last release with this SONAME. While the SONAME stays
# (0.N, all of its patches), structs of options may only grow at their end and functions may only be
# added: then record. Any other change needs a new minor version in include/lexmask.h: raise
# LEXMASK_VERSION and LEXMASK_VERSION_NUMBER, which raises the SONAME, and record. A release records
# what it ships.
set -eu
cd "$(dirname "$0")/../.."
case ${1:-} in check | record) ;; *) echo "usage: $0 check|record LIBRARY…" >&2; exit 2 ;; esac
what=$1
shift
[ $# -gt 0 ] || { echo "$0: no library to $what" >&2; exit 2; }

record() {
    abidw --exported-interfaces-only --headers-dir include --no-comp-dir-path --no-corpus-path --out-file "$1" "$2"
}
check() {
    # The dump is of x86-64, where types have the sizes that it says.
    [ "$(uname -m)" = x86_64 ] || { echo "abi: not compared on $(uname -m)"; return 0; }
    grep -q "soname='$(basename "$2" | sed -E 's/(\.so\.[0-9]+\.[0-9]+).*/\1/')'" "$1" ||
        { echo "$1 is of another SONAME: record the new one (make abi-record)"; return 1; }
    abidiff --exported-interfaces-only --headers-dir1 include --headers-dir2 include "$1" "$2" ||
        { echo "the binary interface is not that of $1: see tools/scripts/abi.sh"; return 1; }
}

status=0
for library; do
    name=$(basename "$library")
    name=${name%%.so*}
    $what "api/abi/${name#lib}.abi" "$library" || status=1
done
exit $status
