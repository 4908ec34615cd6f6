#!/bin/bash
# The native fwatchdog, which the tests put into images: made when it is not there or older than its sources. Does nothing, quickly, when it is.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
file="$root/artifacts/publish/fwatchdog/fwatchdog"
[ -z "${FWATCHDOG:-}" ] || exit 0
[ ! -f "$file" ] || [ -n "$(find "$root/src/Stint.Watchdog" -newer "$file" -name '*.cs*' -not -path '*/obj/*' -print -quit)" ] || exit 0
exec "$root/tools/publish" fwatchdog
