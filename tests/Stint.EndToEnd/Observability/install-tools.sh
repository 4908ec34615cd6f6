#!/bin/sh
# Prometheus, promtool and the node_exporter, of Debian.
command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1 && command -v prometheus-node-exporter >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || { echo "sudo apt-get install prometheus prometheus-node-exporter" >&2; exit 1; }
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus prometheus-node-exporter
