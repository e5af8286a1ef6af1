#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: what the machine can carry is its measure.
"""More than any gateway here can carry: memory stays flat, every drop is counted, keepalives and control go on, a ping is
answered at once afterwards."""
import os
import time

import rig

MEMORY = 64 << 20
BURST = 16  # datagrams to a system call, which the kernel's counters count as one
OTHERS = 12  # packets beside them: the ends of the numbered UDP, a ping
SLOW = os.path.join(rig.BUILD, "tests/gateway/slow-padata-esp")


def counted(tunnel):
    """What the kernel and the gateways have counted on the way from a to b."""
    a, b = (g.stats() for g in tunnel.gateways)
    b["in"]["drops"].pop("keepalive") # which a sends when it is quiet
    return {"refused": BURST * tunnel.a.link("tun0")["stats64"]["tx"]["dropped"],
            "a": a["out"]["packets"], "a's drops": sum(a["out"]["drops"].values()),
            "b": b["in"]["packets"], "b's drops": sum(b["in"]["drops"].values()), "sockets": tunnel.b.udp_errors()}


def ask_meanwhile(tunnel, stamps):
    """How often and how slowly both gateways answered while that is under way, and b's keepalives that a has received."""
    asked, slowest, a = 0, 0, tunnel.gateways[0]
    before = a.stats()["keepalives"]["received"]
    while stamps.sender.poll() is None:
        for gateway in tunnel.gateways:
            began = time.monotonic()
            now = gateway.stats()
            slowest = max(slowest, time.monotonic() - began)
            asked += 1
            if gateway is a:
                heard = now["keepalives"]["received"] - before
        time.sleep(0.1)
    rig.check(asked > 0, "it was over before anything could be asked")
    return asked, slowest, heard


def overload(mbit, esp):
    tunnel = rig.Tunnel(esp=esp, lines=["keepalive 1"])
    address = rig.INNER[4][1]
    rig.ping(tunnel.a, address)
    tunnel.settle()
    before = counted(tunnel)
    stamps = rig.Stamps(tunnel.a, tunnel.b, address, max(rig.SECONDS, 4), mbit, 1350, BURST)
    asked, slowest, heard = ask_meanwhile(tunnel, stamps)
    sent = stamps.end()
    began = time.monotonic()
    rig.ping(tunnel.a, address, 1, patience=1)
    answered = time.monotonic() - began
    most = max(g.process.memory("VmHWM") for g in tunnel.gateways)
    tunnel.settle()
    now = {what: value - before[what] for what, value in counted(tunnel).items()}
    tunnel.end()
    told = "%s of %s" % (now, sent)
    print("# asked %d times meanwhile, answers after %.3f s at most, %d keepalives" % (asked, slowest, heard))
    print("# %.0f Mb/s offered, %.1f %% arrived, answer after %.3f s, %.1f MiB of memory at most" % (
        sent["bytes"] * 8e-6 / sent["seconds"], 100 * sent["received"] / sent["sent"], answered, most / 2**20))
    rig.check(heard > 0, "no keepalive has come through meanwhile")
    rig.check(most < MEMORY, "%.1f MiB of memory" % (most / 2**20))
    missing = sent["sent"] + OTHERS - now["refused"] - now["a"] - now["a's drops"]
    rig.check(0 <= missing <= OTHERS, "%d packets into a are not accounted for: %s" % (missing, told))
    # What a socket's buffer has no room for is counted by the kernel in bursts of any length.
    missing = now["a"] - now["b"] - now["b's drops"]
    rig.check(missing == 0 or now["sockets"] > 0, "%d packets between a and b are not accounted for: %s" % (missing, told))
    missing = now["b"] - sent["received"] - sent["overflow"]
    rig.check(0 <= missing <= OTHERS, "%d packets out of b are not accounted for: %s" % (missing, told))
    return sent


def two_gigabits():
    overload(2000, rig.ESP)


def slow_workers():
    """All that queues is full: the workers dawdle."""
    sent = overload(0, SLOW)
    rig.check(sent["lost"] > sent["sent"] / 10, "that was no overload: %s" % sent)


rig.isolate()
rig.cases(two_gigabits, slow_workers)
