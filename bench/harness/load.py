"""The load: wrk over HTTP, and the floor's own client over the instance's socket. Any error ends the run: figures with errors in them mean nothing."""
import json
import os
import re
import threading
import urllib.request

from builds import ROOT
from subjects import FUNCTIONS
from workspace import BenchError, run

RUNTIME_COMMANDS = {
    # As RuntimeCommand.cs starts them.
    "python3": ["/usr/bin/python3", "-I", "-S", "-B", ROOT / "runtimes/python3/runtime.py"],
    "nodejs": ["/usr/bin/node", "--max-old-space-size=192", ROOT / "runtimes/nodejs/runtime.js"],
    "binary": ["/usr/bin/python3", "-I", "-S", "-B", ROOT / "runtimes/binary/runtime.py"],
}
#: Calls that the one instance serves at a time, as the tinyFaaS upload deploys it.
CONCURRENCY = {"python3": 1, "nodejs": 1, "binary": 16}


def body_of(size):
    return (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]


def check_echo(url, size):
    """One request with a look at the answer, which wrk does not take."""
    body = body_of(size)
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "text/plain"}), timeout=30) as response:
        if response.read() != body:
            raise BenchError(f"{url} does not echo {size} bytes")


def wrk(url, connections, size, warmup, seconds, sample=None):
    """Warms up, then measures. `sample` is called once, late in the measurement."""
    check_echo(url, size)
    wrk_once(url, connections, size, warmup, least=0)
    timer = threading.Timer(seconds * 0.8, sample) if sample else None
    if timer:
        timer.start()
    figures = wrk_once(url, connections, size, seconds)
    if timer:
        timer.join()
    return {"rps": figures["requests"] / figures["seconds"], "p50_us": figures["p50_us"], "p99_us": figures["p99_us"]}


def wrk_once(url, connections, size, seconds, least=1):
    # wrk knows whole seconds only; SIGINT ends it early and in good order.
    output = run(["timeout", "--preserve-status", "-s", "INT", f"{seconds}", "wrk", "-t", "1", "-c", f"{connections}", "-d", "600s", "--timeout", "10s",
                  "-s", ROOT / "bench/echo.lua", url, "--", f"{size}"], seconds + 30)
    figures = json.loads(output.splitlines()[-1])
    errors = {kind: figures[kind] for kind in ("connect", "read", "write", "status", "timeout") if figures[kind] > 0}
    if errors or figures["requests"] < least or figures["bytes"] < figures["requests"] * size:
        raise BenchError(f"wrk, {connections} connections, {size} bytes, {url}: {errors or 'answers too few or too short'}:\n{output}")
    return figures


def floor(program, runtime, connections, size, warmup, seconds):
    """The same handler with nothing between: so many requests as take about so long."""
    probe = _floor(program, runtime, connections, size, 0, 200)["rps"]
    rate = _floor(program, runtime, connections, size, 0, max(200, int(probe * 0.1)))["rps"]
    return _floor(program, runtime, connections, size, int(rate * warmup), max(200, int(rate * seconds)))


def _floor(program, runtime, connections, size, warmup, requests):
    output = run([program, "-x", "-c", f"{connections}", "-s", f"{size}", "-w", f"{warmup}", "-n", f"{requests}", FUNCTIONS / runtime, *RUNTIME_COMMANDS[runtime]], 120,
                 env=os.environ | {"TMPDIR": str(program.parent)})
    figures = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", output)}
    return {key: figures[key] for key in ("rps", "p50_us", "p99_us")}
