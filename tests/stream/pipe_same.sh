#!/bin/sh
# SPDX-License-Identifier: MIT
# What leaves is, byte for byte, what the plain command writes: for every size of block, number of jobs and kind of input.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
cd "$work" || exit 1
padata=$(cd "$OLDPWD" && realpath "$padata")

seq 1 60 >short
seq 1 200000 >long
printf 'a\nbb\n\nccc\n\n\nno newline at the end' >unended
awk 'BEGIN { for (i = 0; i < 40; i++) { s = ""; for (j = 0; j < i * 997; j++) s = s "x"; print i, s } }' >lines
head -c 700000 /dev/urandom >binary
tr '\n' '\0' <short >nul
awk 'BEGIN { for (i = 0; i < 3000; i++) print "{\"n\":" i ",\"s\":\"" i * 7 "\"}" }' >json
: >empty

# try INPUT OPTIONS... -- COMMAND...: from a file, and through a pipe.
try()
{
	input=$1
	shift
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	"$@" <"$input" >plain
	# shellcheck disable=SC2086
	"$padata" pipe $options -- "$@" <"$input" >from_file 2>errors
	cmp plain from_file || return 1
	# shellcheck disable=SC2086
	cat "$input" | "$padata" pipe $options -- "$@" >from_pipe 2>>errors
	cmp plain from_pipe || return 1
	# shellcheck disable=SC2086
	"$padata" pipe $options -a "$input" -- "$@" </dev/null | cat >from_arg 2>>errors
	cmp plain from_arg && { [ ! -s errors ] || { cat errors; return 1; }; }
}

tiny_blocks()
{
	for block in 1 3 50; do
		for jobs in 1 2 64; do
			try short --block $block -j $jobs -- cat && try unended --block $block -j $jobs -- cat || return 1
		done
	done
}

# Every size of block from a byte to more than the input, and with them every number of jobs.
every_one()
{
	{ seq 90 130; printf '\n\n'; echo a line that is longer than the others; printf 'and no end'; } >mixed
	tr '\n' '\0' <mixed >mixed0
	size=$(wc -c <mixed)
	block=1
	while [ $block -le $((size + 3)) ]; do
		jobs=$((block % 64 + 1))
		"$padata" pipe --block $block -j $jobs -- cat <mixed | cmp mixed - || { echo "--block $block -j $jobs"; return 1; }
		"$padata" pipe -0 --block $block -j $jobs -- cat <mixed0 | cmp mixed0 - || { echo "-0 --block $block -j $jobs"; return 1; }
		[ $block -lt 16 ] || cat mixed | "$padata" pipe --recend '' --block $block -j $jobs -- cat | cmp mixed - ||
			{ echo "--recend '' --block $block -j $jobs"; return 1; }
		block=$((block + stride))
	done
	# A command that adds the end of the last line, where the plain one does.
	for block in 1 10 100 1000; do
		awk '{ print NF, $0 }' mixed >plain
		"$padata" pipe --block $block -- awk '{ print NF, $0 }' <mixed | cmp plain - || return 1
	done
}

all_sizes()
{
	try long --block 20000 -- cat || return 1
	for block in 65535 65536 65537 1m 1M 64M; do
		for jobs in 1 2 64; do
			try long --block $block -j $jobs -- cat || return 1
		done
		try lines --block $block -- cat && try unended --block $block -- cat && try binary --block $block -- cat ||
			return 1
	done
}

commands()
{
	try long --block 100k -- sed -E 's/([0-9])1/<\1>/g' && try long --block 300k -- tr 0-9 a-j &&
		try long --block 200k -- grep 77 && try long --block 200k -- awk '{ print $1 * 2, length($1) }' &&
		try json --block 4k -- jq -c '{m: .n}' && try long --block 200k -- grep 123456 &&
		try lines --block 40k -- sed -n 's/x/y/gp' &&
		try unended --block 5 -- grep o && try lines --block 1 -- tr x y && try long -- awk '/3$/ { print "<" $0 ">" }' &&
		try nul -0 --block 20 -- sed -z s/1/one/ && try nul -0 --block 7 -- grep -z 3 && try binary --recend= -- tr a-m n-z
}

records()
{
	try nul -0 --block 10 -- cat && try nul -0 -N 7 -- cat && try long -N 9999 -- cat && try unended -N 2 -- cat &&
		try short --recend 1 --block 9 -- cat && try short --recstart 2 --block 9 -- cat &&
		try long --recend '9\n' --recstart 1 --block 70k -- cat && try binary --recend '\x00\xff' --block 10k -- cat &&
		try binary --recend= --block 77777 -- cat && try binary --recend not-to-be-found --block 10k -- cat
}

# 60 records are cut into seven sevens, two tens, and so on.
counts()
{
	[ "$("$padata" pipe -N 7 -- wc -l <short | tr -d ' \n')" = 777777774 ] &&
		[ "$("$padata" pipe -0 -N 25 -- tr -cd '\0' <nul | wc -c)" -eq 60 ] &&
		[ "$(head -c 1000 binary | "$padata" pipe --recend '' --block 300 -- wc -c | tr -d ' ' | tr '\n' ,)" = 300,300,300,100, ] &&
		[ "$("$padata" pipe --recend '' --block 300K -- wc -c <binary | tr -d ' ' | tr '\n' ,)" = 307200,307200,85600, ]
}

header()
{
	[ "$("$padata" pipe --header : -N 20 -- head -n 2 <short | tr '\n' ,)" = 1,2,1,22,1,42, ] &&
		[ "$(cat short | "$padata" pipe --header 2 --block 60 -- sed 1,2d | tr '\n' ,)" = "$(sed 1,2d short | tr '\n' ,)" ] &&
		[ "$("$padata" pipe --header : --block 300k -- sed 1d <long | cksum)" = "$(sed 1d long | cksum)" ] &&
		[ "$("$padata" pipe --header 5 -- cat <empty | wc -c)" -eq 0 ]
}

more_than_read()
{
	try long --block 64k -- sed 's/.*/&&&&&&&&&&/' &&
		try long --block 64k -j 7 --memory 1M -- sed 's/.*/&&&&&&&&&&/'
}

ok "pipe: blocks of a byte and more" tiny_blocks
ok "pipe: each size of block and each number of jobs" every_one
ok "pipe: many sizes of block, every number of jobs" all_sizes
ok "pipe: sed, tr, grep, awk, jq" commands
ok "pipe: records by their ends, starts and number" records
ok "pipe: blocks hold the records that were asked for" counts
ok "pipe: the header comes before each block" header
ok "pipe: output larger than input, in little memory" more_than_read
ok "pipe: empty input runs nothing" try empty --block 10 -- cat
ok "pipe: empty input runs nothing, not even what is not there" status_is 0 "$padata" pipe -- no-such-command <empty
exit $cases_failed
