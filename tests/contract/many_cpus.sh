#!/bin/sh
# SPDX-License-Identifier: MIT
# A machine may have more than 1,024 CPUs: tests of the contract on one that says it may have up to 5,000 of them.
build=${PADATA_BUILD:?is not set}
possible=/sys/devices/system/cpu/possible
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo 0-4999 >"$dir/possible"

# On such a machine, as far as a program can see: run its arguments.
# shellcheck disable=SC2016 # expanded inside
on_it() { unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$dir/possible" "$possible" "$@"; }

if [ "$(on_it cat "$possible" 2>/dev/null)" != 0-4999 ]; then
	echo "skip interface: more than 1,024 CPUs: no mount namespace can be made here"
	exit 0
fi
failed=0
for program in test_cpumask test_life test_masks; do
	if on_it timeout 300 "$build/tests/contract/$program" >"$dir/log" 2>&1; then
		echo "ok interface: more than 1,024 CPUs: $program"
	else
		echo "not ok interface: more than 1,024 CPUs: $program"
		sed 's/^/# /' "$dir/log"
		failed=1
	fi
done
exit $failed
