# SPDX-License-Identifier: MIT
"""transfer.py receive ADDRESS | send ADDRESS SIZE: bytes that do not repeat, by TCP; each end prints their number and SHA-256."""
import hashlib
import os
import socket
import sys

PORT = 5001


def send(address, size):
    block, digest, number = os.urandom(1 << 20), hashlib.sha256(), 0
    with socket.create_connection((address, PORT), timeout=60) as s:
        while number << 20 < size:
            part = (number.to_bytes(8, "little") + block[8:])[:size - (number << 20)]
            s.sendall(part)
            digest.update(part)
            number += 1
        s.shutdown(socket.SHUT_WR)
        s.recv(1)  # the receiver has seen the end
    print(size, digest.hexdigest())


def receive(address):
    digest, size = hashlib.sha256(), 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, PORT), family=family) as listener:
        print("ready", flush=True)
        s, _ = listener.accept()
        with s:
            while part := s.recv(1 << 18):
                digest.update(part)
                size += len(part)
    print(size, digest.hexdigest())


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]))
else:
    receive(sys.argv[2])
