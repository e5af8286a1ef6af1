# SPDX-License-Identifier: MIT
"""One function for each question: what is run, how often, against what. Each returns what its JSON file holds."""

import contextlib
import os
import statistics
import subprocess
import sys

import esp as esp_tool
from measure import compare, median

WORKS = [0, 100, 300, 1000, 3000, 10000, 100000]
QUICK_WORKS = [0, 100, 300, 1000, 10000]

# name: program, options
PEERS = {
    "tbb": ("tbb", {}),
    "openmp-1": ("openmp", {"chunk": 1}),
    "openmp-16": ("openmp", {"chunk": 16}),
    "glib": ("throughput-glib", {}),
    "htslib": ("throughput-htslib", {}),
}
# Ours pulls its items, as oneTBB's pipeline does; these are submitted by a producer.
OURS = {"pull": 1}
SUBMITTED = {"padata-1": ("throughput", {}), "padata-32": ("throughput", {"batch": 32})}
YARDSTICKS = {"limit": ("limit", {}), "order": ("order", {}), "plain": ("plain", {})}


def say(text=""):
    print(text, flush=True)


def mark(result):
    return "~" if result["disturbed"] * 2 > result["pairs"] else " "


def throughput(bench, peers, quick, options):
    """Ours against the limit, one plain thread and each peer, at each grain of work."""
    opponents = {**YARDSTICKS, **SUBMITTED, **(PEERS if peers else {})}
    say("\nThroughput: ns an item, wall / CPU; ours through theirs, the median of the pairs; ~: disturbed")
    results = []
    for work in QUICK_WORKS if quick else WORKS:
        job = {"work": work, "items": bench.items(work)}
        pairs = {name: [] for name in opponents}
        for _ in range(bench.rounds):
            for name, (program, extra) in opponents.items():
                pairs[name].append(bench.pair(lambda: bench.run("throughput", **job, **OURS, **options),
                                              lambda: bench.run(program, **job, **extra)))
        ours = [a for name in opponents for a, _ in pairs[name]]
        say(f"W {work:>6}  {'padata':<12}{median(ours, 'wall'):>10.1f} /{median(ours, 'cpu'):>10.1f}")
        entry = {"work": work, "wall": median(ours, "wall"), "cpu": median(ours, "cpu"),
                 "switches": median(ours, "switches"), "items": job["items"], "against": {}}
        for name in opponents:
            against = compare(pairs[name])
            against["switches"] = median([b for _, b in pairs[name]], "switches")
            entry["against"][name] = against
            say(f"{name:>{10 + len(name)}}{against['wall']['theirs']:>{22 - len(name)}.1f} /"
                f"{against['cpu']['theirs']:>10.1f}  {mark(against)}{against['wall']['ratio']:.2f} /"
                f" {against['cpu']['ratio']:.2f}")
        results.append(entry)
    return results


def latency(bench, peers, quick, cbs):
    """A lone item each 20 us, and each 1 ms, from a producer that spins or sleeps between them."""
    programs = {f"padata cb={cb}": ("latency-padata", {"cb": cb}) for cb in cbs}
    programs["bare"] = ("latency-bare", {})
    if peers:
        programs.update({"glib": ("latency-glib", {}), "htslib": ("latency-htslib", {})})
    say("\nLatency of a lone item, submission to serial stage, us; W = 1,000 ns")
    say(f"  {'producer':<9}{'gap us':>7}  {'library':<20}{'p50':>9}{'p99':>9}{'p99.9':>9}{'cores':>8}")
    results = []
    for gap in [20000, 1000000]:
        job = {"work": 1000, "gap": gap, "items": max(250, int(bench.seconds * 1.5e9 / gap))}
        for producer in ["spin", "sleep"]:
            runs = {name: [] for name in programs}
            for _ in range(bench.rounds):
                for name, (program, extra) in programs.items():
                    runs[name].append(bench.one(lambda: bench.run(program, producer=producer, **job, **extra)))
            for name, list_ in runs.items():
                fields = {field: median(list_, field) for field in ["p50", "p99", "p999", "cores"]}
                results.append({"producer": producer, "gap": gap, "library": name, **fields,
                                "disturbed": sum(1 for run in list_ if run["disturbed"]), "pairs": len(list_)})
                say(f"  {producer:<9}{gap // 1000:>7} {mark(results[-1])}{name:<20}{fields['p50']:>9.2f}"
                    f"{fields['p99']:>9.1f}{fields['p999']:>9.1f}{fields['cores']:>8.3f}")
    return results


def idle(bench, peers, quick, _):
    """CPU time of a process with eight streams open and nothing to do."""
    programs = ["idle-padata"] + (["idle-glib", "idle-htslib"] if peers else [])
    say("\nIdle: CPU time of eight streams with nothing to do, ms a minute")
    results = []
    for program in programs:
        run = bench.run(program, work=1000, ms=2000 if quick else 10000)
        results.append({"library": run["program"], "cpu_ms_a_minute": run["cpu_ms_a_minute"]})
        say(f"  {run['program']:<20}{run['cpu_ms_a_minute']:>9.3f}")
    return results


@contextlib.contextmanager
def spinner(cpu):
    """A process that wants all of one CPU; gives a function that tells its CPU time in seconds."""
    code = f"import os\nos.sched_setaffinity(0, [{cpu}])\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()

        def used():
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        try:
            yield used
        finally:
            process.kill()


def taken(bench, peers, quick, cbs):
    """The throughput job while another process spins on CPU 0."""
    opponents = {"limit": YARDSTICKS["limit"], **({"tbb": PEERS["tbb"]} if peers else {})}
    say("\nOne core taken: wall ns an item while another process spins on CPU 0; ours through theirs")
    results = []
    with spinner(0) as used:
        bench.quiet_cpus = bench.cpus - 1
        for work in [1000, 10000]:
            job = {"work": work, "items": bench.items(work)}
            for cb in cbs:
                for name, (program, extra) in opponents.items():
                    pairs = [bench.pair(lambda: bench.run("throughput", aside=used, cb=cb, **job, **OURS),
                                        lambda: bench.run(program, aside=used, **job, **extra))
                             for _ in range(bench.rounds)]
                    result = compare(pairs)
                    results.append({"work": work, "cb": cb, "against": name, **result})
                    wall = result["wall"]
                    say(f"  W {work:>6}  cb {cb:<10}{wall['ours']:>10.1f}   {name:<6}{wall['theirs']:>10.1f} "
                        f"{mark(result)}({wall['ratio']:.2f})")
    bench.quiet_cpus = bench.cpus
    return results


GROWTH = {
    "instances": [1, 2, 4, 8, 16, 32, 64],
    "producers": [1, 2, 4, 8],
    "window": [16, 64, 256, 1024, 4096, 16384, 65536],
    "batch": [1, 4, 16, 64, 256],
    "cpus": ["0-1", "0", "1"],
    "cb": ["0", "1", "alternate", "local", "away"],
}


def growth(bench, peers, quick, _):
    """What an item costs as one thing grows and all else stays."""
    say("\nGrowth: ns an item, wall / CPU, and its CPU time through that of one instance, one producer, 1,024, 0-1, cb 0")
    results = []
    for work in [0, 1000]:
        job = {"work": work, "items": bench.items(work)}
        for what, values in GROWTH.items():
            for value in values[::3] if quick else values:
                extra = {"cb": "1"} if (what, value) == ("cpus", "1") else {}
                pairs = [bench.pair(lambda: bench.run("throughput", **job, **extra, **{what: value}),
                                    lambda: bench.run("throughput", **job))
                         for _ in range(min(bench.rounds, 3))]
                result = compare(pairs)
                results.append({"work": work, "what": what, "value": value, **result})
                say(f"  W {work:>5}  {what:<10}{value:>10} {result['wall']['ours']:>10.1f} /"
                    f"{result['cpu']['ours']:>9.1f} {mark(result)}({result['cpu']['ratio']:.2f})")
    return results


def scale(bench, peers, quick, _):
    """CPU time an item with up to 256 workers that sleep, so that all together do the same number of items a second."""
    say("\nScaling: CPU ns an item, of plain threads that sleep the same sleeps, and what padata adds")
    say(f"  {'workers':>9}{'padata':>12}{'bare':>12}{'added':>12}{'no sleep':>12}")
    results = []
    for workers in [1, 16, 256] if quick else [1, 2, 4, 8, 16, 32, 64, 128, 256]:
        job = {"workers": workers, "sleep": 50000 * workers, "items": int(bench.seconds * 40000), "window": 8192}
        at_once = {"workers": workers, "sleep": 0, "items": bench.items(0) // 4}
        pairs = [bench.pair(lambda: bench.run("scale", **job), lambda: bench.run("scale", bare=1, **job))
                 for _ in range(min(bench.rounds, 3))]
        busy = [bench.one(lambda: bench.run("scale", **at_once)) for _ in range(min(bench.rounds, 3))]
        result = compare(pairs)
        added = statistics.median(ours["cpu"] - bare["cpu"] for ours, bare in pairs)
        results.append({"workers": workers, "added": added, "no_sleep": median(busy, "cpu"), **result})
        cpu = result["cpu"]
        say(f"  {workers:>9}{cpu['ours']:>12.0f}{cpu['theirs']:>12.0f}{added:>12.0f}{median(busy, 'cpu'):>12.1f}"
            f" {mark(result)}")
    return results


def esp(bench, peers, quick, _):
    return esp_tool.measure(bench.directory, quick, say)
