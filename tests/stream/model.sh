#!/bin/sh
# SPDX-License-Identifier: MIT
# Random commands that sleep, fail, die, write more than they read or leave input unread, against a model of order and status.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1

# Each record tells its command what to do: SLEEP BYTES FATE.
cat >command <<'C'
#!/bin/sh
read -r number sleep bytes fate
[ "$sleep" = 0 ] || sleep "0.0$sleep"
echo "begin $number"
[ "$bytes" = 0 ] || head -c "$bytes" /dev/zero | tr '\0' .
echo "end $number"
case $fate in
read) cat >/dev/null ;;
unread) ;;
close) exec <&- >&- ;;
fail) cat >/dev/null; exit 7 ;;
last) cat >/dev/null; exit 255 ;;
die) kill -9 $$ ;;
esac
C
chmod +x command

cat >model.py <<'P'
import random, signal, subprocess, sys
padata, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
STATUS = {"fail": 123, "last": 124, "die": 125}
for turn in range(rounds):
    jobs = random.choice([1, 2, 3, 8, 40])
    halt = random.choice([None, None, "never", "now,fail=1", "now,fail=3", "soon,fail=1"])
    grave = random.random() < 0.5
    fates = ["read"] * 8 + ["unread", "close"] + (["fail"] if random.random() < 0.7 else []) + (["last", "die"] if grave else [])
    records = []
    for n in range(random.randint(1, 45)):
        records.append((n, random.choice([0, 0, 0, 1, 3]), random.choice([0, 10, 3000, 70000, 300000]), random.choice(fates)))
    text = "".join("%d %d %d %s\n" % r + "x" * random.choice([0, 50, 100000]) + "\n" for r in records)
    out = [b"begin %d\n" % n + b"." * size + b"end %d\n" % n for n, _, size, _ in records]
    shown, status, failures, stop = len(records), 0, 0, None
    for i, (n, _, _, fate) in enumerate(records):
        this = STATUS.get(fate, 0)
        if not this:
            continue
        failures += 1
        if not status or status == 123 and this > 123:
            status = this
        if halt is None and this > 123 or halt == "now,fail=%d" % failures or halt == "now,fail=3" and failures == 3:
            shown = i + 1
            break
        if halt == "soon,fail=1" and stop is None:
            stop = i
    command = [padata, "pipe", "-N", "2", "-j", str(jobs), "--memory", random.choice(["1M", "4M", "256M"])]
    if halt:
        command += ["--halt", halt]
    ran = subprocess.run(command + ["--", "./command"], input=text.encode(), capture_output=True, timeout=60)
    whole = b"".join(out[:shown])
    if stop is None:
        good = ran.stdout == whole and ran.returncode == status
    else:
        # What had begun goes on: a beginning of the whole, at a job's end, with that job at least.
        good = any(ran.stdout == b"".join(out[:k]) for k in range(stop + 1, len(out) + 1)) or \
            ran.stdout == b"".join(out[:len(ran.stdout.split(b"end ")) - 1])
        good = good and ran.returncode in (123, 124, 125)
    if not good:
        print("seed", seed, "turn", turn, command, "status", ran.returncode, "not", status, "jobs shown", shown,
              "length", len(ran.stdout), "not", len(whole), ran.stderr[-300:])
        print(records)
        sys.exit(1)
P

model()
{
	python3 model.py "$padata" "$1" "$2"
}

for seed in 1 2 3; do
	ok "model: random commands, seed $seed" model $seed 12
done
exit $cases_failed
