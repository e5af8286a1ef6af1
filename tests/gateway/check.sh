#!/bin/sh
# SPDX-License-Identifier: MIT
# padata-esp gateway --check: what it prints, what it refuses, and by which exit status. Needs no root and no device.
. "$(dirname "$0")/../esp/tool.inc"

umask 077
good() {
	"$esp" genkey --encap --src 192.0.2.1 --dst 192.0.2.2 --esn --reqid 7 >"$dir/keys"
	cat >"$dir/a.conf" <<-END
		tun esp0
		address 10.1.0.1/24
		route 10.2.0.0/16
		local 192.0.2.1 port 4500
		include keys
		src 10.1.0.0/16 dst 10.2.0.0/16 dir out tmpl reqid 7
		src 10.2.0.0/16 dst 10.1.0.0/16 dir in tmpl reqid 7
		src 10.3.0.0/16 dst 10.1.0.0/16 dir in tmpl reqid 9
	END
}

check_it() { "$esp" gateway --config "$dir/a.conf" --check; }

understood() {
	good
	status 0 check_it >"$dir/out"
	grep -q '^SA out  *0x[0-9a-f]* from 192.0.2.1 to 192.0.2.2, port 4500, reqid 7, aes128-gcm, ESN$' "$dir/out"
	grep -q '^SA in  *0x[0-9a-f]* from 192.0.2.2 to 192.0.2.1, reqid 7, aes128-gcm, ESN, window 1024$' "$dir/out"
	grep -q '^policy out 10.1.0.0/16 to 10.2.0.0/16, reqid 7$' "$dir/out"
	grep -q '^policy in  10.3.0.0/16 to 10.1.0.0/16, reqid 9 (no SA yet)$' "$dir/out"
	grep -q '^mtu  *auto$' "$dir/out"
	! grep -oE '0x[0-9a-f]{9,}' "$dir/keys" | grep -qf - "$dir/out"
}

example_of_the_manual() {
	page=$here/../../doc/man/padata-esp-gateway.5
	key=0x000102030405060708090a0b0c0d0e0f10111213
	sed -n '/^tun esp0/,/^\.Ed/{/^\.Ed/d;p}' "$page" | sed "s/0x<key and salt>/$key/" |
		sed "/chacha20/s/$key/${key}1415161718191a1b1c1d1e1f20212223/" >"$dir/a.conf"
	status 0 check_it >"$dir/out"
	[ "$(grep -c '^SA' "$dir/out")" -eq 4 ]
}

others_may_read() {
	good
	for file in a.conf keys; do
		for mode in 640 604 660 644; do
			chmod $mode "$dir/$file"
			status 3 check_it
			says "$file: it holds keys, and others may read it; run: chmod 600"
		done
		chmod 400 "$dir/$file"
		status 0 check_it
	done
}

not_to_be_read() {
	good
	rm "$dir/keys"
	status 3 check_it
	says "keys: No such file"
	mkdir "$dir/keys"
	status 3 check_it
	says "keys: Is a directory"
	rmdir "$dir/keys"
	mkfifo "$dir/keys"
	status 3 check_it
	says "keys: not a regular file"
	rm "$dir/keys"
	status 3 "$esp" gateway --config "$dir/none/a.conf" --check
}

place_of_an_error() {
	good
	echo "mtu 1400 mtu 1500" >>"$dir/a.conf"
	status 3 check_it
	says "a.conf:9: 'mtu': there is such a line already"
	good
	echo "src 192.0.2.1 dst 192.0.2.2 proto ah" >>"$dir/keys"
	status 3 check_it
	says "/keys:.*: 'ah': only esp"
	good
	rm "$dir/keys"
	status 3 check_it
	says "a.conf:5: 'keys': .*/keys: No such file"
	good
	chmod 644 "$dir/keys"
	status 3 check_it
	says "a.conf:5: 'keys': .*/keys: it holds keys"
}

what_the_machine_lacks() {
	good
	echo "user nobody-at-all" >>"$dir/a.conf"
	status 6 check_it
	says "a.conf:9: 'nobody-at-all': there is no such user"
	good
	echo "cpus 0" >>"$dir/a.conf"
	status 0 check_it
	[ "$(nproc)" -gt 1 ] || return 0
	first=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')
	last=$(taskset -pc $$ | sed 's/.*[-, ]//')
	good
	echo "cpus $last" >>"$dir/a.conf"
	status 6 taskset -c "$first" "$esp" gateway --config "$dir/a.conf" --check
	says "a.conf:9: '$last': none of these CPUs can be used"
}

usage() {
	good
	status 2 "$esp" gateway
	status 2 "$esp" gateway --config
	status 2 "$esp" gateway --config "$dir/a.conf" more
	status 2 "$esp" gateway --colour
	says "--colour is not an option"
	status 2 "$esp" ctl
	status 2 "$esp" ctl --socket
	status 2 "$esp" ctl --socket "$dir/none" sa add
	status 6 "$esp" ctl --socket "$dir/none" stats
	says "none: No such file"
	status 2 "$esp" top --interval 0
	status 2 "$esp" top more
	status 6 "$esp" top --socket "$dir/none" </dev/null
	chmod 644 "$dir/keys"
	status 3 "$esp" ctl --socket "$dir/none" sa add "$dir/keys"
	says "others may read it"
}

# As systemd reads it, which complains on standard error and goes on; 4.0 of 10 is what it calls OK.
unit() {
	sed "s#@BINDIR@#$(dirname "$(readlink -f "$esp")")#" "$here/../../gateway/padata-esp@.service.in" \
		>"$dir/padata-esp@office.service"
	systemd-analyze verify --man=no "$dir/padata-esp@office.service" 2>"$dir/complaints"
	cat "$dir/complaints"
	[ ! -s "$dir/complaints" ]
	systemd-analyze security --offline=true --no-pager --threshold=40 "$dir/padata-esp@office.service"
}

check "--check prints what was understood, without keys" understood
check "--check: the example of the manual" example_of_the_manual
check "--check refuses what others may read" others_may_read
check "--check: files that cannot be read" not_to_be_read
check "--check names file, line and word" place_of_an_error
check "--check names what the machine lacks" what_the_machine_lacks
check "gateway, ctl, top: wrong usage" usage
if command -v systemd-analyze >/dev/null; then
	check "the unit is what systemd expects, and confined" unit
else
	echo "skip the unit: systemd-analyze is not installed"
fi
finish
