#!/bin/sh
# Prints the log of all functions, or of one. Needs curl.
#   scripts/logs.sh [NAME]
set -eu
curl --silent --show-error --fail-with-body "${STINT_MANAGEMENT:-http://localhost:8080}/logs${1:+?name=$1}"
