#!/bin/sh
# SPDX-License-Identifier: MIT
# Every kind of capture comes back: formats, byte orders, stamps, link headers, padding, streams.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

# back KIND PRECISION: through ESP in each outer family and back.
back() {
	frames make "$1" "$capture" "$dir/in"
	for sa in sa4 sa6; do
		status 0 "$esp" encrypt --sa "$dir/$sa" "$dir/in" "$dir/enc.pcap"
		status 0 "$esp" decrypt --sa "$dir/$sa" "$dir/enc.pcap" "$dir/dec.pcap"
		frames same "$dir/in" "$dir/dec.pcap"
		[ "$(frames precision "$dir/enc.pcap")" = "$2" ]
		[ "$(frames precision "$dir/dec.pcap")" = "$2" ]
	done
}

# With outer IPv6 the BSDs' own numbers stay; with outer IPv4 only macOS's can come back.
back_in_six() {
	frames make "$1" "$capture" "$dir/in"
	status 0 "$esp" encrypt --sa "$dir/sa6" "$dir/in" "$dir/enc.pcap"
	status 0 "$esp" decrypt --sa "$dir/sa6" "$dir/enc.pcap" "$dir/dec.pcap"
	frames same "$dir/in" "$dir/dec.pcap"
}

truncated_frames() {
	frames make short "$capture" "$dir/in"
	status 1 "$esp" encrypt --stats json --sa "$dir/sa4" "$dir/in" "$dir/enc.pcap" >"$dir/json"
	says truncated
	status 0 "$esp" decrypt --sa "$dir/sa4" "$dir/enc.pcap" "$dir/dec.pcap"
	left=$(frames count "$dir/dec.pcap")
	[ "$((left + $(counter "$dir/json" truncated)))" -eq "$(counter "$dir/json" in_packets)" ]
	[ "$(counter "$dir/json" truncated)" -gt 200 ]
}

streams() {
	"$esp" encrypt --sa "$dir/sa4" - - <"$capture" | "$esp" decrypt --sa "$dir/sa4" - - >"$dir/dec.pcap"
	frames same "$capture" "$dir/dec.pcap"
}

# The pieces that are read and written begin and end anywhere. in_pieces [COMMAND that runs another]
in_pieces() {
	frames make long "$capture" "$dir/in"
	dd status=none bs=4099 if="$dir/in" | "$@" "$esp" encrypt --sa "$dir/sa4" - - | dd status=none obs=777 |
		"$@" "$esp" decrypt --sa "$dir/sa4" - - | dd status=none ibs=313 of="$dir/dec.pcap"
	frames same "$dir/in" "$dir/dec.pcap"
}

# With standard input and output that do not block.
unblocked() {
	/usr/bin/python3 -c 'import os, sys
os.set_blocking(0, False)
os.set_blocking(1, False)
os.execv(sys.argv[1], sys.argv[1:])' "$@"
}

# A frame that has arrived goes on, even if the next one takes its time: the pipe stays open meanwhile.
not_held_back() {
	mkfifo "$dir/in.fifo" "$dir/out.fifo"
	"$esp" encrypt --sa "$dir/sa4" - - <"$dir/in.fifo" >"$dir/out.fifo" &
	program=$!
	exec 7>"$dir/in.fifo" 8<"$dir/out.fifo"
	head -c 2000 "$capture" >&7 # the header and some frames
	got=$(timeout 20 head -c 400 <&8 | wc -c)
	exec 7>&- 8<&-
	wait "$program" || :
	[ "$got" -eq 400 ]
}

linked() {
	mkdir "$dir/real"
	: >"$dir/real/out.pcap"
	ln -s real/out.pcap "$dir/link.pcap"
	status 0 "$esp" encrypt --sa "$dir/sa4" "$capture" "$dir/link.pcap"
	[ -L "$dir/link.pcap" ]
	[ "$(frames count "$dir/real/out.pcap")" -gt 0 ]
}

# The kernel's and everybody's dissector reads what came out.
opened_by_tshark() {
	"$esp" encrypt --oseq 0 --sa "$dir/sa4" "$capture" "$dir/enc.pcap" 2>"$dir/null"
	spi=$(sed -n 's/.*spi \(0x[0-9a-f]*\).*/\1/p' "$dir/sa4" | head -n 1)
	key=$(sed -n 's/.*rfc4106(gcm(aes)). \(0x[0-9a-f]*\) .*/\1/p' "$dir/sa4" | head -n 1)
	tshark -r "$dir/enc.pcap" -o esp.enable_encryption_decode:TRUE \
		-o "uat:esp_sa:\"IPv4\",\"*\",\"*\",\"$spi\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"$key\",\"NULL\",\"\"" \
		-T fields -e ip.proto -e ipv6.nxt -e tcp.len -e dns.qry.name -e udp.length >"$dir/seen" 2>"$dir/null"
	tshark -r "$capture" -T fields -e ip.proto -e ipv6.nxt -e tcp.len -e dns.qry.name -e udp.length \
		ip or ipv6 >"$dir/true" 2>"$dir/null"
	# The outer header comes first in what it sees.
	sed 's/^50,/,/; s/^,//; s/^50\t/\t/' "$dir/seen" >"$dir/inner"
	cmp "$dir/inner" "$dir/true"
}

new_sa "$dir/sa4"
new_sa "$dir/sa6" --src 2001:db8::1 --dst 2001:db8::2 --encap --esn
for kind in micro micro-big; do
	check "format $kind" back $kind microseconds
done
for kind in nano-big pcapng pcapng-micro vlan qinq padded long tail-missing beyond-snaplen cooked cooked2 raw null null-big loop; do
	check "format $kind" back $kind nanoseconds
done
for kind in null-openbsd null-freebsd; do
	check "format $kind" back_in_six $kind
done
check "frames cut short by the capture are counted, the rest comes back" truncated_frames
check "standard input to standard output" streams
check "a stream in pieces" in_pieces
check "a stream in pieces, non-blocking" in_pieces unblocked
check "a slow stream is not held back" not_held_back
check "behind a symbolic link the file itself is written" linked
if command -v tshark >/dev/null; then
	check "tshark decrypts AES-GCM" opened_by_tshark
else
	echo "skip tshark decrypts AES-GCM: no tshark"
fi
finish
