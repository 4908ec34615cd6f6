"""Figures → Markdown, for the terminal and for docs/benchmarks.md."""
import page
from subjects import RUNTIMES

BEGIN, END = "<!-- begin of the figures: bench/run --write -->", "<!-- end of the figures -->"
TITLES = {"floor": "floor", "native": "Stint, native", "jit": "Stint, JIT", "kestrel": "bare Kestrel", "node": "bare Node.js `http`", "python": "Python's `http.server`"}
BARE = {"python3": "python", "nodejs": "node"}


def render(results):
    parts = [_machine(results["machine"], results), _glance(results["load"]), _starts(results), _memory(results["memory"])]
    parts += [_load(results["load"], size) for size in sorted({cell["size"] for cell in results["load"]})]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(text):
    page.write(BEGIN, END, text)


def _machine(machine, results):
    lines = [f"- {name}: {value}" for name, value in machine.items()]
    if results["load"]:
        passes = "one pass" if results["passes"] == 1 else f"{results['passes']} passes"
        lines.append(f"- {passes} of {results['seconds']} s for each figure; errors: 0 in {len(results['load']) * results['passes']} measurements")
    if results["load"] and results["passes"] > 1:
        spread = max(results["load"], key=lambda cell: cell["spread"])
        spreads = sorted(cell["spread"] for cell in results["load"])
        lines += [f"- difference between the passes of a figure: median {spreads[len(spreads) // 2]:.0%}, {spread['spread']:.0%} ({TITLES[spread['subject']]}, {spread['runtime'] or 'echo'}, "
                  f"{size_text(spread['size'])}, {spread['connections']} connections)"]
    return "\n".join(lines)


def _glance(load):
    cells = {(cell["subject"], cell["runtime"], cell["size"]): cell for cell in load if cell["connections"] == 8}
    if not cells:
        return ""
    rows = []
    for size in sorted({size for _, _, size in cells}):
        for runtime in RUNTIMES:
            row = [cells.get((subject, runtime, size)) for subject in ("floor", "native", "jit")] + [cells.get((BARE.get(runtime), runtime, size))]
            rows.append([size_text(size), runtime, *(_number(cell["rps"]) if cell else "" for cell in row), _ratio(row[1], row[0]), _ratio(row[2], row[0])])
        kestrel = cells.get(("kestrel", None, size))
        if kestrel:
            rows.append([size_text(size), "(Kestrel alone)", "", "", "", _number(kestrel["rps"]), "", ""])
    return "### At a glance: requests a second at 8 connections, one instance\n\n" + table(
        ["body", "echo in", "floor", "Stint, native", "Stint, JIT", "bare server", "native/floor", "JIT/floor"], rows, left=2)


def _load(load, size):
    rows = []
    for runtime in (*RUNTIMES, None):
        for connections in sorted({cell["connections"] for cell in load}):
            group = [cell for cell in load if (cell["runtime"], cell["size"], cell["connections"]) == (runtime, size, connections)]
            floor = next((cell for cell in group if cell["subject"] == "floor"), None)
            for cell in sorted(group, key=lambda cell: list(TITLES).index(cell["subject"])):
                rows.append([runtime or "(echo)", str(connections), TITLES[cell["subject"]], _number(cell["rps"]), time_text(cell["p50_us"]), time_text(cell["p99_us"]), _ratio(cell, floor)])
    return f"### Bodies of {size_text(size)}\n\n" + table(["echo in", "connections", "", "requests/s", "p50", "p99", "ratio to the floor"], rows, left=3)


def _starts(results):
    rows = []
    for what, title in (("uploads", "upload to first answer"), ("cold_starts", "cold start to first byte")):
        for name, times in results[what].items():
            build, runtime = name.split("/")
            rows.append([title, runtime, TITLES[build], *(f"{times[key]:.0f} ms" for key in ("median", "first", "max")), str(times["count"])])
    rows.sort(key=lambda row: (row[0] != "upload to first answer", RUNTIMES.index(row[1])))
    return "### Uploads and cold starts (no dependencies)\n\n" + table(["", "runtime", "", "median", "first", "slowest", "of"], rows, left=3) if rows else ""


def _memory(memory):
    if not memory:
        return ""
    states = list(next(iter(memory.values())))
    rows = [[TITLES[build], *(f"{values[state]['rss']:.0f} / {values[state]['pss']:.0f}" for state in states)] for build, values in memory.items()]
    return "### Memory of the daemon's process: RSS / PSS, MiB\n\n" + table(["", *states], rows, left=1)


def table(heads, rows, left):
    widths = [max(3, *(len(row[at]) for row in [heads, *rows])) for at in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) if at < left else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))) + " |" for row in [heads, *rows]]
    lines.insert(1, "|" + "|".join("-" * (width + 2) if at < left else "-" * (width + 1) + ":" for at, width in enumerate(widths)) + "|")
    return "\n".join(lines)


def _ratio(cell, floor):
    return f"{cell['rps'] / floor['rps']:.2f}" if cell and floor else ""


def _number(value):
    return f"{value:,.0f}"


def time_text(microseconds):
    return f"{microseconds:.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms" if microseconds < 100_000 else f"{microseconds / 1000:.0f} ms"


def size_text(size):
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} bytes"
