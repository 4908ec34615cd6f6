"""What is measured, built from this working copy: both builds of Stint, the Kestrel baseline, the floor."""
import os
from pathlib import Path

from workspace import BenchError, run

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "artifacts/publish/stint/stint"
JIT = ROOT / "artifacts/bin/Stint/release/stint.dll"
KESTREL = ROOT / "artifacts/bin/Kestrel/release/kestrel-echo.dll"
# Without it the build would leave compiler servers behind.
ENVIRONMENT = os.environ | {"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1", "MSBUILDDISABLENODEREUSE": "1", "UseSharedCompilation": "false"}


def native():
    """NativeAOT takes a minute or two, so only when a source is newer. Returns the command."""
    sources = [ROOT / "tools/publish", *ROOT.glob("Directory.*.props"), *_files(ROOT / "src"), *_files(ROOT / "runtimes")]
    if not NATIVE.exists() or NATIVE.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        run([ROOT / "tools/publish"], 600, env=ENVIRONMENT)
        NATIVE.touch()
    return [str(NATIVE)]


def jit():
    """The launcher builds when needed. Returns the command."""
    run([ROOT / "stint", "version"], 600, env=ENVIRONMENT)
    return ["dotnet", str(JIT)]


def kestrel():
    """Returns the command; a port is to be appended."""
    run(["dotnet", "build", ROOT / "bench/baselines/Kestrel", "-c", "Release", "-v", "quiet", "-nodeReuse:false", "--nologo"], 300, env=ENVIRONMENT)
    return ["dotnet", str(KESTREL)]


def floor(folder):
    """Returns the program."""
    run(["gcc", "-O2", "-Wall", "-Wextra", "-o", folder / "floor", ROOT / "bench/floor/floor.c"], 60)
    return folder / "floor"


def _files(folder):
    return (Path(path, name) for path, folders, names in os.walk(folder) if not {"obj", "bin", "__pycache__"} & set(path.split(os.sep)) for name in names if not name.endswith(".pyc"))
