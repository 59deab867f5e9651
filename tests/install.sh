#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a folder and uses what lies there as a stranger would: the example is compiled
# against the shared and the static library through pkg-config and run; exported symbols are
# versioned and all named lexmask_*. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
. tests/support/check.sh

check "make install" make -s install DESTDIR="$root/stage" PREFIX=/usr
usr=$root/stage/usr
export PKG_CONFIG_PATH=$usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root/stage
for file in bin/lexmask include/lexmask.h lib/liblexmask.a lib/liblexmask.so lib/pkgconfig/lexmask.pc \
    share/man/man1/lexmask.1 share/doc/lexmask/LICENSE; do
    check "$file is there" test -e "$usr/$file"
done
# pkg-config puts the sysroot before -I and -L of the installed tree by itself.
check "example with the shared library" bash -c "${CC:-cc} -Wall -Wextra -Werror examples/find.c \$(pkg-config --cflags --libs lexmask) -o $root/shared"
check "example as C++ sees the header" bash -c "echo '#include <lexmask.h>' | ${CC:-cc} -x c++ -std=c++11 -fsyntax-only \$(pkg-config --cflags lexmask) -"
check "example with the static library" bash -c "PKG_CONFIG_SYSROOT_DIR= ${CC:-cc} examples/find.c -I$usr/include $usr/lib/liblexmask.a \$(PKG_CONFIG_SYSROOT_DIR= pkg-config --libs $(sed -n 's/^Requires.private: //p' "$usr/lib/pkgconfig/lexmask.pc")) -lm -pthread -o $root/static"
picture=$(ls demo/pictures/*.png demo/pictures/*.jpg 2>/dev/null | head -n 1)
names=$(head -n 5 demo/names.txt | paste -sd,)
check "the example finds something" bash -c "LD_LIBRARY_PATH=$usr/lib $root/shared '$picture' '$names' demo/pair | tee $root/found && grep -q . $root/found"
check "both libraries agree" bash -c "$root/static '$picture' '$names' demo/pair | cmp - $root/found"
check "a missing folder is an error with its name" bash -c "! LD_LIBRARY_PATH=$usr/lib $root/shared x y /no/such/folder 2>$root/err && grep -q /no/such/folder $root/err"
check "only lexmask_ symbols, versioned" bash -c "nm -D --defined-only --with-symbol-versions $usr/lib/liblexmask.so | awk '\$2 == \"T\" || \$2 == \"D\" || \$2 == \"B\"' | tee $root/symbols | grep -q 'lexmask_run_file@@LEXMASK_0.1' && ! grep -v ' lexmask_' $root/symbols"
check "the installed program runs" "$usr/bin/lexmask" --version
# The model that comes with the program is found from where it was installed.
export -n LEXMASK_MODEL
model=$usr/share/lexmask/model
check "the model is there" test -f "$model/config.json"
check "the installed program finds it" bash -c "cd / && '$usr/bin/lexmask' detect '$PWD/$picture' --names '$names' --no-cache -v 2>&1 | tee $root/default && grep -q ' found in ' $root/default"
check "a program of one's own finds it by the shared library" bash -c "LD_LIBRARY_PATH=$usr/lib $root/shared '$picture' '$names'"
mkdir -p "$root/tree/build" "$root/tree/demo"
cp "$usr/bin/lexmask" "$root/tree/build" && cp -R "$model" "$root/tree/demo/model"
check "the program of a source tree finds that of the tree" bash -c "'$root/tree/build/lexmask' detect '$picture' --names '$names' --no-cache"
[ -e /usr/local/share/lexmask/model ] || check "a copy of the program that lies elsewhere says what to give" bash -c "cp '$usr/bin/lexmask' $root/lexmask && ! LEXMASK_MODEL= $root/lexmask detect '$picture' --names '$names' 2>$root/err && grep -q 'give --model DIR' $root/err"
checked
