#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""A network that drops, duplicates, reorders, damages, replays and invents: each packet is counted, once, under its reason."""
import rig

RATES = {"drop": .01, "duplicate": .01, "reorder": .02, "corrupt": .01, "spi": .01, "replay": .02, "old": .01}
EXACT = 20  # Mb/s: so little that no socket of the gateways overflows, or the kernel would take part in the counting


def options(rates):
    print("# seed %d" % rig.SEED)
    return ["seed=%d" % rig.SEED] + ["%s=%g" % rate for rate in rates.items()]


def counted(esn, algo):
    """The receiver's counters are the proxy's."""
    tunnel = rig.Tunnel(algo=algo, esn=esn, proxy=options(RATES))
    # Both ways at once. What is replayed must lie far back: enough packets for that, whatever the rate.
    stamps = [rig.Stamps(source, sink, address, max(rig.SECONDS, 4), EXACT, 400)
              for source, sink, address in ((tunnel.a, tunnel.b, rig.INNER[4][1]), (tunnel.b, tunnel.a, rig.INNER[6][0]))]
    results = [s.end() for s in stamps]
    tunnel.calm()
    rig.ping(tunnel.a, rig.INNER[4][1])
    tunnel.settle()
    dropped = [g.dropped("in") for g in tunnel.gateways]
    errors = [tunnel.a.udp_errors(), tunnel.b.udp_errors()]
    kept = [n.link("tun0")["stats64"]["tx"]["dropped"] + r["overflow"] for n, r in zip((tunnel.a, tunnel.b), results)]
    passed = [g.stats()["in"]["packets"] for g in tunnel.gateways]
    ways = tunnel.end()
    rig.equal(errors, [0, 0], "datagrams that the kernel dropped")
    for index, (way, result) in enumerate(zip(ways, results)):
        name = "a to b" if index == 0 else "b to a"
        receiver = 1 - index
        for what in RATES:
            rig.check(way[what] > 0, "%s: nothing was chosen for %s: %s" % (name, what, way))
        wanted = {"bad_icv": way["corrupt"], "unknown_spi": way["spi"], "replay": way["duplicate"] + way["replay"]}
        # RFC 4303, A2.2: with ESN a number left of the window is taken for one of the next 2^32, which has another ICV.
        if esn:
            wanted["bad_icv"] += way["old"]
        else:
            wanted["too_old"] = way["old"]
        rig.equal(dropped[receiver], wanted, "%s: counted by the receiver, the proxy says %s" % (name, way))
        gone = way["drop"] + way["corrupt"] + way["spi"]
        rig.equal(passed[receiver], way["esp"] - gone, "%s: packets passed on" % name)
        rig.equal(way["not_rising"], 0, "%s: sequence numbers that did not rise" % name)
        most = gone + kept[index]
        rig.check(result["lost"] <= most, "%s: lost %d, of them by the proxy and the kernel at most %d" % (
            name, result["lost"], most))
        rig.equal(result["duplicates"], 0, "%s: datagrams that came twice out of the tunnel" % name)


def counters_match():
    counted(False, "aes128-gcm")


def counters_match_with_esn():
    counted(True, "chacha20-poly1305")


def counters_match_with_a_separate_hmac():
    counted(True, "aes128-cbc-sha256")


def tcp_recovers():
    tunnel = rig.Tunnel(proxy=options({what: rate / 5 for what, rate in RATES.items()}))
    for inner in (4, 6):
        rig.transfer(tunnel.a, tunnel.b, rig.INNER[inner][1], int(2e5 * rig.SECONDS))
    tunnel.end()


def noise():
    """Damaged at random: nothing crashes, nothing of it passes, all of it is counted under some reason."""
    tunnel = rig.Tunnel(proxy=options({"noise": .5}))
    stamps = [rig.Stamps(source, sink, address, rig.SECONDS, EXACT, 400)
              for source, sink, address in ((tunnel.a, tunnel.b, rig.INNER[4][1]), (tunnel.b, tunnel.a, rig.INNER[6][0]))]
    results = [s.perfect() for s in stamps]
    tunnel.calm()
    rig.transfer(tunnel.a, tunnel.b, rig.INNER[4][1], 1000000)
    tunnel.settle()
    passed = [g.stats()["in"]["packets"] for g in tunnel.gateways]
    dropped = [g.dropped("in") for g in tunnel.gateways]
    ways = tunnel.end()
    for index, way in enumerate(ways):
        name = "a to b" if index == 0 else "b to a"
        rig.check(way["noise"] > results[index]["sent"] / 3, "%s: only %d pieces of noise" % (name, way["noise"]))
        rig.equal(passed[1 - index], way["esp"], "%s: packets passed on" % name)
        rig.equal(sum(dropped[1 - index].values()), way["noise"], "%s: drops, %s" % (name, dropped[1 - index]))


rig.isolate()
rig.cases(counters_match, counters_match_with_esn, counters_match_with_a_separate_hmac, tcp_recovers, noise)
