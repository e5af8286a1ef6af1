#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""A peer behind a NAT: followed to a new port once it has proved to be there, and by nothing less; keepalives."""
import json
import sys

import rig

TO = rig.INNER[4][1]
BACK = rig.INNER[4][0]
# Datagrams from a port that is not the peer's: with an SPI that exists, and as if authenticated; or replayed, byte for byte.
FORGE = """
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7777))
for number in range(200):
    s.sendto(bytes.fromhex(sys.argv[3]) + (1000000 + number).to_bytes(4, "big") + os.urandom(104), (sys.argv[2], 4500))
"""


def peer_of(gateway, way):
    return next(sa["peer"] for sa in gateway.ctl("sa", "list") if sa["dir"] == way)


def follows_a_new_port():
    tunnel = rig.Tunnel(proxy=[])
    b = tunnel.gateways[1]
    rig.ping(tunnel.a, TO)
    rig.equal(peer_of(b, "out"), "192.0.2.1:4500", "where b sends at first")
    events = rig.Process([rig.ESP, "ctl", "--socket", b.socket, "--json", "events"])
    rig.ping(tunnel.a, TO)
    for port in (4501, 4502):
        tunnel.move()
        tunnel.a.run("ping", "-q", "-n", "-c", 1, "-W", 5, TO)
        rig.equal(peer_of(b, "out"), "192.0.2.1:%d" % port, "where b sends after the move")
        rig.ping(tunnel.b, BACK)
    for port in (4501, 4502):
        event = json.loads(events.stdout.readline())
        rig.equal((event["event"], event["peer"]), ("peer_moved", "192.0.2.1:%d" % port), "event of the move")
    events.kill()
    tunnel.end()


def stays_for_forgeries():
    tunnel = rig.Tunnel(proxy=[])
    b = tunnel.gateways[1]
    rig.ping(tunnel.a, TO)
    forger = next(n for n in rig.Namespace.made if n.name == "pb")
    forger.run(sys.executable, "-c", FORGE, *[rig.OUTER[4][i] for i in (0, 1)], "%08x" % rig.spis(tunnel.sas)[0])
    rig.until(lambda: b.dropped("in").get("bad_icv") == 200, "200 bad ICVs to be counted")
    rig.equal(peer_of(b, "out"), "192.0.2.1:4500", "where b sends after forgeries from port 7777")
    rig.ping(tunnel.b, BACK)
    tunnel.end()


def keepalives():
    tunnel = rig.Tunnel(proxy=[], lines=["keepalive 1"])
    rig.ping(tunnel.a, TO)
    for gateway in tunnel.gateways:
        rig.until(lambda: gateway.stats()["keepalives"]["received"] >= 3, "keepalives to be received, one a second")
    rig.ping(tunnel.a, TO)
    for way in tunnel.end():
        rig.check(way["keepalives"] >= 3, "%d keepalives on the wire" % way["keepalives"])


rig.isolate()
rig.cases(follows_a_new_port, stays_for_forgeries, keepalives)
