#!/bin/sh
# Makes the images of these examples of their folders `image` and the host's static busybox, without a registry. Needs docker or podman, and busybox-static.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
engine=$(command -v docker || command -v podman) || { echo "build.sh: no docker and no podman here" >&2; exit 1; }
busybox=$(command -v busybox) || { echo "build.sh: no busybox here: apt-get install busybox-static" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# make NAME DOCKERFILE-LINE
make() {
    rm -rf "$root/$1"
    for folder in bin dev etc proc sys tmp; do mkdir -p "$root/$1/$folder"; done
    cp "$busybox" "$root/$1/bin/busybox"
    for program in cat httpd sh sleep wget; do ln -s busybox "$root/$1/bin/$program"; done
    cp -R "$here/$1/image/." "$root/$1"
    tar -C "$root/$1" -c . | "$engine" import --change "$2" - "stint-example-$1:1" >/dev/null
    echo "made stint-example-$1:1"
}

make web 'CMD ["/bin/httpd", "-f", "-v", "-p", "8080", "-h", "/www"]'
make unifaas 'ENTRYPOINT ["/bin/guest"]'
