"""
bench/cold, bench/load, bench/containers and bench/vm: how the platform behaves when instances come and go, and when more is asked of it than it can do.

    cold    call → first byte without an instance, by runtime,      starts
            with spares and without, with a network and without,
            beside the bare interpreters
    load    burst      the first calls of 100 functions at once     traffic
            step       from nothing to the peak rate
            overload   ten times the capacity: goodput
            fairness   one function at 50 times another's load
            idle       memory of 1,000 deployed functions
    containers     cold starts, bursts and warm calls of containers beside `docker start` and the process sandbox
    vm             virtual machines that boot and that resume, bursts, memory, beside the same QEMU line by hand

Every figure is of this run on this machine; a ratio compares things that were measured one after the other. daemon starts the program, client makes the requests.
"""
import argparse
import json
import sys
import time

import containers
import starts
import traffic
import vms
from daemon import ROOT, BenchError, Workspace

# Behind our own folder, which has a `starts` as well: what bench/run says about the machine, how it builds and how it writes.
sys.path.append(str(ROOT / "bench/harness"))
import builds
import machine
import page

KINDS = {"cold": starts, "load": traffic, "containers": containers, "vm": vms}
LOADS = ("burst", "step", "overload", "fairness", "idle")


def main():
    kind, arguments = sys.argv[1], sys.argv[2:]
    parser = argparse.ArgumentParser(prog=f"bench/{kind}", description="Measures Stint's elasticity; run it on a machine that has nothing else to do.")
    parser.add_argument("--quick", action="store_true", help="under a minute, to see that everything works; the figures mean little")
    parser.add_argument("--executable", metavar="FILE", help="a native build; default: the JIT build of this repository, built when needed")
    parser.add_argument("--native", action="store_true", help="the native build of this repository, made when needed")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    if kind == "cold":
        parser.add_argument("--starts", type=int, help="starts by runtime and network (default 100, with --quick 10)")
        parser.add_argument("--spares", type=int, default=1, help="spares by runtime in the run with them (default 1)")
        parser.add_argument("--only", action="append", choices=starts.RUNTIMES, help="this runtime only; may be repeated")
        parser.add_argument("--network", action="append", choices=starts.NETWORKS, help="functions with this network only (outbound needs root and nftables); may be repeated")
    elif kind == "containers":
        parser.add_argument("--starts", type=int, help="cold starts of each kind (default 50, with --quick 5)")
        parser.add_argument("--burst", type=int, help="containers of a burst (default 50, with --quick 8)")
    elif kind == "vm":
        parser.add_argument("--starts", type=int, help="cold starts of each kind (default 20, with --quick 2)")
        parser.add_argument("--burst", type=int, help="machines of a burst (default 20, with --quick 3)")
    else:
        parser.add_argument("--only", action="append", choices=LOADS, help="this run only; may be repeated")
    options = parser.parse_args(arguments)
    begun = time.monotonic()

    def say(what):
        print(f"bench: {time.monotonic() - begun:4.0f} s  {what}", file=sys.stderr, flush=True)

    try:
        executable = options.executable or (builds.native()[0] if options.native else None)
        facts = machine.describe(("native",) if options.native else ())
        with Workspace(executable) as workspace:
            if kind == "cold":
                results = starts.measure(workspace, options.only or starts.RUNTIMES, options.network or starts.NETWORKS, options.starts or (10 if options.quick else 100), options.spares, say)
            elif kind == "containers":
                results = containers.measure(workspace, options.starts or (5 if options.quick else 50), options.burst or (8 if options.quick else 50), options.quick, say)
            elif kind == "vm":
                results = vms.measure(workspace, options.starts or (2 if options.quick else 20), options.burst or (3 if options.quick else 20), say)
            else:
                results = {}
                for name in options.only or LOADS:
                    say(name)
                    results[name] = getattr(traffic, name)(workspace, options.quick)
        say("done")
        text = f"{_facts(facts, kind, arguments)}\n\n{KINDS[kind].render(results)}"
        print(text)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump({"machine": facts, **results}, file, indent=2)
        if options.write:
            page.write(f"<!-- begin of bench/{kind} --write -->", f"<!-- end of bench/{kind} -->", text)
    except (BenchError, builds.BenchError) as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")


def _facts(facts, kind, arguments):
    """What a reader needs to know of the run, in a line."""
    build = facts.get("native build", "JIT")
    return (f"`{' '.join([f'bench/{kind}', *arguments])}`, {facts['date']}, commit {facts['commit']}; {facts['cpu']}, {facts['kernel']}; {build}; "
            f"Python {facts['python3']}, Node.js {facts['nodejs']}.")


if __name__ == "__main__":
    main()
