#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The completion scripts that the program writes: bash's is sourced and asked as a shell would ask
# it, zsh's is parsed and called with its helpers replaced, where zsh is installed.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
. tests/support/check.sh
build=${BUILD:-build}

"$build/lexmask" completion bash >"$root/bash" && "$build/lexmask" completion zsh >"$root/zsh"
check "the Makefile's files are these" bash -c "cmp '$build/completion/lexmask' '$root/bash' && cmp '$build/completion/_lexmask' '$root/zsh'"
check "another shell is refused" bash -c "! '$build/lexmask' completion fish 2>'$root/err' && grep -q 'expected bash or zsh' '$root/err'"

# What bash would offer for the last of these words.
offered() {
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lexmask; printf "%s\n" "${COMPREPLY[@]}"' "$root/bash" "$@"
}
# NAME, the words, --, then all that is to be offered; nothing: an empty answer.
offers() {
    local name=$1 words=()
    shift
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    offered "${words[@]}" >"$root/is"
    printf '%s\n' "${@:-}" >"$root/wanted"
    check "$name" diff "$root/wanted" "$root/is"
}
offers "commands" lexmask de -- detect
offers "two commands" lexmask re -- report refine
offers "commands after help" lexmask help ver -- verify
offers "options" lexmask detect --crop -- --crop-shape --crop-context
offers "options of every command" lexmask pull --ver -- --verbose
offers "choices" lexmask detect x.png --crop-shape "" -- tight square
offers "choices by their beginning" lexmask eval --type s -- segm
offers "choices behind =" lexmask detect --mode = c -- crop closed
offers "choices right behind =" lexmask detect --mode = -- crop closed
offers "devices" lexmask embed --device "" -- cpu
offers "folders" lexmask detect --model demo/pa -- demo/pair
offers "nothing for a number" lexmask detect --score "" --
offers "nothing of its own for a file" lexmask detect dem --
for command in $("$build/lexmask" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
    offered lexmask "$command" -- | sort >"$root/is"
    "$build/lexmask" "$command" --help | sed -nE 's/^  (-[a-z], )?(--[a-z0-9-]+).*/\2/p' | sort >"$root/wanted"
    check "all options of $command" diff "$root/wanted" "$root/is"
done

if command -v zsh >/dev/null; then
    check "zsh parses its file" zsh -n "$root/zsh"
    # Called for the second word of a command, it hands its options to _arguments.
    zsh -f -c '_arguments() { print -rl -- "$@" }; _describe() { print -rl -- $commands }; words=(lexmask detect --cr) CURRENT=3; . "$0"' "$root/zsh" >"$root/out"
    check "options in zsh" grep -qF -- '--crop-shape=[' "$root/out"
    check "choices in zsh" grep -qE -- '^--crop-shape=.*:SHAPE:\(tight square\)$' "$root/out"
    zsh -f -c '_describe() { print -rl -- $commands }; words=(lexmask de) CURRENT=2; . "$0"' "$root/zsh" >"$root/out"
    check "commands in zsh" grep -q '^detect:' "$root/out"
fi
checked
