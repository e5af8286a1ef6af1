#!/bin/sh
# SPDX-License-Identifier: MIT
# decrypt(encrypt(x)) is x, for every algorithm, with and without ESN and encapsulation, in IPv4 and IPv6.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

round_trip() {
	status 0 "$esp" encrypt --sa "$dir/sa" "$capture" "$dir/enc.pcap"
	status 0 "$esp" decrypt --sa "$dir/sa" "$dir/enc.pcap" "$dir/dec.pcap"
	frames same "$capture" "$dir/dec.pcap"
	status 0 "$esp" compare "$capture" "$dir/dec.pcap"
	! frames same "$capture" "$dir/enc.pcap" >"$dir/null"
}

for algo in aes128-gcm aes256-gcm chacha20-poly1305 aes128-cbc-sha256 aes256-cbc-sha256 null-sha256; do
	for esn in "" --esn; do
		for encap in "" --encap; do
			for outer in "192.0.2.1 192.0.2.2" "2001:db8::1 2001:db8::2"; do
				# shellcheck disable=SC2086
				new_sa "$dir/sa" --algo $algo $esn $encap --src ${outer% *} --dst ${outer#* }
				check "round trip $algo $esn $encap in ${outer#* }" round_trip
			done
		done
	done
done
finish
