#!/bin/bash
# Installs PostgreSQL, of which the tests of clusters start a server of their own. Does nothing, quickly, when it is there.
set -euo pipefail
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "the tests of clusters need postgresql: sudo apt-get install -y --no-install-recommends postgresql" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
echo "installing what the tests of clusters need: postgresql" >&2
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
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 postgresql >/dev/null
