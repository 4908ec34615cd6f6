"""
bench/cluster: a gateway and its workers, each a process of its own on this host's loopback, over a PostgreSQL of the run's own. Everything side by side in one run, each pass the other way round.

  hop         a call on a worker beside the same call on one machine; and what a bare HTTP/2 hop with mutual TLS adds to a bare Kestrel
  workers     calls of a function that waits, with 1, 2 and 4 workers: how the load is spread (the cores are the same for all)
  dead        a worker that is killed, or frozen, under load: how long calls suffer, and how many
  code        a WebAssembly module of 20 MiB that is deployed with 4 workers, and with none
  queue       asynchronous calls accepted a second, each committed in PostgreSQL before its 202, beside pgbench that inserts the same rows into the same table
"""
import argparse
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import builds
import load
import machine
import page
from subjects import FUNCTIONS, Baseline
from workspace import BenchError, Workspace, free_port, listens, run

BEGIN, END = "<!-- begin of the figures: bench/cluster --write -->", "<!-- end of the figures: bench/cluster -->"
HOP = builds.ROOT / "artifacts/bin/Hop/release/hop.dll"
MODULE_MIB = 20
ECHO = """(module
  (import "fl_imps" "__get_input_data" (func $get (param i32)))
  (import "fl_imps" "__insert_response" (func $respond (param i32 i32)))
  (memory (export "memory") 2)
  (func (export "__invoke") (param $n i32) (result i32)
    (call $get (i32.const 1024)) (call $respond (i32.const 1024) (local.get $n)) (i32.const 0)))
"""


class Postgres:
    """A server of the run's own, with durable commits."""

    def __init__(self, workspace):
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        if programs is None:
            raise BenchError("there is no PostgreSQL: apt-get install postgresql")
        self._folder = workspace.folder / "postgres"
        self._folder.mkdir()
        user = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        self.port = free_port()
        data = self._folder / "data"
        run([*user, programs / "initdb", "--pgdata", data, "--auth", "trust", "--username", "stint", "--encoding", "UTF8", "--locale", "C"], 120)
        process = workspace.start("postgres", [*user, programs / "postgres", "-D", data, "-k", self._folder, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"])
        workspace.wait_until(process, lambda: subprocess.run([programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)], capture_output=True, check=False).returncode == 0)
        self._count = 0
        self._psql = programs / "psql"

    def inserts(self, rows, seconds):
        """Rows a second of a bare loop that commits so many of them at once, into a table like that of the queue."""
        schema = (builds.ROOT / "src/Stint/Cluster/Store/Migrations/0003-queue.sql").read_text().split("-- Bodies too large")[0]
        script = self._folder.parent / "insert.sql"
        script.write_text("insert into stint.queue (kind, lane, function, id, call, keep, head, body, length, size) select 'call', 'async', 'wait', md5(random()::text), md5(random()::text), false, "
                          f"decode(repeat('ab', 100), 'hex'), 'hello world!'::bytea, 12, 300 from generate_series(1, {rows});")
        database = self.database().rsplit("/", 1)[1]
        run([self._psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", "stint", "-d", database, "-c", f"create schema stint; {schema}"], 60)
        text = run([self._psql.parent / "pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "stint", "-n", "-M", "prepared", "-c", "1", "-T", str(int(seconds)), "-f", script, database], int(seconds) + 60)
        return float(next(line for line in text.splitlines() if line.startswith("tps")).split()[2]) * rows

    def database(self):
        self._count += 1
        run([self._psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", "stint", "-d", "postgres", "-c", f"create database bench{self._count}"], 60)
        return f"postgres://stint@127.0.0.1:{self.port}/bench{self._count}"


class Node:
    """One daemon: alone, a gateway, or a worker."""

    def __init__(self, workspace, program, name, kind, *flags, environment=None):
        self.name, self._program = name, program
        self.folder = workspace.folder / name
        self.folder.mkdir(mode=0o755)
        self.management, self.port, self.node_port = free_port(), free_port(), free_port()
        ports = ["--management-port", self.management]
        if kind == "up":
            ports += ["--registry", self.folder / "functions", "--http-port", self.port, "--coap-port", -1, "--grpc-port", -1, "--funless-port", -1, "--listen", "127.0.0.1"]
        command = [*program, kind, "--state", self.folder / "state", "--run", self.folder / "run", "--network-default", "none", "--log-level", "warn", *ports, *flags]
        env = {"env": os.environ | environment} if environment else {}
        with open(workspace.folder / f"{name}.log", "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=workspace.folder, **env)
        self.process.name = name
        workspace._processes.append(self.process)
        workspace.wait_until(self.process, lambda: listens(self.management) and self.get("/readyz")[0] == 200, 120)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.management, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def url(self, function):
        return f"http://127.0.0.1:{self.port}/{function}"

    def deploy(self, folder):
        """Seconds that `stint deploy` took, its start with them."""
        begun = time.perf_counter()
        run([*self._program, "deploy", str(folder), "--management", f"http://127.0.0.1:{self.management}"], 300, env=os.environ | {"STINT_ROOT": str(builds.ROOT)})
        return time.perf_counter() - begun

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Cluster:
    """A gateway that runs nothing itself, and workers."""

    def __init__(self, workspace, program, postgres, name, workers):
        self._workspace, self._program, self._name = workspace, program, name
        store = postgres.database()
        self.gateway = Node(workspace, program, f"{name}-gateway", "up", "--store", store, "--node-name", f"{name}-gateway", "--worker=false", "--node-port", self._port(), "--node-listen", "127.0.0.1")
        self._token = run([*program, "cluster", "token", "--uses", "0", "--store", store, "--store-key", str(self.gateway.folder / "state/store.key")], 60).strip()
        self.workers = []
        for _ in range(workers):
            self.add()

    def add(self):
        name = f"{self._name}-w{len(self.workers) + 1}"
        self.workers.append(Node(self._workspace, self._program, name, "worker", "--core", f"127.0.0.1:{self._gateway_port}", "--token", self._token, "--name", name, "--node-port", free_port(), "--node-listen", "127.0.0.1"))

    def _port(self):
        self._gateway_port = free_port()
        return self._gateway_port

    def stop(self):
        for node in [*self.workers, self.gateway]:
            if node.process.poll() is None:
                node.stop()


def function(workspace, name, toml, **files):
    folder = workspace.folder / "functions" / name
    (folder / "code").mkdir(parents=True)
    (folder / "function.toml").write_text(toml)
    for file, content in files.items():
        (folder / "code" / file.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def measure_hop(workspace, program, postgres, options):
    kestrel = builds.kestrel()
    run(["dotnet", "build", builds.ROOT / "bench/baselines/Hop", "-c", "Release", "-v", "quiet", "-nodeReuse:false", "--nologo"], 600, env=builds.ENVIRONMENT)
    bare = Baseline(workspace, "kestrel", kestrel)
    certificates = workspace.folder / "certificates"
    certificates.mkdir()
    ports = [free_port(), free_port()]
    back = workspace.start("back", ["dotnet", HOP, "back", str(ports[0]), certificates])
    workspace.wait_until(back, lambda: listens(ports[0]))
    front = workspace.start("front", ["dotnet", HOP, "front", str(ports[1]), certificates, str(ports[0])])
    workspace.wait_until(front, lambda: listens(ports[1]))
    local = Node(workspace, program, "local", "up")
    cluster = Cluster(workspace, program, postgres, "hop", 1)
    # Python's instance takes one call at a time, so that answers come one by one; Node's takes all that there are, as the bare servers do.
    one = function(workspace, "one", "max-instances = 1\n[process]\nruntime = \"python3\"\n", fn_py=(FUNCTIONS / "python3/fn.py").read_bytes())
    many = function(workspace, "many", "max-instances = 1\nconcurrent-requests = 16\n[process]\nruntime = \"nodejs\"\n", index_js=(FUNCTIONS / "nodejs/index.js").read_bytes())
    for node in (local, cluster.gateway):
        node.deploy(one)
        node.deploy(many)
    subjects = {"bare Kestrel": bare.url(None), "bare Kestrel, HTTP/2 and mutual TLS, bare Kestrel": f"http://127.0.0.1:{ports[1]}/", "one machine, python3": local.url("one"), "gateway, worker, python3": cluster.gateway.url("one"), "one machine, nodejs": local.url("many"), "gateway, worker, nodejs": cluster.gateway.url("many")}
    # What both ways of the hop are made of is compiled anew while it is called: it is measured when that is over.
    for url in subjects.values():
        load.wrk_once(url, 8, 12, 15)
    rows, figures = [], {}
    for size in options.size or (12, 65536):
        for connections in (1, 8):
            for number in range(options.passes):
                for name in list(subjects) if number % 2 == 0 else list(reversed(subjects)):
                    figures.setdefault((size, connections, name), []).append(load.wrk(subjects[name], connections, size, max(1, options.seconds / 3), options.seconds))
            median = {name: {key: statistics.median(each[key] for each in figures[size, connections, name]) for key in ("p50_us", "p99_us", "rps")} for name in subjects}
            names = list(subjects)
            first, hop, *ours = (median[name]["p50_us"] for name in names)
            for name in names:
                row = median[name]
                rows.append(f"| {size} | {connections} | {name} | {row['rps']:,.0f} | {row['p50_us']:,.0f} | {row['p99_us']:,.0f} | |")
            for runtime, alone, remote in (("python3", *ours[:2]), ("nodejs", *ours[2:])):
                rows.append(f"| {size} | {connections} | *added by the hop: bare, Stint ({runtime})* | | *{hop - first:,.0f}, {remote - alone:,.0f}* | | **{(remote - alone) / (hop - first):.2f}** |")
    cluster.stop()
    local.stop()
    return "\n".join(["### What the way to a worker adds", "", "| bytes | connections | | calls/s | p50, µs | p99, µs | Stint's hop / the bare one |", "|---:|---:|---|---:|---:|---:|---:|", *rows])


def measure_workers(workspace, program, postgres, options):
    cluster = Cluster(workspace, program, postgres, "spread", 0)
    rows, first = [], None
    wait = function(workspace, "wait", "max-instances = 4\nqueue-timeout = 60\n[process]\nruntime = \"python3\"\n", fn_py="import time\ndef fn(input):\n    time.sleep(0.05)\n    return input\n")
    echo = function(workspace, "echo-many", "max-instances = 4\n[process]\nruntime = \"python3\"\n", fn_py=(FUNCTIONS / "python3/fn.py").read_bytes())
    for count in (1, 2, 4):
        while len(cluster.workers) < count:
            cluster.add()
        if count == 1:
            cluster.gateway.deploy(wait)
            cluster.gateway.deploy(echo)
        figures = {}
        for name, connections in (("wait", 16), ("echo-many", 16)):
            figures[name] = [load.wrk(cluster.gateway.url(name), connections, 12, 4, options.seconds) for _ in range(options.passes)]
        rate = {name: statistics.median(each["rps"] for each in figures[name]) for name in figures}
        first = first or rate
        rows.append(f"| {count} | {rate['wait']:,.0f} | {rate['wait'] / first['wait']:.2f} | {80 * count if count < 4 else 320} | {rate['echo-many']:,.0f} |")
    cluster.stop()
    return "\n".join(["### With more workers", "", "Four instances on each worker at most, 16 callers: a function that waits 50 ms can be called 80 times a second on each worker.", "",
                      "| workers | calls/s of a function that waits | beside one worker | at most | calls/s of an echo, all on the same two cores |", "|---:|---:|---:|---:|---:|", *rows])


class Callers:
    """Calls without a break; each with its begin, its duration, its end."""

    def __init__(self, url_port, path, method, count):
        self._stop, self.calls = threading.Event(), []
        self._threads = [threading.Thread(target=self._call, args=(url_port, path, method)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.calls

    def _call(self, port, path, method):
        while not self._stop.is_set():
            begun = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request(method, path, b"x" if method == "POST" else None)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                status = 0
            finally:
                connection.close()
            self.calls.append((begun, time.monotonic() - begun, status))


def measure_dead(workspace, program, postgres, options):
    rows = []
    short = function(workspace, "short", "max-instances = 4\n[process]\nruntime = \"python3\"\n", fn_py="import time\ndef fn(input):\n    time.sleep(0.01)\n    return 'ok'\n")
    for way, number in (("kill -9", signal.SIGKILL), ("frozen (SIGSTOP)", signal.SIGSTOP)):
        for method in ("GET", "POST"):
            failed, longest, until = [], [], []
            for attempt in range(options.deaths):
                cluster = Cluster(workspace, program, postgres, f"dead{number}{method.lower()}{attempt}", 2)
                if attempt == 0 and not (workspace.folder / "deployed").exists():
                    (workspace.folder / "deployed").touch()
                cluster.gateway.deploy(short)
                callers = Callers(cluster.gateway.port, "/short", method, 4)
                time.sleep(3)
                victim = cluster.workers[0].process
                os.killpg(victim.pid, number)
                at = time.monotonic()
                time.sleep(12)
                calls = callers.stop()
                if number == signal.SIGSTOP:
                    os.killpg(victim.pid, signal.SIGCONT)
                during = [call for call in calls if call[0] + call[1] >= at]
                bad = [call for call in during if call[2] != 200]
                failed.append(len(bad))
                longest.append(max(call[1] for call in during))
                # The last call that failed or took more than half a second had begun so long after the death.
                until.append(max([0.0, *(call[0] - at for call in during if call[2] != 200 or call[1] > 0.5)]))
                cluster.stop()
            rows.append(f"| {way} | {method} | {statistics.median(failed):.0f} (most {max(failed)}) | {statistics.median(longest) * 1000:,.0f} ms (most {max(longest) * 1000:,.0f}) | {statistics.median(until) * 1000:,.0f} ms (most {max(until) * 1000:,.0f}) |")
    return "\n".join(["### A worker that dies under load", "", f"One of two workers, four callers, a function of 10 ms, {options.deaths} times each; the median, and the worst.", "",
                      "| how | calls | of them failed | the longest call | the last call that suffered began, after the death |", "|---|---|---:|---:|---:|", *rows])


def measure_code(workspace, program, postgres, options):
    module = _module(workspace)
    figures = {0: [], 4: []}
    for number in range(options.passes):
        for count in (0, 4):
            cluster = Cluster(workspace, program, postgres, f"code{number}{count}", count)
            folder = function(workspace, f"large{number}{count}", "[wasm]\nfile = \"code.wasm\"\ninterface = \"funless\"\n", code_wasm=module + _custom(MODULE_MIB << 20))
            figures[count].append(cluster.gateway.deploy(folder))
            for worker in cluster.workers:
                size = sum(file.stat().st_size for file in (worker.folder / "state/cache").rglob("*") if file.is_file())
                if size < MODULE_MIB << 20:
                    raise BenchError(f"{worker.name} has {size} bytes of the module after the deployment")
            cluster.stop()
    none, four = (statistics.median(figures[count]) for count in (0, 4))
    return "\n".join([f"### A module of {MODULE_MIB} MiB", "", f"`stint deploy`, which returns when all workers have it (each is looked at): {none:.2f} s with no worker, {four:.2f} s with four, so {(four - none) * 1000:,.0f} ms for {4 * MODULE_MIB} MiB "
                      f"to four workers, verified, on disk and taken into service there ({options.passes} passes)."])


def measure_queue(workspace, program, postgres, options):
    script = workspace.folder / "async.lua"
    script.write_text('wrk.method = "POST"\nwrk.body = "hello world!"\nwrk.headers["X-tinyFaaS-Async"] = "1"\n')
    # It waits, so that nothing but accepting is measured.
    wait = function(workspace, "later", "timeout = 86400\nmax-instances = 1\n[async]\nconcurrency = 1\n[process]\nruntime = \"python3\"\n", fn_py="import time\ndef fn(input): time.sleep(86400)\n")
    figures = {}
    for number in range(options.passes):
        for connections in (1, 64):
            figures.setdefault(("bare", connections), []).append(postgres.inserts(connections, options.seconds))
            gateway = Node(workspace, program, f"queue{number}-{connections}", "up", "--store", postgres.database(), "--node-port", -1, "--async-max-waiting", 10_000_000, "--async-disk", 100_000, "--drain-seconds", 0)
            gateway.deploy(wait)
            command = ["wrk", "-t1", f"-c{connections}", "-s", str(script), gateway.url("later")]
            run([*command, "-d2s"], 60)
            text = run([*command, f"-d{int(options.seconds)}s"], 60)
            if "Non-2xx" in text or "Socket errors" in text:
                raise BenchError(f"calls were not accepted:\n{text}")
            figures.setdefault(("stint", connections), []).append(float(next(line for line in text.splitlines() if "Requests/sec" in line).split()[1]))
            gateway.stop()
    median = {key: statistics.median(values) for key, values in figures.items()}
    rows = [f"| {connections} | {median['stint', connections]:,.0f} | {connections} | {median['bare', connections]:,.0f} | {median['stint', connections] / median['bare', connections]:.2f} |" for connections in (1, 64)]
    return "\n".join(["### Asynchronous calls accepted", "", "Each is committed in PostgreSQL before its 202; beside it pgbench, which inserts rows of the same size into the same table over one connection, as many a commit as there are callers.", "",
                      "| connections | accepted/s | rows a commit of pgbench | its rows/s | ratio |", "|---:|---:|---:|---:|---:|", *rows])


def _module(workspace):
    text, binary = workspace.folder / "echo.wat", workspace.folder / "echo.wasm"
    text.write_text(ECHO)
    run(["wat2wasm", text, "-o", binary], 60)
    return binary.read_bytes()


def _custom(size):
    """A section that nobody reads (WebAssembly, 5.5.3), of bytes that do not compress."""
    content = b"\x05bench" + os.urandom(size)
    length, number = b"", len(content)
    while True:
        length += bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
        number >>= 7
        if not number:
            return b"\x00" + length + content


PARTS = {"hop": measure_hop, "workers": measure_workers, "dead": measure_dead, "code": measure_code, "queue": measure_queue}


def main():
    parser = argparse.ArgumentParser(prog="bench/cluster", description="Measures calls that run on other machines: about eight minutes.")
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (default 4)")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--deaths", type=int, default=3, help="how many workers die in each way (default 3)")
    parser.add_argument("--size", type=int, action="append", help="of the body, bytes; may be repeated (default 12 and 65536)")
    parser.add_argument("--stint", help="the native program; default: the build for .NET")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    try:
        facts = machine.describe([])
        program = [options.stint] if options.stint else builds.jit()
        with Workspace() as workspace:
            postgres = Postgres(workspace)
            texts = []
            for name in options.part or PARTS:
                texts.append(PARTS[name](workspace, program, postgres, options))
                print(f"\n{texts[-1]}", flush=True)
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
    head = "\n".join([*(f"- {name}: {value}" for name, value in facts.items()), f"- {options.passes} passes of {options.seconds:.0f} s for each figure, the median; {'native build' if options.stint else 'build for .NET (JIT)'} of Stint, JIT for the bare servers; load average {os.getloadavg()[0]:.1f} at the end"])
    if options.write:
        page.write(BEGIN, END, "\n\n".join([head, *texts]))


if __name__ == "__main__":
    main()
