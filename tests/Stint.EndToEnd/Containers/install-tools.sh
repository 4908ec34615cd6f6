#!/bin/bash
# Installs what the tests of containers need: a container engine, of which they start one of their own, gVisor as its second runtime, and a static busybox, of which they make images. Does nothing, quickly, when all is there.
set -euo pipefail

packages=()
{ command -v dockerd && command -v docker; } >/dev/null 2>&1 || packages+=(docker.io)
command -v iptables >/dev/null 2>&1 || packages+=(iptables)
command -v ip >/dev/null 2>&1 || packages+=(iproute2)
# The package "busybox" has a dynamic one, which would need its libraries in each image.
{ command -v busybox && ! ldd "$(command -v busybox)"; } >/dev/null 2>&1 || packages+=(busybox-static)
# gVisor, as another runtime than the engine's own.
command -v runsc >/dev/null 2>&1 || packages+=(runsc)
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "the tests of containers need ${packages[*]}: sudo apt-get install -y --no-install-recommends ${packages[*]}" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
echo "installing what the tests of containers need: ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# Nothing is to be started: the tests start their engine themselves (invoke-rc.d(8), policy-rc.d).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
apt-get update -q >/dev/null
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${packages[@]}" >/dev/null
