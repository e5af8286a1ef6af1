# SPDX-License-Identifier: MIT
"""The plots: what an item costs beyond the limit, for ours and for each peer, and what more workers add."""

import json
import os
import shutil
import subprocess

# Ours first and strongest; colours that people with a colour-vision deficiency can tell apart.
STYLES = [("#0072b2", 7), ("#6aa9d2", 6), ("#9fc5e0", 4), ("#d55e00", 5), ("#009e73", 9), ("#cc79a7", 11), ("#e69f00", 13),
          ("#999933", 15)]


def label(work):
    return f"{work // 1000} µs" if work >= 1000 else f"{work} ns"


def draw(results, question, size, script_of):
    """Draw one question's plot, if there are results and there is gnuplot."""
    path = os.path.join(results, question + ".json")
    if not os.path.exists(path):
        return
    if not shutil.which("gnuplot"):
        print(f"bench: no plot of {question}: gnuplot is not installed")
        return
    with open(path, encoding="utf-8") as file:
        entries = json.load(file)["results"]
    svg = os.path.join(results, question + ".svg")
    script = [f"set terminal svg size {size} font 'sans-serif,13' background '#ffffff'", f"set output '{svg}'",
              "set border 3 lc '#555555'", "set tics nomirror", "set grid ytics lc '#dddddd' lt 1", *script_of(entries)]
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)
    print(f"Plot: {os.path.relpath(svg)}")


def throughput(entries):
    peers = [name for name in entries[0]["against"] if name not in ("limit", "order", "plain")]
    names = ["padata", *peers]
    rows = []
    for entry in entries:
        against = {name: result["wall"] for name, result in entry["against"].items()}
        ours = against["limit"]["ratio"]
        # By the ratios of the pairs, which a machine that is slow for a while leaves as they are.
        over = {name: ours / against[name]["ratio"] for name in ["plain", *peers]}
        rows.append((entry["work"], over.pop("plain"), [ours, *over.values()],
                     [entry["wall"]] + [against[name]["theirs"] for name in peers]))
    return ["set multiplot layout 1,2", *bars_of_no_work(rows, names), *lines_over_limit(rows, names),
            "unset multiplot"]


def bars_of_no_work(rows, names):
    none = next((row for row in rows if row[0] == 0), None)
    if not none:
        return []
    lines = ["set title 'No work: ns an item'", "set style fill solid", "set boxwidth 0.7", "unset key", "$none << END"]
    lines += [f'{i} {wall:.1f} "{name}"' for i, (name, wall) in enumerate(zip(names, none[3]))]
    lines += ["END", f"set xrange [-0.6:{len(names) - 0.4}]", "set yrange [0:*]", "set xtics rotate by -35"]
    parts = [f"$none every ::{i}::{i} using 1:2:xtic(3) with boxes lc '{STYLES[i][0]}'" for i in range(len(names))]
    parts.append("$none using 1:2:(sprintf('%.0f', $2)) with labels offset 0,0.6")
    return lines + ["plot " + ", ".join(parts)]


def lines_over_limit(rows, names):
    rows = [row for row in rows if row[0]]
    lines = ["set title 'Time an item, as a multiple of two unordered threads’ (the limit)'", "$work << END"]
    for i, (work, plain, over, _) in enumerate(rows):
        lines.append(f'{i} "{label(work)}" ' + " ".join(f"{figure:.4f}" for figure in [plain, *over]))
    lines += ["END", "set xtics norotate", f"set xrange [-0.2:{len(rows) - 0.8}]", "set logscale y",
              f"set yrange [0.9:{1.2 * max(figure for row in rows for figure in [row[1], *row[2]]):.3f}]",
              "set ytics (1, 1.2, 1.5, 2, 3, 5, 8, 12, 20)", "set key top right invert", "set xlabel 'work in an item'"]
    parts = ["$work using 1:3:xtic(2) with lines dt 2 lw 1.5 lc '#999999' title 'one plain thread'"]
    for i, name in reversed(list(enumerate(names))):
        colour, point = STYLES[i]
        parts.append(f"$work using 1:{4 + i} with linespoints lw {3 if i == 0 else 1.5} pt {point} ps 0.7 "
                     f"lc '{colour}' title '{name}'")
    return lines + ["plot " + ", ".join(parts)]


def scale(entries):
    rows = [f"{i} {entry['workers']} {entry['added']:.0f} {entry['no_sleep']:.0f}" for i, entry in enumerate(entries)]
    return ["set title 'CPU ns that padata adds to an item'", "$rows << END", *rows, "END", "set xlabel 'workers'",
            "set yrange [0:*]", f"set xrange [-0.2:{len(rows) - 0.8}]", "set key top left invert",
            f"plot $rows using 1:4 with linespoints lw 2 pt 5 ps 0.7 lc '{STYLES[1][0]}' title 'no work', "
            f"$rows using 1:3:xtic(2) with linespoints lw 3 pt 7 ps 0.7 lc '{STYLES[0][0]}' "
            "title 'work is a sleep, all together at one rate'"]


def all_plots(results):
    print()
    draw(results, "throughput", "1000,420", throughput)
    draw(results, "scale", "640,400", scale)
