#!/bin/sh
# Installs what the tests of events and sinks need: Eclipse Mosquitto (broker, clients, the client library) and openssl from Debian, and from npm pouchdb-server, which speaks CouchDB's API.
# What is there already is left alone. npm's goes to artifacts/events-tools.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../../.." && pwd)
tools="$root/artifacts/events-tools"

packages=""
[ -x /usr/sbin/mosquitto ] || packages="$packages mosquitto"
command -v mosquitto_rr >/dev/null 2>&1 || packages="$packages mosquitto-clients"
ldconfig -p | grep -q 'libmosquitto\.so\.1' || packages="$packages libmosquitto1"
command -v openssl >/dev/null 2>&1 || packages="$packages openssl"
if [ -n "$packages" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "the tests of events need$packages: sudo apt-get install -y --no-install-recommends$packages" >&2
        [ "${CI:-}" != true ] || exit 1
        exit 0
    fi
    export DEBIAN_FRONTEND=noninteractive
    # Nothing is to be started: the tests start their brokers themselves (invoke-rc.d(8), policy-rc.d).
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # several words
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 $packages >/dev/null
fi

mkdir -p "$tools"
if ! cmp -s "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"; then
    cp "$here/npm/package.json" "$here/npm/package-lock.json" "$tools/"
    # leveldown (the database's storage) brings its binary along, so that no script has to run.
    (cd "$tools" && npm ci --no-audit --no-fund --ignore-scripts)
    cp "$here/npm/package-lock.json" "$tools/node_modules/installed-lock.json"
fi
