#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Captures for the tests of padata-esp, read and written without libpcap.

tool_frames.py same A B         the IP frames of A are those of B: bytes, stamps, lengths, order
tool_frames.py make KIND A B    B is A, an Ethernet capture, in another form
tool_frames.py damage N A B     in every N-th frame the last byte is flipped
tool_frames.py spi N A B        in every N-th frame the SPI is another one (raw ESP over IPv4 over Ethernet)
tool_frames.py join A B C       C is A, then B
tool_frames.py repeat N A B     B is A, N times
tool_frames.py swap N A B       every N-th frame changes places with the next
tool_frames.py noise SEED A B   a random byte of every fourth IP packet is another one
tool_frames.py cut BYTES A B    B is A without its last bytes
tool_frames.py count A          how many frames
tool_frames.py precision A      nanoseconds or microseconds
tool_frames.py numbers A        the ESP sequence numbers, Ethernet and IPv4 outside
"""
import random
import struct
import sys

ETHERNET, RAW, NULL, LOOP, COOKED, COOKED2, IPV4 = 1, 101, 0, 108, 113, 276, 228


class Capture:
    def __init__(self, link=ETHERNET, nano=True):
        self.link, self.nano, self.frames = link, nano, []  # (nanoseconds, length, bytes)


def read(path):
    data = open(path, 'rb').read()
    return read_ng(data) if data[:4] == b'\x0a\x0d\x0d\x0a' else read_pcap(data)


def read_pcap(data):
    order, nano = {b'\xd4\xc3\xb2\xa1': ('<', False), b'\x4d\x3c\xb2\xa1': ('<', True),
                   b'\xa1\xb2\xc3\xd4': ('>', False), b'\xa1\xb2\x3c\x4d': ('>', True)}[data[:4]]
    c = Capture(struct.unpack(order + 'I', data[20:24])[0] & 0xffff, nano)
    at = 24
    while at + 16 <= len(data):
        s, part, captured, length = struct.unpack(order + 'IIII', data[at:at + 16])
        c.frames.append((s * 10**9 + part * (1 if nano else 1000), length, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return c


def read_ng(data):
    c, at, unit = Capture(), 0, 1000
    while at < len(data):
        kind, size = struct.unpack('<II', data[at:at + 8])
        if kind == 1:
            c.link = struct.unpack('<H', data[at + 8:at + 10])[0]
            unit = 1 if b'\x09\x00\x01\x00\x09' in data[at:at + size] else 1000
        elif kind == 6:
            hi, lo, captured, length = struct.unpack('<IIII', data[at + 12:at + 28])
            c.frames.append(((hi << 32 | lo) * unit, length, data[at + 28:at + 28 + captured]))
        at += size
    return c


def write(path, c, order='<', most=262144):
    magic = 0xa1b23c4d if c.nano else 0xa1b2c3d4
    with open(path, 'wb') as f:
        f.write(struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0, most, c.link))
        for t, length, b in c.frames:
            f.write(struct.pack(order + 'IIII', t // 10**9, t % 10**9 // (1 if c.nano else 1000), len(b), length) + b)


def write_ng(path, c):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)
    option = struct.pack('<HHB3xHH', 9, 1, 9 if c.nano else 6, 0, 0)
    with open(path, 'wb') as f:
        f.write(block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)))
        f.write(block(1, struct.pack('<HHI', c.link, 0, 262144) + option))
        for t, length, b in c.frames:
            t = t if c.nano else t // 1000
            f.write(block(6, struct.pack('<IIIII', 0, t >> 32, t & 0xffffffff, len(b), length) + b))


def family(link, b):
    if link == ETHERNET:
        at = 12
        while b[at:at + 2] in (b'\x81\x00', b'\x88\xa8'):
            at += 4
        kind = b[at:at + 2]
    elif link in (COOKED, COOKED2):
        kind = b[14:16] if link == COOKED else b[0:2]
    elif link in (NULL, LOOP):
        return {2: 4, 24: 6, 28: 6, 30: 6, 10: 6}.get(b[0] or b[3])
    else:
        return b[0] >> 4
    return {b'\x08\x00': 4, b'\x86\xdd': 6}.get(kind)


def ip_frames(path):
    c = read(path)
    return [f for f in c.frames if family(c.link, f[2])]


def same(a, b):
    x, y = ip_frames(a), ip_frames(b)
    if x == y and x:
        print(len(x), 'frames')
        return 0
    print(f'{len(x)} and {len(y)} IP frames')
    for i, (f, g) in enumerate(zip(x, y)):
        if f != g:
            print(f'frame {i} differs\n{f[0]} {f[1]} {f[2].hex()}\n{g[0]} {g[1]} {g[2].hex()}')
            break
    return 1


def reform(kind, c):
    """Another link header for every IP frame, or another shape of the same."""
    six = {'null-openbsd': 24, 'null-freebsd': 28, 'null': 30, 'null-big': 30, 'loop': 30}.get(kind, 10)
    out = Capture(c.link, c.nano)
    for i, (t, length, b) in enumerate(c.frames):
        v = family(c.link, b)
        bsd = 2 if v == 4 else six
        missing = length - len(b)
        if kind == 'vlan':
            b = b[:12] + b'\x81\x00\x00\x07' + b[12:]
        elif kind == 'qinq':
            b = b[:12] + b'\x88\xa8\x00\x09\x81\x00\x00\x07' + b[12:]
        elif kind == 'padded':  # as a card pads short frames, and with a checksum behind some
            b = b + bytes(max(0, 60 - len(b))) + (b'\xde\xad\xbe\xef' if i % 3 == 0 else b'')
        elif kind == 'long':  # now and then one that is longer than a burst, and no IP
            if i % 100 == 0:
                out.frames.append((t, 200000, b[:12] + b'\x88\xb5' + bytes(199986)))
        elif kind == 'tail-missing':  # the padding was cut off by the capture, the packet was not
            missing = 18 if i % 2 else 0
        elif kind == 'short':  # the packet was
            if i % 10 == 0:
                missing, b = 20, b[:-20]
        elif not v:
            continue
        elif kind == 'cooked':
            out.link, b = COOKED, struct.pack('>HHH', 0, 1, 6) + b[6:12] + bytes(2) + b[12:]
        elif kind == 'cooked2':
            out.link, b = COOKED2, b[12:14] + struct.pack('>HIHBB', 0, 2, 1, 0, 6) + b[6:12] + bytes(2) + b[14:]
        elif kind == 'raw':
            out.link, b = RAW, b[14:]
        elif kind == 'loop':
            out.link, b = LOOP, struct.pack('>I', bsd) + b[14:]
        elif kind == 'null-big':
            out.link, b = NULL, struct.pack('>I', bsd) + b[14:]
        elif kind.startswith('null'):
            out.link, b = NULL, struct.pack('<I', bsd) + b[14:]
        out.frames.append((t, len(b) + missing, b))
    return out


def make(kind, a, b):
    c = read(a)
    if kind == 'micro' or kind == 'micro-big':
        c.nano = False
        write(b, c, '>' if kind.endswith('big') else '<')
    elif kind == 'nano-big':
        write(b, c, '>')
    elif kind == 'beyond-snaplen':  # the header says that frames are cut at 60 bytes, and they are not
        write(b, c, most=60)
    elif kind.startswith('pcapng'):
        c.nano = kind == 'pcapng'
        write_ng(b, c)
    else:
        write(b, reform(kind, c))


def edit(n, a, b, change):
    c = read(a)
    c.frames = [(t, length, change(f) if i % n == 0 else f) for i, (t, length, f) in enumerate(c.frames)]
    write(b, c)


def main():
    verb, *args = sys.argv[1:]
    if verb == 'same':
        return same(*args)
    if verb == 'make':
        make(*args)
    elif verb == 'damage':
        edit(int(args[0]), *args[1:], lambda f: f[:-1] + bytes([f[-1] ^ 1]))
    elif verb == 'spi':
        edit(int(args[0]), *args[1:], lambda f: f[:34] + b'\x00\x00\x12\x34' + f[38:])
    elif verb == 'join':
        c = read(args[0])
        c.frames += read(args[1]).frames
        write(args[2], c)
    elif verb == 'repeat':
        c = read(args[1])
        c.frames *= int(args[0])
        write(args[2], c)
    elif verb == 'swap':
        c = read(args[1])
        for i in range(0, len(c.frames) - 1, int(args[0])):
            c.frames[i], c.frames[i + 1] = c.frames[i + 1], c.frames[i]
        write(args[2], c)
    elif verb == 'noise':
        dice = random.Random(int(args[0]))
        c = read(args[1])
        for i, (t, length, f) in enumerate(c.frames):
            if i % 4 == 0:
                at = 14 + dice.randrange(min(60, len(f) - 14))
                f = f[:at] + bytes([f[at] ^ dice.randrange(1, 256)]) + f[at + 1:]
                c.frames[i] = (t, length, f)
        write(args[2], c)
    elif verb == 'cut':
        data = open(args[1], 'rb').read()
        open(args[2], 'wb').write(data[:-int(args[0])])
    elif verb == 'count':
        print(len(read(args[0]).frames))
    elif verb == 'precision':
        print('nanoseconds' if read(args[0]).nano else 'microseconds')
    elif verb == 'numbers':
        print(*(struct.unpack('>I', f[38:42])[0] for _, _, f in read(args[0]).frames), sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
