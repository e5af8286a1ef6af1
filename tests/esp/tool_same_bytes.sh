#!/bin/sh
# SPDX-License-Identifier: MIT
# The same bytes come out whatever the number of CPUs and whichever the backend.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

cpus=$(taskset -pc $$ | sed 's/.*: //')
first=${cpus%%[-,]*}
both=
if new_sa "$dir/sa" && "$esp" encrypt --sa "$dir/sa" --backend ipsec-mb "$capture" "$dir/try.pcap" 2>"$dir/err"; then
	both=yes
fi

# with ALGO OPTIONS...: the same as the reference, in both directions.
with() {
	algo=$1
	shift
	status 0 "$esp" encrypt --oseq 0 --sa "$dir/$algo" "$@" "$capture" "$dir/enc.pcap" || grep -q warning "$dir/err"
	cmp "$dir/enc.pcap" "$dir/$algo.enc"
	status 0 "$esp" decrypt --sa "$dir/$algo" "$@" "$dir/$algo.enc" "$dir/dec.pcap"
	cmp "$dir/dec.pcap" "$dir/$algo.dec"
}

for algo in aes128-gcm aes256-gcm chacha20-poly1305 aes128-cbc-sha256 null-sha256; do
	new_sa "$dir/$algo" --algo $algo --esn
	"$esp" encrypt --oseq 0 --sa "$dir/$algo" -j1 --backend openssl "$capture" "$dir/$algo.enc"
	"$esp" decrypt --sa "$dir/$algo" -j1 --backend openssl "$dir/$algo.enc" "$dir/$algo.dec"
	check "same bytes $algo: -j2" with $algo -j2 --backend openssl
	check "same bytes $algo: all CPUs" with $algo --backend openssl
	for list in "$first" "${cpus##*[-,]}" "$cpus"; do
		check "same bytes $algo: --cpus $list" with $algo --cpus "$list" --backend openssl
	done
	if [ "$both" ]; then
		check "same bytes $algo: ipsec-mb -j1" with $algo -j1 --backend ipsec-mb
		check "same bytes $algo: ipsec-mb -j2" with $algo -j2 --backend ipsec-mb
	else
		echo "skip same bytes $algo: ipsec-mb: $(cat "$dir/err")"
	fi
done
finish
