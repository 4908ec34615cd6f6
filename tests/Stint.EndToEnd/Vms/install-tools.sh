#!/bin/sh
# What the tests of virtual machines (and of the service, in one) need: QEMU, busybox, mke2fs and systemd of Debian, and a kernel for guests where 'stint vm image build' looks for it. What is there already is left alone.
set -eu
packages=
command -v qemu-system-x86_64 >/dev/null 2>&1 || packages="$packages qemu-system-x86"
command -v busybox >/dev/null 2>&1 || packages="$packages busybox-static"
[ -x /sbin/mke2fs ] || [ -x /usr/sbin/mke2fs ] || packages="$packages e2fsprogs"
[ -x /lib/systemd/systemd ] || packages="$packages systemd"
kernels=/var/cache/stint/kernels
kernels9p=/var/cache/stint/kernels-9p # not where the builder looks: it takes the first that it finds
have_kernel() { ls "$kernels"/linux-image-*/boot/vmlinuz-* >/dev/null 2>&1; }
have_9p() { [ -d "$kernels9p/boot" ]; }
[ -n "$packages" ] || ! have_kernel || ! have_9p || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "the tests of virtual machines need root once, for packages and a kernel: sudo $0" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # several words
[ -z "$packages" ] || apt-get install -y -q --no-install-recommends $packages
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# fetch META TARGET: unpacks the kernel that a meta package stands for.
fetch() {
    kernel=$(apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    mkdir "$folder/$1"
    (cd "$folder/$1" && apt-get -q download "$kernel")
    dpkg-deb -x "$folder/$1"/*.deb "$folder/$1/unpacked"
    mkdir -p "$(dirname "$2")"
    mv "$folder/$1/unpacked" "$2"
}

if ! have_kernel; then fetch linux-image-cloud-amd64 "$kernels/$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)"; fi
# The one for virtual machines has no 9p.
if ! have_9p; then fetch linux-image-amd64 "$kernels9p"; fi
