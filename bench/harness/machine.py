"""Where and when: without it figures cannot be read."""
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from builds import NATIVE, ROOT


def describe(parts):
    """Name and value of what a reader of the figures wants to know."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    facts = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _line("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD") + (" with local changes" if _line("git", "-C", ROOT, "status", "--porcelain") else ""),
        "cpu": f"{model[1].strip() if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory / 1024 / 1024:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}, load average {os.getloadavg()[0]:.1f} at the start",
        "python3": _line("/usr/bin/python3", "--version").removeprefix("Python "),
        "nodejs": _line("/usr/bin/node", "--version"),
        ".NET": _line("dotnet", "--version") + " (SDK)",
        "wrk": _line("wrk", "--version").split("[")[0].removeprefix("wrk ").strip(),
    }
    if "native" in parts:
        kind = ROOT / "artifacts/publish.kind"  # written by tools/publish
        facts["native build"] = f"{NATIVE.stat().st_size / 1024 / 1024:.0f} MiB" + (f", {kind.read_text().strip()}" if kind.exists() else "")
    return facts


def _line(*command):
    try:
        # wrk says its version with exit code 1.
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "none"
    return output.splitlines()[0].strip() if output.strip() else ""
