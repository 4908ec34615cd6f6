#!/bin/sh
# Compiles the function to code/fn.wasm, with AssemblyScript's compiler from npm.
set -eu
cd "$(dirname "$0")"
mkdir -p code
[ -d node_modules/assemblyscript ] || npm install --no-audit --no-fund
# _initialize instead of a start function, which functions may not have.
node node_modules/assemblyscript/bin/asc.js assembly/index.ts --outFile code/fn.wasm --optimize --exportStart _initialize
