#!/bin/sh
# SPDX-License-Identifier: MIT
# --cpus, and padata cpus while a run goes on.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
seq 1 40 >in

# Where a command may run, one line for each.
where()
{
	"$padata" map "$@" -- sh -c 'grep Cpus_allowed_list /proc/self/status' <in | cut -f 2 | sort -u
}

only()
{
	[ "$(where --cpus "$first")" = "$first" ] && [ "$(where --cpus "$first" -j 16)" = "$first" ] &&
		[ "$(where)" = "$(grep Cpus_allowed_list /proc/self/status | cut -f 2)" ]
}

# Half way, the run is told to keep to one CPU. The order stays.
live_order()
{
	"$padata" map -j 2 -- sh -c 'sleep 0.03; echo $1 $(grep Cpus_allowed_list /proc/self/status | cut -f 2)' sh <in >lines &
	pid=$!
	eventually "$padata" cpus $pid "$first" 2>err || { cat err; return 1; }
	wait $pid || return 1
	cut -d ' ' -f 1 lines | cmp - in && [ "$(tail -n 1 lines)" = "40 $first" ]
}

refusals()
{
	status_is 1 "$padata" map --cpus 99999999 -- echo <in && status_is 1 "$padata" map --cpus x -- echo <in &&
		status_is 1 "$padata" cpus $$ 0 && [ "$(cat err)" = "padata: cpus: process $$ is no padata at work" ] &&
		status_is 1 "$padata" cpus 1 && status_is 1 "$padata" cpus zero 0
}

live_refusal()
{
	"$padata" map -j 2 -- sh -c 'sleep 0.05' <in >/dev/null &
	pid=$!
	eventually "$padata" cpus $pid "$first" 2>err
	status_is 1 "$padata" cpus $pid 99999999 && [ "$(wc -l <err)" -eq 1 ]
	refused=$?
	wait $pid && [ $refused -eq 0 ]
}

ok "cpus: commands run where --cpus says" only
ok "cpus: changed while it runs" live_order
ok "cpus: a list that cannot be used, while it runs" live_refusal
ok "cpus: what cannot be" refusals
exit $cases_failed
