#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast the stream tool is beside GNU parallel, xargs, pigz and the plain commands.

Each comparison runs its commands by turns, so that what else the machine does meets them all, and gives the medians of
the time and of their ratio. --quick takes a tenth of the input. Names after the options choose comparisons.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PADATA = os.path.join(os.environ.get("PADATA_BUILD", "build/release"), "padata")


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


def compare(name, bar, commands, rounds):
    """The first command is ours; the bar is how many times as fast as each other it is to be."""
    times = {key: [] for key in commands}
    resident = 0.0
    for _ in range(rounds):
        for key, command in commands.items():
            seconds, memory = run(command)
            times[key].append(seconds)
            resident = max(resident, memory)
    ours = times["padata"]
    print(f"{name}: padata {statistics.median(ours):.3f} s, {resident:.0f} MiB resident")
    for key, least in bar.items():
        ratio = statistics.median(theirs / mine for theirs, mine in zip(times[key], ours))
        verdict = "" if ratio >= least else "   below the bar"
        print(f"    {key:14} {statistics.median(times[key]):8.3f} s   {ratio:6.2f} times as fast (bar {least}){verdict}", flush=True)


def main():
    options = [a for a in sys.argv[1:] if a.startswith("-")]
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")]
    quick = "--quick" in options
    rounds = 3 if quick else 7
    scale = 10 if quick else 1
    work = tempfile.mkdtemp()
    try:
        log, tar, lines = (os.path.join(work, n) for n in ("log", "tar", "lines"))
        make_log(log, 400_000_000 // scale)
        make_tar(tar, 460_000_000 // scale)
        with open(lines, "w") as f:
            f.writelines(f"{i}\n" for i in range(10000 // scale))
        few = os.path.join(work, "few")
        with open(few, "w") as f:
            f.writelines(f"{i}\n" for i in range(10000 // scale // 10))
        part = os.path.join(work, "part")
        subprocess.run(f"head -c {40_000_000 // scale} {log} >{part}", shell=True, check=True)
        sed = "sed -E 's/host([0-9]+) app/H\\1/'"
        comparisons = {
            "cat": lambda: compare("pipe -- cat, 1 MiB blocks", {"cat | cat": 0.35}, {
                "padata": f"{PADATA} pipe --stats json --block 1M -- cat <{log} >/dev/null",
                "cat | cat": f"cat <{log} | cat >/dev/null"}, rounds),
            "parallel-pipe": lambda: compare("pipe -- cat, beside GNU parallel, a tenth", {"GNU parallel": 12}, {
                "padata": f"{PADATA} pipe --stats json --block 1M -- cat <{part} >/dev/null",
                "GNU parallel": f"parallel --will-cite --pipe -k --block 1M cat <{part} >/dev/null"}, 3),
            "sed": lambda: compare("pipe -- sed -E", {"sed": 1.7}, {
                "padata": f"{PADATA} pipe --stats json -a {log} -- {sed} >/dev/null",
                "sed": f"{sed} {log} >/dev/null"}, 3),
            "map": lambda: compare("map -- echo {}", {"xargs -P2 -n1": 1.0}, {
                "padata": f"{PADATA} map --stats json -- echo {{}} <{lines} >/dev/null",
                "xargs -P2 -n1": f"xargs -P2 -n1 echo <{lines} >/dev/null"}, rounds),
            "parallel-map": lambda: compare("map -- echo {}, beside GNU parallel, a tenth", {"GNU parallel": 8}, {
                "padata": f"{PADATA} map --stats json -- echo {{}} <{few} >/dev/null",
                "GNU parallel": f"parallel --will-cite -k echo {{}} <{few} >/dev/null"}, 3),
            "gzip": lambda: compare("gzip -6", {"pigz -p2 -6": 1.8}, {
                "padata": f"{PADATA} gzip --stats json -6 <{tar} >{work}/ours",
                "pigz -p2 -6": f"pigz -p2 -6 <{tar} >{work}/theirs"}, 3),
        }
        for name, comparison in comparisons.items():
            if not chosen or name in chosen:
                comparison()
        if not chosen or "gzip" in chosen:
            ours, theirs = (os.path.getsize(os.path.join(work, n)) for n in ("ours", "theirs"))
            print(f"    size           {100 * ours / theirs - 100:+.2f} % beside pigz (bar +1 %)")
    finally:
        shutil.rmtree(work)


main()
