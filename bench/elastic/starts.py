"""Cold starts: from a call to the first byte of its answer when no instance is there, and what the same interpreters take with nothing around them."""
import asyncio
import os
import shutil
import subprocess
import time

from client import Client
from daemon import BenchError, quantile, table

RUNTIMES = ("python3", "nodejs", "binary")
WARM_UP = 3

FLOORS = {
    # As RuntimeCommand.cs starts them, without any code of ours.
    "python3": ["/usr/bin/python3", "-I", "-S", "-B", "-c", "pass"],
    "nodejs": ["/usr/bin/node", "-e", "0"],
    "binary": ["/usr/bin/python3", "-I", "-S", "-B", "-c", "pass"],
}
BUBBLEWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "/bin/true"]


def measure(workspace, runtimes, count, spares, say):
    modes = {"without spares": ["--spares", 0], "with spares": ["--spares", spares]} if workspace.has_option("--spares") else {"without spares": []}
    results = {"starts": count, "modes": list(modes), "cold": {}, "floors": {}}
    functions = {f"cold-{runtime}": (runtime, "keepalive = 0", "") for runtime in runtimes}
    for mode, flags in modes.items():
        workspace.start(functions, *flags)
        for runtime in runtimes:
            say(f"{runtime}, {mode}")
            results["cold"][f"{runtime}/{mode}"] = asyncio.run(_cold(workspace, f"cold-{runtime}", count, pause=0.15 if mode == "with spares" else 0))
    workspace.stop()
    for runtime in runtimes:
        say(f"{runtime}, floor")
        results["floors"][runtime] = _spawn(FLOORS[runtime], count)
    results["floors"]["bwrap"] = _spawn(BUBBLEWRAP, count)
    if shutil.which("docker") and subprocess.run(["docker", "image", "inspect", "busybox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        results["floors"]["docker"] = _spawn(["docker", "run", "--rm", "--network", "none", "busybox", "true"], max(5, count // 10))
    return results


async def _cold(workspace, function, count, pause):
    """Milliseconds. `pause` gives the background the time to make a new spare, as between calls of a quiet function."""
    client, times = Client(workspace.port), []
    for number in range(count + WARM_UP):
        _wait_until_gone(workspace, function)
        time.sleep(pause)
        status, took = await client.call(function)
        if status != 200:
            raise BenchError(f"{function} answered {status}")
        if number >= WARM_UP:
            times.append(took * 1000)
    client.close()
    started = workspace.metric("stint_cold_starts_total", function)
    if started != count + WARM_UP:
        raise BenchError(f"{count + WARM_UP} cold calls of {function} started {started:.0f} instances")
    return times


def _wait_until_gone(workspace, function):
    # The end of one instance is not to be measured as a part of the next one's start.
    end = time.monotonic() + 10
    while workspace.metric("stint_instances", function) > 0:
        if time.monotonic() > end:
            raise BenchError(f"{function} still has an instance 10 s after its call")
        time.sleep(0.005)


def _spawn(command, count):
    """Milliseconds from spawn to exit."""
    times = []
    for number in range(count + WARM_UP):
        begun = time.perf_counter()
        process = os.posix_spawn(shutil.which(command[0]), command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        _, status = os.waitpid(process, 0)
        if status != 0:
            raise BenchError(f"{' '.join(command)} ended with {status}")
        if number >= WARM_UP:
            times.append((time.perf_counter() - begun) * 1000)
    return times


def render(results):
    rows = []
    for name, times in results["cold"].items():
        runtime, mode = name.split("/")
        floor = quantile(results["floors"][runtime], 0.5)
        rows.append([runtime, f"Stint, {mode}", *_times(times), f"{quantile(times, 0.5) / floor:.2f}"])
    for name, times in results["floors"].items():
        rows.append(["" if name in ("bwrap", "docker") else name, " ".join({"bwrap": ["bwrap … true"], "docker": ["docker run … true"]}.get(name) or FLOORS[name]), *_times(times), "1" if name in FLOORS else ""])
    rows.sort(key=lambda row: (RUNTIMES.index(row[0]) if row[0] else 9))
    note = "" if "with spares" in results["modes"] else "\n\nThis version has no option --spares: measured without spares only."
    return f"### Cold start to first byte, {results['starts']} starts\n\n" + table(["runtime", "", "p50", "p99", "slowest", "p50 / floor"], rows, left=2) + note


def _times(times):
    return [f"{value:.1f} ms" for value in (quantile(times, 0.5), quantile(times, 0.99), max(times))]
