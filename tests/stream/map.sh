#!/bin/sh
# SPDX-License-Identifier: MIT
# padata map: the words of the command, the order of the output, the exit status.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1

# is EXPECTED OPTIONS... -- COMMAND...: standard input is in ./in.
is()
{
	want=$1
	shift
	got=$("$padata" map "$@" <in 2>err | tr '\n' '|') || return 1
	[ "$got" = "$want" ] || { echo "got $got, not $want"; cat err; return 1; }
}

says()
{
	[ "$(wc -l <err)" -eq 1 ] && grep -q "$1" err || { echo "not said: $1"; cat err; return 1; }
}

words()
{
	printf 'dir/a.tar.gz\nb c\n\n$(x) `y` "z"\n/e' >in
	is 'dir/a.tar.gz|b c||$(x) `y` "z"|/e|' -- echo &&
		is '<dir/a.tar.gz><b c><><$(x) `y` "z"></e>' -- printf '<%s>' &&
		is 'dir/a.tar-dir/a.tar.gz|b c-b c|-|$(x) `y` "z"-$(x) `y` "z"|/e-/e|' -- echo '{.}-{}' &&
		is 'a.tar.gz a.tar|b c b c| |$(x) `y` "z" $(x) `y` "z"|e e|' -- echo {/} {/.} &&
		is 'dir|.|.|.|/|' -- echo {//} && is '1:x|2:x|3:x|4:x|5:x|' -- sh -c 'echo $1:x' sh '{#}'
}

# Odd ones too.
names_as_parallel_has_them()
{
	command -v parallel >/dev/null || { echo "parallel is not installed"; return 1; }
	printf '%s\n' a.b/c / // .hidden dir/ a. .. . a/b.c.d x.tar.gz 'sp ace.x' '' é.ü /abs/p.q a//b.c ./x.y '*' '$x' >in
	for hole in {} {.} {/} {//} {/.} {#} 'a{}b{.}c' '{}{}'; do
		parallel --will-cite -k "printf '<%s>\n'" "$hole" <in >want && "$padata" map -- printf '<%s>\n' "$hole" <in | cmp want - ||
			{ echo "$hole"; return 1; }
	done
	parallel --will-cite -k --tag -n 3 echo <in >want && "$padata" map --tag -n 3 -- echo <in | cmp want -
}

several()
{
	seq 1 7 >in
	is '1 2 3|4 5 6|7|' -n 3 -- echo && is 'a-1 2 3-b|a-4 5 6-b|a-7-b|' -n 3 -- echo 'a-{}-b' &&
		is '3|3|1|' -n 3 -- sh -c 'echo $#' sh {} && is '1 2 3 4 5 6 7|' -n 100 -- echo && is '1 2|3 4|5 6|7|' -N 2 -- echo
}

records()
{
	printf 'a\nb\0c\0' >in
	is 'a|b|c|' -0 -- echo && printf 'no end' >in && is 'no end|' -- echo && : >in && is '' -- echo &&
		printf 'head\n1\n2\n' >in && is '1|2|' --header : -- echo && seq 1 3 >args && is '1|2|3|' -a args -- echo
}

shell()
{
	printf "it's\n\$HOME\n" >in
	is "it's!|\$HOME!|" --shell -- 'echo {}! | cat' && is "it's|\$HOME|" --shell -- echo &&
		is "1|2|" --shell -- 'x={#}; echo $x; #'
}

stdin_is_null()
{
	seq 1 3 >in
	is '' -- sh -c cat
}

order()
{
	seq 1 300 >in
	for jobs in 1 2 7 64; do
		"$padata" map -j $jobs -- sh -c 'case $1 in *7) sleep 0.03;; esac; echo $1; echo $1.' sh <in >out || return 1
		sed 's/.*/&\n&./' in | cmp - out || return 1
	done
}

many()
{
	seq 1 2500 >in
	"$padata" map -- echo x <in >out && sed 's/^/x /' in | cmp - out
}

statuses()
{
	seq 1 20 >in
	status_is 123 "$padata" map -- sh -c 'echo $1; [ $1 != 7 ]' sh <in && cmp in out && [ ! -s err ] &&
		status_is 124 "$padata" map -- sh -c 'echo $1; [ $1 != 7 ] || exit 255' sh <in && says 'job 7 (line 7): sh: exit status 255' &&
		head -n 7 in | cmp - out &&
		status_is 125 "$padata" map -j 64 -- sh -c 'echo $1; [ $1 != 7 ] || kill -15 $$' sh <in && says 'job 7 (line 7).*signal 15' &&
		head -n 7 in | cmp - out &&
		status_is 127 "$padata" map -- ./none.{} <in && says 'job 1 (line 1): ./none.1: not found' && [ ! -s out ] &&
		status_is 123 "$padata" map --halt now,fail=1 -n 3 -- sh -c 'echo $1; [ $1 != 7 ]' sh <in && says 'job 3 (lines 7 to 9)' &&
		[ "$(tr '\n' ' ' <out)" = '1 4 7 ' ]
}

tags()
{
	printf 'a\nb c\n' >in
	is 'a	1|a	2|b c	1|b c	2|' --tag -- sh -c 'echo 1; printf 2; echo >&2 no' && sort err | tr '\n' '|' >errs &&
		[ "$(cat errs)" = 'a	no|b c	no|' ]
}

# Lines of standard error stay whole, though they are written in pieces and at once.
errors()
{
	seq 1 8 >in
	"$padata" map -j 8 -- sh -c 'for i in 1 2 3 4 5; do printf "line " >&2; sleep 0.01; printf "of %s\n" $1 >&2; done; printf end >&2' sh \
		<in 2>err && [ "$(grep -c '^line of [1-8]$' err)" -eq 40 ] && [ "$(grep -c '^end$' err)" -eq 8 ] && [ "$(wc -l <err)" -eq 48 ]
}

dry_run()
{
	printf "a b\nc'd\n" >in
	is "echo 'a b' 1|echo 'c'\\''d' 2|" --dry-run -- echo {} {#}
}

bad_input()
{
	printf 'a\nb\0c\nd\n' >in
	status_is 1 "$padata" map -- echo <in && says 'line 2 holds a NUL' && [ "$(cat out)" = a ] &&
		status_is 1 "$padata" map --frobnicate -- echo <in && says 'unknown option --frobnicate' &&
		status_is 1 "$padata" map <in && status_is 1 "$padata" mop <in &&
		{ echo x; head -c 3000000 /dev/zero | tr '\0' x; } >in &&
		status_is 1 "$padata" map --memory 1M -- echo <in && says 'record at byte 2 is longer' && [ "$(cat out)" = x ] &&
		{ echo x; head -c 300000 /dev/zero | tr '\0' x; } >in &&
		status_is 126 "$padata" map -- echo <in && says 'job 2 .*Argument list too long' && [ "$(cat out)" = x ]
}

results()
{
	printf 'a\nb\n' >in
	is 'a|b|' --results res --joblog log -- sh -c 'echo $1; echo err$1 >&2' sh && [ "$(cat res/1/stdout res/2/stderr)" = 'a
errb' ] && [ "$(cut -f 1,6,7,8 log | tr '\n\t' '| ')" = 'Seq Receive Exitval Signal|1 2 0 0|2 2 0 0|' ]
}

# What a command leaves running may still write: its output is waited for.
left_behind()
{
	seq 1 3 >in
	is '1|late|2|late|3|late|' -- sh -c 'echo $1; { sleep 0.1; echo late; } &' sh
}

scripts()
{
	echo 'echo script $1' >script && chmod +x script && echo 1 >in && is 'script 1|' -- ./script
}

# With few descriptors to be had, fewer commands run at a time, but all run.
few_descriptors()
{
	seq 1 60 >in
	(ulimit -n 40 && "$padata" map -j 64 -- sh -c 'sleep 0.02; echo $1' sh <in 2>err) | cmp - in && [ ! -s err ]
}

ok "map: the words of the command" words
ok "map: names are taken apart as GNU parallel does" names_as_parallel_has_them
ok "map: several records for a command" several
ok "map: kinds of records" records
ok "map: --shell quotes what it puts in" shell
ok "map: standard input of the commands is empty" stdin_is_null
ok "map: the order is kept" order
ok "map: many small commands" many
ok "map: exit statuses are those of xargs" statuses
ok "map: --tag" tags
ok "map: standard error in whole lines" errors
ok "map: --dry-run" dry_run
ok "map: bad input" bad_input
ok "map: --results and --joblog" results
ok "map: output of what a command leaves running" left_behind
ok "map: a script without an interpreter line" scripts
ok "map: few descriptors" few_descriptors
exit $cases_failed
