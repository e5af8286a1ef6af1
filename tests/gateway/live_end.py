#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""SIGTERM under load: what is under way is finished, the device is gone, the status is 0, nothing leaks."""
import signal
import subprocess

import rig


def end_under_load():
    tunnel = rig.Tunnel()
    a, b = tunnel.gateways
    for sig, gateway in ((signal.SIGTERM, a), (signal.SIGINT, b)):
        # They end by themselves when the device, and with it their route, goes.
        out, back = [source.start(rig.driver("stamp"), "send", address, 5000, 60, 1000, 1200, 8, stderr=subprocess.DEVNULL)
                     for source, address in ((tunnel.a, rig.INNER[4][1]), (tunnel.b, rig.INNER[6][0]))]
        before = gateway.stats()["out"]["packets"]
        rig.until(lambda: gateway.stats()["out"]["packets"] > before + 1000, "load")
        gateway.process.end(sig)
        rig.equal(gateway.namespace.link("tun0"), None, "the device after the end")
        rig.equal(gateway.log(), "", "standard error")
        out.kill()
        back.kill()


def end_when_the_peer_is_gone():
    tunnel = rig.Tunnel()
    tunnel.gateways[1].end()
    tunnel.a.run("ping", "-q", "-n", "-c", 5, "-i", 0.05, "-W", 1, rig.INNER[4][1], status=1)
    tunnel.gateways[0].end()


rig.isolate()
rig.cases(end_under_load, end_when_the_peer_is_gone)
