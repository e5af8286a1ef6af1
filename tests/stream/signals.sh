#!/bin/sh
# SPDX-License-Identifier: MIT
# Signals, a closed pipe, a terminal: the commands end with the program, and nothing is left running.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
seq 1 200000 >in

# The commands carry this in their words, so that what is left of them can be found.
mark=padata-test-$$-mark
left()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		# The pattern does not match itself.
		grep -lsa "[p]${mark#p}" /proc/[0-9]*/cmdline >left 2>/dev/null || return 1
		sleep 0.1
	done
	cat left
}

none_left()
{
	! left
}

# 141 is what a shell says of a program that died of SIGPIPE.
closed_pipe()
{
	{ "$padata" map -- sh -c "echo \$1; : $mark" sh <in 2>err; echo $? >status; } | head -n 1 >out
	[ "$(cat out)" = 1 ] && [ "$(cat status)" -eq 141 ] && [ ! -s err ] && none_left
}

# At once: also when the commands write nothing more.
closed_while_silent()
{
	began=$(date +%s)
	{ "$padata" map -j 2 -- sh -c "[ \$1 = 1 ] && echo x || sleep 60; : $mark" sh <in 2>err; echo $? >status; } | head -n 1 >out
	[ "$(cat status)" -eq 141 ] && [ ! -s err ] && none_left && [ $(($(date +%s) - began)) -lt 20 ]
}

closed_pipe_of_pipe()
{
	{ "$padata" pipe --block 20000 -- sh -c "cat; : $mark" <in 2>err; echo $? >status; } | head -n 1 >out
	[ "$(cat out)" = 1 ] && [ "$(cat status)" -eq 141 ] && [ ! -s err ] && none_left
}

# ended_by SIGNAL STATUS: the signal to the program alone; two levels of processes go.
ended_by()
{
	"$padata" map -j 4 -- sh -c "sh -c 'sleep 60; : $mark'; : $mark" <in >out 2>err &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ "$(pgrep -P $pid | wc -l)" -eq 4 ] && break
		sleep 0.1
	done
	kill "-$1" $pid
	status=0
	wait $pid || status=$?
	[ $status -eq "$2" ] && none_left
}

# A command that does not want to end is made to.
ended_though_deaf()
{
	"$padata" map -j 2 -- sh -c "trap '' TERM INT; while :; do sleep 0.05; done; : $mark" <in >out 2>err &
	pid=$!
	sleep 0.3
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status -eq 143 ] && none_left
}

# state_is STATE PID...: as /proc has it, of each.
state_is()
{
	state=$1
	shift
	for p; do
		[ "$(cut -d ' ' -f 3 "/proc/$p/stat")" = "$state" ] || return 1
	done
}

# The command starts nothing: who waits for a vfork() is not seen to stop.
stop_and_go()
{
	mkfifo go
	"$padata" map -j 1 -a short -- sh -c "echo \$\$ >child; read -r go <go; echo \$1; : $mark" sh >out 2>err &
	pid=$!
	eventually test -s child
	kill -TSTP $pid
	# shellcheck disable=SC2046
	eventually state_is T $pid $(cat child) && kill -CONT $pid && echo >go && wait $pid && [ "$(cat out)" = 1 ]
}

# Time that it is stopped for is none of the command's.
stopped_time()
{
	"$padata" map -j 1 --timeout 2 -a short -- sh -c "sleep 0.4; echo \$1" sh >out 2>err &
	pid=$!
	sleep 0.2
	kill -TSTP $pid
	sleep 2.5
	kill -CONT $pid
	wait $pid && [ "$(cat out)" = 1 ]
}

# Ended by a signal, the trace is still whole.
trace_of_the_ended()
{
	"$padata" map -j 2 --trace trace -a in -- sh -c '[ $1 = 1 ] || sleep 60' sh >/dev/null 2>&1 &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ "$(pgrep -P $pid | wc -l)" -eq 2 ] && break
		sleep 0.1
	done
	kill $pid
	status=0
	wait $pid || status=$?
	[ $status -eq 143 ] && python3 -c 'import json; json.load(open("trace"))'
}

# ^C and the progress line on a terminal; the marked commands are gone afterwards.
terminal()
{
	python3 - "$padata" "$mark" <<'P'
import os, pty, select, signal, sys, time
padata, mark = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL) # the tests may run where it is ignored
    os.execv(padata, [padata, "map", "--bar", "-a", "in", "--", "sh", "-c", "sleep 60; : " + mark])
seen, end = b"", time.time() + 30
while (b"running" not in seen or b"held" not in seen) and time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        seen += os.read(fd, 4096)
os.write(fd, b"\x03")
try:
    while os.read(fd, 4096):
        pass
except OSError: # what a terminal without a program gives
    pass
status = os.waitpid(pid, 0)[1]
ok = b"running" in seen and b"held" in seen and os.WIFSIGNALED(status) and os.WTERMSIG(status) == 2
if not ok:
    print(seen, status)
sys.exit(not ok)
P
	[ $? -eq 0 ] && none_left
}

no_progress_in_files()
{
	status_is 0 "$padata" pipe --bar --eta -- cat <in && [ ! -s err ] && cmp in out
}

# Signals 1 to 28: the C library has two above for itself, which a program cannot pass on.
signals()
{
	sed 's/.*\(.......\)$/\1/'
}

ignored_sigpipe()
{
	[ "$(sh -c "trap '' PIPE; echo 1 | \"\$1\" map -- sh -c 'grep SigIgn /proc/self/status'" sh "$padata" | signals)" = \
		"$(sh -c "trap '' PIPE; grep SigIgn /proc/self/status" | signals)" ] &&
		[ "$(echo 1 | "$padata" map -- sh -c 'grep -E "SigIgn|SigBlk" /proc/self/status' | signals)" = \
			"$(sh -c 'grep -E "SigIgn|SigBlk" /proc/self/status' | signals)" ]
}

closed_descriptors()
{
	"$padata" pipe -a in -- cat <&- | cmp - in && sh -c 'ls /proc/$$/fd' </dev/null >want &&
		"$padata" map -a short -- sh -c 'ls /proc/$$/fd' 2>&- >out && cmp want out
}

echo 1 >short
ok "signals: a closed pipe ends it quietly" closed_pipe
ok "signals: a closed pipe ends it at once" closed_while_silent
ok "signals: a closed pipe behind blocks" closed_pipe_of_pipe
ok "signals: SIGTERM" ended_by TERM 143
ok "signals: SIGHUP" ended_by HUP 129
ok "signals: a command that ignores SIGTERM" ended_though_deaf
ok "signals: SIGTSTP and SIGCONT pass on" stop_and_go
ok "signals: --timeout does not count while it is stopped" stopped_time
ok "signals: the trace of a run that is ended" trace_of_the_ended
ok "signals: ^C on a terminal, progress on it" terminal
ok "signals: no progress where there is no terminal" no_progress_in_files
ok "signals: commands have the signals that the program was given" ignored_sigpipe
ok "signals: standard descriptors may be closed, and no others are passed on" closed_descriptors
exit $cases_failed
