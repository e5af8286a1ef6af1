#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""New keys, and other CPUs, under load: no packet is lost, none overtakes another."""
import signal
import time

import rig

CALM = 200  # Mb/s


def rekey(tunnel, number):
    """A new pair: what receives first, then what sends; then the old pair goes, after a second for what is under way."""
    a, b = tunnel.gateways
    old = rig.spis(tunnel.sas)
    tunnel.sas = rig.new_sas(tunnel.outer, tunnel.algo, tunnel.esn)
    to_b, to_a = (rig.keep("rekey%d" % i, text) for i, text in enumerate(rig.each(tunnel.sas)))
    for file, receiver, sender in ((to_b, b, a), (to_a, a, b)):
        receiver.ctl("sa", "add", file)
        sender.ctl("sa", "add", file)
    for spi, receiver, sender, dst in ((old[0], b, a, 1), (old[1], a, b, 0)):
        dst = rig.OUTER[tunnel.outer][dst]
        sender.ctl("sa", "del", "dst", dst, "spi", "0x%08x" % spi)
        receiver.ctl("sa", "del", "dst", dst, "spi", "0x%08x" % spi, "after", 1)


def under_load(tunnel, period, change):
    """Numbered UDP both ways while `change` is called every `period` seconds, five times at least."""
    stamps = [rig.Stamps(tunnel.a, tunnel.b, rig.INNER[4][1], 600, CALM, 1200, 4),
              rig.Stamps(tunnel.b, tunnel.a, rig.INNER[6][0], 600, CALM / 4, 300)]
    number, due = 0, time.monotonic()
    end = due + rig.SECONDS
    while due < end or number < 5:
        change(tunnel, number)
        number += 1
        due = max(due + period, time.monotonic())
        time.sleep(max(0, due - time.monotonic()))
    for s in stamps:
        s.perfect(signal.SIGTERM)


def rekeys():
    tunnel = rig.Tunnel(proxy=[], esn=True)
    under_load(tunnel, min(1, rig.SECONDS / 8), rekey)
    for way in tunnel.end():
        rig.equal(way["not_rising"], 0, "sequence numbers on the wire that did not rise")


def rekey_cbc():
    tunnel = rig.Tunnel(algo="aes256-cbc-sha256", outer=6)
    under_load(tunnel, min(1, rig.SECONDS / 4), rekey)
    tunnel.end()


def flip(tunnel, number):
    for gateway in tunnel.gateways:
        gateway.ctl("cpus", ("0", "0-1", "1", "0-1")[number % 4])


def mask_flips():
    if rig.cpus() < 2:
        raise rig.Skip("there is only one CPU")
    tunnel = rig.Tunnel(proxy=[])
    under_load(tunnel, .1, flip)
    for way in tunnel.end():
        rig.equal(way["not_rising"], 0, "sequence numbers on the wire that did not rise")


rig.isolate()
rig.cases(rekeys, rekey_cbc, mask_flips)
