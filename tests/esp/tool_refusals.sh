#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong is said in one line or counted, has its exit status, and takes nothing good with it.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

usage() {
	status 2 "$esp" encrypt "$capture" "$dir/out"
	says "--sa"
	status 2 "$esp" encrypt --sa "$dir/sa" "$capture"
	status 2 "$esp" encrypt --sa "$dir/sa" --nonsense "$capture" "$dir/out"
	says nonsense
	status 2 "$esp" decrypt --oseq 5 --sa "$dir/sa" "$capture" "$dir/out"
	status 2 "$esp" encrypt -j0 --sa "$dir/sa" "$capture" "$dir/out"
	status 2 "$esp" encrypt --cpus 8000 --sa "$dir/sa" "$capture" "$dir/out"
	says "may use"
	status 2 "$esp" encrypt --backend rot13 --sa "$dir/sa" "$capture" "$dir/out"
	status 2 "$esp" encrypt --stats xml --sa "$dir/sa" "$capture" "$dir/out"
	status 2 "$esp" encrypt --sa
	status 2 "$esp" genkey --algo des
	status 2 "$esp" genkey --src 192.0.2.1 --dst 2001:db8::1
	status 2 "$esp" genkey --reqid 0
	status 2 "$esp" genkey --reqid 4294967296
	for sel in 10.1.0.0/24 10.1.0.0/33,10.2.0.0/24 10.1.0.0/24,2001:db8::/32 10.1.0.0/24,x '10.1.0.0/24,10.2.0.0/24 y'; do
		status 2 "$esp" genkey --sel "$sel"
		says "two networks of one family"
	done
	status 2 "$esp" frobnicate
	says frobnicate
	for words in --help help "encrypt --help" "genkey -h" "top --help"; do
		# shellcheck disable=SC2086
		"$esp" $words | grep -q 'Exit status'
	done
	"$esp" --version | grep -qE '^padata-esp [0-9.]+$'
}

sa_files() {
	cp "$dir/sa" "$dir/open"
	for mode in 0644 0640 0604; do
		chmod $mode "$dir/open"
		status 3 "$esp" encrypt --sa "$dir/open" "$capture" "$dir/out"
		says "$dir/open"
	done
	status 3 "$esp" encrypt --sa "$dir/absent" "$capture" "$dir/out"
	says "$dir/absent"
	sed 's/rfc4106/rfc9999/' "$dir/sa" >"$dir/bad" && chmod 600 "$dir/bad"
	status 3 "$esp" encrypt --sa "$dir/bad" "$capture" "$dir/out"
	says rfc9999
	[ ! -e "$dir/out" ]
}

captures() {
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/absent" "$dir/out"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir" "$dir/out"
	: >"$dir/empty"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/empty" "$dir/out"
	says "not a pcap"
	head -c 100000 /dev/urandom >"$dir/garbage"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/garbage" "$dir/out"
	says "$dir/garbage"
	head -c 20 "$capture" >"$dir/garbage"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/garbage" "$dir/out"
	[ ! -e "$dir/out" ]
}

# Garbage behind a good header, at any place, does not crash it and is said.
garbage_inside() {
	for at in 24 40 5000 100000; do
		{ head -c $at "$capture"; head -c 50000 /dev/urandom; } >"$dir/garbage"
		got=0
		"$esp" encrypt --sa "$dir/sa" "$dir/garbage" "$dir/out" 2>"$dir/err" || got=$?
		cat "$dir/err"
		[ $got -le 4 ]
		got=0
		"$esp" decrypt --sa "$dir/sa" "$dir/garbage" "$dir/out" 2>"$dir/err" || got=$?
		cat "$dir/err"
		[ $got -le 4 ]
	done
}

# Noise in the packets themselves, both ways.
noise() {
	for seed in 1 2 3 4 5 6; do
		frames noise $seed "$capture" "$dir/noisy.pcap"
		got=0
		"$esp" encrypt --sa "$dir/sa" "$dir/noisy.pcap" "$dir/enc.pcap" 2>"$dir/err" || got=$?
		cat "$dir/err"
		[ $got -le 1 ]
		status 0 "$esp" decrypt --sa "$dir/sa" "$dir/enc.pcap" "$dir/dec.pcap"
		frames noise $seed "$dir/enc.pcap" "$dir/noisy.pcap"
		status 1 "$esp" decrypt --sa "$dir/sa" "$dir/noisy.pcap" "$dir/dec.pcap"
	done
}

cut() {
	frames cut 700 "$capture" "$dir/cut.pcap"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/cut.pcap" "$dir/enc.pcap"
	says "damaged behind frame"
	status 0 "$esp" decrypt --sa "$dir/sa" "$dir/enc.pcap" "$dir/dec.pcap"
	whole=$(frames count "$dir/whole.dec")
	left=$(frames count "$dir/dec.pcap")
	[ "$left" -lt "$whole" ]
	[ "$left" -gt $((whole - 20)) ]
}

# What cannot be the next frame, at the end: all before it is written.
ends_badly() {
	{ cat "$capture"; printf %b "$1"; } >"$dir/cut.pcap"
	status 4 "$esp" encrypt --sa "$dir/sa" "$dir/cut.pcap" "$dir/enc.pcap"
	says "damaged behind frame .* ($2)"
	status 0 "$esp" decrypt --sa "$dir/sa" "$dir/enc.pcap" "$dir/dec.pcap"
	frames same "$capture" "$dir/dec.pcap"
}

# lost STATUS CAPTURE COUNTER NUMBER LEFT
lost() {
	status 1 "$esp" decrypt --stats json --sa "$dir/sa" "$1" "$dir/dec.pcap" >"$dir/json"
	says "$2"
	counted "$dir/json" "$2" "$3"
	counted "$dir/json" out_packets "$4"
	[ "$(frames count "$dir/dec.pcap")" -eq "$4" ]
}

wrong_key() {
	sed "s/\(rfc4106(gcm(aes))' 0x\)../\1$1/" "$dir/sa" >"$dir/wrong"
	chmod 600 "$dir/wrong"
	if cmp -s "$dir/sa" "$dir/wrong"; then return 1; fi
	status 1 "$esp" decrypt --stats json --sa "$dir/wrong" "$dir/whole.enc" "$dir/dec.pcap" >"$dir/json"
	says bad_icv
	counted "$dir/json" bad_icv "$n"
	counted "$dir/json" out_packets 0
}

no_sa() {
	sed 's/mode tunnel/mode tunnel sel src 10.9.0.0\/16 dst 10.9.0.0\/16/' "$dir/sa" >"$dir/sel"
	chmod 600 "$dir/sel"
	status 1 "$esp" encrypt --stats json --sa "$dir/sel" "$capture" "$dir/out" >"$dir/json"
	says no_sa
	counted "$dir/json" no_sa "$n"
}

limits() {
	sed 's/mode tunnel/mode tunnel limit packet-hard 100/' "$dir/sa" >"$dir/limited"
	chmod 600 "$dir/limited"
	status 1 "$esp" encrypt --stats json --sa "$dir/limited" "$capture" "$dir/out" >"$dir/json"
	says hard_packets
	counted "$dir/json" out_packets 100
}

unwritable() {
	status 5 "$esp" encrypt --sa "$dir/sa" "$capture" "$dir/no/such/place"
	status 5 "$esp" encrypt --sa "$dir/sa" "$capture" /dev/full
	says "No space"
	status 5 sh -c "'$esp' encrypt --sa '$dir/sa' '$capture' - >/dev/full"
}

not_for_esp() {
	status 0 "$esp" decrypt --stats json --sa "$dir/sa" "$capture" "$dir/out" >"$dir/json"
	counted "$dir/json" not_esp "$n"
	counted "$dir/json" out_packets 0
}

json_out() {
	"$esp" encrypt --stats json --sa "$dir/sa" "$capture" - >"$dir/out" 2>"$dir/json"
	counted "$dir/json" out_packets "$n"
	counted "$dir/json" not_ip 4
	"$esp" encrypt --stats text --sa "$dir/sa" "$capture" "$dir/out" | grep -q 'packets encrypted'
	"$esp" bench --seconds 1 --rounds 1 --stats json --sa "$dir/sa" "$capture" >"$dir/json"
	/usr/bin/python3 -c 'import json,sys; b=json.load(open(sys.argv[1])); assert b["one_cpu_mb_s"] > 0 and b["all_cpus_mb_s"] > 0' "$dir/json"
}

timeline() {
	"$esp" encrypt --timeline "$dir/t.svg" --sa "$dir/sa" "$capture" "$dir/out"
	/usr/bin/python3 -c 'import sys, xml.dom.minidom as m; d=m.parse(sys.argv[1]); assert len(d.getElementsByTagName("rect")) > 50' "$dir/t.svg"
}

compares() {
	status 0 "$esp" compare "$capture" "$dir/whole.dec" >"$dir/text"
	frames damage 100 "$dir/whole.dec" "$dir/changed"
	status 1 "$esp" compare "$capture" "$dir/changed" >"$dir/text"
	grep -q 'identical   no' "$dir/text"
	grep -q 'in order    yes' "$dir/text"
	frames swap 100 "$dir/whole.dec" "$dir/changed"
	status 1 "$esp" compare "$capture" "$dir/changed" >"$dir/text"
	grep -q 'in order    no' "$dir/text"
	grep -q 'identical   yes' "$dir/text"
}

new_sa "$dir/sa"
"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/whole.enc"
"$esp" decrypt --sa "$dir/sa" "$dir/whole.enc" "$dir/whole.dec"
n=$(frames count "$dir/whole.dec")
frames damage 100 "$dir/whole.enc" "$dir/damaged"
frames spi 100 "$dir/whole.enc" "$dir/unknown"
frames join "$dir/whole.enc" "$dir/whole.enc" "$dir/twice"
frames join "$dir/whole.dec" "$dir/whole.dec" "$dir/twice.dec"
hundredth=$(((n + 99) / 100))

check "refused: usage" usage
check "refused: SA files that others may read, absent ones, wrong ones" sa_files
check "refused: what is no capture" captures
check "garbage inside a capture" garbage_inside
check "noise inside packets" noise
check "a capture cut off: what came before is written" cut
check "a capture cut off in a frame's header" ends_badly '12345' 'it ends in the header of a frame'
check "a capture cut off in a frame" ends_badly '\0\0\0\0\0\0\0\0\0100\0\0\0\0100\0\0\0half' 'it ends in a frame'
check "a frame too long to be one" ends_badly '\0\0\0\0\0\0\0\0\0377\0377\0377\0177\0377\0377\0377\0177' 'a frame longer than 262144 bytes'
check "damaged ICV is counted, the rest comes back" lost "$dir/damaged" bad_icv $hundredth $((n - hundredth))
check "unknown SPI is counted, the rest comes back" lost "$dir/unknown" unknown_spi $hundredth $((n - hundredth))
# The window is 1024, what is sent again is older than that but for its last packets.
check "a capture sent again: each packet once" lost "$dir/twice" too_old $((n - 1024)) "$n"
check "a capture sent again: what is still in the window" lost "$dir/twice" replay 1024 "$n"
check "wrong key: every ICV is wrong" wrong_key 00
check "no SA for a packet" no_sa
check "a hard limit" limits
check "output that cannot be written" unwritable
check "traffic that is not ESP is passed over" not_for_esp
check "--stats" json_out
check "--timeline is an XML picture" timeline
check "compare tells change from disorder" compares
finish
