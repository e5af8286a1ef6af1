#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""What the path says: a narrow hop half way, and how the outer header tells routers what the inner one says."""
import re
import subprocess
import sys

import rig

# Prints the traffic class of the outer header of the next ESP packet that comes in.
SNIFF = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
print("ready", flush=True)
while True:
    p = s.recv(65536)
    if p[0] >> 4 == 4 and p[9] == 17 and p[22:24] == b"\\x11\\x94" and len(p) > 64:
        print(p[1])
        break
"""


def narrow_hop(outer, lines):
    """a - r - b, where r's link to b carries 1400 bytes; a does not know until r says so."""
    a, b, r = rig.Namespace("a"), rig.Namespace("b"), rig.Namespace("r")
    rig.join(a, rig.OUTER_PREFIXES[0], r, ["192.0.2.254/24", "2001:db8::fe/64"])
    rig.join(r, ["198.51.100.254/24", "2001:db8:1::fe/64"], b, ["198.51.100.2/24", "2001:db8:1::2/64"], mtu=1400)
    r.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for namespace, gateways in ((a, ("192.0.2.254", "2001:db8::fe")), (b, ("198.51.100.254", "2001:db8:1::fe"))):
        for gateway in gateways:
            namespace.ip("route", "add", "default", "via", gateway)
    saved = rig.OUTER[outer]
    rig.OUTER[outer] = (saved[0], {4: "198.51.100.2", 6: "2001:db8:1::2"}[outer])
    try:
        sas = rig.new_sas(outer)
        ends = [rig.Gateway(a, 0, sas, outer, lines), rig.Gateway(b, 1, sas, outer, lines)]
    finally:
        rig.OUTER[outer] = saved
    return a, b, ends


def fits(namespace, size, address):
    # Until the first answer or the first error, which -q would not count; one that comes to nothing is followed by others.
    done = namespace.start("ping", "-n", "-c", 1, "-i", 0.2, "-w", 5, "-M", "do", "-s", size, address,
                           stderr=subprocess.DEVNULL)
    return " 0% packet loss" in done.end(status=None)


def narrow(outer, lines):
    a, b, ends = narrow_hop(outer, lines)
    inner = 1400 - (28 if outer == 4 else 48) - 34
    to = rig.INNER[4][1]
    rig.ping(a, to)
    rig.until(lambda: not fits(a, 1380, to) and fits(a, inner - 28, to), "a packet of %d bytes to pass" % inner)
    rig.check(not fits(a, inner - 27, to), "a packet of %d bytes passes" % (inner + 1))
    rig.transfer(a, b, to, 1000000)
    rig.transfer(b, a, rig.INNER[6][0], 1000000)
    answers = ends[0].stats()["icmp_sent"]
    for gateway in ends:
        gateway.end()
    rig.Namespace.remove_all()
    return inner, answers


def narrow_hop_and_the_device_follows():
    for outer in (4, 6):
        narrow(outer, [])


def narrow_hop_is_told_by_icmp():
    for outer in (4, 6):
        inner, answers = narrow(outer, ["mtu 1400"])
        rig.check(answers > 0, "nobody was told that %d bytes fit" % inner)


def outer_classes(inner, outer, lines=()):
    """The traffic class of the outer header for each of the inner one."""
    tunnel = rig.Tunnel(lines=lines)
    for value, wanted in zip(inner, outer):
        sniffer = tunnel.b.start(sys.executable, "-c", SNIFF).ready()
        tunnel.a.run("ping", "-q", "-n", "-c", 1, "-W", 5, "-Q", value, rig.INNER[4][1])
        got = re.search(r"\d+", sniffer.end())[0]
        rig.equal(int(got), wanted, "traffic class of the outer header around %d" % value)
    tunnel.end()
    rig.Namespace.remove_all()


def traffic_class():
    """RFC 6040 and DSCP: copied to the outer header, or the DSCP is the configuration's."""
    inner = (0, 0x01, 0x02, 0xb8, 0x2a)
    outer_classes(inner, inner)
    outer_classes(inner, [46 << 2 | value & 3 for value in inner], ["dscp 46"])


# Prints the traffic class of the next echo request that comes out of the tunnel.
INSIDE = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.bind(("tun0", 0))
print("ready", flush=True)
while True:
    p = s.recv(65536)
    if p[0] >> 4 == 4 and p[9] == 1 and p[20] == 8:
        print(p[1])
        break
"""


def congestion():
    """RFC 6040: a router's mark of congestion on the outer header reaches the inner one that can carry it; else it is a drop."""
    for outer in (4, 6):
        tunnel = rig.Tunnel(outer=outer, proxy=["tos=3"])
        b = tunnel.gateways[1]
        for value in (0x01, 0x02, 0xba):
            sniffer = tunnel.b.start(sys.executable, "-c", INSIDE).ready()
            tunnel.a.run("ping", "-q", "-n", "-c", 1, "-W", 1, "-Q", value, rig.INNER[4][1], status=None)
            rig.equal(int(sniffer.end()), value | 3, "traffic class of the inner packet, sent with %d" % value)
        rig.equal(b.dropped("in"), {}, "drops of packets that can carry the mark")
        tunnel.a.run("ping", "-q", "-n", "-c", 2, "-i", 0.05, "-W", 1, "-Q", 0xb8, rig.INNER[4][1], status=1)
        rig.equal(b.dropped("in"), {"ecn": 2}, "drops of packets that cannot")
        tunnel.end()
        rig.Namespace.remove_all()


rig.isolate("sysctl")
rig.cases(narrow_hop_and_the_device_follows, narrow_hop_is_told_by_icmp, traffic_class, congestion)
