#!/bin/sh
# SPDX-License-Identifier: MIT
# No nonce twice: sequence numbers go on where the last run, however it ended, may have been.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

# The capture ten times: more than pipes and buffers hold.
long() { frames repeat 10 "$capture" "$dir/long.pcap"; }

rising() {
	new_sa "$dir/sa"
	"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/1"
	"$esp" encrypt --sa "$dir/sa" -j1 "$capture" "$dir/2"
	frames numbers "$dir/1" >"$dir/numbers"
	frames numbers "$dir/2" >>"$dir/numbers"
	n=$(wc -l <"$dir/numbers")
	seq 1 "$n" | cmp - "$dir/numbers"
	[ "$(stat -c %a "$dir/sa.oseq")" = 600 ]
	grep -q "oseq $n$" "$dir/sa.oseq"
}

through_a_link() {
	new_sa "$dir/sa"
	ln -sf sa "$dir/alias"
	"$esp" encrypt --sa "$dir/alias" "$capture" "$dir/1"
	"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/2"
	[ "$(frames numbers "$dir/2" | sed -n 1p)" -eq $(($(frames count "$dir/1") + 1)) ]
}

override() {
	new_sa "$dir/sa"
	"$esp" encrypt --oseq 1000000 --sa "$dir/sa" "$capture" "$dir/1"
	[ "$(frames numbers "$dir/1" | sed -n 1p)" -eq 1000001 ]
	status 0 "$esp" encrypt --oseq 7 --sa "$dir/sa" "$capture" "$dir/2"
	says warning
	[ "$(frames numbers "$dir/2" | sed -n 1p)" -eq 8 ]
	# A look back does not make the counter forget.
	"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/2"
	[ "$(frames numbers "$dir/2" | sed -n 1p)" -gt 1000001 ]
}

# Whatever was seen on standard output when it was killed, the next run begins behind it.
killed() {
	new_sa "$dir/sa"
	long
	for signal in KILL INT; do
		mkfifo "$dir/fifo"
		"$esp" encrypt --sa "$dir/sa" "$dir/long.pcap" - >"$dir/fifo" &
		program=$!
		exec 8<"$dir/fifo"
		head -c 3000000 <&8 >"$dir/seen"
		kill -$signal $program
		cat <&8 >>"$dir/seen"
		exec 8<&-
		wait $program || :
		rm "$dir/fifo"
		last=$(frames numbers "$dir/seen" | sort -n | tail -n 1)
		"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/2"
		first=$(frames numbers "$dir/2" | sed -n 1p)
		echo "seen up to $last, then $first"
		[ "$last" -gt 1000 ]
		[ "$first" -gt "$last" ]
	done
}

two_at_once() {
	new_sa "$dir/sa"
	mkfifo "$dir/in"
	"$esp" encrypt --sa "$dir/sa" - "$dir/1" <"$dir/in" &
	program=$!
	exec 8>"$dir/in"
	head -c 3000 "$capture" >&8
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -e "$dir/sa.oseq" ] && break
		sleep 0.3
	done
	status 3 "$esp" encrypt --sa "$dir/sa" "$capture" "$dir/2"
	says "another padata-esp"
	# Decryption needs no numbers.
	"$esp" decrypt --sa "$dir/sa" "$capture" "$dir/2"
	tail -c +3001 "$capture" >&8
	exec 8>&-
	wait $program
}

damaged_counter() {
	new_sa "$dir/sa"
	"$esp" encrypt --sa "$dir/sa" "$capture" "$dir/1"
	echo "dst 192.0.2.2 spi nonsense" >>"$dir/sa.oseq"
	rm -f "$dir/2"
	status 3 "$esp" encrypt --sa "$dir/sa" "$capture" "$dir/2"
	says "sa.oseq"
	[ ! -e "$dir/2" ]
}

used_up() {
	new_sa "$dir/sa"
	status 1 "$esp" encrypt --oseq 4294967290 --stats json --sa "$dir/sa" "$capture" "$dir/1" >"$dir/json"
	says seq_exhausted
	counted "$dir/json" out_packets 5
	status 1 "$esp" encrypt --stats json --sa "$dir/sa" "$capture" "$dir/1" >"$dir/json"
	counted "$dir/json" out_packets 0
	# With ESN it goes on beyond 32 bits, and comes back.
	new_sa "$dir/sa" --esn
	sed "s/replay-window 1024/replay-window 1024 anti-replay esn context: seq-hi 0x0, seq 0xfffffc00, oseq-hi 0x0, oseq 0x0/" "$dir/sa" >"$dir/sa2"
	chmod 600 "$dir/sa2"
	"$esp" encrypt --oseq 4294966300 --sa "$dir/sa" "$capture" "$dir/1"
	status 0 "$esp" decrypt --sa "$dir/sa2" "$dir/1" "$dir/2"
	frames same "$capture" "$dir/2"
}

# ended SIGNAL STATUS: nothing half written stays, and what was there before is as it was.
ended() {
	new_sa "$dir/sa"
	long
	mkdir -p "$dir/out"
	echo before >"$dir/out/there.pcap"
	for name in there new; do
		# Started so that an interrupt is not ignored, as a shell would have it in the background.
		/usr/bin/python3 - "$esp" "$dir" $name "$1" "$2" <<-'PY'
			import os, signal, subprocess, sys, time
			esp, d, name, sig, wanted = sys.argv[1:]
			r, w = os.pipe()
			p = subprocess.Popen([esp, 'encrypt', '--sa', d + '/sa', '-', f'{d}/out/{name}.pcap'], stdin=r,
			                     stderr=subprocess.PIPE,
			                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
			os.close(r)
			data = open(d + '/long.pcap', 'rb').read(8 << 20)
			os.write(w, data[:65536])
			while not [f for f in os.listdir(d + '/out') if f.startswith('.')]:
			    time.sleep(0.01)
			view = memoryview(data)[65536:]
			while view:
			    view = view[os.write(w, view[:65536]):]
			p.send_signal(getattr(signal, 'SIG' + sig))
			status, said = p.wait(timeout=20), p.stderr.read().decode()
			print(status, said)
			assert status == int(wanted), status
			assert 'not written' in said
		PY
	done
	[ "$(cat "$dir/out/there.pcap")" = before ]
	[ "$(ls -A "$dir/out")" = there.pcap ]
}

check "numbers go on over two runs, and are kept for their owner" rising
check "one counter, whatever link leads to the file" through_a_link
check "--oseq overrides, warns, and forgets nothing" override
check "killed in the middle, no number is used again" killed
check "two at once are refused" two_at_once
check "a damaged counter is refused" damaged_counter
check "numbers used up" used_up
check "SIGINT leaves nothing half written" ended INT 130
check "SIGTERM leaves nothing half written" ended TERM 143
finish
