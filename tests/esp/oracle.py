# SPDX-License-Identifier: MIT
"""The oracle: ESP written a second time, from the RFCs, on python3-cryptography and hmac.

For each algorithm, with and without ESN, with and without UDP encapsulation, over IPv4 and IPv6: 1,000
packets that the driver encrypted are taken apart here, and 1,000 that were made here are decrypted by the
driver, with every backend. Numbers run across 2^32 with ESN.
"""
import hashlib
import hmac
import ipaddress
import os
import random
import struct
import subprocess
import sys
import tempfile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

DRIVER = sys.argv[1]
COUNT = 1000
SPI = 0xC0FFEE01
OK = 0


class Alg:
    def __init__(self, name, iv_len, block, words, key_len, salt_len, auth_len):
        self.name, self.iv_len, self.block, self.words = name, iv_len, block, words
        self.key = random.randbytes(key_len)
        self.salt = random.randbytes(salt_len)
        self.auth = random.randbytes(auth_len)

    def line(self):
        return self.words.format(key=(self.key + self.salt).hex(), auth=self.auth.hex())


def all_algs():
    auth = "auth-trunc 'hmac(sha256)' 0x{auth} 128"
    return [
        Alg("null", 0, 4, "enc 'ecb(cipher_null)' '' " + auth, 0, 0, 32),
        Alg("aes128-cbc", 16, 16, "enc 'cbc(aes)' 0x{key} " + auth, 16, 0, 32),
        Alg("aes256-cbc", 16, 16, "enc 'cbc(aes)' 0x{key} " + auth, 32, 0, 32),
        Alg("aes128-gcm", 8, 4, "aead 'rfc4106(gcm(aes))' 0x{key} 128", 16, 4, 0),
        Alg("aes256-gcm", 8, 4, "aead 'rfc4106(gcm(aes))' 0x{key} 128", 32, 4, 0),
        Alg("chacha20", 8, 4, "aead 'rfc7539esp(chacha20,poly1305)' 0x{key} 128", 32, 4, 0),
    ]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def seal(alg, esn, spi, seq, iv, text):
    """ESP, RFC 4303: header, IV, ciphertext, ICV."""
    head = struct.pack("!II", spi, seq & 0xFFFFFFFF)
    high = struct.pack("!I", seq >> 32) if esn else b""
    if alg.salt:
        kind = ChaCha20Poly1305 if alg.name == "chacha20" else AESGCM
        return head + iv + kind(alg.key).encrypt(alg.salt + iv, text, head[:4] + high + head[4:])
    if alg.iv_len:
        enc = Cipher(algorithms.AES(alg.key), modes.CBC(iv)).encryptor()
        text = enc.update(text) + enc.finalize()
    body = head + iv + text
    return body + hmac.new(alg.auth, body + high, hashlib.sha256).digest()[:16]


def unseal(alg, esn, esp, seq_high):
    """The text of an ESP packet; ValueError when the ICV is wrong."""
    head, iv, text, tag = esp[:8], esp[8 : 8 + alg.iv_len], esp[8 + alg.iv_len : -16], esp[-16:]
    high = struct.pack("!I", seq_high) if esn else b""
    if alg.salt:
        kind = ChaCha20Poly1305 if alg.name == "chacha20" else AESGCM
        try:
            return kind(alg.key).decrypt(alg.salt + iv, text + tag, head[:4] + high + head[4:])
        except InvalidTag:
            raise ValueError("ICV")
    want = hmac.new(alg.auth, esp[:-16] + high, hashlib.sha256).digest()[:16]
    if not hmac.compare_digest(want, tag):
        raise ValueError("ICV")
    if alg.iv_len:
        dec = Cipher(algorithms.AES(alg.key), modes.CBC(iv)).decryptor()
        text = dec.update(text) + dec.finalize()
    return text


def inner_packet(rnd):
    size = rnd.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 1340, rnd.randrange(1400)])
    body = rnd.randbytes(size)
    tos = rnd.randrange(256)
    if rnd.random() < 0.5:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + size, rnd.randrange(65536), rnd.choice([0, 0x4000]),
                           rnd.randrange(1, 256), 17, 0, rnd.randbytes(4), rnd.randbytes(4))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return head + body
    return struct.pack("!IHBB16s16s", 6 << 28 | tos << 20 | rnd.randrange(1 << 20), size, 17, 64, rnd.randbytes(16),
                       rnd.randbytes(16)) + body


class Way:
    """One SA: algorithm, ESN, encapsulation, outer family."""

    def __init__(self, alg, esn, encap, family):
        self.alg, self.esn, self.encap, self.family = alg, esn, encap, family
        self.src, self.dst = ("192.0.2.1", "192.0.2.2") if family == 4 else ("2001:db8::1", "2001:db8::2")
        self.first = 0xFFFFFE00 + (random.randrange(5) << 32) if esn else random.randrange(1, 1 << 31)
        self.name = "%s%s%s over IPv%d" % (alg.name, " ESN" if esn else "", " in UDP" if encap else "", family)

    def sa_file(self, folder):
        path = os.path.join(folder, "sa")
        text = "src %s dst %s\n\tproto esp spi 0x%08x reqid 1 mode tunnel\n" % (self.src, self.dst, SPI)
        text += "\t%s\n" % self.alg.line()
        if self.esn:
            text += "\tflag esn\n\tanti-replay esn context:\n\t seq-hi 0x%x, seq 0x%x, oseq-hi 0x0, oseq 0x0\n" % (
                self.first >> 32, self.first & 0xFFFFFFFF)
            text += "\t replay_window 1024, bitmap-length 0\n"
        if self.encap:
            text += "\tencap type espinudp sport 4500 dport 4501 addr 0.0.0.0\n"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return path

    def outer(self, esp, tos):
        packed = ipaddress.ip_address(self.src).packed + ipaddress.ip_address(self.dst).packed
        proto = 50
        if self.encap:
            esp = struct.pack("!HHHH", 4500, 4501, len(esp) + 8, 0) + esp
            proto = 17
        if self.family == 6:
            return struct.pack("!IHBB", 6 << 28 | tos << 20, len(esp), proto, 64) + packed + esp
        head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(esp), 7, 0, 64, proto, 0) + packed
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + esp

    def take_outer(self, wire):
        """Checks the outer headers; returns ESP and the traffic class."""
        packed = ipaddress.ip_address(self.src).packed + ipaddress.ip_address(self.dst).packed
        if self.family == 4:
            assert wire[0] == 0x45 and checksum(wire[:20]) == 0, "IPv4 header"
            assert struct.unpack("!H", wire[2:4])[0] == len(wire) and wire[8] == 64
            assert wire[12:20] == packed
            proto, tos, rest = wire[9], wire[1], wire[20:]
        else:
            word, length, proto, hops = struct.unpack("!IHBB", wire[:8])
            assert word >> 28 == 6 and length == len(wire) - 40 and hops == 64
            assert wire[8:40] == packed
            tos, rest = word >> 20 & 255, wire[40:]
        assert proto == (17 if self.encap else 50), "protocol"
        if self.encap:
            sport, dport, length, ck = struct.unpack("!HHHH", rest[:8])
            assert (sport, dport, length) == (4500, 4501, len(rest)), "UDP"
            if self.family == 4:
                assert ck == 0
            else:
                assert ck and checksum(packed + struct.pack("!II", len(rest), 17) + rest) == 0, "UDP checksum"
            rest = rest[8:]
        return rest, tos


def drive(mode, path, backend, packets, oseq=None):
    data = b"".join(struct.pack("<I", len(p)) + p for p in packets)
    args = [DRIVER, mode, path, backend] + ([str(oseq)] if oseq is not None else [])
    run = subprocess.run(args, input=data, stdout=subprocess.PIPE, check=False)
    assert run.returncode == 0, "the driver failed with %d" % run.returncode
    out, at = [], 0
    while at < len(run.stdout):
        verdict, size = struct.unpack_from("<II", run.stdout, at)
        out.append((verdict, run.stdout[at + 8 : at + 8 + size]))
        at += 8 + size
    assert len(out) == len(packets), "%d packets came out" % len(out)
    return out


def we_encrypt(way, path, backends, rnd):
    packets = [inner_packet(rnd) for _ in range(COUNT)]
    outs = [drive("seal", path, b, packets, way.first - 1) for b in backends]
    for other in outs[1:]:
        assert other == outs[0], "the backends differ"
    ivs = set()
    for i, (verdict, wire) in enumerate(outs[0]):
        assert verdict == OK, "packet %d: verdict %d" % (i, verdict)
        esp, tos = way.take_outer(wire)
        seq = way.first + i
        assert struct.unpack("!II", esp[:8]) == (SPI, seq & 0xFFFFFFFF), "SPI or number"
        text = unseal(way.alg, way.esn, esp, seq >> 32)
        inner, pad_len, following = packets[i], text[-2], text[-1]
        assert following == (4 if inner[0] >> 4 == 4 else 41)
        assert text[:-2] == inner + bytes(range(1, pad_len + 1)), "text or padding"
        assert len(text) % way.alg.block == 0 and pad_len < way.alg.block
        assert tos == (inner[1] if following == 4 else (inner[0] << 4 | inner[1] >> 4) & 255), "traffic class"
        assert way.alg.iv_len != 8 or esp[8:16] == struct.pack("!Q", seq), "the IV is not the number"
        ivs.add(esp[8 : 8 + way.alg.iv_len])
    assert len(ivs) == (COUNT if way.alg.iv_len else 1), "an IV came twice"


def we_decrypt(way, path, backends, rnd):
    packets, wires, wanted = [], [], []
    for i in range(COUNT):
        inner = inner_packet(rnd)
        tfc = rnd.randbytes(rnd.choice([0, 0, 0, rnd.randrange(60)]))
        pad = -(len(inner) + len(tfc) + 2) % way.alg.block
        if rnd.random() < 0.1:
            pad += way.alg.block * rnd.randrange((255 - pad) // way.alg.block + 1)
        text = inner + tfc + bytes(range(1, pad + 1)) + bytes([pad, 4 if inner[0] >> 4 == 4 else 41])
        esp = seal(way.alg, way.esn, SPI, way.first + i, rnd.randbytes(way.alg.iv_len), text)
        tos = inner[1] if inner[0] >> 4 == 4 else (inner[0] << 4 | inner[1] >> 4) & 255
        packets.append(inner)
        wires.append(way.outer(esp, tos))
        wanted.append(OK)
    # One bit of the ICV's scope changed in every tenth, and the next number's packet twice.
    for i in range(0, COUNT - 1, 10):
        at = len(wires[i]) - 1 - rnd.randrange(16 + 4)
        wires[i] = wires[i][:at] + bytes([wires[i][at] ^ 1 << rnd.randrange(8)]) + wires[i][at + 1 :]
        wanted[i] = "icv"
    wires.append(wires[-1])
    wanted.append("replay")
    outs = [drive("open", path, b, wires) for b in backends]
    for other in outs[1:]:
        assert other == outs[0], "the backends differ"
    bad = {verdict for (verdict, _), w in zip(outs[0], wanted) if w == "icv"}
    assert len(bad) == 1 and OK not in bad, "damaged packets: %s" % bad
    assert outs[0][-1][0] not in bad | {OK}, "replay passed"
    for i, (verdict, plain) in enumerate(outs[0][:-1]):
        if wanted[i] == OK:
            assert verdict == OK, "packet %d: verdict %d" % (i, verdict)
            assert plain == packets[i], "packet %d differs" % i


def main():
    seed = int(os.environ.get("ORACLE_SEED", "0")) or random.randrange(1, 1 << 32)
    print("# ORACLE_SEED=%d" % seed)
    rnd = random.Random(seed)
    random.seed(seed)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        way = Way(all_algs()[0], False, False, 4)
        probe = subprocess.run([DRIVER, "seal", way.sa_file(folder), "ipsec-mb"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        backends = ["openssl"]
        if probe.returncode == 77:
            print("skip oracle with ipsec-mb: %s" % probe.stderr.decode().strip())
        else:
            backends.append("ipsec-mb")
        for alg in all_algs():
            for esn in (False, True):
                for encap in (False, True):
                    for family in (4, 6):
                        way = Way(alg, esn, encap, family)
                        path = way.sa_file(folder)
                        for what, check in (("we encrypt", we_encrypt), ("we decrypt", we_decrypt)):
                            try:
                                check(way, path, backends, rnd)
                                print("ok oracle: %s, %s" % (way.name, what))
                            except (AssertionError, ValueError) as e:
                                print("not ok oracle: %s, %s (%s)" % (way.name, what, e))
                                failed += 1
    return 1 if failed else 0


sys.exit(main())
