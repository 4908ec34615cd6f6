"""
Virtual machines as instances: boot to ready and resume to ready beside the same QEMU line by hand, a burst, memory.

By hand: a network namespace with a tap and a server for the callback, in which this file runs itself: the floor has no sandbox, no control group, no network to make, and a disk that is there.
"""
import asyncio
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

QEMU = "/usr/bin/qemu-system-x86_64"
NAMESPACE = f"stint-vm-{os.getpid()}"
MEMORY = 192
GUEST, GATEWAY = "198.18.0.2", "198.18.0.1"
CMDLINE = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on ip={ip}::{gateway}:255.255.255.252:function:eth0:off callback={callback}"


def measure(workspace, count, burst, say):
    from client import Client
    from daemon import ROOT, BenchError

    def start(functions):
        workspace.start({}, "--kvm", "never", "--network-stock", "8")
        for name, (top, vm) in functions.items():
            folder = Path(workspace.home) / "functions" / name
            folder.mkdir()
            line = CMDLINE.format(ip="%ip", gateway="%gateway", callback="%callback")
            (folder / "function.toml").write_text(
                f'boot-timeout = 300\nconcurrent-requests = 1\n{top}\n[vm]\nkernel = "{guest}/vmlinux"\ninitrd = "{guest}/initramfs"\nimage = "{guest}/function.ext4"\nmemory = {MEMORY}\ncmdline = "{line}"\n{vm}\n'
                'hypervisor = { type = "microvm", disk-type = "block", rtc = true, acpi = true }\n')

    async def cold(name):
        """Milliseconds of calls that find no instance."""
        times, client = [], Client(workspace.port)
        for number in range(count + 1):
            end = time.monotonic() + 300
            while number and workspace.metric("stint_instances", name) > 0 and time.monotonic() < end:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            status, took = await client.call(name)
            while not number and status != 200 and time.monotonic() < end:  # not read yet
                await asyncio.sleep(0.1)
                status, took = await client.call(name)
            if status != 200:
                raise BenchError(f"a cold call answered {status}:\n{workspace.log()}")
            if number:  # the first boots, and is written to disk
                times.append(took * 1000)
        client.close()
        return times

    async def together(name):
        """Milliseconds from the first call to each answer, when so many come at once."""
        client, begun = Client(workspace.port), time.perf_counter()

        async def call():
            status, _ = await client.call(name)
            if status != 200:
                raise BenchError(f"a call of the burst answered {status}:\n{workspace.log()}")
            return (time.perf_counter() - begun) * 1000

        times = sorted(await asyncio.gather(*(call() for _ in range(burst))))
        client.close()
        return times

    guest = workspace.folder / "guest"
    code = workspace.folder / "guest-code"
    code.mkdir()
    (code / "fn.py").write_text("def fn(input): return 'x'\n")
    subprocess.run([*workspace._executable, "vm", "image", "build", code, "-o", guest], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    results = {"starts": count, "burst_of": burst}
    say("QEMU by hand")
    results["by hand"] = _by_hand(guest, count)
    say("cold starts that boot")
    start({"boot": ("keepalive = 0", "snapshot = false")})
    results["boot"] = asyncio.run(cold("boot"))
    say("cold starts that resume")
    start({"resume": ("keepalive = 0", "")})
    results["resume"] = asyncio.run(cold("resume"))
    say(f"burst of {burst}, of which the first boots")
    # The registry takes the files up before the first call.
    start({"burst": (f"keepalive = 2\nmax-instances = {burst}", "")})
    time.sleep(5)
    results["first burst"] = asyncio.run(together("burst"))
    while workspace.metric("stint_instances", "burst") > 0:
        time.sleep(0.1)
    say(f"burst of {burst}, all resume")
    results["second burst"] = asyncio.run(together("burst"))
    say("memory")
    start({"idle": ("keepalive = -1\nmin-instances = 5", "")})
    end = time.monotonic() + 300
    while workspace.metric("stint_instances", "idle", state="idle") < 5 and time.monotonic() < end:
        time.sleep(0.2)
    results["memory"] = sorted(_pss(process) for process in _hypervisors())
    workspace.stop()
    return results


def _hypervisors():
    """Those that have resumed: the one that booted has what it booted with as well."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0] == QEMU.encode() and b"-incoming" in words and b"-sandbox" in words:
                yield process
        except OSError:
            pass


def _pss(process):
    return int(re.search(r"^Pss: *(\d+)", (process / "smaps_rollup").read_text(), re.M).group(1)) / 1024


def _by_hand(guest, count):
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        done = subprocess.run(["ip", "netns", "exec", NAMESPACE, sys.executable, "-B", __file__, guest, str(count)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


def render(results):
    from daemon import quantile, table

    rows = []
    for name, floor, times in (("boot", "boot", results["boot"]), ("resume", "resume", results["resume"])):
        hand = results["by hand"][floor]
        rows.append([name, f"{quantile(times, 0.5):,.0f}", f"{max(times):,.0f}", f"{quantile(hand, 0.5):,.0f}", f"{quantile(times, 0.5) / quantile(hand, 0.5):.2f}"])
    bursts = [[name, f"{times[0]:,.0f}", f"{quantile(times, 0.5):,.0f}", f"{times[-1]:,.0f}"] for name, times in (("the first boots, the others resume from it", results["first burst"]), ("all resume", results["second burst"]))]
    return "\n\n".join((
        f"Call → first byte without an instance, ms, {results['starts']} each, QEMU microvm interpreted (no KVM), {MEMORY} MiB, python3; by hand: from the start of QEMU to the callback, or until the port accepts.",
        table(["", "p50", "max", "QEMU by hand, p50", "ratio"], rows),
        f"{results['burst_of']} calls at once, a machine for each, ms after the first call:",
        table(["", "first", "p50", "last"], bursts),
        f"An idle machine that has resumed has {quantile(results['memory'], 0.5):.0f} MiB (Pss of its hypervisor).",
    ))


# Inside of the namespace ------------------------------------------------------------------------------------------------------------------------


def _hand(guest, count):
    for command in (["ip", "tuntap", "add", "dev", "tap0", "mode", "tap"], ["ip", "addr", "add", f"{GATEWAY}/30", "dev", "tap0"], ["ip", "link", "set", "tap0", "up"], ["ip", "link", "set", "lo", "up"]):
        subprocess.run(command, check=True)
    server = socket.create_server((GATEWAY, 3000))
    khz = int(float(re.search(r"cpu MHz\s*: ([0-9.]+)", Path("/proc/cpuinfo").read_text()).group(1)) * 1000)
    line = CMDLINE.format(ip=GUEST, gateway=GATEWAY, callback=f"http://{GATEWAY}:3000/ready/x") + f" tsc_early_khz={khz}"
    monitor, state = f"{guest}/qmp", f"{guest}/state"
    arguments = [
        QEMU, "-M", "microvm,pic=off,pit=off,rtc=on,acpi=on,auto-kernel-cmdline=on", "-accel", "tcg,tb-size=32", "-cpu", "max", "-serial", "stdio", "-display", "none", "-no-user-config", "-nographic", "-nodefaults", "-no-reboot",
        "-smp", "1", "-m", str(MEMORY), "-kernel", f"{guest}/vmlinux", "-append", line, "-initrd", f"{guest}/initramfs", "-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-device,netdev=net0",
        "-drive", f"id=root,if=none,format=raw,readonly=on,file={guest}/function.ext4", "-device", "virtio-blk-device,drive=root", "-qmp", f"unix:{monitor},server=on,wait=off",
    ]
    results = {"boot": [], "resume": []}
    for number in range(count):
        begun = time.perf_counter()
        qemu = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        call, _ = server.accept()
        results["boot"].append((time.perf_counter() - begun) * 1000)
        call.recv(1000)
        call.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        call.close()
        if number == 0:
            qmp = _monitor(monitor)
            _say(qmp, "stop")
            _say(qmp, "migrate-set-parameters", {"max-bandwidth": 1 << 40})
            _say(qmp, "migrate", {"uri": f"exec:cat > {state}"})
            while _say(qmp, "query-migrate")["status"] != "completed":
                time.sleep(0.01)
        qemu.kill()
        qemu.wait()
    for _ in range(count):
        os.unlink(monitor)
        begun = time.perf_counter()
        qemu = subprocess.Popen([*arguments, "-incoming", f"exec:cat {state}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        qmp = _monitor(monitor)
        while _say(qmp, "query-status")["status"] == "inmigrate":
            time.sleep(0.001)
        _say(qmp, "cont")
        guest_side = http.client.HTTPConnection(GUEST, 8080, timeout=30)
        guest_side.request("GET", "/")
        if guest_side.getresponse().status != 200:
            raise SystemExit("the machine does not serve")
        results["resume"].append((time.perf_counter() - begun) * 1000)
        qemu.kill()
        qemu.wait()
    print(json.dumps(results))


def _monitor(path):
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            break
        except OSError:
            connection.close()
            time.sleep(0.001)
    stream = connection.makefile("rw")
    stream.readline()
    _say(stream, "qmp_capabilities")
    return stream


def _say(stream, command, arguments=None):
    stream.write(json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})}) + "\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline())
        if "error" in answer:
            raise SystemExit(answer["error"]["desc"])
        if "return" in answer:
            return answer["return"]


if __name__ == "__main__":
    _hand(sys.argv[1], int(sys.argv[2]))
