"""
bench/proxy: what it costs to call an instance that serves HTTP (a container, a VM), without the engine: the same server alone, behind Stint's HTTP endpoint, pool and client, and behind the same
with .NET's own client; beside them a function in the process sandbox. All in one run, each pass the other way round.
"""
import argparse
import os
import statistics
import sys

import builds
import load
from subjects import Baseline, Daemon
from workspace import BenchError, Workspace, free_port, listens, run

PROGRAM = builds.ROOT / "artifacts/bin/Stint.ProxyLoad/release/Stint.Bench.dll"
SIZES, CONNECTIONS = (12, 65536), (1, 8, 64)


class Proxy:
    """Stint before a server that runs already."""

    def __init__(self, workspace, name, server, client):
        self.port = free_port()
        self._process = workspace.start(name, ["dotnet", str(PROGRAM), str(self.port), str(server.port), client])
        workspace.wait_until(self._process, lambda: listens(self.port))

    @property
    def subject(self):
        return f"http://127.0.0.1:{self.port}/echo", self._process.pid


def cpu_seconds(pid):
    """Processor time of a process without its children."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_one(url, pid, connections, size, seconds):
    """wrk's figures, and the processor time that a request takes in the process that it is sent to: that hardly depends on what else the machine does."""
    load.check_echo(url, size)
    load.wrk_once(url, connections, size, max(0.3, seconds / 4), least=0)
    before = cpu_seconds(pid)
    figures = load.wrk_once(url, connections, size, seconds)
    return figures | {"rps": figures["requests"] / figures["seconds"], "cpu_us": (cpu_seconds(pid) - before) / figures["requests"] * 1e6}


def main():
    parser = argparse.ArgumentParser(prog="bench/proxy", description="Measures calls of instances that serve HTTP: about three minutes.")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement (default 1.5)")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--size", type=int, action="append", help="of the body, bytes; may be repeated (default 12 and 65536)")
    parser.add_argument("--connections", type=int, action="append", help="may be repeated (default 1, 8 and 64)")
    options = parser.parse_args()
    try:
        with Workspace() as workspace:
            measure(workspace, options)
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")


def measure(workspace, options):
    jit, kestrel = builds.jit(), builds.kestrel()
    run(["dotnet", "build", builds.ROOT / "bench/Stint.ProxyLoad", "-c", "Release", "-v", "quiet", "-nodeReuse:false", "--nologo"], 600, env=builds.ENVIRONMENT)
    servers = {
        "Kestrel": Baseline(workspace, "kestrel", kestrel),
        "Node.js": Baseline(workspace, "node", ["/usr/bin/node", builds.ROOT / "bench/baselines/node/echo.js"]),
    }
    subjects = {}
    for name, server in servers.items():
        subjects[f"{name} alone"] = server.url(None), server._process.pid
        subjects[f"Stint → {name}"] = Proxy(workspace, f"own-{name}", server, "own").subject
        subjects[f"Stint → {name}, SocketsHttpHandler"] = Proxy(workspace, f"handler-{name}", server, "handler").subject
    daemon = Daemon(workspace, "jit", jit)
    for runtime in ("python3", "nodejs"):
        daemon.upload(f"echo-{runtime}", runtime)
        subjects[f"process sandbox, {runtime}"] = daemon.url(f"echo-{runtime}"), daemon._process.pid
    cells = [(size, connections, subject) for size in options.size or SIZES for connections in options.connections or CONNECTIONS for subject in subjects]
    figures = {cell: [] for cell in cells}
    for number in range(options.passes):
        for size, connections, subject in cells if number % 2 == 0 else cells[::-1]:
            figures[size, connections, subject].append(measure_one(*subjects[subject], connections, size, options.seconds))
    print("| body, bytes | connections | | requests/s | p50, µs | p99, µs | cpu, µs a request |\n|---:|---:|---|---:|---:|---:|---:|")
    for (size, connections, subject), passes in figures.items():
        rps, p50, p99, cpu = (statistics.median(one[key] for one in passes) for key in ("rps", "p50_us", "p99_us", "cpu_us"))
        print(f"| {size} | {connections} | {subject} | {rps:,.0f} | {p50:,.0f} | {p99:,.0f} | {cpu:,.1f} |")


if __name__ == "__main__":
    main()
