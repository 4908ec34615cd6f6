#!/bin/sh
# Prints the names of the deployed functions, one a line. Needs curl.
set -eu
curl --silent --show-error --fail-with-body "${STINT_MANAGEMENT:-http://localhost:8080}/list"
