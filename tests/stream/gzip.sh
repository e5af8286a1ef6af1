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

# Every bit of a small file: the same data, or an error.
every_bit()
{
	seq 1 30 >small
	pad <small >small.gz
	python3 - "$padata" <<'P'
import subprocess, sys
good = open("small.gz", "rb").read()
truth = open("small", "rb").read()
wrong = 0
for i in range(len(good)):
    bad = bytearray(good)
    bad[i] ^= 1 << (i % 8)
    p = subprocess.run([sys.argv[1], "gzip", "-d"], input=bytes(bad), capture_output=True)
    if p.returncode == 0 and p.stdout != truth or p.returncode not in (0, 1):
        print("byte", i, "status", p.returncode)
        wrong = 1
sys.exit(wrong)
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
ok "gzip: no bit can change unseen" every_bit
ok "gzip: bad input" bad_input
exit $cases_failed
