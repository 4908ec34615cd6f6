"""bench/wasm: a warm call of a WebAssembly function beside one of the nodejs runtime, the first call after a deployment beside a warm one, and many functions that nobody calls."""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import machine
import page
from builds import ROOT
from workspace import BenchError

BODY = b'{"name":"World"}'
MARKS = ("<!-- begin of bench/wasm --write -->", "<!-- end of bench/wasm -->")

# The same work for each: the body, back.
WAT = """(module
  (import "fl_imps" "__get_input_data" (func $get (param i32)))
  (import "fl_imps" "__insert_response" (func $respond (param i32 i32)))
  (memory (export "memory") %d)
  (data (i32.const 0) "%s")
  (func (export "__invoke") (param $n i32) (result i32)
    (call $get (i32.const 1024)) (call $respond (i32.const 1024) (local.get $n)) (i32.const 0)))
"""
C = "#include <unistd.h>\nint main(void) { char b[4096]; ssize_t n; while ((n = read(0, b, sizeof b)) > 0) write(1, b, n); return 0; }\n"
NODE = "module.exports = (req, res) => res.send(req.rawBody);\n"


class Daemon:
    """A daemon over a folder of its own, which goes with it."""

    def __init__(self, program):
        self.home = Path(tempfile.mkdtemp(prefix="stint-wasm-", dir="/tmp"))
        self.home.chmod(0o755)
        self.registry = self.home / "functions"
        self.registry.mkdir()
        self.port, self.management = free_port(), free_port()
        self._program = program
        self._process = None

    def start(self):
        flags = ["--registry", self.registry, "--state", self.home / "state", "--run", self.home / "run", "--http-port", self.port, "--management-port", self.management,
                 "--coap-port", -1, "--grpc-port", -1, "--network-default", "none", "--instance-budget", 5000]
        self._process = subprocess.Popen([*self._program, "up", *map(str, flags)], stderr=(self.home / "log").open("w"))
        wait("the daemon is ready", lambda: self.get("/readyz") is not None)

    def stop(self):
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def get(self, path):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.management}{path}", timeout=20).read().decode()
        except OSError:
            return None

    def metric(self, name):
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)} ([0-9.e+-]+)$", self.get("/metrics"), re.MULTILINE))

    def put(self, name, toml, file, content):
        """A function in the registry, as if somebody had copied it there."""
        folder = self.registry.parent / f".{name}"
        (folder / "code").mkdir(parents=True)
        (folder / "code" / file).write_bytes(content)
        (folder / "function.toml").write_text(toml)
        folder.rename(self.registry / name)

    def call(self, connection, name):
        start = time.perf_counter_ns()
        connection.request("POST", f"/{name}", BODY)
        answer = connection.getresponse()
        text = answer.read()
        took = (time.perf_counter_ns() - start) / 1000
        if answer.status != 200 or text != BODY:
            raise BenchError(f"{name} answered {answer.status}: {text[:200]}")
        return took

    def serves(self, name):
        return f'"state":"ready"' in (self.get(f"/stint/v1/functions/{name}") or "").replace(" ", "")

    def processes(self):
        """Processes below the daemon, and the memory of the daemon and of its runners, MiB (Pss)."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        below = {self._process.pid}
        while more := {child for child, parent in parents.items() if parent in below} - below:
            below |= more
        return len(below) - 1, pss(self._process.pid), sum(pss(process) for process in below - {self._process.pid})


def pss(process):
    try:
        return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)[1]) / 1024
    except (OSError, TypeError):
        return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, condition, limit=300):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"waited in vain until {what}")
        time.sleep(0.05)


def built(wat=None, c=None):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / ("fn.wat" if wat else "fn.c")
        source.write_text(wat or c)
        command = ["wat2wasm", source, "-o", f"{folder}/fn.wasm"] if wat else ["clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-Wl,--strip-all", "-o", f"{folder}/fn.wasm", source]
        subprocess.run(command, check=True, capture_output=True)
        return Path(f"{folder}/fn.wasm").read_bytes()


def warm(daemon, names, rounds, calls):
    """Microseconds of warm calls on one connection; the functions take turns, so that all see the same machine."""
    times = {name: [] for name in names}
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
    for name in names:
        for _ in range(500):
            daemon.call(connection, name)
    for _ in range(rounds):
        for name in names:
            times[name] += [daemon.call(connection, name) for _ in range(calls)]
    return times


def wrk(daemon, name, connections, seconds):
    lua = daemon.home / "post.lua"
    lua.write_text(f"wrk.method = 'POST'\nwrk.body = '{BODY.decode()}'\n" + (ROOT / "bench/echo.lua").read_text().partition("end\n")[2])
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", lua, f"http://127.0.0.1:{daemon.port}/{name}"], capture_output=True, text=True, check=True).stdout
    figures = json.loads(output.splitlines()[-1])
    return figures["requests"] / figures["seconds"], figures["p50_us"], figures["p99_us"]


def first_calls(daemon, count):
    """Microseconds: the first call of a function that was just deployed, and the second, the least disturbed by anything else."""
    firsts, seconds = [], []
    for number in range(count):
        name = f"first{number}"
        daemon.put(name, "[wasm]\nmemory = 2\n", "fn.wasm", built(wat=WAT % (1, name)))
        wait(f"{name} serves", lambda: daemon.serves(name))
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        connection.connect()
        firsts.append(daemon.call(connection, name))
        seconds.append(statistics.median(daemon.call(connection, name) for _ in range(50)))
        connection.close()
    return firsts, seconds


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(options):
    program = [options.executable] if options.executable else ["dotnet", str(ROOT / "artifacts/bin/Stint/release/stint.dll")]
    if not options.executable:
        subprocess.run([ROOT / "stint", "version"], check=True, stdout=subprocess.DEVNULL)
    facts = machine.describe([])
    text = [f"`bench/wasm{' --quick' if options.quick else ''} --write`, {facts['date']}, commit {facts['commit']}; {facts['cpu']}, {facts['kernel']}; {'given executable' if options.executable else 'JIT'}; Node.js {facts['nodejs']}.", ""]
    daemon = Daemon(program)
    try:
        daemon.put("node", '[process]\nruntime = "nodejs"\nmemory = 128\nnetwork = "none"\n', "index.js", NODE.encode())
        daemon.put("funless", "[wasm]\n", "fn.wasm", built(wat=WAT % (1, "x")))
        daemon.put("funless16", "[wasm]\n", "fn.wasm", built(wat=WAT % (16, "x")))
        daemon.put("wasi", "[wasm]\n", "fn.wasm", built(c=C))
        daemon.start()
        names = ["node", "funless", "funless16", "wasi"]
        for name in names:
            wait(f"{name} serves", lambda: daemon.serves(name))
        shown = {"node": "nodejs runtime", "funless": "FunLess, 64 KiB of memory", "funless16": "FunLess, 1 MiB of memory", "wasi": "WASI command of C, 128 KiB"}
        times = warm(daemon, names, 4 if options.quick else 20, 500)
        text += ["A warm call, the body back, one connection, in turns:", "", "|  | p50 | p99 | p50 / nodejs | 8 connections: calls/s | p50 | p99 |", "|---|---:|---:|---:|---:|---:|---:|"]
        base = statistics.median(times["node"])
        for name in names:
            rate, p50, p99 = wrk(daemon, name, 8, 3 if options.quick else 8)
            text.append(f"| {shown[name]} | {statistics.median(times[name]):.0f} µs | {quantile(times[name], 0.99):.0f} µs | {statistics.median(times[name]) / base:.2f} | {rate:,.0f} | {p50:.0f} µs | {p99:.0f} µs |")
        parts = []
        for part in ("compile", "instantiate", "invoke", "wait"):
            total, count = daemon.metric(f"stint_wasm_{part}_seconds_sum"), daemon.metric(f"stint_wasm_{part}_seconds_count")
            parts.append(f"{part} {total / count * 1e6:.0f} µs")
        text += ["", f"In the runner, on average of all these: {', '.join(parts)} (wait: for a runner)."]
        firsts, seconds = first_calls(daemon, 10 if options.quick else 30)
        text += ["", f"The first call after a deployment, {len(firsts)} functions: p50 {statistics.median(firsts):.0f} µs, slowest {max(firsts):.0f} µs; a warm one of the same: p50 {statistics.median(seconds):.0f} µs."]
        before = daemon.processes()
        count = 200 if options.quick else 1000
        for number in range(count):
            daemon.put(f"idle{number}", "min-instances = 1\n[wasm]\nmemory = 2\n", "fn.wasm", module_of(number))
        wait("all are deployed", lambda: daemon.metric('stint_functions{state="ready"}') >= count + len(names) + len(firsts))
        time.sleep(5)
        after = daemon.processes()
        text += ["", f"{count:,} more functions, each with a module of its own and `min-instances = 1`: {after[0] - before[0]} more processes (there are {after[0]}); "
                     f"{(after[1] - before[1]) * 1024 / count:.0f} KiB more in the daemon and {(after[2] - before[2]) * 1024 / count:.0f} KiB more in all runners together for each (Pss)."]
    finally:
        daemon.stop()
    return "\n".join(text)


def module_of(number, cache={}):
    """A module with a text of its own, without a compiler's run for each: the text has as many bytes in all."""
    if not cache:
        cache["module"] = built(wat=WAT % (1, "number 0000"))
    return cache["module"].replace(b"number 0000", b"number %04d" % number)


def main():
    parser = argparse.ArgumentParser(prog="bench/wasm", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of it, for a look")
    parser.add_argument("--executable", metavar="FILE", help="a native build; default: this repository's, built if needed")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args()
    text = measure(options)
    print(text)
    if options.write:
        page.write(*MARKS, text)


if __name__ == "__main__":
    main()
