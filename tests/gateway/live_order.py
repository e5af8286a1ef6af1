#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""Workers delayed at random: nothing comes out of the tunnel out of order, and numbers on the wire strictly rise."""
import os

import rig

SLOW = os.path.join(rig.BUILD, "tests/gateway/slow-padata-esp")


def ordered(algo, esn, mbit, burst):
    os.environ["PADATA_GATEWAY_SEED"] = str(rig.SEED)
    print("# seed %d" % rig.SEED)
    tunnel = rig.Tunnel(algo=algo, esn=esn, proxy=[], esp=SLOW)
    stamps = [rig.Stamps(tunnel.a, tunnel.b, rig.INNER[4][1], rig.SECONDS, mbit, 1200, burst, 4),
              rig.Stamps(tunnel.b, tunnel.a, rig.INNER[6][0], rig.SECONDS, mbit / 4, 600, 1, 4)]
    results = [s.end() for s in stamps]
    tunnel.settle()
    dropped = [g.dropped("in") for g in tunnel.gateways]
    for index, (way, result) in enumerate(zip(tunnel.end(), results)):
        name = "a to b" if index == 0 else "b to a"
        print("# %s: %d of %d packets arrived" % (name, result["received"], result["sent"]))
        rig.check(result["received"] > 1000, "%s: only %s" % (name, result))
        rig.equal(result["out_of_order"], 0, "%s: out of order of %d" % (name, result["received"]))
        rig.equal(result["duplicates"], 0, "%s: duplicates of %d" % (name, result["received"]))
        rig.equal(way["not_rising"], 0, "%s: numbers that did not rise, of %d on the wire" % (name, way["esp"]))
        # At full rate the kernel has to drop some; nothing else may.
        dropped[1 - index].pop("kernel_udp", None)
        rig.equal(dropped[1 - index], {}, "%s: drops of the receiver" % name)


def single_packets():
    ordered("aes128-gcm", False, 150, 1)


def bursts_at_full_rate():
    ordered("chacha20-poly1305", True, 0, 32)


rig.isolate()
rig.cases(single_packets, bursts_at_full_rate)
