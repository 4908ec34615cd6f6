#!/bin/sh
# What the tests of virtual machines need: QEMU, busybox and mke2fs of Debian, and a kernel for guests where 'stint vm image build' looks for it. What is there already is left alone.
set -eu
packages=
command -v qemu-system-x86_64 >/dev/null 2>&1 || packages="$packages qemu-system-x86"
command -v busybox >/dev/null 2>&1 || packages="$packages busybox-static"
[ -x /sbin/mke2fs ] || [ -x /usr/sbin/mke2fs ] || packages="$packages e2fsprogs"
kernels=/var/cache/stint/kernels
have_kernel() { ls "$kernels"/linux-image-*/boot/vmlinuz-* >/dev/null 2>&1; }
[ -n "$packages" ] || ! have_kernel || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "the tests of virtual machines need root once, for packages and a kernel: sudo $0" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # several words
[ -z "$packages" ] || apt-get install -y -q --no-install-recommends $packages
have_kernel && exit 0
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && apt-get -q download "$kernel")
mkdir -p "$kernels"
dpkg-deb -x "$folder"/*.deb "$folder/unpacked"
mv "$folder/unpacked" "$kernels/$kernel"
