"""Containers as instances: cold starts beside `docker start` of the same container by hand, bursts by how many start at a time, warm calls beside the process sandbox."""
import asyncio
import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from client import Client
from daemon import ROOT, BenchError, quantile, table

IMAGE = "stint-bench/guest:1"
NOTHING = "/bin/nothing"
SUBNETS = "10.251.0.0/16"
BY_HAND = "10.252.0.0/24"
WARM_UP = 2
PARALLEL = (1, 2, 3, 4, 6, 8, 16)


class Engine:
    """A dockerd of the bench's own: without docker0, so that an engine of this machine is not in its way."""

    def __init__(self, folder):
        self._folder = folder / "engine"
        self._folder.mkdir()
        self.host = f"unix://{self._folder}/sock"

    @staticmethod
    def is_possible():
        """Whether this machine can run one."""
        return os.geteuid() == 0 and all(shutil.which(program) for program in ("dockerd", "docker", "gcc"))

    def __enter__(self):
        command = ["dockerd", "--data-root", self._folder / "data", "--exec-root", self._folder / "exec", "--pidfile", self._folder / "pid", "-H", self.host, "--bridge", "none"]
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while subprocess.run(["docker", "-H", self.host, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"dockerd did not start:\n{(self._folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        self._build()
        return self

    def __exit__(self, *_):
        names = self.docker("ps", "-aq").split()
        if names:
            self.docker("rm", "-f", *names)
        self.docker("network", "prune", "-f")
        self._process.terminate()
        self._process.wait(timeout=60)
        for mount in [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if str(self._folder) in line]:
            subprocess.run(["umount", "-l", mount], check=False)

    def docker(self, *arguments):
        """Runs the docker command; its output."""
        done = subprocess.run(["docker", "-H", self.host, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"docker {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def _build(self):
        rootfs = self._folder / "rootfs"
        for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
            (rootfs / name).mkdir(parents=True)
        subprocess.run(["gcc", "-O2", "-static", "-o", rootfs / "bin/guest", ROOT / "bench/elastic/guest.c"], check=True)
        subprocess.run(["gcc", "-O2", "-static", "-o", f"{rootfs}{NOTHING}", "-x", "c", "-"], input="int main(void) { return 0; }", text=True, check=True)
        subprocess.run(f"tar -C {rootfs} -c . | docker -H {self.host} import --change 'ENTRYPOINT [\"/bin/guest\"]' - {IMAGE}", shell=True, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(rootfs)


class Api(http.client.HTTPConnection):
    """The engine's API without a program around it."""

    def __init__(self, host):
        super().__init__("engine")
        self._path = host.removeprefix("unix://")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def measure(workspace, count, burst, quick, say):
    with Engine(workspace.folder) as engine:
        flags = ["--docker-host", engine.host, "--container-subnets", SUBNETS]
        results = {"starts": count, "burst_of": burst, "cold": {}, "burst": {}, "warm": {}}
        results["cold"]["docker start"], results["cold"]["the same by the engine's API"] = _by_hand(engine, count, say)
        for mode, spares in (("without spares", 0), ("with spares", 1)):
            say(f"cold starts, {mode}")
            _start(workspace, {"cold": "keepalive = 0"}, *flags, "--container-spares", spares)
            results["cold"][f"Stint, {mode}"] = asyncio.run(_cold(workspace, count, pause=0.8 if spares else 0))
        for parallel in PARALLEL[:4:2] if quick else PARALLEL:
            say(f"burst of {burst}, {parallel} at a time")
            _start(workspace, {"burst": f"max-instances = {burst}\nsingle-use = true\nqueue-timeout = 600\nboot-timeout = 600"}, *flags, "--container-spares", 0, "--container-starts", parallel)
            results["burst"][parallel] = asyncio.run(_burst(workspace, burst))
        say("warm calls")
        results["warm"] = _warm(workspace, flags, 2 if quick else 10)
        return results


def _by_hand(engine, count, say):
    """Milliseconds of `docker start`, and of the call that it makes, for containers with the limits and the network that Stint gives them."""
    say("docker start by hand")
    engine.docker("network", "create", "--subnet", BY_HAND, "-o", "com.docker.network.bridge.enable_icc=false", "byhand")
    create = ["create", "--network", "byhand", "--memory", "128m", "--memory-swap", "128m", "--pids-limit", 256, "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only",
              "--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777,size=64m", "--ulimit", "core=0", "--log-opt", "max-size=1m", "--log-opt", "max-file=2", IMAGE]
    command, api = [], []
    for number in range(2 * (count + WARM_UP)):
        container = engine.docker(*create).strip()
        begun = time.perf_counter()
        if number % 2:
            engine.docker("start", container)
        else:
            connection = Api(engine.host)
            connection.request("POST", f"/v1.41/containers/{container}/start")
            if connection.getresponse().status != 204:
                raise BenchError("the engine did not start the container")
        took = (time.perf_counter() - begun) * 1000
        engine.docker("rm", "-f", container)
        if number >= 2 * WARM_UP:
            (command if number % 2 else api).append(took)
    engine.docker("network", "rm", "byhand")
    return command, api


def _start(workspace, functions, *flags):
    workspace.start({}, *flags)
    registry = Path(workspace.home) / "functions"
    for name, top in functions.items():
        (registry / name).mkdir()
        (registry / name / "function.toml").write_text(f'{top}\n[container]\nimage = "{IMAGE}"\nport = 8080\n')
    asyncio.run(_until_known(workspace, list(functions)))


async def _until_known(workspace, functions):
    for name in functions:
        end = time.monotonic() + 30
        while True:
            client = Client(workspace.port)
            status, _ = await client.call(name)
            client.close()
            if status == 200:
                break
            if time.monotonic() > end:
                raise BenchError(f"{name} answers {status}:\n{workspace.log()}")
            await asyncio.sleep(0.1)
        await _until_gone(workspace, name)


async def _until_gone(workspace, function, state=None):
    end = time.monotonic() + 120
    while workspace.metric("stint_instances", function) > 0:
        if time.monotonic() > end:
            return
        if workspace.metric("stint_instances", function, state="idle") == workspace.metric("stint_instances", function) > 0 and function not in ("cold", "burst"):
            return
        await asyncio.sleep(0.02)


async def _cold(workspace, count, pause):
    times = []
    client = Client(workspace.port)
    for number in range(count + WARM_UP):
        await _until_gone(workspace, "cold")
        await asyncio.sleep(pause)
        status, took = await client.call("cold")
        if status != 200:
            raise BenchError(f"a cold call answered {status}:\n{workspace.log()}")
        if number >= WARM_UP:
            times.append(took * 1000)
    client.close()
    return times


async def _burst(workspace, burst):
    """Milliseconds from the first call to each answer: a container for each call."""
    client = Client(workspace.port)
    begun = time.perf_counter()

    async def call():
        status, _ = await client.call("burst")
        if status != 200:
            raise BenchError(f"a call of the burst answered {status}:\n{workspace.log()}")
        return (time.perf_counter() - begun) * 1000

    times = await asyncio.gather(*(call() for _ in range(burst)))
    client.close()
    return sorted(times)


def _warm(workspace, flags, seconds):
    """Calls a second and p50 in µs with one connection and with eight, of a container and of each process runtime, all functions of one daemon."""
    _start(workspace, {"warm": "concurrent-requests = 8\nmin-instances = 1\nmax-instances = 1"}, *flags)
    port = workspace.port
    results = {"container": _wrk(f"http://127.0.0.1:{port}/warm", seconds)}
    workspace.start({"python3": ("python3", "min-instances = 1\nmax-instances = 1\nconcurrent-requests = 8", "")}, *flags)
    results["python3 in the process sandbox"] = _wrk(f"http://127.0.0.1:{workspace.port}/python3", seconds)
    return results


def _wrk(url, seconds):
    figures = {}
    for connections in (1, 8):
        for length in (1, seconds):  # the first is for warming up
            output = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{length}s", "--latency", url], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise BenchError(f"wrk {url}:\n{output}")
        value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", output).groups()
        figures[connections] = (float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)), float(value) * {"us": 1, "ms": 1000, "s": 1_000_000}[unit])
    return figures


def render(results):
    floor = quantile(results["cold"]["docker start"], 0.5)
    cold = [[name, *(f"{value:.0f} ms" for value in (quantile(times, 0.5), quantile(times, 0.99), max(times))), f"{quantile(times, 0.5) / floor:.2f}"] for name, times in results["cold"].items()]
    burst = [[str(parallel), *(f"{value:.0f} ms" for value in (times[0], quantile(times, 0.5), times[-1]))] for parallel, times in results["burst"].items()]
    base = results["warm"]["python3 in the process sandbox"]
    warm = [[name, *(f"{value}" for connections in (1, 8) for value in (f"{figures[connections][0]:.0f}", f"{figures[connections][1]:.0f} µs", f"{figures[connections][1] / base[connections][1]:.2f}"))]
            for name, figures in results["warm"].items()]
    return "\n\n".join([
        f"### Cold start of a container, {results['starts']} each: call to first byte\n\n" + table(["", "p50", "p99", "slowest", "p50 / docker start"], cold),
        f"### {results['burst_of']} containers at once, by container-starts\n\n" + table(["at a time", "first answer", "half", "all"], burst),
        "### Warm calls\n\n" + table(["", "1 connection: calls/s", "p50", "ratio", "8 connections: calls/s", "p50", "ratio"], warm),
    ])
