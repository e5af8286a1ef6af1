#!/bin/sh
# SPDX-License-Identifier: MIT
# Make a capture of real programs talking: two network namespaces, one link. Needs root, see README.md.
# Usage: make.sh OUT.pcap
set -e
out=$(realpath "${1:?usage: make.sh OUT.pcap}")
tmp=$(mktemp -d)
chmod 755 "$tmp"
client=cap-c-$$ server=cap-s-$$
pids=
finish() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null || :
	ip netns del "$client" 2>/dev/null || :
	ip netns del "$server" 2>/dev/null || :
	rm -rf "$tmp"
}
trap finish EXIT

ip netns add "$client"
ip netns add "$server"
ip link add eth0 netns "$client" type veth peer name eth0 netns "$server"
# In the background the program is started by ip itself, so that $! is its own id.
c() { ip netns exec "$client" "$@"; }
s() { ip netns exec "$server" "$@"; }
for side in c s; do
	# Otherwise the capture shows what the programs hand to the kernel, up to 64 KiB, not what a wire would carry.
	$side ethtool -K eth0 tso off gso off gro off tx off rx off >/dev/null
	$side ip link set lo up
	$side ip link set eth0 up
done
c ip addr add 10.1.0.1/8 dev eth0
s ip addr add 10.2.0.1/8 dev eth0
c ip addr add fd00:1::1/16 dev eth0 nodad
s ip addr add fd00:2::1/16 dev eth0 nodad

# A small site: a page, a picture, something to download.
mkdir "$tmp/www" "$tmp/run"
seq -f '<p>Paragraph %g of a page that somebody reads.</p>' 1 120 >"$tmp/www/index.html"
head -c 70000 /dev/urandom >"$tmp/www/picture.jpg"
head -c 420000 /dev/urandom >"$tmp/www/download.bin"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=site.example \
	-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
cat >"$tmp/nginx.conf" <<CONF
daemon off; pid $tmp/run/nginx.pid; error_log /dev/null; worker_processes 1;
events { }
http {
	access_log off; client_body_temp_path $tmp/run/b; proxy_temp_path $tmp/run/p; fastcgi_temp_path $tmp/run/f;
	uwsgi_temp_path $tmp/run/u; scgi_temp_path $tmp/run/s;
	server {
		listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
		ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem; root $tmp/www;
	}
}
CONF
chmod 755 "$tmp/www"
ip netns exec "$server" nginx -c "$tmp/nginx.conf" & pids="$pids $!"
ip netns exec "$server" dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --log-facility=/dev/null \
	--address=/site.example/10.2.0.1 --address=/site.example/fd00:2::1 \
	--txt-record=long.example,"$(seq -s ' ' 1 70)" 2>/dev/null & pids="$pids $!"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/host"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/user"
cp "$tmp/user.pub" "$tmp/authorized"
cat >"$tmp/sshd.conf" <<CONF
HostKey $tmp/host
AuthorizedKeysFile $tmp/authorized
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
CONF
mkdir -p /run/sshd
ip netns exec "$server" "$(command -v sshd)" -D -f "$tmp/sshd.conf" 2>/dev/null & pids="$pids $!"
ip netns exec "$server" iperf3 -s >/dev/null 2>&1 & pids="$pids $!"
sleep 1

ip netns exec "$client" tcpdump -q -i eth0 -B 8192 -s 0 --time-stamp-precision=nano -w "$tmp/out.pcap" 2>/dev/null & tcpdump=$!
pids="$pids $tcpdump"
sleep 1

quiet() { "$@" >/dev/null 2>&1 || echo "failed: $*" >&2; }
get() { quiet c curl -sk -o /dev/null "$@"; }
ssh_to() { quiet c ssh -n -i "$tmp/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$@"; }

c iperf3 -u -b 400K -l 172 -t 4 -c 10.2.0.1 >/dev/null & voice=$! # a telephone call, as packets see it
quiet c ping -q -c 3 -i 0.2 10.2.0.1
quiet c ping -q -c 3 -i 0.2 fd00:2::1
quiet c ping -q -c 3 -i 0.2 -s 4000 10.2.0.1
quiet c ping -q -c 2 -i 0.2 -s 4000 fd00:2::1
for name in site.example www.site.example long.example; do
	for kind in A AAAA TXT; do
		quiet c dig +tries=1 @10.2.0.1 $name $kind
		quiet c dig +tries=1 @fd00:2::1 $name $kind
	done
done
quiet c dig +tcp @10.2.0.1 long.example TXT
get http://10.2.0.1/ http://10.2.0.1/picture.jpg & one=$!
get 'http://[fd00:2::1]/' 'http://[fd00:2::1]/picture.jpg' & two=$!
wait $one $two
get https://10.2.0.1/ https://10.2.0.1/picture.jpg
get 'https://[fd00:2::1]/download.bin' & one=$!
get http://10.2.0.1/download.bin & two=$!
wait $one $two
ssh_to root@10.2.0.1 'ls -l /usr/bin | head -n 100; sleep 0.2; head -c 150000 /dev/urandom'
ssh_to root@fd00:2::1 'uname; sleep 0.2; seq 1 2000'
quiet sh -c "! ip netns exec $client ping -q -c 1 -W 1 10.2.0.99" # nobody there: address resolution without an answer
wait $voice

sleep 1
kill $tcpdump
wait $tcpdump || :
cp "$tmp/out.pcap" "$out"
ls -l "$out"
