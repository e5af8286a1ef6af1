#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast the stream tool is beside GNU parallel, xargs, pigz and the plain commands.

Each comparison runs its commands by turns, so that what else the machine does meets them all, and gives the medians of
the time and of their ratio. --quick takes a tenth of the input. Names choose comparisons: cat sed map map-parallel gzip.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

PADATA = os.path.join(os.environ.get("PADATA_BUILD", "build/release"), "padata")
MEMORY_BAR = 64  # MiB resident, in all of these


def make_log(path, size):
    """Lines as a server's log has them."""
    import random
    random.seed(6)
    words = ["".join(random.choices("abcdefghijklmnop", k=random.randint(2, 9))) for _ in range(5000)]
    lines = [
        "2026-11-%02d 12:%02d:%02d host%d app[%d]: %s\n" % (
            random.randint(1, 28), random.randint(0, 59), random.randint(0, 59), random.randint(1, 99),
            random.randint(1, 30000), " ".join(random.choices(words, k=random.randint(3, 15))))
        for _ in range(100000)
    ]
    chunk = "".join(lines).encode()
    with open(path, "wb") as f:
        while size > 0:
            f.write(chunk[:size])
            size -= len(chunk)


def make_tar(path, size):
    """What a system is made of: programs, texts, tables."""
    with open(path, "wb") as f:
        tar = subprocess.Popen(["tar", "-c", "-f", "-", "/usr/lib", "/usr/share", "/usr/bin"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        while size > 0:
            part = tar.stdout.read(min(size, 1 << 20))
            if not part:
                break
            f.write(part)
            size -= len(part)
        tar.kill()
        tar.wait()


def run(command):
    """Seconds, and of our own program the largest resident memory in MiB."""
    began = time.monotonic()
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit("failed: " + command)
    stats = re.search(rb'"rss_peak":(\d+)', done.stderr)
    return seconds, int(stats[1]) / 2**20 if stats else 0


def verdict(holds):
    return "" if holds else "   SHORT"


def compare(name, bars, commands, rounds):
    """The first command is ours; a bar is how many times as fast as the other it is to be."""
    times = {key: [] for key in commands}
    resident = 0.0
    for _ in range(rounds):
        for key, command in commands.items():
            seconds, memory = run(command)
            times[key].append(seconds)
            resident = max(resident, memory)
    ours = times["padata"]
    print(f"{name}: {statistics.median(ours):.3f} s, {resident:.0f} MiB resident (bar {MEMORY_BAR})"
          f"{verdict(resident < MEMORY_BAR)}", flush=True)
    for key, least in bars.items():
        ratios = sorted(theirs / mine for theirs, mine in zip(times[key], ours))
        ratio = statistics.median(ratios)
        print(f"    {key:14} {statistics.median(times[key]):8.3f} s   {ratio:6.2f} times as fast, {ratios[0]:.2f} to "
              f"{ratios[-1]:.2f} (bar {least}){verdict(ratio >= least)}", flush=True)


class Inputs:
    """Made when they are first asked for."""

    def __init__(self, work, scale):
        self.work, self.scale = work, scale

    def path(self, name, make, size):
        path = os.path.join(self.work, name)
        if not os.path.exists(path):
            make(path, size // self.scale)
        return path

    def log(self):
        return self.path("log", make_log, 400_000_000)

    def tar(self):
        return self.path("tar", make_tar, 460_000_000)

    def lines(self, count):
        def make(path, number):
            with open(path, "w") as f:
                f.writelines(f"{i}\n" for i in range(number))
        return self.path(f"lines-{count}", make, count)


def bench_cat(inputs, rounds):
    log = inputs.log()
    compare("pipe -- cat, 1 MiB blocks", {"cat | cat": 0.35, "GNU parallel": 12}, {
        "padata": f"{PADATA} pipe --stats json --block 1M -- cat <{log} >/dev/null",
        "cat | cat": f"cat <{log} | cat >/dev/null",
        "GNU parallel": f"parallel --will-cite --pipe -k --block 1M cat <{log} >/dev/null"}, rounds)


def bench_sed(inputs, rounds):
    log = inputs.log()
    sed = "sed -E 's/host([0-9]+) app/H\\1/'"
    compare("pipe -- sed -E", {"sed": 1.7}, {
        "padata": f"{PADATA} pipe --stats json -a {log} -- {sed} >/dev/null",
        "sed": f"{sed} {log} >/dev/null"}, rounds)


def bench_map(inputs, rounds):
    lines = inputs.lines(10000)
    compare("map -- echo {}, 10,000 lines", {"xargs -P2 -n1": 1.0}, {
        "padata": f"{PADATA} map --stats json -- echo {{}} <{lines} >/dev/null",
        "xargs -P2 -n1": f"xargs -P2 -n1 echo <{lines} >/dev/null"}, rounds)


def bench_map_parallel(inputs, rounds):
    """A fifth of the lines: GNU parallel takes long."""
    lines = inputs.lines(2000)
    compare("map -- echo {}, 2,000 lines", {"GNU parallel": 8}, {
        "padata": f"{PADATA} map --stats json -- echo {{}} <{lines} >/dev/null",
        "GNU parallel": f"parallel --will-cite -k echo {{}} <{lines} >/dev/null"}, rounds)


def bench_gzip(inputs, rounds):
    tar = inputs.tar()
    ours, theirs = (os.path.join(inputs.work, n) for n in ("ours", "theirs"))
    compare("gzip -6", {"pigz -p2 -6": 1.8}, {
        "padata": f"{PADATA} gzip --stats json -6 <{tar} >{ours}",
        "pigz -p2 -6": f"pigz -p2 -6 <{tar} >{theirs}"}, rounds)
    more = 100 * os.path.getsize(ours) / os.path.getsize(theirs) - 100
    print(f"    size           {more:+.2f} % beside pigz (bar +1 %){verdict(more <= 1)}")


COMPARISONS = {"cat": (bench_cat, 5), "sed": (bench_sed, 5), "map": (bench_map, 5), "map-parallel": (bench_map_parallel, 3),
               "gzip": (bench_gzip, 3)}


def main():
    quick = "--quick" in sys.argv[1:]
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")] or list(COMPARISONS)
    for name in chosen:
        if name not in COMPARISONS:
            sys.exit(f"{name}: the comparisons are {' '.join(COMPARISONS)}")
    with tempfile.TemporaryDirectory() as work:
        inputs = Inputs(work, 10 if quick else 1)
        for name in chosen:
            bench, rounds = COMPARISONS[name]
            bench(inputs, 3 if quick else rounds)


main()
