#!/bin/sh
# SPDX-License-Identifier: MIT
# A capture through ESP and back, on every CPU: is it whole, is it in order, and what is it worth?
# Usage: demo.sh CAPTURE; PADATA_BUILD is where padata-esp was built, pictures and captures go to its demo/.
set -e
failed=0
capture=${1:?usage: demo.sh CAPTURE}
build=${PADATA_BUILD:?is not set}
esp=$build/padata-esp
dir=$build/demo
[ -x "$esp" ] || { echo "padata-esp was not built: run 'make deps', then 'make demo' again" >&2; exit 1; }
[ -r "$capture" ] || { echo "$capture: no such capture; make demo PCAP=file" >&2; exit 1; }
mkdir -p "$dir"
rm -f "$dir"/*

field() { sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p" "$dir/$1.json"; }
thousands() { echo "$1" | sed -e :a -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/' -e ta; }
yes_no() { if [ "$1" = true ]; then echo yes; else echo NO; fi; }
line() { printf '  %-13s %s\n' "$1" "$2"; }
shown() { case $1 in "$PWD"/*) echo "${1#"$PWD"/}" ;; *) echo "$1" ;; esac; }

# Status 1: some packets cannot be processed. That is counted below, and no reason to stop.
crypt() {
	what=$1
	shift
	"$esp" "$what" --sa "$dir/sa" --stats json "$@" >"$dir/$what.json" 2>"$dir/$what.err" ||
		[ $? -eq 1 ] || { cat "$dir/$what.err" >&2; exit 1; }
}

echo
echo "padata: a packet capture through IPsec ESP, on every CPU, in order"
echo
"$esp" genkey >"$dir/sa"
crypt encrypt "$capture" "$dir/encrypted.pcap"
line capture "$(shown "$capture")"
line "" "$(thousands "$(field encrypt frames)") frames, $(thousands "$(field encrypt frame_bytes)") bytes"
line encrypted "$(thousands "$(field encrypt out_packets)") packets, $(thousands "$(field encrypt out_bytes)") bytes of ESP, with one key (AES-128-GCM, $(field encrypt backend))"
other=$(field encrypt not_ip)
[ "$other" -eq 0 ] || line "" "$other frames are not IP and were passed over"
[ ! -s "$dir/encrypt.err" ] || line "" "$(sed 's/^padata-esp: //' "$dir/encrypt.err")"
[ "$(field encrypt out_packets)" -gt 0 ] || { echo "$capture: there is no IP packet in it to show anything with" >&2; exit 1; }

crypt decrypt "$dir/encrypted.pcap" "$dir/decrypted.pcap"
line decrypted "$(thousands "$(field decrypt out_packets)") packets, each verified"
[ ! -s "$dir/decrypt.err" ] || line "" "$(sed 's/^padata-esp: //' "$dir/decrypt.err")"

"$esp" compare --stats json "$capture" "$dir/decrypted.pcap" >"$dir/compare.json" || :
same=$(field compare same) frames=$(field compare frames) new=$(field compare new)
line "in order" "$(yes_no "$(field compare in_order)")"
# What could not be encrypted was said above; whatever was must have come back as it was.
if [ "$(field compare identical)" = true ]; then
	line identical "yes: all $(thousands "$same") IP frames, byte for byte, with their time stamps"
elif [ "$new" -eq 0 ] && [ "$same" -eq "$(field encrypt out_packets)" ]; then
	line identical "yes: the $(thousands "$same") of $(thousands "$frames") IP frames that could be encrypted, byte for byte, with their time stamps"
else
	line identical "NO: $(thousands "$same") of $(thousands "$frames") IP frames are the same"
	failed=1
fi
[ "$(field compare in_order)" = true ] || failed=1

echo
echo "  one CPU against all of them, encrypting this capture in memory again and again:"
"$esp" bench --sa "$dir/sa" --timeline "$dir/timeline.svg" --stats json "$capture" >"$dir/bench.json"
rate() { printf '    %-32s %7.0f MB/s%s\n' "$1" "$2" "$3"; }
rate "1 CPU, a loop without padata" "$(field bench plain_mb_s)" ""
rate "1 CPU, padata" "$(field bench one_cpu_mb_s)" ""
cpus=$(field bench cpus)
[ "$cpus" -eq 1 ] || rate "$cpus CPUs, padata" "$(field bench all_cpus_mb_s)" "$(printf '   %.2f times one CPU' "$(field bench all_to_one)")"

echo
line "picture" "$(shown "$dir")/timeline.svg"
if command -v rsvg-convert >/dev/null && rsvg-convert "$dir/timeline.svg" -o "$dir/timeline.png" 2>/dev/null; then
	line "" "$(shown "$dir")/timeline.png"
fi
line "" "what each CPU did when, and how the packets left in order"
echo
exit $failed
