"""The run's folder and its daemons; whatever happens, nothing of them stays behind."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CODE = {
    # What a function does is not measured: it answers at once, or after as many milliseconds as the query says.
    "python3": ("fn.py", "import time\ndef fn(input, headers):\n    if input: time.sleep(int(input) / 1000)\n    return 'x'\n"),
    "nodejs": ("index.js", "module.exports = (req, res) => { const ms = Number(req.body || 0); ms ? setTimeout(() => res.send('x'), ms) : res.send('x'); };\n"),
    "binary": ("fn.sh", "#!/bin/sh\nread -r ms\n[ -z \"$ms\" ] || sleep \"$(printf '0.%03d' \"$ms\")\"\nprintf x\n"),
}


# Of functions with a network; not the default, which a daemon of this machine may have.
SUBNET = ["--network-subnet", "10.213.0.0/16"]


class BenchError(Exception):
    """Something that makes the figures worthless; the message is for the person at the terminal."""


class Workspace:
    """A folder in /tmp and the daemons that were started in it, one at a time."""

    def __init__(self, executable):
        self.folder = Path(tempfile.mkdtemp(prefix="stint-elastic-", dir="/tmp"))
        self.folder.chmod(0o755)  # sandboxed functions run as another user
        self._executable = [executable] if executable else None
        self._process = None
        self._help = None
        self._count = 0

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        if not self._executable:
            # The launcher builds; the program itself is started below, so that signals reach it.
            subprocess.run([ROOT / "stint", "version"], check=True, stdout=subprocess.DEVNULL)
            self._executable = ["dotnet", str(ROOT / "artifacts/bin/Stint/release/stint.dll")]
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _interrupted(number, _):
        raise KeyboardInterrupt(signal.Signals(number).name)

    def has_option(self, name):
        """Whether this program's daemon knows a setting."""
        if self._help is None:
            self._help = subprocess.run([*self._executable, "up", "--help"], capture_output=True, text=True, check=True).stdout
        return f"{name} " in self._help

    def start(self, functions, *flags):
        """A daemon over new folders with these functions: name → (runtime, lines of function.toml before [process], lines after)."""
        self.stop()
        self._count += 1
        self.home = home = self.folder / str(self._count)
        for name, (runtime, top, process) in functions.items():
            code = home / "functions" / name / "code"
            code.mkdir(parents=True)
            file, text = CODE[runtime]
            # No two alike, so that each has a bundle of its own, as different functions have.
            (code / file).write_text(f"{text}{'//' if runtime == 'nodejs' else '#'} {name}\n")
            (code / file).chmod(0o755)
            (code.parent / "function.toml").write_text(f'{top}\n[process]\nruntime = "{runtime}"\n{process}\n')
        (home / "functions").mkdir(parents=True, exist_ok=True)
        self.port, self.management = free_port(), free_port()
        command = [*self._executable, "up", "-r", home / "functions", "--state", home / "state", "--run", home / "run", "--http-port", self.port, "--coap-port", -1,
                   "--grpc-port", -1, "--management-port", self.management, "--listen", "127.0.0.1", "-l", "warn", *(SUBNET if self.has_option(SUBNET[0]) else []), *flags]
        self._log = home / "log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._wait_until_ready()

    def _wait_until_ready(self):
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.management}/readyz", timeout=5).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise BenchError(f"the daemon did not get ready:\n{self._log.read_text(errors='replace')[-3000:]}") from None
                time.sleep(0.02)

    def log(self):
        """The end of what the daemon said."""
        return self._log.read_text(errors="replace")[-3000:]

    def stop(self):
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def metric(self, name, function, **labels):
        """Sum of a function's series of a name."""
        wanted = [f'function="{function}"', *(f'{key}="{value}"' for key, value in labels.items())]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.management}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{") and all(label in line for label in wanted))

    def memory(self):
        """Proportional set size of the daemon, KiB."""
        for line in Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise BenchError("the kernel does not say how much memory the daemon has")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quantile(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def table(heads, rows, left=1):
    widths = [max(3, *(len(row[at]) for row in [heads, *rows])) for at in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) if at < left else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))) + " |" for row in [heads, *rows]]
    lines.insert(1, "|" + "|".join("-" * (width + 2) if at < left else "-" * (width + 1) + ":" for at, width in enumerate(widths)) + "|")
    return "\n".join(lines)
