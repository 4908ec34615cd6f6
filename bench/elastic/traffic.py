"""What happens when much comes at once: bursts, steps, more than can be done, a neighbour that takes all it gets; and what idle functions cost."""
import asyncio
import time

from client import Client
from daemon import BenchError, quantile, table

WORK_MS = 20
GRACE = ["--memory-budget", 1_000_000]  # figures of time: memory is not what is to be short


def burst(workspace, quick):
    """The first call of each of many functions, all at once: nothing is warm, and every one needs an instance of its own."""
    count = 20 if quick else 100
    workspace.start({f"burst-{number}": ("python3", "boot-timeout = 120\nqueue-timeout = 120\ntimeout = 120", "memory = 64") for number in range(count)}, *GRACE)

    async def run():
        client = Client(workspace.port)
        begun = time.perf_counter()
        answers = await asyncio.gather(*(client.call(f"burst-{number}") for number in range(count)))
        took = time.perf_counter() - begun
        client.close()
        return answers, took

    answers, took = asyncio.run(run())
    _all_well(answers)
    times = [seconds * 1000 for _, seconds in answers]
    return {"functions": count, "all_ms": took * 1000, "p50_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99), "starts_per_second": count / took}


def step(workspace, quick):
    """From nothing to as much as one function can do: how long until the rate is at nine tenths of where it ends."""
    seconds, workers = (4 if quick else 15), 32
    workspace.start({"step": ("nodejs", "concurrent-requests = 8\nmax-instances = 4", "")}, *GRACE)

    async def run():
        client = Client(workspace.port)
        calls = await client.closed_loop("step", workers, seconds)
        client.close()
        return calls

    calls = asyncio.run(run())
    _all_well((status, took) for _, status, took in calls)
    width = 0.1
    bins = [0] * int(seconds / width)
    for at, _, _ in calls:
        bins[min(len(bins) - 1, int(at / width))] += 1
    peak = quantile(bins[len(bins) // 2:], 0.5)
    reached = next(number for number, count in enumerate(bins) if count >= 0.9 * peak)
    return {"peak_rps": peak / width, "first_answer_ms": min(at for at, _, _ in calls) * 1000, "at_90_percent_ms": (reached + 1) * width * 1000, "slowest_ms": max(took for _, _, took in calls) * 1000}


def overload(workspace, quick):
    """Ten times as many calls as the function can serve, at a fixed rate: what it still serves, and how soon the others are told."""
    seconds = 4 if quick else 30
    slots = 4
    functions = {"busy": ("nodejs", f"concurrent-requests = {slots}\nmax-instances = 1\nmin-instances = 1\nmax-queue = 20", "")}
    workspace.start(functions, *GRACE)
    body = str(WORK_MS).encode()

    async def run():
        client = Client(workspace.port)
        await client.closed_loop("busy", slots, 1, body)
        peak = len(await client.closed_loop("busy", slots * 2, seconds / 2, body)) / (seconds / 2)
        calls = await client.open_loop("busy", peak * 10, seconds, body)
        client.close()
        return peak, calls

    peak, calls = asyncio.run(run())
    served = [(at, took) for at, status, took in calls if status == 200]
    refused = [took * 1000 for _, status, took in calls if status in (429, 503)]
    if len(served) + len(refused) != len(calls):
        raise BenchError(f"other answers than 200, 429 and 503: {sorted({status for _, status, _ in calls})}")
    # The rate within the load: what is answered after its end would flatter it.
    goodput = sum(at <= seconds for at, _ in served) / seconds
    return {"peak_rps": peak, "offered_rps": len(calls) / seconds, "goodput_rps": goodput, "goodput_share": goodput / peak, "served_p99_ms": quantile([took * 1000 for _, took in served], 0.99),
            "refused_p50_ms": quantile(refused, 0.5), "refused_p99_ms": quantile(refused, 0.99)}


def fairness(workspace, quick):
    """A quiet function alone, then beside one at 50 times its load; both want more of the host than it has."""
    seconds, rate, factor = (5 if quick else 40), 10, 50
    spec = "max-instances = 4\nmax-queue = 200"
    workspace.start({"quiet": ("nodejs", spec, ""), "loud": ("nodejs", spec, "")}, *GRACE, "--instance-budget", 4)
    body = b"10"

    async def run():
        client = Client(workspace.port)
        for function in ("loud", "quiet"):
            await client.closed_loop(function, 1, 0.5, body)
        alone = await client.open_loop("quiet", rate, seconds, body)
        noise = asyncio.ensure_future(client.open_loop("loud", rate * factor, seconds + 2, body))
        await asyncio.sleep(1)
        beside = await client.open_loop("quiet", rate, seconds, body)
        loud = await noise
        client.close()
        return alone, beside, loud

    alone, beside, loud = asyncio.run(run())
    figures = {}
    for name, calls in (("alone", alone), ("beside", beside), ("loud", loud)):
        times = [took * 1000 for _, status, took in calls if status == 200]
        figures[name] = {"calls": len(calls), "served": len(times), "p50_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99)}
    figures["ratio_p99"] = figures["beside"]["p99_ms"] / figures["alone"]["p99_ms"]
    return figures


def idle(workspace, quick):
    """Memory of the daemon with many functions that nobody calls, less that without any."""
    count = 100 if quick else 1000
    figures = {}
    for number in (0, count):
        workspace.start({f"idle-{at}": ("python3", "", "") for at in range(number)})
        time.sleep(3)  # the build of the bundles has ended with readiness; what it used goes back
        figures[number] = workspace.memory()
    for _ in range(20):
        workspace.metric("stint_instances", "")
    return {"functions": count, "empty_kib": figures[0], "with_functions_kib": figures[count], "scraped_kib": workspace.memory(), "per_function_kib": (figures[count] - figures[0]) / count}


def _all_well(answers):
    statuses = {status for status, _ in answers}
    if statuses != {200}:
        raise BenchError(f"answers other than 200: {sorted(statuses - {200})}")


def render(results):
    parts = []
    if figures := results.get("burst"):
        parts.append(f"### {figures['functions']} first calls to {figures['functions']} functions at once (python3)\n\n"
                     + table(["all answered", "p50", "p99", "starts a second"], [[_ms(figures["all_ms"]), _ms(figures["p50_ms"]), _ms(figures["p99_ms"]), f"{figures['starts_per_second']:.0f}"]], left=0))
    if figures := results.get("step"):
        parts.append("### From nothing to the peak rate (nodejs, 32 callers)\n\n" + table(["peak", "first answer", "at 90 % of the peak", "slowest call"],
                     [[f"{figures['peak_rps']:,.0f}/s", _ms(figures["first_answer_ms"]), _ms(figures["at_90_percent_ms"]), _ms(figures["slowest_ms"])]], left=0))
    if figures := results.get("overload"):
        parts.append(f"### Overload (nodejs, {WORK_MS} ms a call)\n\n" + table(["capacity", "offered", "goodput", "of the capacity", "p99 of served", "p50 of refused", "p99 of refused"],
                     [[f"{figures['peak_rps']:,.0f}/s", f"{figures['offered_rps']:,.0f}/s", f"{figures['goodput_rps']:,.0f}/s", f"{figures['goodput_share']:.0%}", _ms(figures["served_p99_ms"]), _ms(figures["refused_p50_ms"]), _ms(figures["refused_p99_ms"])]], left=0))
    if figures := results.get("fairness"):
        rows = [[title, str(figures[name]["calls"]), str(figures[name]["served"]), _ms(figures[name]["p50_ms"]), _ms(figures[name]["p99_ms"])]
                for name, title in (("alone", "quiet, alone"), ("beside", "quiet, beside the loud one"), ("loud", "the loud one, 50 times the load"))]
        parts.append("### Fairness (nodejs, 10 ms a call, 4 instances for both)\n\n" + table(["", "calls", "served", "p50", "p99"], rows) + f"\n\np99 beside the loud one / alone: {figures['ratio_p99']:.2f}")
    if figures := results.get("idle"):
        parts.append(f"### {figures['functions']} idle functions\n\n" + table(["daemon without functions", "with them", "each", "with them, after 20 reads of /metrics"],
                     [[f"{figures['empty_kib'] / 1024:.1f} MiB", f"{figures['with_functions_kib'] / 1024:.1f} MiB", f"{figures['per_function_kib']:.1f} KiB", f"{figures['scraped_kib'] / 1024:.1f} MiB"]], left=0))
    return "\n\n".join(parts)


def _ms(value):
    return f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"
