#!/bin/sh
# SPDX-License-Identifier: MIT
# padata gzip: what it writes is read by the others, what they write is read by it, and damage never passes.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
"$padata" gzip </dev/null >/dev/null 2>&1 || { echo "skip gzip: built without libdeflate"; exit 0; }

{ seq 1 300000; head -c 300000 /dev/urandom; head -c 3000000 /dev/zero; } >data
: >empty
printf x >one

pad() { "$padata" gzip "$@"; }

read_by()
{
	for input in data empty one; do
		"$@" <$input >packed && gzip -dc <packed | cmp $input - && pigz -dc <packed | cmp $input - &&
			zcat <packed | cmp $input - && pad -d <packed | cmp $input - && cat packed | pad -d | cmp $input - &&
			python3 -c 'import gzip, sys; sys.stdout.buffer.write(gzip.open("packed").read())' | cmp $input - || return 1
	done
}

ours_by_others()
{
	read_by pad && read_by pad -1 --block 100k && read_by pad -9 -j 1 && cat data | pad -a data | pad -d -a /dev/stdin | cmp data -
}

levels()
{
	for level in 1 2 3 4 5 6 7 8 9 10 11 12; do
		head -c 100000 data | pad -$level | gzip -dc | cmp -n 100000 data - || return 1
	done
	[ "$(pad -1 <data | wc -c)" -gt "$(pad -9 <data | wc -c)" ]
}

bgzf()
{
	tail -c +1000001 data | head -c 100 >part
	read_by pad --bgzf && pad --bgzf <data >data.gz && bgzip -dc data.gz | cmp data - && bgzip -r data.gz &&
		bgzip -b 1000000 -s 100 data.gz | cmp - part && [ "$(tail -c 28 data.gz | cksum)" = "$(bgzip </dev/null | tail -c 28 | cksum)" ]
}

tabix_index()
{
	awk 'BEGIN { for (i = 1; i < 20000; i++) print "chr1\t" i * 10 "\t" i * 10 + 5 }' >bed
	pad --bgzf <bed >bed.gz && tabix -p bed bed.gz && [ "$(tabix bed.gz chr1:100001-100021 | cut -f 2 | tr '\n' ' ')" = '100000 100010 100020 ' ]
}

others_by_ours()
{
	for input in data empty one; do
		gzip -c <$input >a.gz && pigz -c <$input >b.gz && bgzip -c <$input >c.gz && pigz -p 3 -b 128 -c <$input >d.gz &&
			pad <$input >e.gz && gzip -N -c $input >f.gz || return 1
		for packed in a b c d e f; do
			pad -d <$packed.gz | cmp $input - && cat $packed.gz | pad -d | cmp $input - || return 1
		done
		cat a.gz e.gz c.gz b.gz e.gz | pad -d >all && cat $input $input $input $input $input | cmp - all || return 1
	done
	{ gzip -c data; head -c 1000 /dev/zero; } | pad -d | cmp data -
}

# Status 1 and one line. What was written is the beginning of the truth, but for a member that came in pieces: its sum is last.
refused()
{
	status_is 1 "$padata" gzip -d <bad && [ "$(wc -l <err)" -eq 1 ] && { [ "$good" = good.gz ] || cmp -n "$(wc -c <out)" out data; }
}

damage()
{
	pad --block 400k <data >good.pd && pad --bgzf <data >good.bgzf && gzip -c data >good.gz || return 1
	for good in good.pd good.bgzf good.gz; do
		size=$(wc -c <$good)
		for at in 40 400 5000 $((size / 2)) $((size - 3)); do
			{ head -c $at $good; head -c 1 /dev/zero | tr '\0' '\125'; tail -c +$((at + 2)) $good; } >bad
			cmp -s bad $good || refused || { echo "$good damaged at $at"; return 1; }
			head -c $at $good >bad && [ $at -ne 0 ] && { refused || { echo "$good cut at $at"; return 1; }; }
		done
		{ cat $good; echo garbage; } >bad && refused || return 1
	done
	good=none
	cp data bad && refused && printf '\037' >bad && refused
}

# Every byte of a small file changed, and the file cut at every length: the same data, or an error.
every_byte()
{
	seq 1 30 >small
	pad <small >small.pd && pad --bgzf <small >small.bgzf && gzip -c small >small.gz || return 1
	python3 - "$padata" $stride <<'P'
import subprocess, sys
stride = int(sys.argv[2])
truth = open("small", "rb").read()
wrong = 0
def refused_or_right(bad, what):
    global wrong
    p = subprocess.run([sys.argv[1], "gzip", "-d"], input=bad, capture_output=True)
    lines = p.stderr.count(b"\n")
    if not (p.returncode == 0 and p.stdout == truth and lines == 0 or p.returncode == 1 and lines == 1):
        print(what, "status", p.returncode, p.stdout[:50], p.stderr)
        wrong = 1
for kind in ("pd", "bgzf", "gz"):
    good = open("small." + kind, "rb").read()
    for i in range(0, len(good), stride):
        for mask in (1 << i % 8, 0xff):
            bad = bytearray(good)
            bad[i] ^= mask
            refused_or_right(bytes(bad), "%s byte %d by %02x" % (kind, i, mask))
    # Nothing at all is no gzip file, as gzip has it; BGZF without its end mark is whole.
    for i in range(0, len(good), stride):
        refused_or_right(good[:i], "%s cut at %d" % (kind, i))
sys.exit(wrong)
P
}

# Small ones too: what is held stays below it, whatever the members are like.
bounded()
{
	head -c 20000000 /dev/zero | tr '\0' z >same
	cat data same >much
	pad --block 4M <much >big.pd && pad --bgzf <much >big.bgzf && gzip -c much >big.gz && cat big.pd big.bgzf big.gz >big || return 1
	for limit in 1 3 8; do
		for way in '-j 1' '-j 2 --block 300K' '-1 --block 64M' --bgzf; do
			# shellcheck disable=SC2086
			pad --memory ${limit}M --stats json $way <much 2>err | gzip -dc | cmp - much && held $limit || return 1
		done
		cat much much much >thrice
		pad -d --memory ${limit}M --stats json <big 2>err | cmp - thrice && held $limit || return 1
	done
}

held()
{
	held=$(sed -n 's/.*"held_peak":\([0-9]*\).*/\1/p' err)
	[ "$held" -gt 100000 ] && [ "$held" -le $(($1 << 20)) ] || { echo "held $held"; return 1; }
}

# Other CPUs while it runs: each worker keeps to its CPU, and the bytes stay the same.
live_cpus()
{
	first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
	mkfifo slow
	"$padata" gzip --block 50K <slow >live.gz &
	pid=$!
	{ head -c 2000000 data; "$padata" cpus $pid "$first" || echo no >failed; "$padata" cpus $pid 99999999 2>err && echo no >failed
		tail -c +2000001 data; } >slow
	wait $pid && [ ! -e failed ] && [ "$(wc -l <err)" -eq 1 ] && gzip -dc live.gz | cmp - data
}

# Nobody reads on: it ends, though no more input comes.
closed_pipe()
{
	mkfifo silent
	sleep 60 >silent &
	writer=$!
	{ pad --block 100K <silent 2>err; echo $? >status; } | :
	kill $writer
	[ "$(cat status)" -eq 141 ] && [ ! -s err ]
}

progress()
{
	python3 - "$padata" <<'P'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.dup2(os.open("packed", os.O_WRONLY | os.O_CREAT), 1)
    os.execv(sys.argv[1], [sys.argv[1], "gzip", "-9", "--bar", "-a", "data"])
seen = b""
try:
    while part := os.read(fd, 4096):
        seen += part
except OSError: # what a terminal without a program gives
    pass
status = os.waitpid(pid, 0)[1]
ok = status == 0 and b"running" in seen and b"held" in seen and b"oldest" in seen
if not ok:
    print(seen, status)
sys.exit(not ok)
P
}

bad_input()
{
	status_is 1 "$padata" gzip -a nowhere && status_is 1 "$padata" gzip -13 <one && status_is 1 "$padata" gzip file &&
		status_is 1 "$padata" gzip -a . && status_is 1 sh -c '"$1" gzip <data >/dev/full' sh "$padata" &&
		[ "$(cat err)" = 'padata: standard output: No space left on device' ]
}

ok "gzip: gzip, pigz, zcat, Python read it" ours_by_others
ok "gzip: levels 1 to 12" levels
ok "gzip: bgzip reads and indexes --bgzf" bgzf
ok "gzip: tabix finds its way in --bgzf" tabix_index
ok "gzip: reads what gzip, pigz and bgzip write, in any mixture" others_by_ours
ok "gzip: damaged, cut and foreign files are refused" damage
ok "gzip: no byte can change unseen, and none can be missing" every_byte
ok "gzip: --memory is a bound" bounded
ok "gzip: other CPUs while it runs" live_cpus
ok "gzip: a closed pipe ends it at once" closed_pipe
ok "gzip: progress on a terminal" progress
ok "gzip: bad input" bad_input
exit $cases_failed
