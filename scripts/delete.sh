#!/bin/sh
# Removes a function. Needs curl.
#   scripts/delete.sh NAME
set -eu
if [ $# -ne 1 ]; then
    echo "usage: $0 NAME" >&2
    exit 2
fi
curl --silent --show-error --fail-with-body --data "{\"name\":\"$1\"}" "${STINT_MANAGEMENT:-http://localhost:8080}/delete"
