#!/bin/bash
# Installs what the network's tests need: the packet filter, both programs for daemons that are not root, and the tools with which the tests play a host's other firewalls. Quick when all is there.
set -euo pipefail

# program : package
needed=(nft:nftables iptables-nft:iptables slirp4netns:slirp4netns pasta:passt ip:iproute2 nsenter:util-linux unshare:util-linux)

packages=()
for entry in "${needed[@]}"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null 2>&1 || packages+=("${entry#*:}")
done
[ ${#packages[@]} -gt 0 ] || exit 0

command="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 ${packages[*]}"
if [ "$(id -u)" != 0 ]; then
    echo "the network's tests need ${packages[*]}: sudo $command" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
echo "installing what the network's tests need: ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
$command >/dev/null
