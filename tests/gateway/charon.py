# SPDX-License-Identifier: MIT
"""strongSwan's charon with kernel-libipsec, its ESP in user space, as a peer; and the keys that it agrees upon."""
import os
import re
import shutil
import signal
import subprocess

import rig

CHARON = "/usr/lib/ipsec/charon"
# Of the packages that `make check-interop` installs.
PACKAGES = ["strongswan-charon", "strongswan-swanctl", "libcharon-extra-plugins", "libstrongswan-standard-plugins", "nftables"]
# As Debian orders them: its own AES-GCM is faster in charon than that of OpenSSL.
PLUGINS = "random nonce aesni aes sha2 hmac kdf gcm openssl pem pkcs1 pubkey x509 kernel-libipsec kernel-netlink socket-default vici"

CONFIG = """charon {
	load_modular = no
	load = %(plugins)s
	install_routes = %(routes)s
	filelog {
		all {
			path = /run/log
			flush_line = yes
			default = 1
			chd = 4
		}
	}
	plugins {
		vici {
			socket = unix:///run/vici
		}
	}
}
"""

CONNECTION = """connections {
	peer {
		version = 2
		encap = yes
		mobike = no
		local_addrs = %(local)s
		remote_addrs = %(remote)s
		proposals = aes128-sha256-x25519
		rekey_time = 0
		local {
			auth = psk
			id = %(local)s
		}
		remote {
			auth = psk
			id = %(remote)s
		}
		children {
			net {
				local_ts = %(local_net)s
				remote_ts = %(remote_net)s
				esp_proposals = %(proposal)s
				rekey_time = 0
				replay_window = 128
			}
		}
	}
}
secrets {
	ike {
		id = %(remote)s
		secret = "for this test alone"
	}
}
"""

# genkey's names: charon's proposals, and the words of ip xfrm state for the key.
PROPOSALS = {
    "aes128-gcm": "aes128gcm16",
    "aes256-gcm": "aes256gcm16",
    "chacha20-poly1305": "chacha20poly1305",
    "aes128-cbc-sha256": "aes128-sha256",
    "aes256-cbc-sha256": "aes256-sha256",
}


class Charon:
    """One charon in a namespace; `esp`: it carries the traffic itself, so its routes are installed."""

    def __init__(self, namespace, index, proposal, esp):
        me, peer = index, 1 - index
        self.namespace = namespace
        self.run = "/run/charon-" + namespace.name  # what it sees as /run
        shutil.rmtree(self.run, ignore_errors=True)
        os.makedirs(self.run + "/swanctl")
        self.write("strongswan.conf", CONFIG % {"plugins": PLUGINS, "routes": "yes" if esp else "no"})
        self.write("swanctl/swanctl.conf", CONNECTION % {
            "local": rig.OUTER[4][me], "remote": rig.OUTER[4][peer], "proposal": proposal,
            "local_net": ",".join(rig.INNER_NETS[me][:1]), "remote_net": ",".join(rig.INNER_NETS[peer][:1])})
        # It accepts a tunnel only where the address inside is one of the machine's.
        namespace.ip("addr", "add", rig.INNER[4][me] + "/32", "dev", "lo")
        # It keeps its files in /run, and there is one for the whole machine: so it gets a /run of its own.
        self.process = namespace.start(
            "unshare", "--mount", "sh", "-c", "mount --bind %s /run && exec %s" % (self.run, CHARON),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "STRONGSWAN_CONF": "/run/strongswan.conf"})
        rig.until(lambda: self.process.poll() is not None or os.path.exists(self.run + "/vici"), "charon")
        rig.check(self.process.poll() is None, "charon ended: " + self.log())
        self.swanctl("--load-all", "--file", self.run + "/swanctl/swanctl.conf")

    def write(self, name, text):
        with open(os.open(os.path.join(self.run, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(text)

    def swanctl(self, *args):
        return self.namespace.run("swanctl", *args, "--uri", "unix://" + self.run + "/vici", stderr=subprocess.DEVNULL)

    def log(self):
        try:
            with open(self.run + "/log", encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return "no log"

    def initiate(self):
        self.swanctl("--initiate", "--child", "net")

    def end(self):
        self.process.end(signal.SIGTERM)

    def sas(self, algo):
        """The pair of SAs that it has agreed upon as initiator, from here to the peer first, in the words of ip xfrm state."""
        log = self.log()
        out = [self.words(log, algo, "outbound", "initiator"), self.words(log, algo, "inbound", "responder")]
        return "\n".join(out)

    @staticmethod
    def words(log, algo, direction, owner):
        found = re.search(r"adding %s ESP SA\n.*SPI (0x[0-9a-f]+), src (\S+) dst (\S+)" % direction, log)
        rig.check(found, "no %s SA in charon's log:\n%s" % (direction, log))
        encryption = key(log, "encryption %s key" % owner)
        if "cbc" in algo:
            words = "enc 'cbc(aes)' 0x%s auth-trunc 'hmac(sha256)' 0x%s 128" % (encryption, key(log, "integrity %s key" % owner))
        else:
            name = "rfc4106(gcm(aes))" if "gcm" in algo else "rfc7539esp(chacha20,poly1305)"
            words = "aead '%s' 0x%s 128" % (name, encryption)
        return ("src %s dst %s\n\tproto esp spi %s reqid 1 mode tunnel\n\treplay-window 128\n\t%s\n"
                "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n" % (found[2], found[3], found[1], words))


def key(log, name):
    """A dump in the log: the number of bytes, then lines of at most 16 in hexadecimal and as text."""
    found = re.search(name + r" => (\d+) bytes @ \S+\n((?:.*\s+\d+: (?:[0-9A-F]{2} )+.*\n)+)", log)
    rig.check(found, "no %s in charon's log" % name)
    digits = ""
    for line in found[2].splitlines():
        digits += "".join(re.findall(r"[0-9A-F]{2}(?= )", re.search(r"\d+: ((?:[0-9A-F]{2} ){1,16})", line)[1]))
    rig.equal(len(digits), 2 * int(found[1]), "length of the %s" % name)
    return digits.lower()


# charon keeps port 4500 for IKE; ESP, which has no marker of four zero bytes in front, goes to the gateway's port, and comes
# from 4500 as the peer expects. Without connection tracking, which would decide once for a whole flow.
RULES = """table inet padata {
	chain received {
		type filter hook prerouting priority raw
		udp dport 4500 udp length > 12 @th,64,32 != 0 udp dport set 4501
	}
	chain sent {
		type filter hook output priority raw
		udp sport 4501 udp sport set 4500
	}
}
"""


def redirect(namespace):
    namespace.run("nft", "-f", rig.keep("rules.nft", RULES))
