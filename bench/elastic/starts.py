"""Cold starts: from a call to the first byte of its answer when no instance is there, and what the same interpreters take with nothing around them."""
import asyncio
import os
import shutil
import time

from client import Client
from containers import IMAGE, NOTHING, Engine
from daemon import BenchError, quantile, table

RUNTIMES = ("python3", "nodejs", "binary")
NETWORKS = ("none", "outbound")
WARM_UP = 3

# Seconds between the end of an instance and the next call: what the end leaves to do is not to be measured, and the background has the time to make a new spare, as between calls of a quiet function.
PAUSE = 0.15

FLOORS = {
    # As RuntimeCommand.cs starts them, without any code of ours.
    "python3": ["/usr/bin/python3", "-I", "-S", "-B", "-c", "pass"],
    "nodejs": ["/usr/bin/node", "-e", "0"],
    "binary": ["/usr/bin/python3", "-I", "-S", "-B", "-c", "pass"],
}
BUBBLEWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "/bin/true"]


def measure(workspace, runtimes, networks, count, spares, say):
    modes = {
        "nothing waits": ["--spares", 0, "--empty-sandboxes", 0],
        "an empty sandbox waits": ["--spares", 0, "--empty-sandboxes", 1],
        "a spare waits": ["--spares", spares, "--empty-sandboxes", 0],
    }
    if not workspace.has_option("--empty-sandboxes"):
        del modes["an empty sandbox waits"]
        modes = {mode: flags[:2] for mode, flags in modes.items()}
    if not workspace.has_option("--network-default"):
        networks = ["none"]
    results = {"starts": count, "modes": list(modes), "cold": {}, "floors": {}}
    functions = {f"cold-{runtime}-{network}": (runtime, "keepalive = 0", f'network = "{network}"') for runtime in runtimes for network in networks}
    for mode, flags in modes.items():
        workspace.start(functions, *flags)
        for runtime in runtimes:
            say(f"{runtime}, {mode}")
            cold, floor = asyncio.run(_cold(workspace, {network: f"cold-{runtime}-{network}" for network in networks}, FLOORS[runtime], count))
            for network in networks:
                results["cold"][f"{runtime}/{mode}/{network}"] = cold[network]
                results["floors"][f"{runtime}/{mode}/{network}"] = floor
    workspace.stop()
    say("floors of sandboxes")
    results["floors"]["bwrap"] = _spawn(BUBBLEWRAP, count)
    if Engine.is_possible():
        say("floor of containers")
        with Engine(workspace.folder) as engine:
            results["floors"]["docker"] = _spawn(["docker", "-H", engine.host, "run", "--rm", "--network", "none", "--entrypoint", NOTHING, IMAGE], max(5, count // 10))
    return results


async def _cold(workspace, functions, floor, count):
    """Milliseconds of the cold calls by network, in turns, and of the bare interpreter just before each: a machine that gets slower for a while slows all."""
    client, times, bare = Client(workspace.port), {network: [] for network in functions}, []
    for number in range(count + WARM_UP):
        for network, function in functions.items():
            _wait_until_gone(workspace, function)
            time.sleep(PAUSE)
            if number >= WARM_UP:
                bare += _spawn(floor, 1, warm_up=0)
            status, took = await client.call(function)
            if status != 200:
                raise BenchError(f"{function} answered {status}")
            if number >= WARM_UP:
                times[network].append(took * 1000)
    client.close()
    for function in functions.values():
        started = workspace.metric("stint_cold_starts_total", function)
        if started != count + WARM_UP:
            raise BenchError(f"{count + WARM_UP} cold calls of {function} started {started:.0f} instances")
    return times, bare


def _wait_until_gone(workspace, function):
    # The end of one instance is not to be measured as a part of the next one's start.
    end = time.monotonic() + 10
    while workspace.metric("stint_instances", function) > 0:
        if time.monotonic() > end:
            raise BenchError(f"{function} still has an instance 10 s after its call")
        time.sleep(0.005)


def _spawn(command, count, warm_up=WARM_UP):
    """Milliseconds from spawn to exit."""
    times = []
    for number in range(count + warm_up):
        begun = time.perf_counter()
        process = os.posix_spawn(shutil.which(command[0]), command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        _, status = os.waitpid(process, 0)
        if status != 0:
            raise BenchError(f"{' '.join(command)} ended with {status}")
        if number >= warm_up:
            times.append((time.perf_counter() - begun) * 1000)
    return times


def render(results):
    rows = []
    for name, times in results["cold"].items():
        runtime, mode, network = name.split("/")
        bare = quantile(results["floors"][name], 0.5)
        rows.append([runtime, mode, network, *_times(times), f"{bare:.1f} ms", f"{quantile(times, 0.5) / bare:.2f}"])
    rows.sort(key=lambda row: RUNTIMES.index(row[0]))
    for name, title in (("bwrap", "bwrap … true"), ("docker", "docker run --network none … true")):
        if name in results["floors"]:
            rows.append(["", title, "", *_times(results["floors"][name]), "", ""])
    floors = ", ".join(f"`{' '.join(FLOORS[runtime])}`" for runtime in dict.fromkeys(row[0] for row in rows if row[0]))
    return (f"### Cold start to first byte, {results['starts']} starts\n\n" + table(["runtime", "", "network", "p50", "p99", "slowest", "bare p50", "p50 / bare"], rows, left=3)
            + f"\n\nBare: {floors}, from spawn to exit, run between the starts.")


def _times(times):
    return [f"{value:.1f} ms" for value in (quantile(times, 0.5), quantile(times, 0.99), max(times))]
