"""
bench/run: Stint beside its baselines, in one run.

    1  build what is measured                                         builds
    2  start everything that is measured; idle memory                 subjects
    3  uploads to their first answer                                  starts
    4  load: for each body size and number of connections, all        load
       subjects of a runtime one after the other; the second pass
       goes the other way round, so that a machine which gets faster
       or slower favours nobody
    5  cold starts                                                    starts
    6  the tables                                                     report

With --against, two native builds are compared instead                against
"""
import argparse
import json
import statistics
import sys
import time

import against
import builds
import load
import machine
import report
import starts
from subjects import RUNTIMES, Baseline, Daemon
from workspace import BenchError, Workspace

PARTS = ("native", "jit", "baselines", "floor")
CONNECTIONS, SIZES = (1, 8, 64), (12, 65536)


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures Stint beside its baselines: under 10 minutes, on a machine that has nothing else to do.")
    parser.add_argument("--quick", action="store_true", help="about a minute: one short pass, to see that everything works; the figures mean little")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part only; may be repeated")
    parser.add_argument("--seconds", type=float, help="of each measurement (default 1.8, with --quick 0.4)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--against", metavar="COMMIT", help="instead: the warm path beside that of an earlier commit, both native; about 10 minutes and those of two builds")
    options = parser.parse_args()
    seconds = options.seconds or (0.4 if options.quick else 1.8)
    begun = time.monotonic()

    def say(what):
        print(f"bench: {time.monotonic() - begun:4.0f} s  {what}", file=sys.stderr, flush=True)

    try:
        with Workspace() as workspace:
            kind = against if options.against else report
            results = against.measure(workspace, options.against, seconds, options.quick, say) if options.against else measure(workspace, options.only or PARTS, seconds, options.quick, say)
            text = kind.render(results)
            print(text)
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=2)
            if options.write:
                kind.write(text)
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")


def measure(workspace, parts, seconds, quick, say):
    say("building")
    commands = {build: getattr(builds, build)() for build in ("native", "jit") if build in parts}
    kestrel = builds.kestrel() if "baselines" in parts else None
    floor = builds.floor(workspace.folder) if "floor" in parts else None
    facts = machine.describe(parts)

    say("starting")
    daemons = [Daemon(workspace, name, command) for name, command in commands.items()]
    baselines = {}
    if kestrel:
        baselines["kestrel"] = Baseline(workspace, "kestrel", kestrel)
        baselines["node"] = Baseline(workspace, "node", ["/usr/bin/node", builds.ROOT / "bench/baselines/node/echo.js"])
        baselines["python"] = Baseline(workspace, "python", ["/usr/bin/python3", builds.ROOT / "bench/baselines/python/echo.py"])
    memory = Memory(daemons)
    if daemons:
        time.sleep(2)
        memory.sample("idle, no functions")

    say("uploads")
    uploads = starts.uploads(daemons, 2 if quick else 7)
    for daemon in daemons:
        for runtime in RUNTIMES:
            daemon.upload(f"echo-{runtime}", runtime)
    memory.sample("idle, 3 functions")

    passes = 1 if quick else 2
    cells = [(size, connections, runtime, subject) for size in SIZES for connections in CONNECTIONS for runtime, subject in contenders(daemons, baselines, floor)]
    figures = {cell: [] for cell in cells}
    for number in range(passes):
        for at, cell in enumerate(cells if number == 0 else cells[::-1]):
            size, connections, runtime, subject = cell
            if at % (len(cells) // 6) == 0:
                say(f"load, pass {number + 1} of {passes}: {size} bytes, {connections} connections")
            figures[cell].append(measure_one(cell, daemons, baselines, floor, memory, seconds))
    memory.sample("after it")

    say("cold starts")
    colds = starts.cold_starts(daemons, 5 if quick else 30)
    say("done")
    return {
        "machine": facts, "seconds": seconds, "passes": passes, "memory": memory.values,
        "uploads": {"/".join(key): starts.summary(times) for key, times in uploads.items()},
        "cold_starts": {"/".join(key): starts.summary(times) for key, times in colds.items()},
        "load": [{"size": size, "connections": connections, "runtime": runtime, "subject": subject, **combine(figures[size, connections, runtime, subject])}
                 for size, connections, runtime, subject in cells],
    }


def contenders(daemons, baselines, floor):
    """What is compared stands side by side."""
    for runtime in RUNTIMES:
        if floor:
            yield runtime, "floor"
        for daemon in daemons:
            yield runtime, daemon.name
        if report.BARE.get(runtime) in baselines:
            yield runtime, report.BARE[runtime]
    if "kestrel" in baselines:
        yield None, "kestrel"


def measure_one(cell, daemons, baselines, floor, memory, seconds):
    size, connections, runtime, subject = cell
    warmup = max(0.2, seconds / 4)
    if subject == "floor":
        return load.floor(floor, runtime, min(connections, load.CONCURRENCY[runtime]), size, warmup, seconds)
    if subject in baselines:
        return load.wrk(baselines[subject].url(runtime), connections, size, warmup, seconds)
    daemon = next(daemon for daemon in daemons if daemon.name == subject)
    state = f"most under load, {report.size_text(size)}"
    return load.wrk(daemon.url(f"echo-{runtime}"), connections, size, warmup, seconds, lambda: memory.sample(state, daemon))


def combine(passes):
    """The mean of the passes; of the slowest percent the worse."""
    rates = [figures["rps"] for figures in passes]
    return {
        "rps": statistics.mean(rates), "p50_us": statistics.mean(figures["p50_us"] for figures in passes), "p99_us": max(figures["p99_us"] for figures in passes),
        "spread": (max(rates) - min(rates)) / max(rates), "passes": passes,
    }


class Memory:
    """Memory of the daemons by state; of several samples of a state the largest."""

    def __init__(self, daemons):
        self._daemons = daemons
        self.values = {daemon.name: {} for daemon in daemons}

    def sample(self, state, only=None):
        for daemon in [only] if only else self._daemons:
            now, before = daemon.memory(), self.values[daemon.name].get(state)
            self.values[daemon.name][state] = max(now, before or now, key=lambda memory: memory["rss"])


if __name__ == "__main__":
    main()
