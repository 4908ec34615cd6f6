#!/bin/sh
# Makes the image {{name}}:1 of the folder www beside this file and the host's static busybox, without a registry. Needs docker or podman, and busybox-static.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
engine=$(command -v docker || command -v podman) || { echo "build.sh: no docker and no podman here" >&2; exit 1; }
busybox=$(command -v busybox) || { echo "build.sh: no busybox here: apt-get install busybox-static" >&2; exit 1; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/proc" "$root/sys" "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for program in cat httpd sh; do ln -s busybox "$root/bin/$program"; done
cp -R "$here/www" "$root/www"
chmod 755 "$root" "$root"/www/cgi-bin/*
tar -C "$root" -c . | "$engine" import --change 'CMD ["/bin/httpd", "-f", "-v", "-p", "8080", "-h", "/www"]' - {{name}}:1
