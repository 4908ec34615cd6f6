"""The run's own folder and processes, and their end: whatever happens, nothing stays behind."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


class BenchError(Exception):
    """Something that makes the figures worthless; the message is for the person at the terminal."""


class Workspace:
    """A folder in /tmp and the processes that were started in it. Use it with `with`."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stint-bench-", dir="/tmp"))
        self.folder.chmod(0o755)  # sandboxed functions run as another user
        self._processes = []

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not stop the cleaning up.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _interrupted(number, _):
        raise KeyboardInterrupt(signal.Signals(number).name)

    def start(self, name, command):
        """Starts a program that runs until the end; its output goes to the file NAME.log. A session of its own: Ctrl-C is for us only."""
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder)
        process.name = name
        self._processes.append(process)
        return process

    def wait_until(self, process, condition, seconds=30):
        """Waits for a condition of a process that was just started."""
        end = time.monotonic() + seconds
        while not condition():
            if process.poll() is not None:
                raise BenchError(f"{process.name} ended with code {process.returncode}:\n{self.log(process.name)}")
            if time.monotonic() > end:
                raise BenchError(f"{process.name} was not ready after {seconds} s:\n{self.log(process.name)}")
            time.sleep(0.01)

    def log(self, name):
        """The end of a program's output."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]


def run(command, seconds, **options):
    """Runs a program to its end and returns what it wrote; kills it, and all that it started, when it takes too long or we are interrupted."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as failure:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(failure, subprocess.TimeoutExpired):
                raise BenchError(f"{command[0]} took longer than {seconds} s") from None
            raise
    if process.returncode != 0:
        raise BenchError(f"{' '.join(map(str, command))} ended with code {process.returncode}:\n{output[-4000:]}")
    return output


def free_port():
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody listens on the loopback's port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
