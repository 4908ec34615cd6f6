#!/bin/sh
# Removes all functions. Needs curl.
set -eu
curl --silent --show-error --fail-with-body --request POST "${STINT_MANAGEMENT:-http://localhost:8080}/wipe"
