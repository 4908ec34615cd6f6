"""What one waits for: from an upload to its first answer, and a cold start to its first byte. The builds take turns, so that both see the same machine."""
import statistics
import time

from subjects import RUNTIMES
from workspace import BenchError

COLD_TOML = 'keepalive = 0\n\n[process]\nruntime = "{}"\n'


def uploads(daemons, count):
    """Milliseconds from the upload of a function without dependencies to its first answer, by daemon and runtime."""
    times = {(daemon.name, runtime): [] for daemon in daemons for runtime in RUNTIMES}
    for number in range(count):
        for runtime in RUNTIMES:
            for daemon in daemons:
                name = f"upload-{runtime}-{number}"
                times[daemon.name, runtime].append(daemon.upload(name, runtime))
                daemon.delete(name)
    return times


def cold_starts(daemons, count):
    """Milliseconds from a call to the first byte of its answer when no instance is there, by daemon and runtime."""
    for daemon in daemons:
        for runtime in RUNTIMES:
            daemon.drop(f"cold-{runtime}", runtime, COLD_TOML.format(runtime))
    times = {(daemon.name, runtime): [] for daemon in daemons for runtime in RUNTIMES}
    for _ in range(count):
        for runtime in RUNTIMES:
            for daemon in daemons:
                times[daemon.name, runtime].append(daemon.call(f"cold-{runtime}", b"Hello, edge!"))
                _wait_until_gone(daemon, f"cold-{runtime}")
    for daemon in daemons:
        for runtime in RUNTIMES:
            started = daemon.metric("stint_cold_starts_total", f"cold-{runtime}")
            if started != count:
                raise BenchError(f"{count} cold calls of {runtime} on the {daemon.name} daemon started {started:.0f} instances")
    return times


def _wait_until_gone(daemon, function):
    # The end of one instance is not to be measured as a part of the next one's start.
    end = time.monotonic() + 10
    while daemon.metric("stint_instances", function) > 0:
        if time.monotonic() > end:
            raise BenchError(f"{function} on the {daemon.name} daemon still has an instance 10 s after its call")
        time.sleep(0.01)


def summary(times):
    """First, median and slowest."""
    return {"first": times[0], "median": statistics.median(times), "max": max(times), "count": len(times)}
