#!/bin/sh
# Has the platform fetch a zip and deploy a folder in it as a function, as tinyFaaS's script of this name does. Needs curl.
#   scripts/uploadURL.sh URL SUBFOLDER NAME ENV THREADS       SUBFOLDER: / for the zip's root
#   scripts/uploadURL.sh https://github.com/OpenFogStack/tinyFaas/archive/main.zip tinyFaaS-main/test/fns/sieve-of-eratosthenes sieve nodejs 1
set -eu
if [ $# -ne 5 ]; then
    echo "usage: $0 URL SUBFOLDER NAME ENV THREADS" >&2
    exit 2
fi
curl --silent --show-error --fail-with-body --data "{\"name\":\"$3\",\"env\":\"$4\",\"threads\":$5,\"url\":\"$1\",\"subfolder_path\":\"$2\",\"envs\":[]}" \
    "${STINT_MANAGEMENT:-http://localhost:8080}/uploadURL"
