# SPDX-License-Identifier: Apache-2.0
# What test scripts share, to be sourced: $root, a folder that goes away at the end, and counted
# checks. `check NAME COMMAND…` runs it and shows the end of what it said when it fails.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
passed=0 failed=0
check() {
    local name=$1
    shift
    if "$@" >"$root/log" 2>&1; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: $name"
        tail -n 20 "$root/log"
    fi
}
# The last line, and the exit status.
checked() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
