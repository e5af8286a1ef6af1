#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""The gateway and strongSwan's user-space ESP, keys agreed upon by IKE: TCP both ways, every algorithm that both have."""
import os

import charon
import rig

SIZE = int(os.environ.get("PADATA_GATEWAY_MEGABYTES", "100")) * 1000000


def speaks(algo):
    a, b = rig.Namespace("a"), rig.Namespace("b")
    rig.join(a, rig.OUTER_PREFIXES[0], b, rig.OUTER_PREFIXES[1])
    ours, theirs = [charon.Charon(n, i, charon.PROPOSALS[algo], esp) for n, i, esp in ((a, 0, False), (b, 1, True))]
    ours.initiate()
    charon.redirect(a)
    a.ip("addr", "flush", "dev", "lo", "to", rig.INNER[4][0])
    gateway = rig.Gateway(a, 0, ours.sas(algo), port=4501)
    rig.ping(a, rig.INNER[4][1])
    for source, sink, address in ((a, b, rig.INNER[4][1]), (b, a, rig.INNER[4][0])):
        rig.transfer(source, sink, address, SIZE)
    drops = {way: gateway.dropped(way) for way in ("out", "in")}
    rig.equal(drops, {"out": {}, "in": {}}, "drops")
    gateway.end()
    ours.end()
    theirs.end()


def case(algo):
    def function():
        speaks(algo)
    function.__name__ = algo.replace("-", "_")
    return function


rig.isolate("swanctl", "nft")
if not os.path.exists(charon.CHARON):
    rig.skip_all("charon is not installed: " + " ".join(charon.PACKAGES))
rig.cases(*[case(algo) for algo in charon.PROPOSALS])
