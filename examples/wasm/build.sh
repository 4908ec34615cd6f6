#!/bin/sh
# Builds the modules of these examples. Debian's packages: wabt clang lld wasi-libc libclang-rt-dev-wasm32; and npm for AssemblyScript.
set -eu
cd "$(dirname "$0")"
mkdir -p hello-c/code hello-as/code hello-funless/code
wat2wasm hello-funless/hello.wat -o hello-funless/code/hello.wasm
clang --target=wasm32-wasi --sysroot=/usr -O2 -Wl,--strip-all -o hello-c/code/fn.wasm hello-c/src/fn.c
[ -d hello-as/node_modules/assemblyscript ] || (cd hello-as && npm install --no-audit --no-fund)
node hello-as/node_modules/assemblyscript/bin/asc.js hello-as/assembly/index.ts --outFile hello-as/code/fn.wasm --optimize --exportStart _initialize
