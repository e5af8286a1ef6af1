# SPDX-License-Identifier: MIT
"""Running the programs: in pairs, undisturbed where that can be had, and checked against each other."""

import json
import os
import statistics
import subprocess
import sys
import time


class Bench:
    """Where the programs are, how long to run them, and what they have said so far."""

    def __init__(self, directory, seconds, rounds, retries, patience):
        self.directory = directory
        self.seconds = seconds
        self.rounds = rounds
        self.retries = retries
        self.patience = patience  # seconds for waiting and repeating, in all
        self.cpus = os.cpu_count()
        self.quiet_cpus = self.cpus  # those that are idle when nobody disturbs
        self.sums = {}
        # One calibration for all runs of a session: its error is then in every program alike.
        self.per_us = max(self._start("plain", {"items": 1})["per_us"] for _ in range(3))

    def has(self, program):
        return os.access(os.path.join(self.directory, program), os.X_OK)

    def _start(self, program, options):
        command = [os.path.join(self.directory, program)]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            sys.exit("bench: hangs: " + " ".join(command))
        if done.returncode:
            sys.exit(f"bench: exit status {done.returncode}: {' '.join(command)}\n{done.stderr}")
        return json.loads(done.stdout)

    def items(self, work):
        """So many that the fastest program runs for about self.seconds, and the slowest not for long."""
        return max(200, min(int(self.seconds * 1e9 / (work / 2 + 30)), 4000000))

    def run(self, program, aside=None, **options):
        """One run; 'disturbed' is the part of the machine that others used, 0 where it is within bounds.

        aside() tells how many seconds of CPU were used on purpose, beside the program."""
        before = aside() if aside else 0
        result = self._start(program, {"per_us": self.per_us, **options})
        foreign = result["foreign_seconds"] - ((aside() - before) if aside else 0)
        capacity = result["seconds"] * self.cpus
        # Below two ticks of the kernel's clock nothing is known.
        result["foreign"] = foreign / capacity
        result["disturbed"] = foreign / capacity if foreign > max(0.02 * capacity, 2.1 * result["resolution"]) else 0
        self._check(result)
        return result

    def _check(self, result):
        """All programs do the same work on the same items, so their checksums are the same."""
        key = (result["work"], result["items"], result["per_us"])
        if self.sums.setdefault(key, result["sum"]) != result["sum"]:
            sys.exit(f"bench: {result['program']} has another checksum than the programs before it: {key}")

    def pair(self, first, second):
        """Both, one right after the other, again while either is disturbed; the least disturbed pair counts."""
        best = None
        for attempt in range(1 + self.retries):
            begun = time.monotonic()
            if attempt:
                self._wait_for_quiet(begun + min(10, self.patience))
            pair = first(), second()
            if attempt:
                self.patience -= time.monotonic() - begun
            worst = max(run["disturbed"] for run in pair)
            if best is None or worst < best[0]:
                best = worst, pair
            if not worst or self.patience <= 0:
                break
        return best[1]

    def _wait_for_quiet(self, until):
        """Until the machine has been idle for a fifth of a second, or for as long as patience lasts."""
        while time.monotonic() < until:
            before = idle_ticks()
            time.sleep(0.2)
            if idle_ticks() - before >= 0.95 * 0.2 * self.quiet_cpus * os.sysconf("SC_CLK_TCK"):
                return

    def one(self, run):
        """The same for a run that is compared with none."""
        return self.pair(run, lambda: {"disturbed": 0})[0]


def idle_ticks():
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[4])


def median(runs, field):
    return statistics.median(run[field] for run in runs)


def compare(pairs, fields=("wall", "cpu")):
    """Medians of each side, and of the ratios of each pair with their extremes."""
    result = {"disturbed": sum(1 for pair in pairs if any(run["disturbed"] for run in pair)), "pairs": len(pairs)}
    for field in fields:
        ratios = [a[field] / b[field] for a, b in pairs if b[field]]
        result[field] = {
            "ours": median([a for a, _ in pairs], field),
            "theirs": median([b for _, b in pairs], field),
            "ratio": statistics.median(ratios) if ratios else None,
            "least": min(ratios, default=None),
            "most": max(ratios, default=None),
        }
    return result
