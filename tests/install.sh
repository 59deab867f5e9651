#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a folder and uses what lies there as a stranger would: examples are compiled against
# the shared and the static libraries through pkg-config and run; what a program that only detects
# loads is counted; exported symbols are versioned and all named lexmask_*; `make uninstall` leaves
# nothing. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
. tests/support/check.sh

usr=$root/usr
cc="${CC:-cc} -Wall -Wextra -Werror"
check "make install" make -s install PREFIX="$usr"
export PKG_CONFIG_PATH=$usr/lib/pkgconfig
version=$(pkg-config --modversion lexmask)
for file in bin/lexmask include/lexmask.h include/lexmask_draw.h lib/liblexmask.a lib/liblexmask-draw.a \
    lib/liblexmask.so "lib/liblexmask.so.${version%.*}" lib/liblexmask-draw.so lib/pkgconfig/lexmask-draw.pc \
    share/bash-completion/completions/lexmask share/zsh/site-functions/_lexmask \
    share/man/man1/lexmask.1 share/doc/lexmask/LICENSE share/lexmask/model/config.json; do
    check "$file is there" test -e "$usr/$file"
done
check "make install with DESTDIR" make -s install PREFIX="$usr" DESTDIR="$root/stage"
check "as without it" diff -r "$usr" "$root/stage$usr"

# ---- compiling ---------------------------------------------------------------------------------
export LD_LIBRARY_PATH=$usr/lib
check "example with the shared library" bash -c "$cc examples/find.c \$(pkg-config --cflags --libs lexmask) -o $root/shared"
check "example with the static library" bash -c "$cc examples/find.c -I$usr/include $usr/lib/liblexmask.a \$(pkg-config --static --libs lexmask) -o $root/static"
check "pkg-config --static --libs links" bash -c "$cc examples/find.c \$(pkg-config --static --cflags --libs lexmask) -o $root/flags"
check "the same for drawing" bash -c "$cc examples/find.c \$(pkg-config --static --cflags --libs lexmask-draw) -o $root/flags"
check "the header in C++" bash -c "echo '#include <lexmask_draw.h>' | ${CC:-cc} -x c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only \$(pkg-config --cflags lexmask-draw) -"
check "only lexmask_ symbols, versioned" bash -c "nm -D --defined-only --with-symbol-versions $usr/lib/liblexmask.so $usr/lib/liblexmask-draw.so | awk '\$2 == \"T\" || \$2 == \"D\" || \$2 == \"B\"' | tee $root/symbols | grep -q 'lexmask_version@@LEXMASK_${version%.*}' && ! grep -v ' lexmask_' $root/symbols"

# ---- running -----------------------------------------------------------------------------------
picture=$(ls demo/pictures/*.png demo/pictures/*.jpg 2>/dev/null | head -n 1)
names=$(head -n 5 demo/names.txt | paste -sd,)
check "the example finds something" bash -c "$root/shared '$picture' '$names' demo/pair | tee $root/found && grep -q . $root/found"
check "both libraries agree" bash -c "$root/static '$picture' '$names' demo/pair | cmp - $root/found"
check "a missing folder is an error with its name" bash -c "! $root/shared x y /no/such/folder 2>$root/err && grep -q /no/such/folder $root/err"
check "a program that only detects loads under 15 libraries" bash -c "ldd $root/shared >$root/loads && grep -q liblexmask.so $root/loads && [ \$(wc -l <$root/loads) -lt 15 ]"
check "and none that draws, downloads or encrypts" bash -c "! grep -E 'curl|ssl|crypto|cairo|pango|glib|freetype' $root/loads"
check "the installed program runs" "$usr/bin/lexmask" --version

# ---- the other examples, against the installed tree ---------------------------------------------
for name in boxes polygons embed threads evaluate train; do
    check "examples/$name.c compiles" bash -c "$cc -std=c99 -D_POSIX_C_SOURCE=200809L -pthread examples/$name.c \$(pkg-config --cflags --libs lexmask) -o $root/$name"
    check "examples/$name.c is under 60 lines" test "$(wc -l <"examples/$name.c")" -lt 60
done
head -c 120000 /dev/zero | tr '\0' 'x' >"$root/pixels.rgb"
cat >"$root/truth.json" <<'END'
{"images":[{"id":1,"width":100,"height":100}],"categories":[{"id":1,"name":"a"}],
"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[10,10,50,50],"area":2500,"iscrowd":0}]}
END
echo '[{"image_id":1,"category_id":1,"bbox":[10,10,50,40],"score":0.9}]' >"$root/results.json"
check "boxes in pixels" bash -c "$root/boxes demo/pair '$names' 200 200 <$root/pixels.rgb | grep -E ' [01][.][0-9]{3}\$'"
check "polygons" bash -c "$root/polygons demo/pair '$names' '$picture' | grep -q '<path.*M[0-9]* [0-9]*L.*Z'"
check "embeddings" bash -c "$root/embed demo/pair '$picture' 640 480 'a photo of a pizza' | grep -E 'picture and text -?[01][.]'"
check "two threads find the same" bash -c "$root/threads demo/pair '$picture' 'pizza,red heart' 'rocket' | grep -vE '^0 and 0 '"
check "evaluation" bash -c "$root/evaluate $root/truth.json $root/results.json | grep -q 'AP 0.700, AP50 1.000'"

check "a tiny data set" "$usr/bin/lexmask" scenes --out "$root/scenes" --count 3 --width 128 --height 128 --least 1 --most 3
check "training" bash -c "$root/train demo/pair/clip $root/scenes/annotations.json $root/scenes/images $root/run 4 >$root/trained"
check "it was stopped and resumed" bash -c "grep -q 'stopped after step 2 of 4' $root/trained && grep -E '^update 4 of 4: loss [0-9]' $root/trained"
check "its losses and figures" grep -E '^(AP50 [01][.]|update 1 of 4: .*objectness [0-9])' "$root/trained"
check "what it trained is a model folder" "$usr/bin/lexmask" info "$root/run"

# ---- the model that comes with the program is found from where it was installed ----------------
export -n LEXMASK_MODEL
model=$usr/share/lexmask/model
check "the installed program finds it" bash -c "cd / && '$usr/bin/lexmask' detect '$PWD/$picture' --names '$names' --no-cache -v 2>&1 | tee $root/default && grep -q ' found in ' $root/default"
check "a program finds it by the shared library" bash -c "$root/shared '$picture' '$names'"
check "a program finds it by PREFIX" bash -c "$root/static '$picture' '$names'"
mkdir -p "$root/tree/build" "$root/tree/demo"
cp "$usr/bin/lexmask" "$root/tree/build" && cp -R "$model" "$root/tree/demo/model"
check "the program of a source tree finds that of the tree" bash -c "'$root/tree/build/lexmask' detect '$picture' --names '$names' --no-cache"

check "make uninstall" make -s uninstall PREFIX="$usr"
check "leaves no file" bash -c "! find '$usr' -type f -o -type l | grep ."
check "without its model a program says what to give" bash -c "! LEXMASK_MODEL= $root/static '$picture' '$names' 2>$root/err && grep -q 'give --model DIR' $root/err"
checked
