# SPDX-License-Identifier: MIT
"""The plot of throughput: what an item costs beyond the limit, for ours and for each peer."""

import json
import os
import shutil
import subprocess

# Ours first and strongest; colours that people with a colour-vision deficiency can tell apart.
STYLES = [("#0072b2", 7), ("#d55e00", 5), ("#009e73", 9), ("#cc79a7", 11), ("#e69f00", 13), ("#56b4e9", 15)]


def label(work):
    return f"{work // 1000} µs" if work >= 1000 else f"{work} ns"


def throughput(results):
    path = os.path.join(results, "throughput.json")
    if not os.path.exists(path):
        return
    if not shutil.which("gnuplot"):
        print("bench: no plot: gnuplot is not installed")
        return
    with open(path, encoding="utf-8") as file:
        entries = json.load(file)["results"]
    peers = [name for name in entries[0]["against"] if name not in ("limit", "plain")]
    names = ["padata", *peers]
    rows = []
    for entry in entries:
        limit = entry["against"]["limit"]["wall"]["theirs"]
        walls = [entry["wall"]] + [entry["against"][name]["wall"]["theirs"] for name in peers]
        rows.append((entry["work"], limit, entry["against"]["plain"]["wall"]["theirs"], walls))
    svg = os.path.join(results, "throughput.svg")
    script = ["set terminal svg size 1000,420 font 'sans-serif,13' background '#ffffff'",
              f"set output '{svg}'", "set multiplot layout 1,2", "set border 3 lc '#555555'", "set tics nomirror",
              "set grid ytics lc '#dddddd' lt 1"]
    script += bars_of_no_work(rows, names) + lines_over_limit(rows, names) + ["unset multiplot"]
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)
    print(f"\nPlot: {os.path.relpath(svg)}")


def bars_of_no_work(rows, names):
    none = next((row for row in rows if row[0] == 0), None)
    if not none:
        return []
    lines = ["set title 'no work: ns an item'", "set style fill solid", "set boxwidth 0.7", "unset key", "$none << END"]
    lines += [f'{i} {wall:.1f} "{name}"' for i, (name, wall) in enumerate(zip(names, none[3]))]
    lines += ["END", f"set xrange [-0.6:{len(names) - 0.4}]", "set yrange [0:*]", "set xtics rotate by -35"]
    parts = [f"$none every ::{i}::{i} using 1:2:xtic(3) with boxes lc '{STYLES[i][0]}'" for i in range(len(names))]
    parts.append("$none using 1:2:(sprintf('%.0f', $2)) with labels offset 0,0.6")
    return lines + ["plot " + ", ".join(parts)]


def lines_over_limit(rows, names):
    rows = [row for row in rows if row[0]]
    lines = ["set title 'time an item, through that of two unordered threads'", "$work << END"]
    for i, (work, limit, plain, walls) in enumerate(rows):
        lines.append(f'{i} "{label(work)}" ' + " ".join(f"{wall / limit:.4f}" for wall in [plain, *walls]))
    lines += ["END", "set xtics norotate", f"set xrange [-0.2:{len(rows) - 0.8}]", "set logscale y", "set yrange [0.9:*]",
              "set ytics (1, 1.2, 1.5, 2, 3, 5, 8, 12, 16)", "set key top right", "set xlabel 'work in an item'"]
    parts = ["$work using 1:3:xtic(2) with lines dt 2 lw 1.5 lc '#999999' title 'one plain thread'"]
    for i, name in reversed(list(enumerate(names))):
        colour, point = STYLES[i]
        parts.append(f"$work using 1:{4 + i} with linespoints lw {3 if i == 0 else 1.5} pt {point} ps 0.7 "
                     f"lc '{colour}' title '{name}'")
    return lines + ["plot " + ", ".join(parts)]
