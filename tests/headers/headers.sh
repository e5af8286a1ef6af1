#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header compiles alone in each language and with each compiler, without a warning; the document's
# declarations and every promised name are there; the system's own <linux/...> headers still work.
here=$(cd "$(dirname "$0")" && pwd)
include=$here/../../include
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# $1: what is checked; the rest: the compiler's command line
try() {
	what=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $what"
	else
		echo "not ok $what"
		head -n 20 "$tmp/log"
		failed=1
	fi
}

warnings="-Wall -Wextra -Wpedantic -Werror"
headers=$(cd "$include" && echo padata.h linux/*.h)
found=0
for cc in gcc clang; do
	command -v $cc >/dev/null || { echo "skip interface: $cc is not installed"; continue; }
	found=1
	for std in c99 c11 c17 gnu11; do
		for h in $headers; do
			printf '#include <%s>\n#include <%s>\nextern int unit;\n' "$h" "$h" >"$tmp/alone.c"
			# shellcheck disable=SC2086
			try "interface: <$h> alone, $cc $std" $cc -std=$std $warnings -Wstrict-prototypes -Wmissing-prototypes \
				-Wshadow -Wundef -I"$include" -c -o "$tmp/alone.o" "$tmp/alone.c"
		done
		for source in document names; do
			# shellcheck disable=SC2086
			try "interface: $source.c, $cc $std" $cc -std=$std $warnings -I"$include" -c -o "$tmp/$source.o" "$here/$source.c"
		done
	done
	case $cc in gcc) cxx=g++ ;; *) cxx=clang++ ;; esac
	command -v $cxx >/dev/null || { echo "skip interface: $cxx is not installed"; continue; }
	for std in c++11 c++17 c++20; do
		for h in $headers; do
			printf '#include <%s>\n#include <%s>\nextern int unit;\n' "$h" "$h" >"$tmp/alone.cc"
			# shellcheck disable=SC2086
			try "interface: <$h> alone, $cxx $std" $cxx -std=$std $warnings -Wundef -I"$include" \
				-c -o "$tmp/alone.o" "$tmp/alone.cc"
		done
		for source in document names; do
			# shellcheck disable=SC2086
			try "interface: $source.c, $cxx $std" $cxx -x c++ -std=$std $warnings -I"$include" \
				-c -o "$tmp/$source.o" "$here/$source.c"
		done
	done
	# Our <linux/...> come before the system's, and hide none of them.
	{
		echo '#include <padata.h>'
		for h in types.h futex.h if_tun.h if_packet.h if_ether.h xfrm.h perf_event.h sched.h seccomp.h errno.h ipsec.h; do
			[ ! -e "/usr/include/linux/$h" ] || echo "#include <linux/$h>"
		done
		echo 'int tun(void);'
		echo 'int tun(void) { struct padata_priv p = {0}; return IFF_TUN + FUTEX_WAIT + (p.parallel != NULL); }'
	} >"$tmp/system.c"
	# shellcheck disable=SC2086
	try "interface: the system's <linux/...> headers beside ours, $cc" $cc -std=gnu11 -Wall -Wextra -Werror \
		-I"$include" -c -o "$tmp/system.o" "$tmp/system.c"
done
[ $found -eq 1 ] || echo "not ok interface: no compiler"
[ $found -eq 1 ] && [ $failed -eq 0 ]
