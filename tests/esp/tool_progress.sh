#!/bin/sh
# SPDX-License-Identifier: MIT
# Long work shows how far it is on a terminal, and says nothing in a pipe.
# shellcheck source=tests/esp/tool.inc
. "$(dirname "$0")/tool.inc"

# slowly terminal|pipe: what standard error shows while the output is read slowly, in $dir/shown.
slowly() {
	new_sa "$dir/sa"
	frames repeat 10 "$capture" "$dir/long.pcap"
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	/usr/bin/python3 - "$esp" "$dir" "$1" >"$dir/shown" <<-'PY'
		import os, pty, select, subprocess, sys, time
		esp, d, where = sys.argv[1:]
		ours, theirs = pty.openpty() if where == 'terminal' else os.pipe()
		p = subprocess.Popen([esp, 'encrypt', '--sa', d + '/sa', d + '/long.pcap', d + '/fifo'], stderr=theirs)
		os.close(theirs)
		began, shown = time.monotonic(), b''
		with open(d + '/fifo', 'rb') as out:
		    while out.read(1 << 17):
		        if select.select([ours], [], [], 0)[0]:
		            try:
		                shown += os.read(ours, 4096)
		            except OSError:
		                pass
		        # Beyond the second after which there is a line, and until there is one.
		        if time.monotonic() - began < 3 and not shown:
		            time.sleep(0.05)
		assert p.wait(60) == 0
		sys.stdout.buffer.write(shown)
	PY
	cat "$dir/shown"
}

on_a_terminal() {
	slowly terminal
	grep -qE '[0-9]+ packets  [0-9.]+ Gb/s  [0-9]+:[0-9][0-9] left' "$dir/shown"
}

in_a_pipe() {
	slowly pipe
	[ ! -s "$dir/shown" ]
}

check "progress on a terminal: packets, Gb/s and the time that is left" on_a_terminal
check "no progress in a pipe" in_a_pipe
finish
