# SPDX-License-Identifier: MIT
"""ESP: one CPU against all in memory, and the whole tool on a large capture against what bounds it."""

import contextlib
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

ALGORITHMS = ["aes128-gcm", "chacha20-poly1305", "aes128-cbc-sha256"]
BACKENDS = ["ipsec-mb", "openssl"]
PACKET = 1400


def ip_packet(number):
    """UDP from 10.1.0.1 to 10.2.0.1; what it carries differs from packet to packet."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, PACKET, number & 0xffff, 0x4000, 64, 17, 0, bytes([10, 1, 0, 1]),
                       bytes([10, 2, 0, 1]))
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:]
    payload = struct.pack(">Q", number) * ((PACKET - 28) // 8 + 1)
    return head + struct.pack(">HHHH", 5000, 5001, PACKET - 20, 0) + payload[:PACKET - 28]


def write_capture(path, size):
    """A capture of so many bytes, of packets of 1,400 bytes without a link header."""
    block = b"".join(struct.pack("<IIII", n, 0, PACKET, PACKET) + ip_packet(n) for n in range(1000))
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for _ in range(max(1, size // len(block))):
            file.write(block)


def write_sas(program, algorithm, path):
    keys = subprocess.run([program, "genkey", "--algo", algorithm], check=True, capture_output=True).stdout
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(keys)


def in_memory(program, sas, capture, backend, seconds, rounds):
    done = subprocess.run([program, "bench", "--sa", sas, "--backend", backend, "--stats", "json", "--seconds",
                           str(seconds), "--rounds", str(rounds), capture], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def timed(command, output):
    """Seconds until it has written its output to a new file; none of them waits for the disk."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(output)
    with open(output, "wb") as file:
        begun = time.monotonic()
        subprocess.run(command, check=True, stdout=file)
        return time.monotonic() - begun


def whole_tool(program, sas, rate, directory, size, rounds):
    """Seconds to encrypt a capture, to copy it with cat, and to do the crypto alone; by turns."""
    source, output = os.path.join(directory, "in.pcap"), os.path.join(directory, "out.pcap")
    write_capture(source, size)
    runs = {"tool": [], "cat": []}
    for _ in range(1 + rounds):  # the first is a warm-up
        runs["cat"].append(timed(["cat", source], output))
        runs["tool"].append(timed([program, "encrypt", "--sa", sas, source, "-"], output))
    tool, cat = (statistics.median(runs[name][1:]) for name in ("tool", "cat"))
    crypto = os.path.getsize(source) / (rate * 1e6)
    return {"bytes": os.path.getsize(source), "tool": tool, "cat": cat, "crypto": crypto,
            "to_bound": tool / max(cat, crypto)}


def measure(programs, quick, say):
    program = os.path.join(os.path.dirname(programs), "padata-esp")
    if not os.access(program, os.X_OK):
        say("padata-esp is not built")
        return []
    results = []
    say(f"\nESP in memory, {PACKET} B: MB/s of one plain loop, of padata on one CPU and on all")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(programs)) as directory:
        capture, sas = os.path.join(directory, "small.pcap"), os.path.join(directory, "sas")
        write_capture(capture, 3000000)
        rates = {}
        for algorithm in ALGORITHMS:
            write_sas(program, algorithm, sas)
            for backend in BACKENDS:
                try:
                    row = in_memory(program, sas, capture, backend, 1, 1 if quick else 7)
                except subprocess.CalledProcessError:
                    continue  # a backend that this machine has not
                rates[algorithm, backend] = row["all_cpus_mb_s"]
                results.append({"algorithm": algorithm, "backend": backend, **row})
                say(f"  {algorithm:<20}{backend:<10}{row['plain_mb_s']:>9.0f}{row['one_cpu_mb_s']:>9.0f}"
                    f"{row['all_cpus_mb_s']:>9.0f}   one to plain {row['one_to_plain']:.3f}, all to one"
                    f" {row['all_to_one']:.3f}")
        say("\nESP, the whole tool on a capture of 1 GB: seconds, of cat, and of the crypto alone")
        write_sas(program, ALGORITHMS[0], sas)
        rate = max(rate for (algorithm, _), rate in rates.items() if algorithm == ALGORITHMS[0])
        row = whole_tool(program, sas, rate, directory, 100000000 if quick else 1000000000, 1 if quick else 5)
        results.append({"algorithm": ALGORITHMS[0], **row})
        say(f"  {row['tool']:>9.2f}{row['cat']:>9.2f}{row['crypto']:>9.2f}   {row['to_bound']:.2f} of the larger bound")
    return results
