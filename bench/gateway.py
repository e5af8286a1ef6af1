#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""How fast a tunnel is: TCP and UDP pair to pair through padata-esp gateway, through strongSwan's user-space ESP, and bare.

One job: namespaces joined by veth, iperf3 in both, gateways and iperf3 on the same CPUs. The contenders run by turns, so
that what else the machine does meets them all, and medians count. Figures go to gateway.json and gateway.svg in the build
directory's folder bench; those of algorithms that are not run this time stay there.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/gateway"))
import charon
import rig

RESULTS = os.path.join(rig.BUILD, "bench")
UDP_MBIT = 600
TO = rig.INNER[4][1]
ARGUMENTS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ARGUMENTS.add_argument("--seconds", type=float, default=3, help="of each run")
ARGUMENTS.add_argument("--rounds", type=int, default=5, help="how often each contender runs")
ARGUMENTS.add_argument("algorithms", nargs="*", help="of " + ", ".join(rig.ALGORITHMS))


def iperf3(a, b, address, *options):
    """TCP."""
    server = b.start("iperf3", "--server", "--one-off", "--json", "--bind", address)
    rig.until(lambda: b.listens(5201), "iperf3's server")
    result = json.loads(a.run("iperf3", "--client", address, "--json", *options, patience=OPTIONS.seconds + rig.PATIENCE))
    server.end()
    return result["end"]


class Padata:
    """`cpus`: how many encrypt and decrypt."""

    def __init__(self, algo, cpus):
        self.tunnel = rig.Tunnel(algo=algo, lines=["cpus " + ("0" if cpus == 1 else "0-%d" % (cpus - 1))])
        self.a, self.b, self.to = self.tunnel.a, self.tunnel.b, TO

    def processes(self):
        return [g.process for g in self.tunnel.gateways]

    def end(self):
        self.tunnel.end()


class StrongSwan:
    def __init__(self, algo):
        self.a, self.b, self.to = rig.Namespace("a"), rig.Namespace("b"), TO
        rig.join(self.a, rig.OUTER_PREFIXES[0], self.b, rig.OUTER_PREFIXES[1])
        self.charons = [charon.Charon(n, i, charon.PROPOSALS[algo], True) for i, n in enumerate((self.a, self.b))]
        self.charons[0].initiate()

    def processes(self):
        return [c.process for c in self.charons]

    def end(self):
        for c in self.charons:
            c.end()


class Bare:
    def __init__(self):
        self.a, self.b, self.to = rig.Namespace("a"), rig.Namespace("b"), rig.OUTER[4][1]
        rig.join(self.a, rig.OUTER_PREFIXES[0], self.b, rig.OUTER_PREFIXES[1])

    def processes(self):
        return []

    def end(self):
        pass


def measure(make):
    """One tunnel: TCP, then UDP."""
    contender = make()
    rig.ping(contender.a, contender.to)
    before = sum(p.cpu_seconds() for p in contender.processes())
    tcp = iperf3(contender.a, contender.b, contender.to, "--time", OPTIONS.seconds)
    used = sum(p.cpu_seconds() for p in contender.processes()) - before
    udp = rig.Stamps(contender.a, contender.b, contender.to, OPTIONS.seconds, UDP_MBIT, 1300).end()
    contender.end()
    for process in list(rig.Process.alive):
        process.kill()
    rig.Namespace.remove_all()
    received = tcp["sum_received"]
    return {"gbit": received["bits_per_second"] / 1e9, "cpu_s_per_gb": used / (received["bytes"] / 1e9),
            "udp_mbit": udp["bytes"] * 8e-6 / udp["seconds"], "udp_lost_percent": 100 * udp["lost"] / udp["sent"],
            "udp_out_of_order": udp["out_of_order"]}


def openssl_seconds(algo):
    """CPU seconds for a gigabyte of packets of 1400 bytes, once: a tunnel needs them at both ends."""
    parts = {"aes128-gcm": ["aes-128-gcm"], "aes256-gcm": ["aes-256-gcm"], "chacha20-poly1305": ["chacha20-poly1305"],
             "aes128-cbc-sha256": ["aes-128-cbc", None], "aes256-cbc-sha256": ["aes-256-cbc", None], "null-sha256": [None]}
    total = 0
    for cipher in parts[algo]:
        what = ["-evp", cipher] if cipher else ["-hmac", "sha256"]
        out = subprocess.run(["openssl", "speed"] + what + ["-bytes", "1400", "-seconds", "1", "-mr"], capture_output=True,
                             text=True, check=True).stdout
        total += 1e9 / float(out.strip().rsplit(":", 1)[1])
    return total


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    return {"cpu": model, "cpus": rig.cpus(), "kernel": os.uname().release}


def median(runs, what):
    return statistics.median(run[what] for run in runs)


def table(results):
    print("%-18s %-16s %10s %16s %12s" % ("", "", "TCP Gb/s", "CPU s a gigabyte", "UDP lost"))
    for row in results["rows"]:
        runs = row["runs"]
        print("%-18s %-16s %10.2f %16s %10.2f %%" % (
            row["algorithm"], row["name"], median(runs, "gbit"),
            "%.2f" % median(runs, "cpu_s_per_gb") if row["algorithm"] != "none" else "", median(runs, "udp_lost_percent")))
    for algo, seconds in results["openssl_s_per_gb"].items():
        print("%-18s openssl speed, both ends: %.2f CPU s a gigabyte" % (algo, 2 * seconds))
    for algo in results["openssl_s_per_gb"]:
        ours = {row["name"]: median(row["runs"], "gbit") for row in results["rows"] if row["algorithm"] == algo}
        one, two, theirs = (ours.get(name) for name in ("padata, 1 CPU", "padata, 2 CPUs", "strongSwan"))
        says = (["%.1f times strongSwan (aim: 10)" % (max(one, two or 0) / theirs)] if theirs else []) + (
            ["two CPUs %.2f times one" % (two / one)] if two else [])
        print("%-18s %s" % (algo, ", ".join(says)))
    print("UDP: %d Mb/s offered in datagrams of 1300 bytes. CPU: both gateways." % UDP_MBIT)


def plot(results, path):
    """Bars of the medians for each algorithm."""
    if not shutil.which("gnuplot"):
        print("no picture: gnuplot is not installed")
        return
    algorithms = [row["algorithm"] for row in results["rows"] if row["name"] == "padata, 1 CPU"]
    names = ["strongSwan", "padata, 1 CPU", "padata, 2 CPUs"]
    values = {(row["algorithm"], row["name"]): median(row["runs"], "gbit") for row in results["rows"]}
    bare = values["none", "bare veth"]
    lines = ["$data << END"]
    for algo in algorithms:
        lines.append('"%s" %s' % ("\\n".join(algo.rsplit("-", 1)), " ".join("%.3f" % values[algo, n] if (algo, n) in values else "NaN" for n in names)))
    lines += ["END", "set terminal svg size 960,420 font 'sans-serif,13' background '#ffffff'", "set output '%s'" % path,
              "set border 3 lc '#555555'", "set tics nomirror", "set grid ytics lc '#dddddd' lt 1", "set style data histograms",
              "set style histogram clustered gap 1", "set style fill solid", "set yrange [0:*]", "set ylabel 'Gb/s'",
              "set key outside right top", "set bmargin 3.5", "set title 'One TCP stream through a tunnel, two CPUs in all; without a tunnel %.1f Gb/s'" % bare]
    colours = ["#d55e00", "#6aa9d2", "#0072b2"]
    lines.append("plot " + ", ".join("$data using %d:xtic(1) lc '%s' title '%s'" % (i + 2, colours[i], n)
                                     for i, n in enumerate(names)))
    subprocess.run(["gnuplot"], input="\n".join(lines), text=True, check=True)
    print("Plot: " + os.path.relpath(path))


def main():
    algorithms = OPTIONS.algorithms or rig.ALGORITHMS
    contenders = [("none", "bare veth", Bare)]
    for algo in algorithms:
        if algo in charon.PROPOSALS and os.path.exists(charon.CHARON):
            contenders.append((algo, "strongSwan", lambda algo=algo: StrongSwan(algo)))
        for cpus in range(1, min(rig.cpus(), 2) + 1):
            contenders.append((algo, "padata, %d CPU%s" % (cpus, "s"[:cpus - 1]), lambda algo=algo, cpus=cpus: Padata(algo, cpus)))
    rows = [{"algorithm": algo, "name": name, "runs": []} for algo, name, _ in contenders]
    for _ in range(OPTIONS.rounds):
        for row, (_, _, make) in zip(rows, contenders):
            row["runs"].append(measure(make))
    os.makedirs(RESULTS, exist_ok=True)
    path = os.path.join(RESULTS, "gateway.json")
    results = {"machine": machine(), "seconds": OPTIONS.seconds, "rows": rows,
               "openssl_s_per_gb": {algo: openssl_seconds(algo) for algo in algorithms}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            before = json.load(f)
        results["rows"] = rows[:1] + sorted(
            rows[1:] + [row for row in before["rows"][1:] if row["algorithm"] not in algorithms],
            key=lambda row: rig.ALGORITHMS.index(row["algorithm"]))
        results["openssl_s_per_gb"] = {**before["openssl_s_per_gb"], **results["openssl_s_per_gb"]}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    table(results)
    plot(results, os.path.join(RESULTS, "gateway.svg"))


OPTIONS = ARGUMENTS.parse_args()
rig.isolate("iperf3", "openssl")
main()
