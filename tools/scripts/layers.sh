#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves that includes go one way: a file includes headers of its own folder and of folders of
# a lower rank. Ends with an error and the offending lines otherwise.
set -eu
cd "$(dirname "$0")/../.."
awk '
BEGIN {
    rank["tensor"] = 1; rank["kernels"] = 2; rank["io"] = 2; rank["draw"] = 3; rank["nn"] = 4; rank["models"] = 5
    rank["train"] = 6; rank["eval"] = 6; rank["include"] = 0; rank["api"] = 7; rank["tools"] = 8
    rank["tests"] = 9
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split(FILENAME, from, "/"); split($0, quoted, "\""); split(quoted[2], to, "/")
    files++
    if (quoted[2] == "lexmask.h") to[1] = "include"
    if (!(to[1] in rank)) { print FILENAME ":" FNR ": \"" quoted[2] "\" is not named from the root"; bad++; next }
    own = from[1] == to[1]
    if (!own && rank[to[1]] >= rank[from[1]]) { print FILENAME ":" FNR ": " from[1] "/ must not include " quoted[2]; bad++ }
}
END { if (!files) { print "no includes were checked"; exit 1 } if (bad) exit 1; print files " includes, all one way" }
' $(find tensor kernels io draw nn models train eval api tools tests -name '*.[ch]' -o -name '*.inc' -o -name '*.cu' -o -name '*.cuh' 2>/dev/null)
