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

sanitized=
case ${PADATA_BUILD:-} in *san | *san/*) sanitized=yes ;; esac
echo 1 >one
ok "memory: a slow first block" slow_first
ok "memory: a slow first block, many jobs" slow_first -j 32
ok "memory: outputs larger than inputs" large_outputs
ok "memory: the oldest job's output flows" flows
ok "memory: jobs behind a slow one run on" behind_a_slow_one
ok "memory: --retries and an output that does not fit" retries_hold_output
ok "memory: a slow reader of the output" slow_reader
exit $cases_failed
