#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""A kernel without the offloads, each by itself and all: it is said once, and everything works, if slower."""
import os

import rig

POOR = os.path.join(rig.BUILD, "tests/gateway/poor-padata-esp")
SIZE = 1000000
CALM = 15  # Mb/s for a second, in bursts of 8 datagrams: fewer than the device keeps for its reader
SLOWER = "padata-esp: slower than it could be: "
ALL = {"tun_checksum", "tun_tso", "tun_uso", "udp_gso", "udp_gro"}
NO_TUN = "the TUN device has no offloads: one system call for each packet"
NO_TSO = "the TUN device has no TCP segmentation offload"


def poor(lacks, missing, *said):
    """Traffic of each kind through gateways that lack something; what they say and what they list as missing."""
    os.environ["PADATA_GATEWAY_LACKS"] = lacks
    tunnel = rig.Tunnel(esp=POOR)
    rig.Stamps(tunnel.a, tunnel.b, rig.INNER[4][1], 1, CALM, 1200, 8).perfect()
    for inner in (4, 6):
        a, b = rig.INNER[inner]
        rig.transfer(tunnel.a, tunnel.b, b, SIZE)
        rig.transfer(tunnel.b, tunnel.a, a, SIZE)
    for gateway in tunnel.gateways:
        rig.until(lambda: len(gateway.log().splitlines()) >= len(said), "what %s says without %s" % (
            gateway.namespace.name, lacks))  # pylint: disable=cell-var-from-loop
        lists = {name for name, there in gateway.stats()["offloads"].items() if not there}
        rig.equal(lists, set(missing), "offloads that are missing without " + lacks)
    tunnel.end()
    for gateway in tunnel.gateways:
        rig.equal(gateway.log().splitlines(), [SLOWER + line for line in said], "what is said without " + lacks)
    rig.Namespace.remove_all()


def tun_without_headers():
    poor("vnet_hdr", ALL - {"udp_gso", "udp_gro"}, NO_TUN)


def tun_without_segmentation():
    poor("uso", {"tun_uso"}, "the TUN device has no UDP segmentation offload (Linux 6.2 has)")
    poor("uso ecn", {"tun_uso"}, "the TUN device has no UDP segmentation offload (Linux 6.2 has)")
    poor("uso ecn tso", {"tun_uso", "tun_tso"}, NO_TSO)
    poor("uso ecn tso csum", ALL - {"udp_gso", "udp_gro"}, NO_TUN)


def udp_without_bursts():
    poor("udp_gso", {"udp_gso"}, "UDP_SEGMENT is not there: one system call for each packet sent")
    poor("udp_gro", {"udp_gro"}, "UDP_GRO is not there: one system call for each packet received")


def nothing_at_all():
    poor("vnet_hdr udp_gso udp_gro", ALL, NO_TUN, "UDP_SEGMENT and UDP_GRO are not there: one system call for each packet")


def found_while_sending():
    """The socket knows UDP_SEGMENT, the device on the way does not: from then on packets go one by one."""
    poor("sending", {"udp_gso"}, "UDP_SEGMENT does not work on this path: one system call for each packet sent")


def a_path_that_becomes_narrower():
    """What an older kernel then refuses to send at once goes one by one, and later ones at once again."""
    poor("room", set())


rig.isolate()
rig.cases(tun_without_headers, tun_without_segmentation, udp_without_bursts, nothing_at_all, found_while_sending,
          a_path_that_becomes_narrower)
