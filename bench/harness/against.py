"""The warm path of this working copy beside that of an earlier commit, in one run: bench/run --against COMMIT."""
import itertools
import shutil
import statistics

import builds
import load
import machine
import page
import report
from subjects import RUNTIMES, Daemon
from workspace import run

BEGIN, END = "<!-- begin of before and after: bench/run --against COMMIT --write -->", "<!-- end of before and after -->"
CONNECTIONS, SIZES, PASSES = (1, 8, 64), (12, 65536), 4


def measure(workspace, commit, seconds, quick, say):
    say(f"building this working copy and {commit}")
    name = run(["git", "-C", builds.ROOT, "rev-parse", "--short=10", f"{commit}^{{commit}}"], 10).strip()
    title = run(["git", "-C", builds.ROOT, "log", "-1", "--format=%ad, %s", "--date=format:%Y-%m-%d %H:%M", name], 10).strip()
    after, before = builds.native(), earlier(workspace, name)
    facts = machine.describe(("native",))
    say("starting")
    daemons = {"before": Daemon(workspace, "before", before), "after": Daemon(workspace, "after", after)}
    for daemon, runtime in itertools.product(daemons.values(), RUNTIMES):
        daemon.upload(f"echo-{runtime}", runtime)
    passes = 1 if quick else PASSES
    cells = list(itertools.product(SIZES, CONNECTIONS, RUNTIMES))
    figures = {(cell, which): [] for cell in cells for which in daemons}
    for number in range(passes):
        say(f"load, pass {number + 1} of {passes}")
        # Each cell's two measurements follow each other, and each comes first in every second pass.
        for size, connections, runtime in cells if number % 2 == 0 else cells[::-1]:
            for which in list(daemons)[:: 1 if number % 2 == 0 else -1]:
                figures[(size, connections, runtime), which].append(load.wrk(daemons[which].url(f"echo-{runtime}"), connections, size, max(0.2, seconds / 4), seconds))
    say("done")
    return {"machine": facts, "before": name, "title": title, "seconds": seconds, "passes": passes,
            "load": [{"size": size, "connections": connections, "runtime": runtime, **{which: figures[(size, connections, runtime), which] for which in daemons}} for size, connections, runtime in cells]}


def earlier(workspace, commit):
    """The native build of a commit; it is kept in artifacts/, for it takes minutes. Returns the command."""
    built = builds.ROOT / "artifacts/against" / commit / "stint"
    if not built.exists():
        tree = workspace.folder / f"source-{commit}"
        tree.mkdir()
        run(["sh", "-c", 'git -C "$0" archive "$1" | tar -x -C "$2"', builds.ROOT, commit, tree], 60)
        run([tree / "tools/publish"], 900, env=builds.ENVIRONMENT)
        built.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tree / "artifacts/publish/stint/stint", built)
        shutil.rmtree(tree)
    return [str(built)]


def render(results):
    rows = []
    for cell in results["load"]:
        before, after = ([figures["rps"] for figures in cell[which]] for which in ("before", "after"))
        ratios = sorted(now / then for then, now in zip(before, after))
        p99 = [statistics.median(figures["p99_us"] for figures in cell[which]) for which in ("before", "after")]
        rows.append([report.size_text(cell["size"]), cell["runtime"], str(cell["connections"]), f"{statistics.mean(before):,.0f}", f"{statistics.mean(after):,.0f}",
                     f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}", report.time_text(p99[0]), report.time_text(p99[1])])
    ratios = [float(row[5]) for row in rows]
    facts = results["machine"]
    return "\n".join([
        f"- date: {facts['date']}; {facts['cpu']}; {facts['kernel']}",
        f"- before: {results['before']} ({results['title']}); after: {facts['commit']}; both native builds ({facts['native build'].split(', ', 1)[-1]})",
        f"- {results['passes']} passes of {results['seconds']} s, before and after in turn; errors: 0 in {len(rows) * 2 * results['passes']} measurements",
        f"- after / before, median of the {len(rows)} lines: {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}, highest {max(ratios):.2f}", "",
        report.table(["body", "echo in", "connections", "before, requests/s", "after", "after / before", "in the passes", "p99 before", "after"], rows, left=2)]) + "\n"


def write(text):
    page.write(BEGIN, END, text)
