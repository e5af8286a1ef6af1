#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""The control socket: SAs added, removed and listed, CPUs, events, counters, and clients that mean no good."""
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import rig


class Alone:
    """One gateway, and no peer."""

    def __init__(self, lines=(), sas=None):
        self.namespace = rig.Namespace("a")
        other = rig.Namespace("b")
        rig.join(self.namespace, rig.OUTER_PREFIXES[0], other, rig.OUTER_PREFIXES[1])
        self.sas = sas or rig.new_sas()
        self.gateway = rig.Gateway(self.namespace, 0, self.sas, lines=lines)

    def ask(self, *args, status=0):
        """The text form: (standard output, standard error)."""
        done = subprocess.run([rig.ESP, "ctl", "--socket", self.gateway.socket] + [str(a) for a in args],
                              capture_output=True, text=True, check=False, timeout=rig.PATIENCE)
        rig.equal(done.returncode, status, "exit status of ctl %s (%s)" % (args, done.stderr))
        return done.stdout, done.stderr

    def listed(self):
        return {(s["dir"], int(s["spi"], 16)): s for s in self.gateway.ctl("sa", "list")}

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(rig.PATIENCE)
        s.connect(self.gateway.socket)
        return s

    def end(self):
        self.gateway.end()


def sas_come_and_go():
    a = Alone()
    out, into = rig.spis(a.sas)
    rig.equal(set(a.listed()), {("out", out), ("in", into)}, "SAs of the file")
    more = rig.new_sas(algo="chacha20-poly1305", esn=True)
    rig.equal(a.gateway.ctl("sa", "add", rig.keep("more", more)), {"ok": True}, "sa add")
    new_out, new_in = rig.spis(more)
    sas = a.listed()
    rig.equal(set(sas), {("out", out), ("in", into), ("out", new_out), ("in", new_in)}, "SAs")
    rig.equal(sas["out", out]["state"], "replaced", "the old one's state")
    new = sas["out", new_out]
    rig.equal((new["state"], new["algorithm"], new["esn"], new["reqid"], new["peer"]),
              ("active", "chacha20-poly1305", True, 1, "192.0.2.2:4500"), "the new one")
    rig.equal(a.gateway.ctl("sa", "del", "dst", "192.0.2.2", "spi", "0x%08x" % out), {"ok": True}, "sa del")
    a.gateway.ctl("sa", "del", "spi", into, "after", 60)
    sas = a.listed()
    rig.equal(set(sas), {("out", new_out), ("in", into), ("in", new_in)}, "SAs")
    rig.equal(sas["in", into]["state"], "leaving", "state of the one that lingers")
    rig.check(0 < sas["in", into]["linger"] <= 60, "seconds that it lingers")
    text = a.ask("sa", "list")[0].splitlines()
    rig.equal([line.split()[0] for line in text], ["dir", "in", "out", "in"], "first column of the list")
    for secret in re.findall(r"0x[0-9a-f]{20,}", a.sas + more):
        rig.check(secret not in "\n".join(text), "a key was listed")
    a.end()


def standard_input():
    a = Alone()
    more = rig.new_sas()
    done = subprocess.run([rig.ESP, "ctl", "--socket", a.gateway.socket, "sa", "add", "-"], input=more, text=True, check=False)
    rig.equal(done.returncode, 0, "exit status")
    rig.equal(len(a.listed()), 4, "number of SAs")
    a.end()


def refusals():
    """All SAs of a request or none, one line that says why, and nothing has changed."""
    a = Alone()
    before, cpus_before = set(a.listed()), a.ask("cpus")
    good = rig.new_sas()
    cases = [
        (good + "src 192.0.2.1 dst", "/bad:%d: 'end of file'" % (good.count("\n") + 1)),
        (good + good.replace("reqid 1", "reqid 2"), "another SA"),
        (a.sas, "another SA has this SPI"),
        (good.replace("192.0.2.1", "198.51.100.7"), "neither end"),
        (good.replace("reqid 1", "reqid 7"), "nothing says what this SA may carry"),
        ("", "no SA in it"),
    ]
    for text, why in cases:
        _, err = a.ask("sa", "add", rig.keep("bad", text), status=1)
        rig.check(why in err and err.count("\n") == 1, "%r does not say %r" % (err, why))
        rig.equal(set(a.listed()), before, "SAs after what was refused: " + why)
    out = rig.spis(a.sas)[0]
    for args, why in [
            (("sa", "del", "spi", 5), "SA 0x00000005: there is none"),
            (("sa", "del", "spi", out, "dst", "192.0.2.9"), "there is none"),
            (("sa", "del"), "'spi NUMBER' is needed"),
            (("sa", "del", "spi", "x"), "a number is needed"),
            (("sa", "del", "spi", out, "now"), "'now': src, dst, spi and after are known"),
            (("sa", "list", "all"), "nothing more is expected"),
            (("sa",), "known are"), (("dance",), "known are"),
            (("reload", "now"), "nothing more is expected"), (("cpus", "0", "1"), "nothing more is expected"),
            (("cpus", "5-3"), "list of CPUs"), (("cpus", "0,0x"), "list of CPUs")]:
        _, err = a.ask(*args, status=1)
        rig.check(why in err and err.count("\n") == 1, "%r does not say %r" % (err, why))
        rig.check(why in a.gateway.ctl(*args, status=1)["error"], "the JSON does not say why")
    rig.equal(set(a.listed()), before, "SAs")
    rig.equal(a.ask("cpus"), cpus_before, "CPUs")
    a.end()


def cpus():
    a = Alone()
    every = a.ask("cpus")[0].strip()
    rig.equal(a.ask("cpus", "0")[0], "0\n", "cpus 0")
    rig.equal(a.gateway.stats()["cpus"], "0", "CPUs in the counters")
    rig.equal(a.gateway.ctl("cpus", "all"), {"cpus": every}, "cpus all")
    a.end()


def events():
    a = Alone(lines=["keepalive 0"])
    listener = a.namespace.start(rig.ESP, "ctl", "--socket", a.gateway.socket, "--json", "events")
    text = a.namespace.start(rig.ESP, "ctl", "--socket", a.gateway.socket, "events")
    rig.until(lambda: a.gateway.ctl("cpus", "0") and select.select([text.stdout], [], [], 0)[0] and
              select.select([listener.stdout], [], [], 0)[0], "the first event")
    more = rig.new_sas()
    limited = re.sub(r"reqid 1 mode tunnel", "reqid 1 mode tunnel limit packet-soft 2 limit packet-hard 3", more)
    a.gateway.ctl("sa", "add", rig.keep("more", limited))
    a.namespace.run("ping", "-q", "-c", 5, "-i", 0.05, "-W", 1, rig.INNER[4][1], status=1)
    out = rig.spis(more)[0]
    a.gateway.ctl("sa", "del", "spi", out)
    seen, lines = [], []
    while ("removed", out) not in seen:
        event = json.loads(listener.stdout.readline())
        rig.check(abs(event["time"] - time.time()) < 3600, "time of the event")
        seen.append((event["event"], int(event.get("spi", "0"), 16)))
    for event in ("added", "soft", "hard", "removed"):
        rig.equal(seen.count((event, out)), 1, "events %s of the SA in %s" % (event, seen))
        while not lines or not re.search(r" %s out spi 0x%08x dst 192.0.2.2 reqid 1$" % (event, out), lines[-1]):
            lines.append(text.stdout.readline().rstrip("\n"))
            rig.check(lines[-1], "the text of events has ended")
    order = [seen.index((event, out)) for event in ("added", "soft", "hard", "removed")]
    rig.equal(order, sorted(order), "order of the events")
    rig.check(a.gateway.dropped("out").get("hard_packets"), "packets beyond the limit are counted")
    a.end()
    listener.end(status=None)
    text.end(status=None)


def hostile_clients():
    """Silent ones, slow ones, chatty ones, far more than there are places: none is in the way of the next command."""
    tunnel = rig.Tunnel()
    gateway = tunnel.gateways[0]
    stamps = rig.Stamps(tunnel.a, tunnel.b, rig.INNER[4][1], rig.SECONDS, 50)
    before = gateway.process.memory()

    def connect():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(gateway.socket) # waits for a place in the queue of those that wait to be accepted
        s.setblocking(False)
        return s
    clients = []
    for number in range(200):
        client = connect()
        clients.append(client)
        what = number % 5
        try:
            if what == 1:
                client.send(b"json sa list\n")
                client.shutdown(socket.SHUT_WR) # and never reads
            elif what == 2:
                client.send(b"events\n")
                client.shutdown(socket.SHUT_WR)
            elif what == 3:
                while True:
                    client.send(b"sa add x\n" + b"\0" * 65536)
            elif what == 4:
                client.close()
        except (BlockingIOError, BrokenPipeError):
            pass
        if number % 20 == 0:
            began = time.monotonic()
            rig.check(gateway.stats()["tun"] == "tun0", "the answer to a command among hostile clients")
            rig.check(time.monotonic() - began < rig.PATIENCE, "the answer came late")
    def listen():
        client = connect()
        try:
            client.send(b"events\n")
            client.shutdown(socket.SHUT_WR)
        except OSError: # sent away: those above have not all been served yet
            client.close()
            return None
        return client
    listeners = [rig.until(listen, "a place for a listener") for _ in range(8)]
    for number in range(400): # more than a listener that does not read can be sent
        gateway.ctl("sa", "del", "spi", 5, status=1)
        if number % 4 == 0:
            gateway.ctl("cpus", ("0", "all")[number // 4 % 2])
    grown = gateway.process.memory() - before
    rig.check(grown < 32 << 20 or rig.sanitized(), "memory grew by %d bytes" % grown)
    stamps.perfect()
    for client in clients + listeners:
        client.close()
    tunnel.end()


def lost_events():
    """A listener that does not read is told how many lines it has missed."""
    a = Alone()
    slow = a.connect()
    slow.sendall(b"json events\n")
    slow.shutdown(socket.SHUT_WR)
    rig.equal(slow.recv(3), b"ok\n", "the answer")
    more = rig.new_sas()
    request = b"sa add more\n" + more.encode()
    told, seen, lost, text = 0, 0, 0, b""
    while told < 4000:
        for command in [request] + [b"sa del spi %d\n" % spi for spi in rig.spis(more)]:
            client = a.connect()
            client.sendall(command)
            client.shutdown(socket.SHUT_WR)
            rig.equal(client.recv(100), b"ok\n", "the answer")
            client.close()
        told += 4
    while seen + lost < told:
        if not select.select([slow], [], [], 0.1)[0]:
            a.gateway.ctl("cpus", "0") # the count goes with the next line
            told += 1
            rig.check(told < 4200, "%d events seen and %d lost of %d" % (seen, lost, told))
        text += slow.recv(65536)
        *lines, text = text.split(b"\n")
        for line in map(json.loads, lines):
            if line["event"] == "lost":
                lost += int(line["events"])
            else:
                seen += 1
    rig.equal(seen + lost, told, "events seen and lost")
    rig.check(lost > 0, "nothing was lost, so nothing was tried")
    slow.close()
    a.end()


def who_may_ask():
    a = Alone(lines=["user daemon"])
    mode = os.stat(a.gateway.socket)
    rig.equal((mode.st_mode & 0o777, mode.st_uid), (0o600, 1), "mode and owner of the control socket")
    for user, status in (("nobody", 6), ("daemon", 0)):
        done = subprocess.run(["setpriv", "--reuid", user, "--clear-groups", os.path.abspath(rig.ESP), "ctl", "--socket",
                               a.gateway.socket, "stats"], capture_output=True, text=True, check=False)
        rig.equal(done.returncode, status, "exit status for the user %s (%s)" % (user, done.stderr))
    a.end()


def metrics():
    directory = rig.WORK + "/metrics"
    os.makedirs(directory)
    os.chown(directory, 1, 1)
    a = Alone(lines=["user daemon", "metrics 127.0.0.1:9100", "metrics file %s/gateway.prom" % directory])

    def get(path):
        return a.namespace.run("python3", "-c", "import urllib.request,sys\n"
                               "r = urllib.request.urlopen('http://127.0.0.1:9100%s')\n"
                               "print(r.headers['Content-Type']); print(r.read().decode())" % path)
    text = get("/metrics")
    rig.check(text.startswith("text/plain; version=0.0.4\n"), "content type: " + text.splitlines()[0])
    check_exposition(text.split("\n", 1)[1], rig.spis(a.sas))
    a.namespace.run("python3", "-c", "import urllib.request,urllib.error\n"
                    "try: urllib.request.urlopen('http://127.0.0.1:9100/')\n"
                    "except urllib.error.HTTPError as e: assert e.code == 404")
    with open(directory + "/gateway.prom", encoding="ascii") as f:
        check_exposition(f.read(), rig.spis(a.sas))
    rig.equal(os.listdir(directory), ["gateway.prom"], "files")
    a.end()


def check_exposition(text, spis):
    """Each line is a sample of a metric whose HELP and TYPE stand above it."""
    known, samples = set(), {}
    for line in text.strip().splitlines():
        kind = re.fullmatch(r"# (HELP|TYPE) (\w+) (.+)", line)
        if kind:
            known.add((kind[1], kind[2]))
            continue
        sample = re.fullmatch(r'(\w+)(\{(\w+="[^"\\]*",?)*\})? ([0-9.]+)', line)
        rig.check(sample, "not a sample: " + line)
        rig.check(("HELP", sample[1]) in known and ("TYPE", sample[1]) in known, "no HELP or TYPE: " + line)
        rig.check(line.rsplit(" ", 1)[0] not in samples, "twice: " + line)
        samples[line.rsplit(" ", 1)[0]] = float(sample[4])
    rig.check('padata_esp_dropped_packets_total{direction="in",reason="bad_icv"}' in samples, "drops by reason")
    rig.check('padata_esp_sa_packets_total{direction="out",spi="0x%08x",reqid="1"}' % spis[0] in samples, "packets by SA")


def top_lines():
    a = Alone()
    out = a.namespace.run(rig.ESP, "top", "--socket", a.gateway.socket, "--interval", 0.1, "--count", 2)
    rig.equal(len(out.splitlines()), 2, "lines of top: " + out)
    for line in out.splitlines():
        rig.check(re.match(r"tun0 up \d+ out \d+ packets/s [0-9.]+ Mb/s \d+ dropped/s in \d+ packets/s [0-9.]+ Mb/s "
                           r"\d+ dropped/s queue \d+/\d+", line), "line of top: " + line)
    a.end()


def on_terminal(command, rows, columns):
    """What a program writes to a terminal of this size until it ends."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = rig.Process(command, stdin=its, stdout=its, stderr=its, text=False, env={**os.environ, "TERM": "xterm"})
    os.close(its)
    out = b""
    while True:
        try:
            out += os.read(ours, 65536)
        except OSError: # EIO: it has closed its end
            break
    os.close(ours)
    process.end()
    return out.decode()


def top_on_a_terminal():
    """Drawn in place, within the terminal, which is given back as it was."""
    a = Alone()
    for rows, columns in ((40, 110), (12, 50)):
        out = on_terminal([rig.ESP, "top", "--socket", a.gateway.socket, "--interval", "0.1", "--count", "2"], rows, columns)
        start, *pictures = out.split("\033[H")
        rig.equal(start, "\033[?1049h\033[?25l\033[?7l", "what goes before the first picture")
        rig.check(out.endswith("\033[?7h\033[?25h\033[?1049l"), "the terminal is not given back: %r" % out[-40:])
        rig.equal(len(pictures), 3, "pictures, that of the beginning included")
        for picture in pictures:
            lines = re.sub("\033\\[[?0-9]*[A-Za-z]", "", picture).split("\r\n")
            rig.check(len(lines) <= rows, "%d lines on a terminal of %d" % (len(lines), rows))
            rig.check(lines[0].startswith("tun0  up "), "first line: " + lines[0])
            if rows == 40:
                rig.check(all("0x%08x" % spi in picture for spi in rig.spis(a.sas)), "an SA is missing: %s" % lines)
    a.end()


def top_ends():
    """By a key, by a signal, by the end of the gateway: the terminal is always given back. Another size is drawn at once."""
    a = Alone()
    for how, status in ((b"q", 0), (signal.SIGINT, 0), (signal.SIGTERM, 0), (None, 6)):
        ours, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        before = termios.tcgetattr(its)
        process = rig.Process([rig.ESP, "top", "--socket", a.gateway.socket, "--interval", "600"], stdin=its, stdout=its,
                              stderr=its, text=False, env={**os.environ, "TERM": "xterm"})
        out = b""

        def pictures(count):
            nonlocal out
            while out.count(b"\033[H") < count:
                rig.check(select.select([ours], [], [], rig.PATIENCE)[0], "no picture %d: %r" % (count, out)) # pylint: disable=cell-var-from-loop
                out += os.read(ours, 65536) # pylint: disable=cell-var-from-loop
        pictures(1)
        time.sleep(0.06) # less since the last picture tells nothing, and is not drawn
        process.send_signal(signal.SIGWINCH)
        pictures(2)
        rig.check(termios.tcgetattr(its) != before, "the terminal is as before while top runs")
        if how is None:
            a.gateway.process.kill()
            time.sleep(0.06)
            os.write(ours, b" ")
        elif how == b"q":
            os.write(ours, how)
        else:
            process.send_signal(how)
        process.end(status=status)
        while select.select([ours], [], [], 0)[0]:
            out += os.read(ours, 65536)
        rig.check(b"\033[?7h\033[?25h\033[?1049l" in out, "the screen is not given back after %s: %r" % (how, out[-60:]))
        rig.equal(termios.tcgetattr(its), before, "the terminal after %s" % how)
        os.close(its)
        os.close(ours)


rig.isolate("setpriv")
rig.cases(sas_come_and_go, standard_input, refusals, cpus, events, hostile_clients, lost_events, who_may_ask, metrics, top_lines,
          top_on_a_terminal, top_ends)
