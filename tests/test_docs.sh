#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the README, the help texts and the man page say is true: options exist, make targets exist,
# linked files exist, and every example that needs no published checkpoint is run as it stands.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
root=$PWD build=$PWD/${BUILD:-build}
[[ ${BUILD:-build} == /* ]] && build=$BUILD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "failed: $*"
}

# The man page is the program's own.
"$build/lexmask" man >"$work/man" && cmp -s "$work/man" docs/lexmask.1 && ok || bad "docs/lexmask.1 differs from 'lexmask man': run make man"

# Commands that documents show: lines of code that begin with lexmask or build/lexmask, continued
# lines joined.
commands_of() {
    sed -e ':join' -e '/\\$/{N;s/\\\n *//;bjoin' -e '}' "$@" | sed -n 's/^ \{2,8\}\(\$ \)\{0,1\}\(build\/\)\{0,1\}\(lexmask [a-z].*\)/\3/p' | sed 's/ *#.*//'
}
for command in $("$build/lexmask" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
    "$build/lexmask" "$command" --help >"$work/help.$command" && ok || bad "lexmask $command --help"
done
mapfile -t shown < <({ commands_of README.md CONTRIBUTING.md docs/*.md docs/lab/*.md demo/*/README.md; cat "$work"/help.* | commands_of; } | sort -u)
for line in "${shown[@]}"; do
    read -r _ command _ <<<"$line"
    [ -e "$work/help.$command" ] || { bad "no such command: $line"; continue; }
    for option in $(grep -oE ' --[a-z][a-z0-9-]*' <<<"$line" | sort -u); do
        grep -qE "^ +(-[a-z], )?$option( |\$)" "$work/help.$command" && ok || bad "no option $option: $line"
    done
done

mapfile -t first_hour < <(commands_of docs/your-own-data.md)

# Those that need nothing but what the repository ships are run.
mkdir "$work/run" && cd "$work/run" && ln -s "$root/demo" demo && mkdir photos build
ln -s "$build/lexmask" build/lexmask
picture=$(ls "$root"/demo/pictures/* | head -n 1)
cp "$picture" "photo.${picture##*.}" && cp "$picture" photos/
echo "a photo of a cat" >prompts.txt
export XDG_CACHE_HOME=$work/cache
for line in "${shown[@]}"; do
    printf '%s\n' "${first_hour[@]}" | grep -qxF -- "$line" && continue # typed in order below
    [[ $line == *demo/* || $line == *"--list"* || $line == *"preprocess"*"for detector"* ]] || continue
    line=${line//photo.jpg/photo.${picture##*.}}
    # What learns for minutes learns for a few updates here.
    line=$(sed -E 's/--(steps|val-every) [0-9]{2,}/--\1 4/g' <<<"$line")
    if bash -c "PATH=$build:\$PATH; $line" >"$work/log" 2>&1 </dev/null; then ok; else
        bad "$line"
        tail -n 3 "$work/log"
    fi
done
# docs/your-own-data.md from its first line to its last, with fewer pictures and updates. The training
# is stopped, as the page says it can be.
mkdir "$work/first" && cd "$work/first" && ln -s "$root/demo" demo
bash -c "$(sed -n 's/^    \(printf .*\)/\1/p' "$root/docs/your-own-data.md")"
began=$SECONDS
for line in "${first_hour[@]}"; do
    line=$(sed -E 's/--steps [0-9]+ --val-every [0-9]+/--steps 4 --val-every 2 --stop-after 1/
                   s/--stop-after [0-9]{2,}/--stop-after 1/; s/--count [0-9]+/--count 3/' <<<"$line")
    if bash -c "PATH=$build:\$PATH; $line" >"$work/log" 2>&1 </dev/null; then ok; else
        bad "$line"
        tail -n 3 "$work/log"
    fi
done
[ ${#first_hour[@]} -ge 8 ] && [ $(($(wc -l <run/results.csv))) -eq 3 ] && ok || bad "your-own-data.md: results.csv"
[ -s run/validation/step-000004-1.png ] && [ -s run/best/adapters.safetensors ] && ok || bad "your-own-data.md: run/best"
ls found/*.png >/dev/null 2>&1 && ok || bad "your-own-data.md: nothing drawn"
echo "docs/your-own-data.md with 4 updates: $((SECONDS - began)) s"
cd "$work/run"
# The README's lines of C compile without a warning and find what they name.
{
    echo '#include <lexmask.h>
#include <stdio.h>
int main(void) {
    lexmask_error err = {0};
    lexmask_model *model = NULL;
    lexmask_names *names = NULL;
    lexmask_session *session = NULL;
    lexmask_result *result = NULL;'
    sed -n '/^```c$/,/^```$/p' "$root/README.md" | grep -v '^```'
    echo 'return err.status; }'
} >readme.c
cp "$picture" photo.png
shared=$(ls "$build"/liblexmask.so.*.*.* | tail -n 1)
if ${CC:-cc} -Wall -Wextra -Werror -I"$root/include" readme.c "$shared" -o readme -Wl,-rpath,"$work/run" >"$work/log" 2>&1 &&
    ln -s "$shared" "$(objdump -p "$shared" | sed -n 's/.*SONAME *//p')" &&
    LEXMASK_MODEL=$root/demo/model ./readme >"$work/found" 2>"$work/log" && grep -q '^pizza$' "$work/found"; then ok; else
        bad "README.md: its lines of C"
        cat "$work/log"
fi
cd "$root"

# make targets that the pages name, and the files that they link to.
for page in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md docs/lab/*.md demo/*/README.md tests/README.md; do
    for target in $(grep -oE '(^ {4}|`)make [a-z -]+' "$page" | sed 's/.*make //' | tr ' ' '\n' | sort -u); do
        grep -qE "^$target:" Makefile && ok || bad "$page: no make target $target"
    done
    for file in $(grep -ohE '\]\([^)#:]+[)#]' "$page" | tr -d '])(#' | sort -u); do
        [ -e "$(dirname "$page")/$file" ] && ok || bad "$page links to $file, which is not there"
    done
done

# The architecture page names every folder of code and what it is for.
while read -r folder; do
    grep -qF "\`$folder/\`" docs/architecture.md && ok || bad "docs/architecture.md does not name $folder/"
done < <(git ls-files '*.c' '*.h' | sed 's|/[^/]*$||' | sort -u)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
