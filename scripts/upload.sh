#!/bin/sh
# Uploads a folder as a function, as tinyFaaS's script of this name does. Needs zip, base64 and curl.
#   scripts/upload.sh DIR NAME ENV THREADS       ENV: python3, nodejs or binary
#   scripts/upload.sh examples/echo/code echo python3 1
set -eu
if [ $# -ne 4 ]; then
    echo "usage: $0 DIR NAME ENV THREADS" >&2
    exit 2
fi
cd -- "$1"
# Standard input, because a zip is longer than a command line may be.
{
    printf '{"name":"%s","env":"%s","threads":%s,"envs":[],"zip":"' "$2" "$3" "$4"
    zip -qr - ./* | base64 | tr -d '\n'
    printf '"}'
} | curl --silent --show-error --fail-with-body --data @- "${STINT_MANAGEMENT:-http://localhost:8080}/upload"
