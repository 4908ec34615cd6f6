#!/usr/bin/python3
"""Stands in for Firecracker in tests, where there is no KVM.

It is as strict as Firecracker 1.x: its command line, its HTTP API over a Unix socket, its configuration file. Whatever it does not know, of another type, missing, or out of order is refused with
fault_message (src/firecracker/swagger/firecracker.yaml, src/vmm/src/rpc_interface.rs). What it is told to start, it starts: a QEMU that interprets a microvm of the same kernel, disks and tap. So a whole
conversation ends with a guest that serves, or does not. That is all that it shares with Firecracker: it says nothing of Firecracker's speed, memory, devices or snapshots' format.

The interpreter's memory comes out of the guest's, so that the limits of the real one hold for both together.
"""
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

VERSION = "1.10.1"
INTERPRETER_MIB = 208
MAX_BODY = 51200  # its default of --http-api-max-payload-size


class Refused(Exception):
    pass


# Schemas: {field: (check, is required)}; whatever is not in them is unknown.

def text(value):
    return isinstance(value, str)


def boolean(value):
    return isinstance(value, bool)


def integer(low, high):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def word(*words):
    return lambda value: value in words


def table(schema):
    return lambda value: isinstance(value, dict) and check(value, schema) is None


LIMITER = lambda value: isinstance(value, dict)
BOOT_SOURCE = {"kernel_image_path": (text, True), "initrd_path": (text, False), "boot_args": (text, False)}
DRIVE = {
    "drive_id": (text, True), "path_on_host": (text, False), "is_root_device": (boolean, True), "is_read_only": (boolean, False), "partuuid": (text, False),
    "cache_type": (word("Unsafe", "Writeback"), False), "io_engine": (word("Sync", "Async"), False), "rate_limiter": (LIMITER, False), "socket": (text, False),
}
MACHINE = {
    "vcpu_count": (integer(1, 32), True), "mem_size_mib": (integer(1, 1 << 20), True), "smt": (boolean, False), "track_dirty_pages": (boolean, False),
    "cpu_template": (word("C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"), False), "huge_pages": (word("None", "2M"), False),
}
NETWORK = {
    "iface_id": (text, True), "host_dev_name": (text, True), "guest_mac": (lambda value: text(value) and re.fullmatch("([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", value), False),
    "rx_rate_limiter": (LIMITER, False), "tx_rate_limiter": (LIMITER, False),
}
LOGGER = {"log_path": (text, False), "level": (word("Error", "Warning", "Info", "Debug", "Trace", "Off"), False), "show_level": (boolean, False), "show_log_origin": (boolean, False), "module": (text, False)}
METRICS = {"metrics_path": (text, True)}
ACTION = {"action_type": (word("InstanceStart", "SendCtrlAltDel", "FlushMetrics"), True)}
STATE = {"state": (word("Paused", "Resumed"), True)}
SAVE = {"snapshot_path": (text, True), "mem_file_path": (text, True), "snapshot_type": (word("Full", "Diff"), False)}
BACKEND = {"backend_path": (text, True), "backend_type": (word("File", "Uffd"), True)}
LOAD = {
    "snapshot_path": (text, True), "mem_backend": (table(BACKEND), False), "mem_file_path": (text, False), "enable_diff_snapshots": (boolean, False), "track_dirty_pages": (boolean, False), "resume_vm": (boolean, False),
    "network_overrides": (lambda value: isinstance(value, list), False),
}
FILE = {
    "boot-source": (table(BOOT_SOURCE), True), "drives": (lambda value: isinstance(value, list) and all(table(DRIVE)(drive) for drive in value), True), "machine-config": (table(MACHINE), False),
    "network-interfaces": (lambda value: isinstance(value, list) and all(table(NETWORK)(network) for network in value), False), "logger": (table(LOGGER), False), "metrics": (table(METRICS), False),
}


def check(value, schema):
    """What is wrong with an object; None when nothing is."""
    if not isinstance(value, dict):
        return "invalid type: expected a map"
    for name in value:
        if name not in schema:
            return "unknown field `%s`, expected one of %s" % (name, ", ".join("`%s`" % known for known in schema))
    for name, (is_right, is_required) in schema.items():
        if name not in value:
            if is_required:
                return "missing field `%s`" % name
        elif not is_right(value[name]):
            return "invalid value of `%s`: %s" % (name, json.dumps(value[name]))
    return None


class Machine:
    """The machine, as far as it has been configured."""

    def __init__(self):
        self.boot = None
        self.drives = {}
        self.networks = {}
        self.size = {"vcpu_count": 1, "mem_size_mib": 128}
        self.state = "Not started"
        self.is_configured = False
        self.logs = self.measures = None
        self.qemu = None
        self.monitor = None
        self.lock = threading.Lock()

    def before(self):
        if self.state != "Not started":
            raise Refused("The requested operation is not supported after starting the microVM.")

    def after(self):
        if self.state == "Not started":
            raise Refused("The requested operation is not supported before starting the microVM.")

    def set_boot(self, value):
        self.before()
        if not os.path.isfile(value["kernel_image_path"]):
            raise Refused("The kernel file cannot be opened: No such file or directory (os error 2)")
        if "initrd_path" in value and not os.path.isfile(value["initrd_path"]):
            raise Refused("The initrd file cannot be opened due to invalid path or invalid permissions. No such file or directory (os error 2)")
        self.boot = value

    def set_drive(self, value):
        self.before()
        if value["is_root_device"] and any(other["is_root_device"] for name, other in self.drives.items() if name != value["drive_id"]):
            raise Refused("A root block device already exists!")
        self.need_disk(value)
        self.drives[value["drive_id"]] = value

    def need_disk(self, drive):
        path = drive.get("path_on_host")
        try:
            os.close(os.open(path, os.O_RDONLY if drive.get("is_read_only") else os.O_RDWR))
        except (OSError, TypeError) as e:
            raise Refused("Unable to create the block device: Virtio backend error: Error manipulating the backing file: %s" % e)

    def set_network(self, value):
        self.before()
        self.need_tap(value["host_dev_name"])
        if any(other.get("guest_mac") == value.get("guest_mac") for name, other in self.networks.items() if name != value["iface_id"]):
            raise Refused("The MAC address is already in use: %s" % value.get("guest_mac"))
        self.networks[value["iface_id"]] = value

    def need_tap(self, name):
        # linux/if_tun.h: TUNSETIFF with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        try:
            tun = os.open("/dev/net/tun", os.O_RDWR)
        except OSError as e:
            raise Refused("Could not create the network device: Open tap device failed: %s" % e)
        try:
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000 | 0x4000))
        except OSError as e:
            raise Refused("Could not create the network device: Open tap device failed: Error while creating ifreq structure: %s. Invalid TUN/TAP Backend provided by %s" % (e, name))
        finally:
            os.close(tun)

    def set_size(self, value):
        self.before()
        if value["vcpu_count"] > 1 and value["vcpu_count"] % 2 and value.get("smt"):
            raise Refused("The vCPU number is invalid! The vCPU number can only be 1 or an even number when SMT is enabled.")
        self.size = value

    def set_logger(self, value):
        self.before()
        if self.logs:
            raise Refused("Logger is already initialized.")
        self.logs = value

    def set_metrics(self, value):
        self.before()
        if self.measures:
            raise Refused("Metrics system is already initialized.")
        self.measures = value

    def act(self, value):
        kind = value["action_type"]
        if kind == "InstanceStart":
            self.before()
            if not self.boot:
                raise Refused("Cannot start microvm without kernel configuration.")
            with open(self.boot["kernel_image_path"], "rb") as kernel:
                if kernel.read(4) != b"\x7fELF":
                    raise Refused("Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Invalid Elf magic number")
            self.run([])
            self.state = "Running"
        elif kind == "SendCtrlAltDel":
            self.after()
            self.command("system_reset")
        else:
            self.after()

    def set_state(self, value):
        self.after()
        self.command("stop" if value["state"] == "Paused" else "cont")
        self.state = "Paused" if value["state"] == "Paused" else "Running"

    def save(self, value):
        self.after()
        if self.state != "Paused":
            raise Refused("Create snapshot error: Cannot save the microVM state: the microVM is not paused")
        for path in (value["snapshot_path"], value["mem_file_path"]):
            if os.path.exists(path):
                os.remove(path)
        with open(value["snapshot_path"], "w") as file:
            json.dump({"boot": self.boot, "drives": self.drives, "networks": self.networks, "size": self.size}, file)
        self.command("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        self.command("migrate", {"uri": "exec:cat > '%s'" % value["mem_file_path"]})
        while True:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                raise Refused("Create snapshot error: Cannot dump memory: %s" % status)
            time.sleep(0.005)

    def load(self, value):
        if self.state != "Not started":
            raise Refused("The requested operation is not supported after starting the microVM.")
        if self.is_configured:
            raise Refused("Loading a microVM snapshot not allowed after configuring boot-specific resources.")
        if ("mem_backend" in value) == ("mem_file_path" in value):
            raise Refused("missing field: either `mem_backend` or `mem_file_path` is required, and not both")
        memory = value["mem_backend"]["backend_path"] if "mem_backend" in value else value["mem_file_path"]
        try:
            with open(value["snapshot_path"]) as file:
                saved = json.load(file)
            open(memory, "rb").close()
        except (OSError, ValueError) as e:
            raise Refused("Load snapshot error: Failed to restore from snapshot: Failed to load snapshot state from file: %s" % e)
        self.boot, self.drives, self.networks, self.size = saved["boot"], saved["drives"], saved["networks"], saved["size"]
        for drive in self.drives.values():
            self.need_disk(drive)
        for network in self.networks.values():
            self.need_tap(network["host_dev_name"])
        self.run(["-incoming", "exec:cat '%s'" % memory])
        # The state that is loaded says that it stood still.
        while self.command("query-status")["status"] == "inmigrate":
            time.sleep(0.005)
        self.state = "Paused"
        if value.get("resume_vm"):
            self.command("cont")
            self.state = "Running"

    def run(self, more):
        with open("/proc/cpuinfo") as file:
            mhz = float(next(line for line in file if line.startswith("cpu MHz")).split(":")[1])
        path = "/tmp/monitor-%d" % os.getpid()
        arguments = [
            "/usr/bin/qemu-system-x86_64", "-M", "microvm,acpi=on,rtc=on", "-accel", "tcg,tb-size=32", "-cpu", "max", "-smp", str(self.size["vcpu_count"]), "-m", str(self.size["mem_size_mib"] - INTERPRETER_MIB),
            "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio", "-qmp", "unix:%s,server=on,wait=off" % path,
            "-kernel", self.boot["kernel_image_path"], "-append", "%s tsc_early_khz=%d" % (self.boot.get("boot_args", ""), mhz * 1000),
        ]
        if "initrd_path" in self.boot:
            arguments += ["-initrd", self.boot["initrd_path"]]
        for name, drive in sorted(self.drives.items(), key=lambda pair: not pair[1]["is_root_device"]):
            arguments += ["-drive", "id=%s,if=none,format=raw,readonly=%s,file=%s" % (name, "on" if drive.get("is_read_only") else "off", drive["path_on_host"]), "-device", "virtio-blk-device,drive=" + name]
        for name, network in self.networks.items():
            arguments += ["-netdev", "tap,id=%s,ifname=%s,script=no,downscript=no" % (name, network["host_dev_name"]), "-device", "virtio-net-device,netdev=%s,mac=%s" % (name, network["guest_mac"])]
        self.qemu = subprocess.Popen(arguments + more, stdin=subprocess.DEVNULL)
        threading.Thread(target=self.watch, daemon=True).start()
        self.monitor = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.monitor.connect(path)
                break
            except OSError:
                if self.qemu.poll() is not None:
                    raise Refused("the stand-in's QEMU ended with %s" % self.qemu.returncode)
                time.sleep(0.005)
        self.lines = self.monitor.makefile("rw")
        self.lines.readline()
        self.command("qmp_capabilities")

    def watch(self):
        code = self.qemu.wait()
        sys.stdout.flush()
        os._exit(0 if code == 0 else 1)

    def command(self, name, arguments=None):
        with self.lock:
            self.lines.write(json.dumps({"execute": name, **({"arguments": arguments} if arguments else {})}) + "\n")
            self.lines.flush()
            while True:
                answer = json.loads(self.lines.readline() or '{"error": {"desc": "the stand-in\'s QEMU has gone"}}')
                if "error" in answer:
                    raise Refused(answer["error"]["desc"])
                if "return" in answer:
                    return answer["return"]


def serve(machine, name, path):
    fixed = {
        ("PUT", "/boot-source"): (BOOT_SOURCE, machine.set_boot, True), ("PUT", "/machine-config"): (MACHINE, machine.set_size, True), ("PUT", "/logger"): (LOGGER, machine.set_logger, False),
        ("PUT", "/metrics"): (METRICS, machine.set_metrics, False), ("PUT", "/actions"): (ACTION, machine.act, False), ("PATCH", "/vm"): (STATE, machine.set_state, False),
        ("PUT", "/snapshot/create"): (SAVE, machine.save, False), ("PUT", "/snapshot/load"): (LOAD, machine.load, False),
    }

    def handle(method, target, body):
        if method == "GET" and target == "/":
            return 200, {"id": name, "state": machine.state, "vmm_version": VERSION, "app_name": "Firecracker"}
        if method == "GET" and target == "/version":
            return 200, {"firecracker_version": VERSION}
        schema, action, configures = fixed.get((method, target), (None, None, False))
        for kind, key, of, set_one in (("/drives/", "drive_id", DRIVE, machine.set_drive), ("/network-interfaces/", "iface_id", NETWORK, machine.set_network)):
            if method == "PUT" and target.startswith(kind):
                schema, action, configures = of, set_one, True
                if isinstance(body, dict) and body.get(key) != target[len(kind):]:
                    raise Refused("The id from the path [%s] does not match the id from the body [%s]!" % (target[len(kind):], body.get(key)))
        if schema is None:
            raise Refused("Invalid request method and/or path: %s %s." % (method, target))
        if body is None:
            raise Refused("Empty %s request." % method)
        wrong = check(body, schema)
        if wrong:
            raise Refused("An error occurred when deserializing the json body of a request: %s." % wrong)
        action(body)
        machine.is_configured |= configures
        return 204, None

    if os.path.exists(path):
        sys.exit("Failed to open the API socket at: %s. Check that it is not already used." % path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    while True:
        connection, _ = listener.accept()
        stream = connection.makefile("rwb")
        while True:
            line = stream.readline()
            if not line:
                break
            method, target, version = line.decode().split()
            headers = {}
            while (field := stream.readline().strip()):
                key, _, value = field.decode().partition(":")
                headers[key.lower()] = value.strip()
            try:
                if version not in ("HTTP/1.0", "HTTP/1.1") or "transfer-encoding" in headers:
                    raise Refused("Unsupported HTTP header.")  # micro-http takes no chunks
                size = int(headers.get("content-length", "0"))
                if size > MAX_BODY:
                    raise Refused("Request payload with size %d is larger than the limit of %d allowed by server." % (size, MAX_BODY))
                body = stream.read(size)
                try:
                    value = json.loads(body) if body else None
                except ValueError as e:
                    raise Refused("An error occurred when deserializing the json body of a request: %s." % e)
                status, answer = handle(method, target, value)
            except Refused as refused:
                status, answer = 400, {"fault_message": str(refused)}
            content = b"" if answer is None else json.dumps(answer).encode()
            words = {200: "OK", 204: "No Content", 400: "Bad Request"}[status]
            length = b"" if status == 204 else b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(content)
            stream.write(b"HTTP/1.1 %d %s\r\nServer: Firecracker API\r\nConnection: keep-alive\r\n%s\r\n%s" % (status, words.encode(), length, content))
            stream.flush()
        stream.close()
        connection.close()


def main(arguments):
    values, flags = {}, set()
    words = iter(arguments)
    for argument in words:
        if argument in ("--id", "--api-sock", "--config-file"):
            values[argument] = next(words, None)
        elif argument in ("--no-api", "--version"):
            flags.add(argument)
        else:
            sys.exit("Arguments parsing error: Found argument '%s' which wasn't expected, or isn't valid in this context." % argument)
    if "--version" in flags:
        print("Firecracker v%s (the stand-in of Stint's tests)" % VERSION)
        return
    name = values.get("--id", "anonymous-instance")
    if not re.fullmatch("[A-Za-z0-9-]{1,64}", name):
        sys.exit("Invalid instance ID")
    machine = Machine()
    if "--config-file" in values:
        with open(values["--config-file"]) as file:
            configuration = json.load(file)
        wrong = check(configuration, FILE)
        if wrong:
            sys.exit("Configuration for VMM from one single json failed: %s" % wrong)
        try:
            machine.set_size(configuration.get("machine-config", machine.size))
            machine.set_boot(configuration["boot-source"])
            for drive in configuration["drives"]:
                machine.set_drive(drive)
            for network in configuration.get("network-interfaces", []):
                machine.set_network(network)
            machine.act({"action_type": "InstanceStart"})
        except Refused as refused:
            sys.exit("Building VMM configured from cmdline json failed: %s" % refused)
        if "--no-api" in flags:
            threading.Event().wait()
    elif "--no-api" in flags:
        sys.exit("Arguments parsing error: Argument '--no-api' requires '--config-file'")
    serve(machine, name, values.get("--api-sock", "/run/firecracker.socket"))


main(sys.argv[1:])
