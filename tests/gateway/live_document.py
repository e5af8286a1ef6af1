#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""What doc/gateway.md tells an administrator, done as it stands there."""
import os
import re
import signal

import rig

with open(os.path.join(rig.HERE, "../../doc/gateway.md"), encoding="utf-8") as document:
    TEXT = document.read()

# What a test machine has not: the second machine's file system, and systemd.
STAND_INS = {
    "scp": "[ \"$2\" = 192.0.2.2: ] && cp \"$1\" %s/home-b/" % rig.WORK,
    "systemctl": "[ \"$*\" = 'enable --now padata-esp@office' ]",
    "padata-esp": "exec %s \"$@\"" % os.path.abspath(rig.ESP),
}


def begin(namespace, block):
    """Runs the commands of one machine, then what systemd would."""
    directory = "%s/%s" % (rig.WORK, namespace.name)
    home = "%s/home-%s" % (rig.WORK, namespace.name)
    os.makedirs(rig.WORK + "/bin", exist_ok=True)
    for name, script in STAND_INS.items():
        with open(os.open("%s/bin/%s" % (rig.WORK, name), os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n%s\n" % script)
    namespace.run("sh", "-e", "-c", block.replace("/etc/padata-esp", directory),
                  env={**os.environ, "HOME": home, "PATH": "%s/bin:%s" % (rig.WORK, os.environ["PATH"])})
    with open(os.path.join(rig.HERE, "../../gateway/padata-esp@.service.in"), encoding="utf-8") as unit:
        command = re.search(r"(?m)^ExecStart=@BINDIR@/padata-esp (.*)$", unit.read())[1]
    command = command.replace("/etc/padata-esp", directory).replace("%i", "office")
    return namespace.start("unshare", "--mount", "sh", "-e", "-c", # two machines, each with a /run of its own
                           "mkdir -p /run/padata-esp; mount -t tmpfs tmpfs /run/padata-esp; exec \"$@\"", "sh",
                           rig.ESP, *command.split())


def from_nothing_to_a_tunnel():
    blocks = re.findall(r"(?s)```sh\n(.*?)```", TEXT)
    rig.equal(len(blocks), 2, "blocks of commands in doc/gateway.md")
    a, b = rig.Namespace("a"), rig.Namespace("b")
    rig.join(a, ["192.0.2.1/24"], b, ["192.0.2.2/24"])
    for namespace in (a, b):
        os.makedirs("%s/home-%s" % (rig.WORK, namespace.name))
    gateways = [begin(a, blocks[0]), begin(b, blocks[1])]
    rig.until(lambda: all(n.link("padata0") for n in (a, b)), "both devices")
    a.run("ping", "-q", "-n", "-c", 10, "-i", 0.2, "-w", rig.PATIENCE, "10.2.0.1", status=None)
    rig.ping(a, "10.2.0.1")
    rig.ping(b, "10.1.0.1")
    for gateway in gateways:
        gateway.end(signal.SIGTERM)


def commands_exist():
    """Each `padata-esp ctl` and `padata-esp top` of the document is a command."""
    tunnel = rig.Tunnel()
    a = tunnel.gateways[0]
    new = rig.new_sas().split("src ")
    names = {"a-to-b": rig.keep("a-to-b", "src " + new[1]), "b-to-a": rig.keep("b-to-a", "src " + new[2])}
    spis = iter(rig.spis(tunnel.sas))
    done = []
    for line in re.findall(r"(?m)^    padata-esp ctl (.*?)(?:   .*)?$", TEXT):
        words = line.replace("OLD", "0x%08x" % next(spis) if "OLD" in line else "").split()
        if words[0] == "events":
            continue
        if words[:2] == ["sa", "add"] and words[2] in done:
            continue # the same on the other machine
        done.append(words[-1])
        words = [names.get(word, word) for word in words]
        a.ctl(*[w.replace("0-3", "0") for w in words])
    rig.check(len(done) >= 7, "commands in doc/gateway.md: %s" % done)
    tunnel.end()


rig.isolate()
rig.cases(from_nothing_to_a_tunnel, commands_exist)
