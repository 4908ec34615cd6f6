#!/bin/sh
# Prometheus' Alertmanager, of Debian, for the webhook of OpenFaaS's gateway; Prometheus itself is installed by ../Observability.
command -v prometheus-alertmanager >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || { echo "sudo apt-get install prometheus-alertmanager" >&2; exit 1; }
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus-alertmanager
