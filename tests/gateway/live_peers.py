#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""One gateway with three peers, over IPv4 and IPv6, each with an algorithm of its own: each its own order, none another's."""
import os
import signal
import time

import rig

HUB = {4: "192.0.2.1", 6: "2001:db8::1"}
PEERS = [(4, "aes128-gcm", False), (6, "chacha20-poly1305", True), (4, "aes128-cbc-sha256", True)]
CALM = 40  # Mb/s to each
EVERYBODY = "10.0.0.0/8"


class Gateway(rig.Gateway):
    """A gateway whose configuration is given whole."""

    def text(self, sas, lines):
        return "\n".join(["tun tun0", "control " + self.socket] + list(lines) + [sas]) + "\n"


def outer_of(number, family):
    return {4: "198.51.100.%d" % (4 * number + 2), 6: "2001:db8:%d::2" % number}[family]


def inner_of(number):
    return "10.%d.0.1" % (number + 1)


def policies(there, here, reqid):
    """What goes there, from anywhere, and comes from there, to anywhere; the other end: the other way round."""
    return ["src %s dst %s dir out tmpl reqid %d" % (here, there, reqid), "src %s dst %s dir in tmpl reqid %d" % (there, here, reqid)]


class Star:
    """A hub and its peers. Peer n has 10.n+1.0.1 inside."""

    def __init__(self):
        self.hub = rig.Namespace("hub")
        self.hub.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for family, length in ((4, 32), (6, 128)):
            self.hub.ip("addr", "add", "%s/%d" % (HUB[family], length), "dev", "lo")
        lines = ["local %s port 4500" % HUB[4], "local %s port 4500" % HUB[6], "address 10.1.0.1/24"]
        texts, self.spokes, self.sas, self.gateways = [], [], [], []
        for number, (family, algo, esn) in enumerate(PEERS, 1):
            spoke = rig.Namespace("s%d" % number)
            rig.join(self.hub, ["198.51.100.%d/30" % (4 * number + 1), "2001:db8:%d::1/64" % number],
                     spoke, [outer_of(number, 4) + "/30", outer_of(number, 6) + "/64"])
            spoke.ip("route", "add", HUB[4], "via", "198.51.100.%d" % (4 * number + 1))
            spoke.ip("route", "add", HUB[6], "via", "2001:db8:%d::1" % number)
            saved, rig.OUTER[family] = rig.OUTER[family], (HUB[family], outer_of(number, family))
            try:
                sas = rig.new_sas(family, algo, esn, number)
            finally:
                rig.OUTER[family] = saved
            net = "10.%d.0.0/24" % (number + 1)
            lines.append("route " + net)
            texts.append("\n".join([sas] + policies(net, EVERYBODY, number)))
            self.spokes.append(spoke)
            self.sas.append(sas)
            self.gateways.append(Gateway(spoke, 1, "\n".join([sas] + policies(EVERYBODY, EVERYBODY, number)), lines=[
                "local %s port 4500" % outer_of(number, family), "address %s/24" % inner_of(number), "route " + EVERYBODY]))
        self.gateway = Gateway(self.hub, 0, "\n".join(texts), lines=lines)

    def end(self):
        for gateway in [self.gateway] + self.gateways:
            gateway.end()


def each_its_own_order():
    """Load to all at once, through the hub's one set of workers; other CPUs now and then; SAs of one peer come and go."""
    star = Star()
    stamps = [rig.Stamps(star.hub, spoke, inner_of(number), 600, CALM, 600, 4) for number, spoke in enumerate(star.spokes, 1)]
    end, turns = time.monotonic() + rig.SECONDS, 0
    old = star.sas[0]
    while time.monotonic() < end or turns < 8:
        star.gateway.ctl("cpus", ("0", "all")[turns % 2])
        saved, rig.OUTER[4] = rig.OUTER[4], (HUB[4], outer_of(1, 4))
        new = rig.new_sas(4)
        rig.OUTER[4] = saved
        to_spoke, to_hub = rig.each(new)
        for text, first, second in ((to_spoke, star.gateways[0], star.gateway), (to_hub, star.gateway, star.gateways[0])):
            for gateway in (first, second):
                gateway.ctl("sa", "add", rig.keep("new", text))
        for spi, receiver, sender in zip(rig.spis(old), (star.gateways[0], star.gateway), (star.gateway, star.gateways[0])):
            sender.ctl("sa", "del", "spi", spi)
            receiver.ctl("sa", "del", "spi", spi, "after", 1)
        old = new
        turns += 1
        time.sleep(0.1)
    for s in stamps:
        s.perfect(signal.SIGTERM)
    for number, spoke in enumerate(star.spokes, 1):
        rig.transfer(spoke, star.hub, "10.1.0.1", 1000000)
        rig.ping(spoke, inner_of(number % len(PEERS) + 1)) # by way of the hub
    rig.equal([star.gateway.dropped(way) for way in ("out", "in")], [{}, {}], "drops of the hub")
    carried = {sa["reqid"]: sa["packets"] for sa in star.gateway.ctl("sa", "list") if sa["dir"] == "out" and sa["state"] == "active"}
    rig.check(set(carried) == {1, 2, 3} and min(carried.values()) > 0, "packets by tunnel: %s" % carried)
    star.end()


def none_in_the_name_of_another():
    """What comes by a peer's SA has an address behind that peer, or is dropped and counted."""
    star = Star()
    rig.ping(star.spokes[0], "10.1.0.1")
    star.spokes[0].ip("addr", "add", inner_of(2) + "/32", "dev", "lo")
    star.spokes[0].run("ping", "-q", "-n", "-c", 3, "-i", 0.05, "-W", 1, "-I", inner_of(2), "10.1.0.1", status=1)
    rig.equal(star.gateway.dropped("in"), {"policy_in": 3}, "drops of the hub")
    rig.ping(star.spokes[1], "10.1.0.1")
    star.end()


def as_many_as_there_may_be():
    """4096 SAs and policies: it is ready soon, in bounded memory, and knows each of them."""
    hub, other = rig.Namespace("hub"), rig.Namespace("other")
    rig.join(hub, ["192.0.2.1/24"], other, ["192.0.2.2/24"])
    text = ["local 192.0.2.1 port 4500", "address 10.1.0.1/24", "route 10.0.0.0/8"]
    for number in range(2048):
        ends = "192.0.2.1", "198.18.%d.%d" % (number // 256, number % 256)
        net = "10.%d.%d.0/24" % (2 + number // 256, number % 256)
        for way, (src, dst) in enumerate((ends, ends[::-1])):
            text.append("src %s dst %s proto esp spi %d reqid %d mode tunnel aead 'rfc4106(gcm(aes))' 0x%s 128" % (
                src, dst, 1000 + 2 * number + way, number + 1, os.urandom(20).hex()))
        text += policies(net, "10.1.0.0/24", number + 1)
    gateway = Gateway(hub, 0, "\n".join(text))
    rig.equal(len(gateway.ctl("sa", "list")), 4096, "SAs")
    gateway.ctl("reload")
    for number in (0, 2047):
        hub.run("ping", "-q", "-n", "-c", 1, "-W", 0.1, "10.%d.%d.9" % (2 + number // 256, number % 256), status=1)
    carried = {sa["reqid"] for sa in gateway.ctl("sa", "list") if sa["packets"]}
    rig.equal(carried, {1, 2048}, "the tunnels that carried a packet")
    rig.check(gateway.process.memory("VmHWM") < 96 << 20 or rig.sanitized(), "%d bytes of memory" % gateway.process.memory("VmHWM"))
    gateway.end()


rig.isolate("sysctl")
rig.cases(each_its_own_order, none_in_the_name_of_another, as_many_as_there_may_be)
