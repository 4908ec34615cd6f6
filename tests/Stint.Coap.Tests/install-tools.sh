#!/bin/sh
# Installs what the tests of Stint.Coap talk to: libcoap's client, tshark and the npm package coap (pinned by its lock file,
# put under artifacts/, not into the source tree). Needs root for the Debian packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools="$here/../../artifacts/coap-tools/node"

if ! command -v coap-client-notls >/dev/null || ! command -v tshark >/dev/null || ! command -v dumpcap >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q || true
    apt-get install -y -q --no-install-recommends libcoap3-bin tshark
fi

mkdir -p "$tools"
cp "$here/Interop/node/package.json" "$here/Interop/node/package-lock.json" "$tools/"
(cd "$tools" && npm ci --no-audit --no-fund)
