#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Lifetimes in seconds: at the soft one an event, at the hard one an event and the end of the SA; new keys go on."""
import rig

TO = rig.INNER[4][1]
PINGS = 3


def limited(sa, *limits):
    return sa.replace("mode tunnel", "mode tunnel " + " ".join("limit %s %d" % limit for limit in limits))


def add(gateway, sa):
    gateway.ctl("sa", "add", rig.keep("more", sa))


def unanswered(namespace):
    namespace.run("ping", "-q", "-n", "-c", PINGS, "-i", 0.05, "-W", 1, TO, status=1)


def new_keys(tunnel):
    a, b = tunnel.gateways
    to_b = rig.each(rig.new_sas())[0]
    add(b, to_b)
    add(a, to_b)
    rig.ping(tunnel.a, TO)


def since_it_was_added():
    tunnel = rig.Tunnel()
    a, b = tunnel.gateways
    events = [rig.Events(g) for g in (a, b)]
    soft, hard = (rig.each(rig.new_sas())[0] for _ in range(2))
    spi = [rig.spis(sa)[0] for sa in (soft, hard)]
    for sa, limits in ((soft, [("time-soft", 1)]), (hard, [("time-soft", 1), ("time-hard", 2)])):
        add(b, sa)
        add(a, limited(sa, *limits))
        events[0].read("soft", rig.spis(sa)[0])
        if sa is soft:
            rig.ping(tunnel.a, TO)
    seen = events[0].read("hard", spi[1])
    rig.equal([seen.count(("soft", n)) for n in spi], [1, 1], "soft events of the two SAs in %s" % seen)
    rig.check(("hard", spi[0]) not in seen, "an SA without a hard limit has reached it")
    unanswered(tunnel.a)
    rig.equal(a.dropped("out"), {"hard_seconds": PINGS}, "drops of the sender whose SA has ended")
    new_keys(tunnel)
    rig.check(not [e for e in events[1].seen if e[0] in ("soft", "hard")], "the receiver's SAs have no limit: %s" % events[1].seen)
    tunnel.end()


def since_its_first_packet():
    """The receiver's SA; another one, which is not used, is the clock that shows that its time has not begun."""
    tunnel = rig.Tunnel()
    a, b = tunnel.gateways
    events = rig.Events(b)
    clock, used = (rig.each(rig.new_sas())[0] for _ in range(2))
    spi = rig.spis(used)[0]
    add(b, limited(used, ("time-use-soft", 1), ("time-use-hard", 2)))
    add(b, limited(clock, ("time-hard", 3)))
    seen = events.read("hard", rig.spis(clock)[0])
    rig.check(("soft", spi) not in seen, "the time of an SA has begun before its first packet: %s" % seen)
    add(a, used)
    tunnel.a.run("ping", "-q", "-n", "-c", 1, "-W", 5, TO)
    seen = events.read("hard", spi)
    rig.check(seen.index(("soft", spi)) < seen.index(("hard", spi)), "order of the events: %s" % seen)
    unanswered(tunnel.a)
    rig.equal(b.dropped("in"), {"hard_seconds": PINGS}, "drops of the receiver whose SA has ended")
    new_keys(tunnel)
    tunnel.end()


rig.isolate()
rig.cases(since_it_was_added, since_its_first_packet)
