#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
# Alone: nothing may be lost under load, and the machine is to carry it.
"""The gateway as a process: what it gave up, its memory, its signals, and what outlives it."""
import glob
import os
import re
import signal
import subprocess

import rig


def status(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def keeper(gateway):
    """The process that keeps root."""
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path.rsplit("/", 1)[1])
        try:
            if int(status(pid)["PPid"]) == gateway.process.pid:
                return pid
        except (FileNotFoundError, ProcessLookupError):
            pass
    raise rig.Failed("there is no process that keeps root")


def one(**options):
    namespace = rig.Namespace("a")
    other = rig.Namespace("b")
    rig.join(namespace, rig.OUTER_PREFIXES[0], other, rig.OUTER_PREFIXES[1])
    return rig.Gateway(namespace, 0, options.pop("sas", None) or rig.new_sas(), **options)


IPC_LOCK = 1 << 14


def privileges():
    if rig.sanitized():
        raise rig.Skip("a sanitizer needs what is given up")
    gateway = one(lines=["user daemon"])
    for thread in os.listdir("/proc/%d/task" % gateway.process.pid):
        s = status(int(thread))
        rig.equal(s["Uid"].split(), ["1"] * 4, "user of thread " + s["Name"])
        rig.equal(s["Gid"].split(), ["1"] * 4, "group of thread " + s["Name"])
        rig.equal(s["Groups"].strip(), "", "more groups of thread " + s["Name"])
        rig.equal(s["NoNewPrivs"], "1", "no_new_privs of thread " + s["Name"])
        rig.equal(s["Seccomp"], "2", "seccomp of thread " + s["Name"])
        for caps in ("CapPrm", "CapEff"):
            rig.equal(int(s[caps], 16) & ~IPC_LOCK, 0, "%s of thread %s" % (caps, s["Name"]))
        for caps in ("CapInh", "CapAmb"):
            rig.equal(int(s[caps], 16), 0, "%s of thread %s" % (caps, s["Name"]))
    with open("/proc/%d/limits" % gateway.process.pid, encoding="ascii") as f:
        core = re.search(r"Max core file size +(\S+) +(\S+)", f.read())
    rig.equal(core.groups(), ("0", "0"), "limit of core dumps")
    # Not dumpable: what is in /proc belongs to root, not to the user.
    rig.equal(os.stat("/proc/%d/environ" % gateway.process.pid).st_uid, 0, "owner of the process's files in /proc")
    s = status(keeper(gateway))
    rig.equal(int(s["CapPrm"], 16) & ~(1 << 12 | 1 << 1 | 1 << 2), 0, "capabilities of the process that keeps root")
    rig.equal((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"), "no_new_privs and seccomp of the process that keeps root")
    gateway.end()


def where(pid, needle):
    """The mappings that hold the bytes: (start, the words of smaps)."""
    found = []
    with open("/proc/%d/smaps" % pid, encoding="ascii") as f:
        maps = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", f.read())
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for entry in maps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", entry)
            if not head or "r" not in head[3] or head[4].startswith(("[vvar", "[vsyscall", "[vdso")):
                continue
            start, end = int(head[1], 16), int(head[2], 16)
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except OSError:
                continue
            if data and needle in data:
                found.append((head[4] or "anonymous", re.search(r"Locked: +(\d+) kB", entry), re.search(r"VmFlags: (.*)", entry)))
    return found


def keys_in_memory():
    """Wherever a key is, the page cannot go to swap; once the SA is gone, it is nowhere."""
    if rig.sanitized():
        raise rig.Skip("a sanitizer locks no memory, and keeps what was freed")
    more = rig.new_sas(algo="chacha20-poly1305")
    key = bytes.fromhex(re.findall(r"aead \S+ 0x([0-9a-f]+)", more)[0])[:32]
    gateway = one()
    pid = gateway.process.pid
    gateway.ctl("sa", "add", rig.keep("more", more))
    gateway.namespace.run("ping", "-q", "-c", 5, "-i", 0.05, "-W", 1, rig.INNER[4][1], status=1)
    found = where(pid, key)
    rig.check(found, "the key is not found where it must be: the search is wrong")
    for name, locked, flags in found:
        rig.check("lo" in flags[1].split(), "a key is in memory that may go to swap: %s, %s" % (name, flags[1]))
    rig.equal(where(keeper(gateway), key), [], "the key in the process that keeps root")
    for spi in rig.spis(more):
        gateway.ctl("sa", "del", "spi", spi)
    rig.equal(where(pid, key), [], "the key after its SA was removed")
    gateway.end()


def rewrite(gateway, sas, lines=()):
    rig.keep(gateway.namespace.name + ".conf", gateway.text(sas, lines))


def listed(gateway):
    return {int(s["spi"], 16) for s in gateway.ctl("sa", "list")}


def hang_up():
    """SIGHUP: what is new is added, what is gone is removed, what has stayed goes on, what is wrong changes nothing."""
    first, second, third = rig.new_sas(), rig.new_sas(), rig.new_sas()
    gateway = one(sas=first)
    gateway.ctl("sa", "add", rig.keep("third", third))
    rewrite(gateway, first + second, ["cpus 0"])
    gateway.process.send_signal(signal.SIGHUP)
    every = set(rig.spis(first + second + third))
    rig.until(lambda: listed(gateway) == every, "the SAs of the new file")
    rig.equal(gateway.stats()["cpus"], "0", "CPUs")
    rewrite(gateway, second, ["cpus all", "keepalive 7"])
    gateway.process.send_signal(signal.SIGHUP)
    rig.until(lambda: listed(gateway) == set(rig.spis(second + third)), "the SAs of the first file to go")
    rig.until(lambda: "takes effect at the next start: keepalive\n" in gateway.log(), "the line about the keepalive")
    for lines, rest in ((["keepalive 7"], "keepalive"), (["dscp 3", "route 10.99.0.0/16", "address fd99::1/64"], "address, route, dscp")):
        rewrite(gateway, second, ["cpus all"] + lines)
        for _ in range(2):
            told = gateway.ctl("reload")
            rig.check(told["note"].endswith("takes effect at the next start: " + rest), "until then it is said: %s" % told)
    rewrite(gateway, second, ["cpus all"])
    told = gateway.ctl("reload")
    rig.equal(told, {"ok": True}, "what reload says of a file that is as it was")
    rewrite(gateway, second, ["cpus all", "remote 192.0.2.2 port 4501"])
    told = gateway.ctl("reload")
    rig.check(told["ok"] and told["note"].endswith("takes effect at the next start: remote"), "note of reload: %s" % told)
    lines = gateway.log().count("\n")
    for text, why in ((gateway.text(second, ["mtu 5"]), ": '5': auto or 576"),
                      (gateway.text(second.replace(re.findall(r"0x[0-9a-f]{30,}", second)[0], "0x" + "ab" * 20), ()), "it has changed"),
                      (gateway.text(second.replace("reqid 1 mode tunnel", "reqid 1 mode tunnel limit packet-hard 9"), ()), "it has changed"),
                      (gateway.text(second.replace("replay-window 1024", "replay-window 64"), ()), "it has changed"),
                      (gateway.text(second + "src 192.0.2.1 dst 192.0.2.2 proto esp spi 5 reqid 9 mode tunnel "
                                    "aead 'rfc4106(gcm(aes))' 0x" + "00" * 20 + " 128\n", ()), "nothing says")):
        rig.keep("a.conf", text)
        gateway.process.send_signal(signal.SIGHUP)
        lines += 1
        rig.until(lambda: gateway.log().count("\n") == lines, "a line about what is wrong") # pylint: disable=cell-var-from-loop
        rig.check(why in gateway.log().splitlines()[-1], "%r does not say %r" % (gateway.log().splitlines()[-1], why))
        rig.equal(listed(gateway), set(rig.spis(second + third)), "SAs after a file with an error")
    os.chmod(gateway.config, 0o644)
    _, err = ctl_text(gateway, "reload", status=1)
    rig.check("others may read it" in err, "what reload says of such a file: " + err)
    os.chmod(gateway.config, 0o600)
    gateway.end()


def ctl_text(gateway, *args, status=0):
    done = subprocess.run([rig.ESP, "ctl", "--socket", gateway.socket] + list(args), capture_output=True, text=True, check=False)
    rig.equal(done.returncode, status, "exit status of ctl " + " ".join(args))
    return done.stdout, done.stderr


def reload_under_load():
    """New keys by SIGHUP while packets flow: the peer has them already, nothing is lost."""
    tunnel = rig.Tunnel()
    a, b = tunnel.gateways
    stamps = rig.Stamps(tunnel.a, tunnel.b, rig.INNER[4][1], max(rig.SECONDS, 2), 50)
    old = tunnel.sas
    for _ in range(5):
        new = rig.new_sas()
        for gateway in (b, a):
            rewrite(gateway, old + new)
            gateway.ctl("reload")
        rewrite(a, new)
        a.ctl("reload")
        old = new
    stamps.perfect()
    rig.equal(len(a.ctl("sa", "list")), 2, "SAs of a")
    tunnel.end()


def seq_on_disk(gateway, spi):
    with open(gateway.config + ".oseq", encoding="ascii") as f:
        return int(re.search(r"spi 0x%08x oseq (\d+)" % spi, f.read())[1])


def numbers_outlive_it():
    """No sequence number is used twice with one key, however the gateway ended."""
    sas = rig.new_sas()
    out = rig.spis(sas)[0]
    gateway = one(sas=sas)

    def send():
        before = gateway.stats()["out"]["packets"]
        gateway.namespace.run("ping", "-q", "-c", 3, "-i", 0.05, "-W", 1, rig.INNER[4][1], status=1)
        rig.check(gateway.stats()["out"]["packets"] >= before + 3, "pings were not encrypted")
        return next(s["seq"] for s in gateway.ctl("sa", "list") if s["dir"] == "out")
    used = send()
    rig.check(seq_on_disk(gateway, out) > used, "numbers are not reserved before they are used")
    gateway.end()
    rig.equal(seq_on_disk(gateway, out), used, "the number kept after an end in order")
    rig.equal(os.stat(gateway.config + ".oseq").st_mode & 0o777, 0o600, "mode of the file of numbers")
    gateway = rig.Gateway(gateway.namespace, 0, sas)
    rig.equal(send(), used + 3, "the number after a new start")
    reserved = seq_on_disk(gateway, out)
    gateway.process.kill()
    rig.until(lambda: not os.path.exists(gateway.socket), "the control socket to go with a gateway that was killed")
    rig.equal(gateway.namespace.link("tun0"), None, "the device of a gateway that was killed")
    gateway = rig.Gateway(gateway.namespace, 0, sas)
    rig.check(send() > reserved, "numbers that may have been used are used again")
    gateway.end()
    with open(gateway.config + ".oseq", "a", encoding="ascii") as f:
        f.write("dst 192.0.2.2 spi nonsense\n")
    with open(gateway.config + ".oseq", encoding="ascii") as f:
        refused(gateway, 3, "a.conf.oseq:%d: damaged" % len(f.readlines()))
    os.unlink(gateway.config + ".oseq")


def refused(gateway, status_wanted, why, *options):
    done = subprocess.run(gateway.namespace.command(rig.ESP, "gateway", "--config", gateway.config, *options),
                          capture_output=True, text=True, check=False, timeout=rig.PATIENCE)
    rig.equal(done.returncode, status_wanted, "exit status (%s)" % done.stderr)
    rig.check(why in done.stderr and done.stderr.count("\n") == 1, "%r does not say %r" % (done.stderr, why))


def refusals():
    gateway = one()
    refused(gateway, 3, "another gateway runs with it")
    other = rig.Gateway.__new__(rig.Gateway)
    other.__dict__ = dict(gateway.__dict__)

    def variant(text):
        other.config = rig.keep("other.conf", text)
        return other
    text = re.sub(r"(?m)^(address|route) .*\n", "", gateway.text(gateway_sas(gateway), ()))
    refused(variant(text.replace("tun tun0", "tun tun9").replace("port 4500", "port 4600")), 6, "another gateway listens there")
    text = text.replace("a.sock", "b.sock")
    refused(variant(text.replace("tun tun0", "tun tun9")), 6, "Address already in use")
    text = text.replace("local 192.0.2.1 port 4500", "local 192.0.2.1 port 4600")
    refused(variant(text), 6, "tun0")
    text = text.replace("tun tun0", "tun tun9")
    refused(variant(text + "user nobody-at-all\n"), 6, "other.conf:%d: 'nobody-at-all': there is no such user" % (text.count("\n") + 1))
    refused(variant(text + "route 10.2.0.0/24\n"), 6, "route 10.2.0.0/24: File exists")
    refused(variant(text + "cpus 0\n" + "metrics 127.0.0.1:1\n" + "backend nothing\n"), 3, "'nothing'")
    os.chmod(variant(text).config, 0o640)
    refused(other, 3, "others may read it")
    rig.equal(other.namespace.link("tun9"), None, "the device of a gateway that did not start")
    rig.check(not os.path.exists(rig.WORK + "/b.sock"), "the control socket of a gateway that did not start is left")
    gateway.end()


def gateway_sas(gateway):
    with open(gateway.config, encoding="ascii") as f:
        return re.search(r"(?ms)^src 192.*?(?=^src \S+/)", f.read())[0]


def watchdog():
    """READY, then WATCHDOG at least every half of what systemd waits for, then STOPPING."""
    import socket
    gateway = one()
    gateway.end()
    path = rig.WORK + "/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(rig.PATIENCE)
        process = gateway.namespace.start(rig.ESP, "gateway", "--config", gateway.config,
                                          env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"})
        told = [notify.recv(100) for _ in range(4)]
        rig.equal(told[0], b"READY=1", "what is told first")
        rig.equal(set(told[1:]), {b"WATCHDOG=1"}, "what is told then")
        process.send_signal(signal.SIGHUP)
        while told[-1] != b"STOPPING=1":
            if told[-1] == b"RELOADING=1":
                rig.equal(notify.recv(100), b"READY=1", "what is told after a reload")
                process.send_signal(signal.SIGTERM)
            told.append(notify.recv(100))
        process.end()


rig.isolate()
rig.cases(privileges, keys_in_memory, hang_up, reload_under_load, numbers_outlive_it, refusals, watchdog)
