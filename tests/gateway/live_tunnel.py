#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Two gateways: ping and TCP both ways, IPv4 and IPv6 inside and outside, every algorithm, with and without ESN."""
import rig

SIZE = int(1e6 * rig.SECONDS)


def carries(algo):
    for outer in (4, 6):
        for esn in (False, True):
            tunnel = rig.Tunnel(outer, algo, esn)
            for inner in (4, 6):
                a, b = rig.INNER[inner]
                rig.ping(tunnel.a, b)
                rig.ping(tunnel.b, a)
                rig.transfer(tunnel.a, tunnel.b, b, SIZE)
                rig.transfer(tunnel.b, tunnel.a, a, SIZE)
            tunnel.settle()
            for gateway in tunnel.gateways:
                for way in ("out", "in"):
                    rig.equal(gateway.dropped(way), {}, "drops %s of %s, outer IPv%d, esn %s" % (
                        way, gateway.namespace.name, outer, esn))
            tunnel.end()
            rig.Namespace.remove_all()


def case(algo):
    def function():
        carries(algo)
    function.__name__ = algo.replace("-", "_")
    return function


def jumbo_and_narrow_paths():
    """A path of 9000 bytes and one of 1400: the device's MTU follows, and TCP fills it."""
    for mtu in (9000, 1400):
        tunnel = rig.Tunnel(mtu=mtu)
        inner = tunnel.a.link("tun0")["mtu"]
        rig.check(mtu - 100 < inner < mtu - 40, "on a path of %d bytes the device's MTU is %d" % (mtu, inner))
        rig.transfer(tunnel.a, tunnel.b, rig.INNER[4][1], SIZE)
        tunnel.a.run("ping", "-q", "-n", "-c", 1, "-M", "do", "-s", inner - 28, rig.INNER[4][1])
        tunnel.end()
        rig.Namespace.remove_all()


rig.isolate()
rig.cases(*[case(algo) for algo in rig.ALGORITHMS], jumbo_and_narrow_paths)
