# SPDX-License-Identifier: MIT
"""Two gateways in network namespaces, and what the tests of this directory do with them.

A test program begins with rig.isolate(): it then runs in namespaces of its own for networks, mounts and processes, so
that everything it makes, devices, routes, sockets, processes, ends with it, however it ends.

PADATA_GATEWAY_SECONDS is how long each measurement under load takes: 2 without it, 60 by `make check-gateway`.
"""
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback

SECONDS = float(os.environ.get("PADATA_GATEWAY_SECONDS", "2"))
SEED = int(os.environ.get("PADATA_GATEWAY_SEED", "0")) or int.from_bytes(os.urandom(4), "little") | 1
BUILD = os.environ.get("PADATA_BUILD", "build/release")
ESP = os.path.join(BUILD, "padata-esp")
HERE = os.path.dirname(os.path.abspath(__file__))
ALGORITHMS = ["aes128-gcm", "aes256-gcm", "chacha20-poly1305", "aes128-cbc-sha256", "aes256-cbc-sha256", "null-sha256"]
WORK = "/run/gateway"  # in the test's own mount namespace
PATIENCE = 30          # seconds for what takes none: a test under load, or held, is no failure


class Failed(Exception):
    """What a case found wrong."""


class Skip(Exception):
    """Why a case cannot be done here."""


def skip_all(why):
    print("skip %s: %s" % (os.path.basename(sys.argv[0]), why))
    sys.exit(0)


def isolate(*programs):
    """Run in namespaces of the test's own, or say why that cannot be and end. `programs` must be installed."""
    if not os.path.exists(ESP):
        skip_all("padata-esp was not built")
    if b"gateway" not in subprocess.run([ESP, "--help"], capture_output=True, check=False).stdout:
        skip_all("padata-esp was built without the gateway")
    for program in ("ip", "unshare", "nsenter", "ping") + programs:
        if not shutil.which(program):
            skip_all(program + " is not installed")
    if os.environ.get("PADATA_GATEWAY_ISOLATED") != "yes":
        if os.geteuid() != 0:
            skip_all("only root may make network namespaces")
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        tried = subprocess.run(unshare + ["true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            skip_all("namespaces are not allowed: " + tried.stderr.strip())
        os.environ["PADATA_GATEWAY_ISOLATED"] = "yes"
        os.execvp("unshare", unshare + [sys.executable] + sys.argv)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.makedirs("/run/netns")
    os.makedirs(WORK)
    os.chmod(WORK, 0o755)
    made = subprocess.run(["ip", "tuntap", "add", "try0", "mode", "tun"], capture_output=True, text=True, check=False)
    if made.returncode:
        skip_all("TUN devices are not allowed: " + made.stderr.strip())
    subprocess.run(["ip", "link", "del", "try0"], check=True)


def cases(*functions):
    """Run each, tell how it went, and end. Names of cases on the command line choose among them."""
    failed = False
    chosen = sys.argv[1:]
    for function in functions:
        name = function.__name__
        if chosen and name not in chosen:
            continue
        try:
            function()
            print("ok " + name)
        except Skip as why:
            print("skip %s: %s" % (name, why))
        except (Failed, subprocess.SubprocessError, OSError) as why:
            failed = True
            print("not ok " + name)
            print("# " + str(why).replace("\n", "\n# "))
            if not isinstance(why, Failed):
                print("# " + traceback.format_exc().replace("\n", "\n# "))
        for process in list(Process.alive):
            process.kill()
        Namespace.remove_all()
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, wanted, what):
    check(got == wanted, "%s: %s, not %s" % (what, got, wanted))


def until(condition, what, patience=PATIENCE):
    """Wait for what another process does; never a stand-in for an event that could be waited for."""
    for _ in range(int(patience / 0.02)):  # turns, not time: the whole test may have been held meanwhile
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise Failed("waited %d s for %s" % (patience, what))


class Process(subprocess.Popen):
    """A process in a namespace. Output is text; what was not waited for ends with the case."""
    alive = []

    def __init__(self, command, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("text", True)
        self.command = command
        super().__init__(command, **options)
        Process.alive.append(self)

    def forget(self):
        if self in Process.alive:
            Process.alive.remove(self)

    def kill(self):
        super().kill()
        self.wait()
        if self.stdout:
            self.stdout.close()
        self.forget()

    def ready(self):
        """The first line of a driver."""
        equal(self.stdout.readline().strip(), "ready", "first line of " + " ".join(self.command))
        return self

    def end(self, sig=None, status=0, patience=PATIENCE):
        """What it printed. With `sig`, it is asked to end by it."""
        if sig is not None:
            self.send_signal(sig)
        for _ in range(int(patience / 0.25) + 1):  # turns, as above
            try:
                out, _ = self.communicate(timeout=0.25)
                break
            except subprocess.TimeoutExpired:
                pass
        else:
            self.kill()
            raise Failed("still running after %d s: %s" % (patience, " ".join(self.command)))
        self.forget()
        if status is not None:
            check(self.returncode == status, "exit status %d, not %d: %s\n%s" % (
                self.returncode, status, " ".join(self.command), out or ""))
        return out

    def memory(self, what="VmRSS"):
        """Resident bytes now; VmHWM: at most so far."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return int(re.search(what + r":\s*(\d+) kB", f.read())[1]) * 1024

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Namespace:
    """A network namespace."""
    made = []

    def __init__(self, name):
        self.name = name
        self.path = "/run/netns/" + name
        subprocess.run(["ip", "netns", "add", name], check=True)
        Namespace.made.append(self)
        self.ip("link", "set", "lo", "up")

    @staticmethod
    def remove_all():
        for namespace in Namespace.made:
            subprocess.run(["ip", "netns", "del", namespace.name], check=False)
        Namespace.made.clear()

    def ip(self, *args):
        done = subprocess.run(["ip", "-n", self.name] + list(args), capture_output=True, text=True, check=False)
        check(done.returncode == 0, "ip %s: %s" % (" ".join(args), done.stderr))
        return done.stdout

    def link(self, name):
        """What `ip -s -j link` says of a device; None: there is none."""
        done = subprocess.run(["ip", "-n", self.name, "-s", "-j", "link", "show", "dev", name], capture_output=True,
                              text=True, check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else None

    def command(self, *args):
        return ["nsenter", "--net=" + self.path] + [str(a) for a in args]

    def start(self, *args, **options):
        return Process(self.command(*args), **options)

    def run(self, *args, status=0, patience=PATIENCE, **options):
        return self.start(*args, **options).end(status=status, patience=patience)

    def udp_errors(self):
        """Datagrams that the sockets of this namespace lost for want of room."""
        text = self.run("cat", "/proc/net/snmp", "/proc/net/snmp6")
        names, values = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
        return int(values[names.index("RcvbufErrors")]) + int(re.search(r"Udp6RcvbufErrors\s+(\d+)", text)[1])

    def listens(self, port):
        """Whether something accepts TCP connections there."""
        return re.search(r"(?m)^ *\d+: \w+:%04X \w+:0000 0A" % port, self.run("cat", "/proc/net/tcp", "/proc/net/tcp6"))


def join(one, its_addresses, other, other_addresses, mtu=1500):
    """Two namespaces by a veth pair: veth0 in each, unless it is taken."""
    count = len(re.findall(r"veth\d", one.ip("-o", "link"))), len(re.findall(r"veth\d", other.ip("-o", "link")))
    names = "veth%d" % count[0], "veth%d" % count[1]
    subprocess.run(["ip", "link", "add", names[0], "netns", one.name, "mtu", str(mtu), "type", "veth", "peer", "name", names[1],
                    "netns", other.name, "mtu", str(mtu)], check=True)
    for namespace, name, addresses in ((one, names[0], its_addresses), (other, names[1], other_addresses)):
        for address in addresses:
            namespace.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        namespace.ip("link", "set", name, "up")


OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
OUTER_PREFIXES = [["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"]]
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
INNER_PREFIXES = [["10.1.0.1/24", "fd01::1/64"], ["10.2.0.1/24", "fd02::1/64"]]
INNER_NETS = [["10.1.0.0/24", "fd01::/64"], ["10.2.0.0/24", "fd02::/64"]]


def new_sas(outer=4, algo="aes128-gcm", esn=False, reqid=1):
    """The text of a pair of SAs, one for each direction: the first from a to b."""
    a, b = OUTER[outer]
    command = [ESP, "genkey", "--algo", algo, "--encap", "--src", a, "--dst", b, "--reqid", str(reqid)] + (["--esn"] if esn else [])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def each(sas):
    """The text of each of a pair of SAs."""
    second = sas.index("src ", 4)
    return sas[:second], sas[second:]


def spis(sas):
    return [int(x, 16) for x in re.findall(r"spi (0x[0-9a-f]+)", sas)]


def keep(name, text):
    """A file that its owner alone may read; its path."""
    path = os.path.join(WORK, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
        f.write(text)
    return path


class Gateway:
    """One running gateway. `index` is 0 for a, 1 for b."""

    def __init__(self, namespace, index, sas, outer=4, lines=(), esp=ESP, wrapper=(), port=4500):
        self.namespace = namespace
        self.index = index
        self.outer = outer
        self.port = port
        self.socket = "%s/%s.sock" % (WORK, namespace.name)
        self.errors = "%s/%s.log" % (WORK, namespace.name)
        self.config = keep(namespace.name + ".conf", self.text(sas, lines))
        notify_path = "%s/%s.notify" % (WORK, namespace.name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.errors, "w", encoding="utf-8") as err:
            if os.path.exists(notify_path):
                os.unlink(notify_path)
            notify.bind(notify_path)
            notify.settimeout(0.1)
            self.process = namespace.start(*wrapper, esp, "gateway", "--config", self.config, stderr=err,
                                           env={**os.environ, "NOTIFY_SOCKET": notify_path})
            until(lambda: self.told(notify), "the gateway in %s to be ready" % namespace.name)

    def told(self, notify):
        if self.process.poll() is not None:
            raise Failed("the gateway in %s ended with %d: %s" % (self.namespace.name, self.process.returncode, self.log()))
        try:
            return b"READY=1" in notify.recv(4096)
        except TimeoutError:
            return False

    def text(self, sas, lines):
        me, peer = self.index, 1 - self.index
        text = ["tun tun0", "local %s port %d" % (OUTER[self.outer][me], self.port), "control " + self.socket]
        text += ["address " + p for p in INNER_PREFIXES[me]] + ["route " + n for n in INNER_NETS[peer]]
        text += list(lines) + [sas]
        for family in range(2):
            for way, (src, dst) in (("out", (me, peer)), ("in", (peer, me))):
                text.append("src %s dst %s\n\tdir %s priority 0\n\ttmpl src %s dst %s\n\t\tproto esp reqid 1 mode tunnel" % (
                    INNER_NETS[src][family], INNER_NETS[dst][family], way, OUTER[self.outer][src], OUTER[self.outer][dst]))
        return "\n".join(text) + "\n"

    def log(self):
        with open(self.errors, encoding="utf-8") as f:
            return f.read()

    def ctl(self, *args, status=0):
        command = Process([ESP, "ctl", "--socket", self.socket, "--json"] + [str(a) for a in args], stderr=subprocess.DEVNULL)
        out = command.end(status=status)
        return json.loads(out) if out else None

    def stats(self):
        return self.ctl("stats")

    def dropped(self, way):
        """{reason: count} of what was dropped, without the zeroes and the keepalives, which come whenever it is quiet."""
        return {k: v for k, v in self.stats()[way]["drops"].items() if v and k != "keepalive"}

    def end(self, status=0):
        """Ask it to end. Its exit status and that the device is gone are checked."""
        self.process.end(signal.SIGTERM, status=status)
        check(self.namespace.link("tun0") is None, "the TUN device is still there after the end")


class Events:
    """What a gateway tells on its control socket from now on."""

    def __init__(self, gateway):
        self.process = gateway.namespace.start(ESP, "ctl", "--socket", gateway.socket, "--json", "events")
        # An event of our own shows that it listens.
        until(lambda: gateway.ctl("cpus", "all") and select.select([self.process.stdout], [], [], 0)[0], "the first event")
        self.seen = []

    def read(self, event, spi):
        """All (event, SPI) up to this one."""
        while (event, spi) not in self.seen:
            line = self.process.stdout.readline()
            check(line, "no more events after %s" % self.seen)
            told = json.loads(line)
            self.seen.append((told["event"], int(told.get("spi", "0"), 16)))
        return self.seen


class Tunnel:
    """Two namespaces, a and b, a gateway in each; with `proxy` (its options, even none) the proxy between them."""

    def __init__(self, outer=4, algo="aes128-gcm", esn=False, proxy=None, lines=(), esp=ESP, mtu=1500, wrapper=()):
        self.outer, self.algo, self.esn = outer, algo, esn
        self.a, self.b = Namespace("a"), Namespace("b")
        self.sas = new_sas(outer, algo, esn)
        self.proxy = None
        if proxy is None:
            join(self.a, OUTER_PREFIXES[0], self.b, OUTER_PREFIXES[1], mtu)
        else:
            sides = Namespace("pa"), Namespace("pb")
            join(self.a, OUTER_PREFIXES[0], sides[0], OUTER_PREFIXES[1], mtu)
            join(sides[1], OUTER_PREFIXES[0], self.b, OUTER_PREFIXES[1], mtu)
            a, b = OUTER[outer]
            self.proxy = Process([driver("proxy"), sides[0].path, b, a, sides[1].path, a, b] + list(proxy)).ready()
        self.gateways = [Gateway(n, i, self.sas, outer, lines, esp, wrapper) for i, n in enumerate((self.a, self.b))]

    def calm(self):
        """The proxy passes everything from now on."""
        self.proxy.send_signal(signal.SIGUSR1)

    def move(self):
        """The proxy is behind another port from now on."""
        self.proxy.send_signal(signal.SIGUSR2)
        equal(self.proxy.stdout.readline().strip(), "moved", "what the proxy says of its move")

    def settle(self):
        """Wait until nothing more is under way: the counters stand still for 100 ms."""
        def counters():
            return [g.stats()[way]["packets"] for g in self.gateways for way in ("out", "in")]
        last = counters()

        def still():
            nonlocal last
            time.sleep(0.1)
            now = counters()
            same, last = now == last, now
            return same
        until(still, "the tunnel to fall silent")

    def end(self):
        """End it all; what the proxy counted, for the ways a to b and b to a."""
        for gateway in self.gateways:
            gateway.end()
        return json.loads(self.proxy.end(signal.SIGTERM).splitlines()[-1])["ways"] if self.proxy else None


def driver(name):
    return os.path.join(BUILD, "tests/gateway", name + "_driver")


def ping(namespace, address, count=3, patience=PATIENCE):
    namespace.run("ping", "-q", "-n", "-c", count, "-i", 0.05, "-W", 5, address, patience=patience)


def transfer(source, sink, address, size, patience=120):
    """`size` bytes by TCP; both ends' checksums must be equal. Seconds."""
    script = os.path.join(HERE, "transfer.py")
    receiver = sink.start(sys.executable, script, "receive", address).ready()
    began = time.monotonic()
    sent = source.run(sys.executable, script, "send", address, size, patience=patience)
    received = receiver.end(patience=patience)
    equal(received.split(), sent.split(), "size and SHA-256 of what was received by TCP at " + address)
    return time.monotonic() - began


class Stamps:
    """Numbered UDP from one namespace to the other, under way until `end`."""

    def __init__(self, source, sink, address, seconds, mbit, size=1200, burst=1, flows=1):
        self.receiver = sink.start(driver("stamp"), "receive", address, 5000).ready()
        self.sender = source.start(driver("stamp"), "send", address, 5000, seconds, mbit, size, burst, flows)
        self.seconds = seconds

    def end(self, sig=None):
        """{"sent", "received", "lost", "out_of_order", "duplicates", ...}; with `sig` before its time."""
        sent = json.loads(self.sender.end(sig, patience=self.seconds + PATIENCE).splitlines()[-1])
        try:
            received = json.loads(self.receiver.end(patience=PATIENCE).splitlines()[-1])
        except Failed:
            raise Failed("the end of the numbered UDP did not arrive") from None
        check(sent["sent"] > 0, "nothing was sent")
        return {**sent, **received, "lost": sent["sent"] - received["received"]}

    def perfect(self, sig=None):
        result = self.end(sig)
        for what in ("lost", "out_of_order", "duplicates"):
            equal(result[what], 0, "%s of %d datagrams, %s" % (what, result["sent"], result))
        return result


def sanitized():
    """Whether the program was built with the address sanitizer, which keeps what was freed."""
    with open(ESP, "rb") as f:
        return b"__asan_init" in f.read()


def cpus():
    return len(os.sched_getaffinity(0))
