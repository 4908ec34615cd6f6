#!/bin/sh
# Compiles the function to code/fn.wasm. Debian's packages: clang lld wasi-libc libclang-rt-dev-wasm32; or say where another WASI SDK is: CC=/opt/wasi-sdk/bin/clang ./build.sh
set -eu
cd "$(dirname "$0")"
mkdir -p code
if [ -n "${CC:-}" ]; then
    "$CC" -O2 -o code/fn.wasm src/fn.c
else
    clang --target=wasm32-wasi --sysroot=/usr -O2 -Wl,--strip-all -o code/fn.wasm src/fn.c
fi
