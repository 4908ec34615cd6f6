"""Who is measured: the daemon in both builds, with one function of each runtime, and the baselines."""
import base64
import io
import itertools
import subprocess
import json
import http.client
import re
import time
import zipfile
from pathlib import Path

from builds import ROOT
from workspace import BenchError, free_port, listens

FUNCTIONS = ROOT / "bench/functions"
RUNTIMES = ("python3", "nodejs", "binary")


class Baseline:
    """A bare server that echoes every POST."""

    def __init__(self, workspace, name, command):
        self.port = free_port()
        self._process = workspace.start(name, [*command, str(self.port)])
        workspace.wait_until(self._process, lambda: listens(self.port))

    def url(self, _):
        return f"http://127.0.0.1:{self.port}/"


class Daemon:
    """A daemon of its own, with its own folders and ports."""

    _uploads = itertools.count()
    _subnets = itertools.count(211)

    def __init__(self, workspace, name, command):
        self.name = name
        self.port, self._management = free_port(), free_port()
        self._folder = workspace.folder / name
        for folder in ("registry", "state", "run"):
            (self._folder / folder).mkdir(mode=0o755, parents=True)
        # Two daemons, and perhaps one of the machine's, want subnets of their own; earlier versions (--against) had no networks.
        has_networks = "--network-subnet" in subprocess.run([*command, "up", "--help"], capture_output=True, text=True, timeout=60).stdout
        networks = ["--network-subnet", f"10.{next(self._subnets)}.0.0/16"] if has_networks else []
        self._process = workspace.start(f"stint-{name}", [
            *command, "up", "--registry", self._folder / "registry", "--state", self._folder / "state", "--run", self._folder / "run", "--http-port", str(self.port),
            "--management-port", str(self._management), "--coap-port", "-1", "--grpc-port", "-1", "--listen", "127.0.0.1",
            *networks])
        workspace.wait_until(self._process, lambda: listens(self._management) and self._manage("GET", "/readyz")[0] == 200)

    def url(self, function):
        return f"http://127.0.0.1:{self.port}/{function}"

    def upload(self, name, runtime):
        """tinyFaaS's /upload with threads = 1. Returns the milliseconds until its function has given its first answer."""
        # No two uploads are alike, lest one profit from what another left.
        body = json.dumps({"name": name, "env": runtime, "threads": 1, "zip": _zip(FUNCTIONS / runtime, next(self._uploads)), "envs": []})
        begun = time.perf_counter()
        status, text = self._manage("POST", "/upload", body)
        if status != 200:
            raise BenchError(f"the {self.name} daemon refused the {runtime} function: {status} {text}")
        self.call(name, b"first")
        return (time.perf_counter() - begun) * 1e3

    def delete(self, name):
        status, text = self._manage("POST", "/delete", json.dumps({"name": name}))
        if status != 200:
            raise BenchError(f"the {self.name} daemon does not delete {name}: {status} {text}")

    def drop(self, name, runtime, toml):
        """Puts a function into the registry's folder, as one does by hand, and waits until the daemon has it."""
        made = self._folder / name
        (made / "code").mkdir(parents=True)
        for file in (FUNCTIONS / runtime).iterdir():
            target = made / "code" / file.name
            target.write_bytes(file.read_bytes())
            target.chmod(file.stat().st_mode & 0o755)
        (made / "function.toml").write_text(toml)
        made.rename(self._folder / "registry" / name)
        end = time.monotonic() + 10
        while f"\n{name}\n" not in f"\n{self._manage('GET', '/list')[1]}\n":
            if time.monotonic() > end:
                raise BenchError(f"the {self.name} daemon has not seen registry/{name} after 10 s")
            time.sleep(0.02)

    def call(self, function, body):
        """One call on a connection of its own; returns the milliseconds until the answer's first byte."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            begun = time.perf_counter()
            connection.request("POST", f"/{function}", body, {"Content-Type": "text/plain"})
            response = connection.getresponse()
            first_byte = (time.perf_counter() - begun) * 1e3
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200 or answer != body:
            raise BenchError(f"{function} on the {self.name} daemon answered {response.status} {answer[:500]!r} instead of its input")
        return first_byte

    def metric(self, family, function):
        """A metric of a function, 0 when there is none; the sum over its other labels."""
        text = self._manage("GET", "/metrics")[1]
        pattern = re.compile(rf'^{family}\{{function="(?:_[/:.])?{re.escape(function)}"[^}}]*\}} (\S+)$', re.MULTILINE)
        return sum(float(value) for value in pattern.findall(text))

    def memory(self):
        """Resident and proportional memory of the daemon's process, MiB."""
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return {key.lower(): int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1]) / 1024 for key in ("Rss", "Pss")}

    def _manage(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._management, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def _zip(folder, number):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        archive.writestr("number.txt", str(number))
    return base64.b64encode(buffer.getvalue()).decode()
