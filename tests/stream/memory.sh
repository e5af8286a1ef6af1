#!/bin/sh
# SPDX-License-Identifier: MIT
# The bound on what is read and not yet written holds, whatever the first block does, and the order with it.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
seq 1 3000000 >in # 23 MB

stat_of()
{
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" err
}

# The first block is slow; the sizes are in MiB.
within()
{
	limit=$1
	shift
	[ "$(stat_of held_peak)" -le $((limit << 20)) ] || { echo "held $(stat_of held_peak)"; return 1; }
	[ -n "$sanitized" ] || [ "$(stat_of rss_peak)" -le $((limit + 32 << 20)) ] || { echo "resident $(stat_of rss_peak)"; return 1; }
}

slow_first()
{
	"$padata" pipe --memory 8M --block 200K --stats json "$@" -- sh -c 'read -r n; [ $n != 1 ] || sleep 0.7; echo $n; cat' <in 2>err | cmp - in &&
		within 8 && cat in | "$padata" pipe --memory 8M --block 200K --stats json "$@" -- \
		sh -c 'read -r n; [ $n != 1 ] || sleep 0.7; echo $n; cat' 2>err | cmp - in && within 8
}

# The same at full length, for PADATA_TEST_LONG: 20 s and 2 GB, in the memory that is the default.
slow_first_long()
{
	first='read -r n; [ $n != 1 ] || sleep 20; echo $n; exec cat'
	seq 1 226000000 | cksum >sum
	"$padata" pipe --block 1M --stats json -- sh -c "$first" <"$1" 2>err | cksum | cmp - sum && within 256
}

long_through_pipe()
{
	mkfifo fifo
	seq 1 226000000 >fifo &
	slow_first_long fifo
}

long_from_file()
{
	seq 1 226000000 >long
	slow_first_long long
}

# Each block's output is twenty times its input, and nothing of it can be written until the first is done.
large_outputs()
{
	head -n 300000 in >some
	sed 's/.*/&&&&&&&&&&&&&&&&&&&&/' some >want
	"$padata" pipe --memory 4M --block 100K -j 5 --stats json -- \
		sh -c 'case $0 in 1) sleep 0.5 ;; esac; exec sed "s/.*/&&&&&&&&&&&&&&&&&&&&/"' '{#}' <some 2>err | cmp - want && within 4
}

# Without an end, the first job's output flows.
flows()
{
	echo 1 | timeout 20 "$padata" map --memory 1M -- sh -c 'exec yes' | head -c 50000000 | tail -c 2 >out
	printf 'y\n' | cmp - out && echo 1 | "$padata" map --memory 1M --stats json -- sh -c 'head -c 30000000 /dev/zero' 2>err | wc -c | grep -q 30000000 &&
		within 1
}

# Others go on behind a slow one.
behind_a_slow_one()
{
	seq 1 400 >jobs
	"$padata" map -j 2 -- sh -c 'if [ $1 = 1 ]; then until [ -e done.400 ]; do sleep 0.02; done; fi; : >done.$1; echo $1' sh \
		<jobs | cmp - jobs
}

retries_hold_output()
{
	status_is 1 "$padata" map --memory 1M --retries 2 -- sh -c 'head -c 30000000 /dev/zero' <one && grep -q 'job 1 .*more than --memory' err
}

slow_reader()
{
	"$padata" pipe --memory 8M --block 200K --stats json -- cat <in 2>err | { sleep 0.5; cat; } | cmp - in && within 8
}

# Records of any length, headers, errors, many ways to run: within the bound, and either all of it or one line that says why not.
cat >bound.py <<'P'
import json, random, subprocess, sys
padata, seed, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
refused = 0
for turn in range(turns):
    limit = random.choice([1, 1, 2, 5]) << 20
    sizes = [random.choice([3, 50, 2000, 60000, random.randrange(1 << 20)]) for _ in range(random.randint(1, 12))] + [5] * random.randrange(3000)
    random.shuffle(sizes)
    text = b"".join(b"%d " % i + b"x" * size + b"\n" for i, size in enumerate(sizes))
    if random.random() < 0.3:
        text = text[:-1]
    name, header, expected = "pipe", 0, text
    command = [padata, "pipe", "--memory", str(limit), "--block", str(random.choice([20, 4000, 70000, 1 << 18, 1 << 20])), "--stats", "json",
               "-j", str(random.choice([1, 2, 5, 30]))]
    if random.random() < 0.3:
        command += ["-N", str(random.choice([7, 100]))]
    if random.random() < 0.3:
        header = random.choice([1, 3])
        command += ["--header", str(header)]
        expected = b"".join(text.splitlines(True)[header:])
    number = "{#}" if random.random() < 0.5 else "x"
    script = "sed 1,%dd" % header if header else "cat"
    if random.random() < 0.5:
        script = "head -c 30000 /dev/zero | tr '\\0' e >&2; " + script
    command += ["--", "sh", "-c", script, number]
    with open("bound", "wb") as f:
        f.write(text)
    with open("bound", "rb") as f:
        ran = subprocess.run(command, stdin=f, capture_output=True, timeout=120) if random.random() < 0.5 else \
            subprocess.run(command, input=text, capture_output=True, timeout=120)
    stats = json.loads(ran.stderr[ran.stderr.rindex(b"{"):])
    said = [l for l in ran.stderr.replace(b"e", b"").splitlines() if b"longr than" in l]
    whole = ran.returncode == 0 and ran.stdout == expected and not said
    refusal = ran.returncode == 1 and len(said) == 1 and expected.startswith(ran.stdout) and max(sizes) * 3 > limit
    if stats["held_peak"] > limit or not (whole or refusal):
        print("seed", seed, "turn", turn, command, stats, ran.returncode, len(ran.stdout), len(expected), said, ran.stderr[-300:])
        sys.exit(1)
    refused += refusal
print(turns, "turns,", refused, "refused")
P

bound()
{
	python3 bound.py "$padata" "$1" "$2"
}

# Arguments, words and tags count too; what is too much is refused, and never read on.
arguments()
{
	yes | head -n 3000000 >ys
	status_is 1 "$padata" map --memory 1M -n 1000000000 --stats json -- echo <ys && grep -q 'longer than --memory' err && within 1 && [ ! -s out ] &&
		head -c 100000 /dev/zero | tr '\0' x >wide && status_is 0 "$padata" map --memory 1M --stats json -- echo {} {} {} <wide && within 1 &&
		status_is 1 "$padata" map --memory 1M --stats json -- echo {} {} {} {} {} {} {} {} {} {} {} <wide &&
		grep -q 'job 1 (line 1): its words are longer than --memory' err && within 1 &&
		seq 1 3000 >jobs && status_is 0 "$padata" map --memory 1M -j 3 --tag --stats json -- \
		sh -c '[ $1 != 1 ] || sleep 0.5; echo $1' sh {} 'a word, so that there is more to hold' <jobs && within 1 && cut -f 2 out | cmp - jobs
}

echo 1 >one
ok "memory: a slow first block" slow_first
ok "memory: a slow first block, many jobs" slow_first -j 32
if [ -n "${PADATA_TEST_LONG:-}" ]; then
	ok "memory: a first block of 20 s, 2 GB through a pipe" long_through_pipe
	ok "memory: a first block of 20 s, 2 GB from a file" long_from_file
fi
ok "memory: the bound holds for any records" bound 1 25
ok "memory: arguments count" arguments
ok "memory: outputs larger than inputs" large_outputs
ok "memory: the oldest job's output flows" flows
ok "memory: jobs behind a slow one run on" behind_a_slow_one
ok "memory: --retries and an output that does not fit" retries_hold_output
ok "memory: a slow reader of the output" slow_reader
exit $cases_failed
