#!/bin/sh
# SPDX-License-Identifier: MIT
# What bad input and failing commands get: one line, the status of xargs, everything before it and nothing after it.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
seq 1 100 >in

# One line that holds the text, and no other.
says()
{
	[ "$(wc -l <err)" -eq 1 ] && grep -q "$1" err || { echo "not said: $1"; cat err; return 1; }
}

# Jobs of ten lines; the fifth, which begins with 41, does what it is told.
fifth()
{
	want=$1 what=$2
	shift 2
	status_is "$want" "$padata" pipe -N 10 "$@" -- sh -c "read -r n; echo \$n; [ \$n != 41 ] || $what; cat" <in
}

killed()
{
	fifth 125 'kill -9 $$' && says 'job 5 (bytes 111 to 140).*killed by signal 9' &&
		[ "$(tail -n 1 out)" = 41 ] && [ "$(wc -l <out)" -eq 41 ] && head -n 41 in | cmp - out
}

status_255()
{
	fifth 124 'exit 255' && says 'job 5 .*exit status 255' && [ "$(tail -n 1 out)" = 41 ]
}

plain_failure()
{
	fifth 123 'exit 3' && [ ! -s err ] && [ "$(wc -l <out)" -eq 91 ]
}

halt_now()
{
	fifth 123 'exit 3' --halt now,fail=1 && says 'job 5 .*exit status 3' && [ "$(tail -n 1 out)" = 41 ]
}

halt_second()
{
	status_is 123 "$padata" pipe -N 10 --halt now,fail=2 -- sh -c 'read -r n; echo $n; cat >rest; [ $n -lt 61 ]' <in &&
		says 'job 8 ' && [ "$(tr '\n' ' ' <out)" = '1 11 21 31 41 51 61 71 ' ]
}

halt_soon()
{
	status_is 123 "$padata" pipe -N 1 -j 2 --halt soon,fail=1 -- sh -c 'read -r n; echo $n; sleep 0.05; [ $n != 3 ]' <in &&
		says 'job 3 ' && [ "$(wc -l <out)" -le 9 ] && [ "$(wc -l <out)" -ge 3 ] && head -n "$(wc -l <out)" in | cmp - out
}

halt_never()
{
	fifth 125 'kill -9 $$' --halt never && says 'job 5 ' && [ "$(wc -l <out)" -eq 91 ]
}

timeout()
{
	began=$(date +%s)
	fifth 125 'sleep 100' --timeout 2 && says 'job 5 .*--timeout 2' && [ "$(tail -n 1 out)" = 41 ] &&
		[ $(($(date +%s) - began)) -lt 90 ]
}

timeout_of_the_deaf()
{
	status_is 125 "$padata" pipe --timeout 0.1 -- sh -c 'trap "" TERM; while :; do sleep 0.1; done' <in && says 'job 1 '
}

retries()
{
	status_is 0 "$padata" pipe -N 10 --retries 3 -- sh -c \
		'read -r n; echo $n; echo >>tries.$n; [ $n != 41 ] || [ $(wc -l <tries.$n) -eq 3 ] || exit 1; cat' <in &&
		cmp in out && [ "$(wc -l <tries.41)" -eq 3 ] && [ "$(wc -l <tries.51)" -eq 1 ]
}

retries_in_vain()
{
	rm -f tries.*
	fifth 123 'echo >>tries; exit 1' --retries 4 && [ "$(wc -l <tries)" -eq 4 ]
}

not_found()
{
	status_is 127 "$padata" pipe -- no-such-command-here <in && says 'job 1 (bytes 0 to 291): no-such-command-here: not found' &&
		[ ! -s out ]
}

cannot_run()
{
	echo data >plain_file
	status_is 126 "$padata" pipe -- ./plain_file <in && says 'job 1 .*./plain_file: cannot be run: Permission denied'
}

unreadable()
{
	status_is 1 "$padata" pipe -a nowhere -- cat && says 'nowhere: No such file' &&
		status_is 1 "$padata" pipe -a . -- cat && says 'Is a directory'
}

too_long()
{
	{ seq 1 1000; head -c 3000000 /dev/zero | tr '\0' x; echo; } >wide
	status_is 1 "$padata" pipe --memory 1M --block 1000 -- cat <wide && says 'record at byte 3893 is longer' && seq 1 1000 | cmp - out &&
		cat wide | status_is 1 "$padata" pipe --memory 1M --block 1000 -- cat && says 'record at byte 3893 is longer' &&
		seq 1 1000 | cmp - out
}

nearly_too_long()
{
	{ seq 1 1000; head -c 800000 /dev/zero | tr '\0' x; echo; seq 1 1000; } >wide
	status_is 0 "$padata" pipe --memory 1M --block 1000 -- cat <wide && cmp wide out &&
		cat wide | status_is 0 "$padata" pipe --memory 1M --block 1000 -- cat && cmp wide out
}

closed_early()
{
	status_is 0 "$padata" pipe -N 50 -- sh -c 'read -r n; echo $n' <in && [ "$(tr '\n' ' ' <out)" = '1 51 ' ] &&
		grep -q 'job 1 (bytes 0 to 140): sh: ended with 139 bytes of its input unread' err &&
		seq 1 100000 >much && status_is 0 "$padata" pipe --block 300k -j 1 -- head -n 1 <much &&
		grep -q 'job 1 (bytes 0 to 29.*head.*unread' err && [ "$(head -n 1 out)" = 1 ]
}

wrong_options()
{
	status_is 1 "$padata" pipe --block 0 -- cat <in && says '^padata: --block 0: a size' &&
		status_is 1 "$padata" pipe --memory 1K -- cat <in && says '^padata: --memory 1K: .* of 1M at least' &&
		status_is 1 "$padata" pipe -n 3 -- cat <in && says 'pipe: unknown option -n;' &&
		status_is 1 "$padata" map --block 3 -- cat <in && says 'map: unknown option --block;' &&
		status_is 1 "$padata" pipe --frob=3 -- cat <in && says 'pipe: unknown option --frob=3;' &&
		status_is 1 "$padata" pipe -q -- cat <in && says 'pipe: unknown option -q;' &&
		status_is 1 "$padata" pipe --recend && says 'pipe: --recend lacks its value' &&
		status_is 1 "$padata" pipe -j && says 'pipe: -j lacks its value' && status_is 1 "$padata" pipe -j 0 -- cat <in && says '^padata: -j 0'
}

closed_output()
{
	status_is 1 sh -c '"$1" pipe -- cat <in >&-' sh "$padata" && says 'job 1 .*Bad file descriptor' &&
		status_is 1 sh -c '"$1" map -- echo <in >&-' sh "$padata" && says 'job 1 .*Bad file descriptor'
}

full_disk()
{
	status_is 1 sh -c '"$1" pipe -- cat <in >/dev/full' sh "$padata" && says 'job 1 .*No space left'
}

# A disk of 256 KiB: what fits is there, in order, and one line says what did not.
small_disk()
{
	mkdir -p disk
	seq 1 100000 >much
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount -t tmpfs -o size=256k none disk && { "$1" pipe --block 50k -- cat <much >disk/out 2>err; echo $? >status
		cp disk/out partly; rm disk/out
		"$1" pipe --block 50k --results disk/results -- cat <much 2>err2 >/dev/null; echo $? >>status; rm -r disk/results
		"$1" map --joblog disk/log -- true <much 2>err3 >/dev/null; echo $? >>status; rm disk/log
		"$1" gzip -1 <much >disk/gz 2>err4; echo $? >>status; }' sh "$padata"
	[ "$(tr '\n' ' ' <status)" = '1 1 1 0 ' ] && says 'job [0-9]* (bytes.*No space left' && [ "$(wc -c <partly)" -gt 100000 ] &&
		cmp -n "$(wc -c <partly)" partly much && [ "$(wc -l <err2)" -eq 1 ] && grep -q 'results.*No space left' err2 &&
		[ "$(wc -l <err3)" -eq 1 ] && grep -q 'joblog.*No space left' err3
}

# However much a command writes before it reads, and however late it reads.
writes_first()
{
	seq 1 700000 >much
	status_is 0 "$padata" pipe --block 2M -j 3 --memory 16M -- sh -c 'head -c 9000000 /dev/zero; head -c 3000000 /dev/zero >&2; cat' <much &&
		[ "$(tr -d '\0' <out | cksum)" = "$(cksum <much)" ] && [ "$(wc -c <out)" -eq $((3 * 9000000 + $(wc -c <much))) ] &&
		[ "$(wc -c <err)" -ge 9000000 ]
}

ok "pipe: a command that is killed" killed
ok "pipe: a command that returns 255" status_255
ok "pipe: a command that fails" plain_failure
ok "pipe: --halt now,fail=1" halt_now
ok "pipe: --halt now,fail=2" halt_second
ok "pipe: --halt soon,fail=1" halt_soon
ok "pipe: --halt never" halt_never
ok "pipe: --timeout" timeout
ok "pipe: --timeout and a command that does not want to end" timeout_of_the_deaf
ok "pipe: --retries" retries
ok "pipe: --retries in vain" retries_in_vain
ok "pipe: an unknown command" not_found
ok "pipe: a file that is no program" cannot_run
ok "pipe: input that cannot be read" unreadable
ok "pipe: a record longer than the memory" too_long
ok "pipe: a record that just fits the memory" nearly_too_long
ok "pipe: a command that leaves input unread" closed_early
ok "pipe: wrong options" wrong_options
ok "pipe: standard output that is closed" closed_output
ok "pipe: a full disk" full_disk
if unshare -m sh -c "mount -t tmpfs none '$work'" 2>/dev/null; then
	ok "pipe: a small disk" small_disk
else
	echo "skip pipe: a small disk: no file system can be mounted here"
fi
ok "pipe: a command that writes much before it reads" writes_first
exit $cases_failed
