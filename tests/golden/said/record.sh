#!/bin/sh
# Captures exchanges of public protocols in a network namespace of its own, and writes down what tshark reads in them.
# As root, with nginx, dnsmasq, curl, redis-server, tcpdump and tshark: tests/golden/said/record.sh
set -u
folder=$(cd "$(dirname "$0")" && pwd)
[ "${1:-}" = inside ] || exec unshare --net "$0" inside
work=$(mktemp -d) servers=
trap 'kill $servers; rm -rf "$work"' EXIT
ip link set lo up
cat >"$work/nginx.conf" <<CONFIGURATION
daemon off; pid $work/nginx.pid; error_log /dev/null; worker_processes 1; events {}
http { access_log off; server { listen 127.0.0.1:8080; location /old { return 301 /new; }
  location /missing { return 404 "none\n"; } location /broken { return 503; } location / { return 200 "hello\n"; } }
  server { listen 127.0.0.1:8081 http2; location /missing { return 404 "none\n"; } location / { return 200 "hello\n"; } } }
CONFIGURATION
nginx -c "$work/nginx.conf" >/dev/null 2>&1 &
servers="$servers $!"
dnsmasq --no-daemon --no-resolv --no-hosts --port=5353 --address=/shop.example/192.0.2.7 --local=/example/ >/dev/null 2>&1 &
servers="$servers $!"
redis-server --port 6379 --save '' >/dev/null 2>&1 &
servers="$servers $!"
sleep 1
tcpdump -i lo -U -w "$work/said.pcap" >/dev/null 2>&1 &
capture=$!
sleep 1
http=http://127.0.0.1:8080
curl -s -m 5 $http/ "$http/items/1?q=secret" $http/old $http/missing >/dev/null
curl -s -m 5 -I $http/items/2 >/dev/null
curl -s -m 5 -d 'a=1' $http/broken >/dev/null
curl -s -m 5 --http2-prior-knowledge http://127.0.0.1:8081/two http://127.0.0.1:8081/missing/two >/dev/null
for name in shop.example no.example; do
	python3 - "$name" <<'QUESTION'
import socket, struct, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
labels = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split("."))
for kind in (1, 28):
    question = struct.pack("!6H", 40 + kind, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    asking.sendto(question, ("127.0.0.1", 5353))
    asking.recv(512)
QUESTION
done
for command in 'set user:1 secret' 'get user:1' 'lpush user:1 x' 'config get port'; do
	redis-cli $command >/dev/null
done
sleep 1
kill $capture
wait $capture
cp "$work/said.pcap" "$folder/said.pcap"
read_by_tshark() {
	tshark -r "$folder/said.pcap" -d tcp.port==8081,http2 -d udp.port==5353,dns -T fields -E 'separator=|' "$@" 2>/dev/null
}
read_by_tshark -Y http.response -e http.response.code -e http.response_for.uri >"$folder/http.txt"
read_by_tshark -Y 'http2.headers.path || http2.headers.status' -e http2.headers.path -e http2.headers.status >"$folder/http2.txt"
read_by_tshark -Y dns.flags.response==1 -e dns.qry.name -e dns.qry.type -e dns.flags.rcode -e dns.a >"$folder/dns.txt"
