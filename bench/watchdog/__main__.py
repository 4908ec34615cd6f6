"""fwatchdog against the floor, a loop in C that starts the same process without HTTP (floor.c): python3 bench/watchdog [--quick] [--other FILE]

Floor and watchdog take turns, so that what else the machine does meets both. --other names another watchdog's executable, such as the Go one, to be measured in the same turns.
Needs gcc and wrk, and the native file: tools/publish fwatchdog.
"""

import argparse
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ROOT / "artifacts/publish/fwatchdog/fwatchdog"
HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = "/bin/cat"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Watchdog:
    """A running watchdog; how long it took until it listened is in `started`, in milliseconds."""

    def __init__(self, executable: pathlib.Path, folder: str, **variables: str):
        self.port = free_port()
        environment = {"PATH": "/usr/bin:/bin", "TMPDIR": folder, "port": str(self.port), "metrics_port": "off", "suppress_lock": "true", "healthcheck_interval": "0", "fprocess": PROGRAM, **variables}
        began = time.perf_counter()
        self.process = subprocess.Popen([executable], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.perf_counter() - began > 20:
                    raise SystemExit(f"{executable} does not listen") from None
        self.started = (time.perf_counter() - began) * 1000

    def memory(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 / 1e6

    def load(self, connections: int, seconds: float, script: str) -> float:
        """Calls per second; a failed one ends the measurement."""
        output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", script, f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(output)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])

    def bulk(self, size: int) -> float:
        """MB/s of a large body through cat and back."""
        with tempfile.NamedTemporaryFile() as body:
            body.truncate(size)
            began = time.perf_counter()
            count = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", "-H", "Expect:", "-T", body.name, f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, check=True).stdout
            if int(count) != size:
                raise SystemExit(f"{count} of {size} bytes came back")
            return size / 1e6 / (time.perf_counter() - began)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 bench/watchdog", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 turns of 1 s rather than 5 of 4 s")
    parser.add_argument("--other", type=pathlib.Path, help="another watchdog's executable")
    options = parser.parse_args()
    turns, seconds = (2, 1.0) if options.quick else (5, 4.0)
    if not OURS.exists():
        subprocess.run([ROOT / "tools/publish", "fwatchdog"], check=True)
    subjects = {"fwatchdog": OURS} | ({options.other.name + " (other)": options.other} if options.other else {})
    folder = tempfile.mkdtemp()
    floor = f"{folder}/floor"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", floor, HERE / "floor.c"], check=True)
    script = f"{folder}/post.lua"
    pathlib.Path(script).write_text('wrk.method = "POST"\nwrk.body = "hello"\n')

    rates: dict[tuple[str, int], list[float]] = {}
    loaded: dict[str, float] = {}
    for _ in range(turns):
        for count in (1, 8):
            for way in ("fork", "spawn"):
                output = subprocess.run([floor, PROGRAM, str(count), str(seconds), way], capture_output=True, text=True, check=True).stdout
                rates.setdefault((f"floor, {way}", count), []).append(float(output))
            for name, executable in subjects.items():
                watchdog = Watchdog(executable, folder)
                rates.setdefault((name, count), []).append(watchdog.load(count, seconds, script))
                loaded[name] = max(loaded.get(name, 0), watchdog.memory())
                watchdog.stop()

    print(f"{turns} turns of {seconds:g} s, medians; {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}; fprocess={PROGRAM}, 5 bytes in and out\n")
    print("| | calls/s, 1 connection | calls/s, 8 | of the floor (posix_spawn) |\n|---|---|---|---|")
    base = {count: statistics.median(rates["floor, spawn", count]) for count in (1, 8)}
    for name in dict.fromkeys(name for name, _ in rates):
        one, eight = (statistics.median(rates[name, count]) for count in (1, 8))
        print(f"| {name} | {one:,.0f} | {eight:,.0f} | {one / base[1]:.0%}, {eight / base[8]:.0%} |")

    print("\n| | start until it listens, ms (median, worst of 20) | resident after start, MB | after the load, MB | 512 MB through cat, MB/s (`mode=streaming`) |\n|---|---|---|---|---|")
    for name, executable in subjects.items():
        starts, idle = [], 0.0
        for _ in range(20):
            watchdog = Watchdog(executable, folder)
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{watchdog.port}/", data=b"x")).read()
            starts.append(watchdog.started)
            idle = max(idle, watchdog.memory())
            watchdog.stop()
        watchdog = Watchdog(executable, folder, mode="streaming", read_timeout="5m", write_timeout="5m", exec_timeout="5m")
        bulk = max(watchdog.bulk(512 * 1000 * 1000) for _ in range(2))
        watchdog.stop()
        print(f"| {name} | {statistics.median(starts):.1f}, {max(starts):.1f} | {idle:.1f} | {loaded[name]:.1f} | {bulk:,.0f} |")
    subprocess.run(["rm", "-r", folder], check=True)


main()
