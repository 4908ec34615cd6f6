#!/bin/sh
# Installs what the tests of deploy/ need: Debian's docker-compose, and from npm the Compose Specification's schema, Kubernetes' published schemas and types, and what reads them.
# What is there already is left alone. npm's goes to artifacts/deployed-tools. (The container engine: ../Containers/install-tools.sh.)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../../.." && pwd)
tools="$root/artifacts/deployed-tools"

if ! command -v docker-compose >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ]; then
        echo "the tests of deploy/ need docker-compose: sudo apt-get install -y --no-install-recommends docker-compose" >&2
        [ "${CI:-}" != true ] || exit 1
        exit 0
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 docker-compose >/dev/null
fi

mkdir -p "$tools"
cp "$here"/npm/*.mjs "$tools/"
if ! cmp -s "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"; then
    cp "$here/npm/package.json" "$here/npm/package-lock.json" "$tools/"
    (cd "$tools" && npm ci --no-audit --no-fund --ignore-scripts)
    cp "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"
fi
