#!/bin/bash
# Installs what the tests need beyond the .NET SDK: Debian packages, and only those whose program is missing. Does nothing, quickly, when all is there.
set -euo pipefail

# program or file : package
needed=(
    bwrap:bubblewrap setpriv:util-linux ps:procps python3:python3 node:nodejs npm:npm curl:curl zip:zip gcc:gcc promtool:prometheus coap-client-notls:libcoap3-bin
    /usr/include/stdlib.h:libc6-dev
)

packages=()
for entry in "${needed[@]}"; do
    what=${entry%%:*}
    case "$what" in
        /*) [ -e "$what" ] || packages+=("${entry#*:}") ;;
        # Where the daemon looks first; a version manager's shim in somebody's home does not count.
        python3) [ -x /usr/bin/python3 ] || packages+=("${entry#*:}") ;;
        *) command -v "$what" >/dev/null 2>&1 || packages+=("${entry#*:}") ;;
    esac
done
[ ! -x /usr/bin/python3 ] || /usr/bin/python3 -c 'import pip' 2>/dev/null || packages+=(python3-pip)
ldconfig -p 2>/dev/null | grep -q 'libseccomp\.so\.2' || packages+=(libseccomp2)
ldconfig -p 2>/dev/null | grep -q 'libsqlite3\.so\.0' || packages+=(libsqlite3-0)
[ ${#packages[@]} -gt 0 ] || exit 0

command="apt-get install -y --no-install-recommends ${packages[*]}"
if [ "$(id -u)" != 0 ]; then
    echo "the tests need ${packages[*]}: sudo $command" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
echo "installing what the tests need: ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
$command >/dev/null
