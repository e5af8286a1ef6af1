#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""More than any gateway here can carry: memory stays flat, every drop is counted, and it answers at once afterwards."""
import time

import rig

OFFERED = 2000  # Mb/s
MEMORY = 64 << 20
BURST = 16  # datagrams to a system call, which the kernel's counters count as one


def overload():
    tunnel = rig.Tunnel()
    a, b = tunnel.gateways
    address = rig.INNER[4][1]
    rig.ping(tunnel.a, address)
    tunnel.settle()
    before = {"a": a.stats()["out"], "b": b.stats()["in"], "tun": tunnel.a.link("tun0")["stats64"]}
    stamps = rig.Stamps(tunnel.a, tunnel.b, address, rig.SECONDS, OFFERED, 1350, BURST)
    result = stamps.end()
    began = time.monotonic()
    rig.ping(tunnel.a, address, 1, patience=1)
    answered = time.monotonic() - began
    for gateway in (a, b):
        most = gateway.process.memory("VmHWM")
        rig.check(most < MEMORY, "%.1f MiB of memory in %s" % (most / 2**20, gateway.namespace.name))
    tunnel.settle()
    out, into, tun = a.stats()["out"], b.stats()["in"], tunnel.a.link("tun0")["stats64"]
    lost_in_sockets = tunnel.b.udp_errors()
    tunnel.end()

    def more(now, then):
        return {**{k: now[k] - then[k] for k in ("packets",)}, "drops": sum(now["drops"].values()) - sum(then["drops"].values())}
    out, into = more(out, before["a"]), more(into, before["b"])
    refused = BURST * (tun["tx"]["dropped"] - before["tun"]["tx"]["dropped"])
    told = "%s; a: %s; b: %s; dropped at the TUN device %d, by sockets of b %d" % (result, out, into, refused, lost_in_sockets)
    print("# %.0f Mb/s offered, %.1f %% arrived, answer after %.3f s: %s" % (
        result["bytes"] * 8e-6 / result["seconds"], 100 * result["received"] / result["sent"], answered, told))
    others = 12  # the ends of the numbered UDP, the ping
    missing = result["sent"] + others - refused - out["packets"] - out["drops"]
    rig.check(0 <= missing <= others, "%d packets into a are not accounted for: %s" % (missing, told))
    missing = out["packets"] - into["packets"] - into["drops"]
    rig.check(missing == 0 or lost_in_sockets > 0, "%d packets between a and b are not accounted for: %s" % (missing, told))
    missing = into["packets"] - result["received"] - result["overflow"]
    rig.check(0 <= missing <= others, "%d packets out of b are not accounted for: %s" % (missing, told))


rig.isolate()
rig.cases(overload)
