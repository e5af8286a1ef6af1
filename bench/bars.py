# SPDX-License-Identifier: MIT
"""The bars that the library is to reach, and whether the results reach them."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
NO_PEERS = ("limit", "order", "plain", "padata-1", "padata-32")
TO_LIMIT = {300: 1.15, 1000: 1.04, 3000: 1.02, 10000: 1.02, 100000: 1.02}


def load(results, question):
    try:
        with open(os.path.join(results, question + ".json"), encoding="utf-8") as file:
            return json.load(file)["results"]
    except FileNotFoundError:
        return []


class Table:
    def __init__(self):
        self.lines = []

    def add(self, bar, reached, figures, *measured):
        """measured: the results behind it; a verdict on runs of which most were disturbed is none."""
        verdict = {True: "reached", False: "SHORT", None: "not measured"}[reached]
        if any(result["disturbed"] * 2 > result["pairs"] for result in measured):
            verdict += " ~"
        self.lines.append((bar, verdict, figures))

    def show(self):
        width = max(len(bar) for bar, _, _ in self.lines)
        print("\nBars")
        for bar, verdict, figures in self.lines:
            print(f"  {bar:<{width}}  {verdict:<14}  {figures}")


def others_ratios(entry):
    """Ours through each peer that was measured elsewhere, scaled by the one-thread row of both runs."""
    with open(os.path.join(HERE, "peers", "others.json"), encoding="utf-8") as file:
        others = json.load(file)
    at = others["work"].index(entry["work"])
    # With no work the one-thread row is a nanosecond or two, too little to scale by.
    scale = entry["against"]["plain"]["wall"]["theirs"] / others["plain"][at] if entry["work"] else 1
    return {name: entry["wall"] / (row[at] * scale) for name, row in others["peers"].items()}


def peers_bar(table, entry):
    """Faster than every peer, but chunked OpenMP where there is no work."""
    ratios = {name: against["wall"]["ratio"] for name, against in entry["against"].items()
              if name not in NO_PEERS and (entry["work"] or name != "openmp-16")}
    if not ratios:
        table.add(f"W={entry['work']}: faster than every peer", None, "bench/run --peers")
        return
    ratios.update(others_ratios(entry))
    name, worst = max(ratios.items(), key=lambda item: item[1])
    table.add(f"W={entry['work']}: faster than every peer", worst < 1, f"{worst:.2f} of {name}, the nearest",
              *(against for against in entry["against"].values()))


def ratio_bar(table, entry, bar, against, field="wall"):
    figure = entry["against"][against][field]
    what = "" if field == "wall" else "CPU "
    table.add(f"W={entry['work']}: {what}at most {bar} of {'one plain thread' if against == 'plain' else 'the ' + against}",
              figure["ratio"] <= bar,
              f"{figure['ratio']:.3f} ({figure['least']:.3f} to {figure['most']:.3f}; "
              f"{figure['ours']:.1f} against {figure['theirs']:.1f} ns)", entry["against"][against])


def throughput(table, results):
    for entry in load(results, "throughput"):
        work, against = entry["work"], entry["against"]
        if work == 0:
            plain = against["plain"]["wall"]["theirs"]
            table.add("W=0: at most 30 ns", entry["wall"] <= 30, f"{entry['wall']:.1f} ns (one plain thread {plain:.1f})",
                      against["plain"])
            for name, how in [("padata-1", "submitted one by one"), ("padata-32", "submitted in batches of 32")]:
                submitted = against[name]
                table.add(f"W=0, {how}: at most 30 ns", submitted["wall"]["theirs"] <= 30,
                          f"{submitted['wall']['theirs']:.1f} ns", submitted)
        elif work == 100:
            ratio_bar(table, entry, 0.8, "plain")
        elif work in TO_LIMIT:
            ratio_bar(table, entry, TO_LIMIT[work], "limit")
        if work <= 1000:
            peers_bar(table, entry)
    for entry in load(results, "throughput"):
        if entry["work"] >= 1000:
            ratio_bar(table, entry, 1.08, "limit", "cpu")
    for entry in load(results, "throughput"):
        if "tbb" in entry["against"]:
            figure = entry["against"]["tbb"]["cpu"]
            table.add(f"W={entry['work']}: CPU less than oneTBB's", figure["ratio"] < 1,
                      f"{figure['ratio']:.2f} ({figure['ours']:.1f} against {figure['theirs']:.1f} ns)",
                      entry["against"]["tbb"])


def latency(table, results):
    entries = load(results, "latency")
    for glib in (entry for entry in entries if entry["library"] == "glib"):
        for ours in entries:
            if not ours["library"].startswith("padata") or (ours["gap"], ours["producer"]) != (glib["gap"], glib["producer"]):
                continue
            setting = f"{ours['producer']}, {ours['gap'] // 1000} us, {ours['library'].partition(' ')[2]}"
            table.add(f"latency, {setting}: p50 at most 60 % of GLib's", ours["p50"] <= 0.6 * glib["p50"],
                      f"{ours['p50'] / glib['p50']:.2f} ({ours['p50']:.1f} against {glib['p50']:.1f} us)", ours, glib)
            table.add(f"latency, {setting}: p99 no worse, no more CPU",
                      ours["p99"] <= glib["p99"] and ours["cores"] <= glib["cores"],
                      f"p99 {ours['p99']:.0f} against {glib['p99']:.0f} us, "
                      f"{ours['cores']:.3f} against {glib['cores']:.3f} cores", ours, glib)
    for entry in load(results, "idle"):
        if entry["library"] == "padata":
            table.add("idle: eight instances, under 1 ms of CPU a minute", entry["cpu_ms_a_minute"] < 1,
                      f"{entry['cpu_ms_a_minute']:.3f} ms")


def taken(table, results):
    for entry in load(results, "taken"):
        if entry["against"] == "tbb":
            wall = entry["wall"]
            table.add(f"one core taken, W={entry['work']}, cb {entry['cb']}: no slower than oneTBB", wall["ratio"] <= 1,
                      f"{wall['ratio']:.3f} ({wall['ours']:.1f} against {wall['theirs']:.1f} ns)", entry)


def growth(table, results):
    entries = load(results, "growth")
    for what in dict.fromkeys(entry["what"] for entry in entries):
        series = [entry for entry in entries if entry["what"] == what and entry["work"]]
        worst = max(series, key=lambda entry: entry["cpu"]["ratio"])
        table.add(f"growth of {what}, W={worst['work']}: CPU an item flat within 10 %", worst["cpu"]["ratio"] <= 1.1,
                  f"at most {worst['cpu']['ratio']:.2f} of the usual, at {worst['value']}", worst)


def scale(table, results):
    entries = load(results, "scale")
    if not entries:
        return
    first, last = entries[min(1, len(entries) - 1)], entries[-1]
    # What a system call more or less costs is no step.
    table.add(f"scaling: {last['workers']} workers add no more than {first['workers']}",
              last["added"] <= 1.5 * first["added"] + 500 and last["no_sleep"] <= 1.25 * first["no_sleep"],
              f"{first['added']:.0f} to {last['added']:.0f} ns with sleeping work, "
              f"{first['no_sleep']:.0f} to {last['no_sleep']:.0f} ns with none", first, last)


def esp(table, results):
    for entry in load(results, "esp"):
        if "to_bound" in entry:
            table.add("ESP tool, 1 GB: within 15 % of the larger of cat and crypto", entry["to_bound"] <= 1.15,
                      f"{entry['to_bound']:.2f} ({entry['tool']:.2f} s; cat {entry['cat']:.2f}, crypto {entry['crypto']:.2f})")
            continue
        what, bar = f"ESP {entry['algorithm']}, {entry['backend']}", 1.75 if "gcm" in entry["algorithm"] else 1.85
        table.add(f"{what}: all CPUs at least {bar} times one", entry["all_to_one"] >= bar,
                  f"{entry['all_to_one']:.3f} ({entry['all_cpus_mb_s']:.0f} against {entry['one_cpu_mb_s']:.0f} MB/s)")
        table.add(f"{what}: one CPU within 5 % of a plain loop", entry["one_to_plain"] >= 0.95,
                  f"{entry['one_to_plain']:.3f}")


def judge(results):
    table = Table()
    for question in (throughput, latency, taken, growth, scale, esp):
        question(table, results)
    table.show()
