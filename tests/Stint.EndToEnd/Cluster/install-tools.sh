#!/bin/bash
# Installs PostgreSQL, of which the tests of clusters start a server of their own, and libfaketime, with which a process has a clock of its own. Does nothing, quickly, when they are there.
# (Networks of their own: ../Network/install-tools.sh.)
set -euo pipefail
packages=()
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages+=(postgresql)
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || packages+=(libfaketime)
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "the tests of clusters need ${packages[*]}: sudo apt-get install -y --no-install-recommends ${packages[*]}" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
echo "installing what the tests of clusters need: ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# No server is to be made and started: the tests do that themselves (postgresql-common's createcluster.conf; policy-rc.d).
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
apt-get update -q >/dev/null
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${packages[@]}" >/dev/null
