#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the compiler's options for the picture formats whose libraries are installed, one line each:
# the file name of the library (io/image/library.c loads it when it is needed) and its headers.
#   pictures.sh WEBP=1 GIF=1 TIFF=1 HEIF=0     (0: leave it out)
set -eu

# NAME PACKAGE LIBRARY
offer() {
    local name=$1 package=$2 library=$3 folder soname
    case " $switches " in *" $name=0 "*) return 0 ;; esac
    pkg-config --exists "$package" 2>/dev/null || return 0
    folder=$(pkg-config --variable=libdir "${package%% *}")
    soname=$(objdump -p "$folder/$library.so" 2>/dev/null | awk '$1 == "SONAME" { print $2 }')
    [ -n "$soname" ] || return 0
    echo "-DIO_$name=\\\"$soname\\\" $(pkg-config --cflags "${package%% *}")"
}

switches="$*"
offer WEBP libwebpdemux libwebpdemux
offer GIF libgif libgif
offer TIFF 'libtiff-4 >= 4.5' libtiff
offer HEIF 'libheif >= 1.12' libheif
