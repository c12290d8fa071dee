"""What is said at this machine's sockets, as its users see it: in the terminal, by Hubble's API, in the metrics."""

import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from tests.waiting import wait_for

HEAR_ALL = ["--messages-cpu-percent", "100"]  # whatever else the machine does
_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * 1500
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


_CLIENT = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for path in sys.argv[2:]:
    connection.request("GET", path, headers={"Authorization": "Bearer hidden"})
    connection.getresponse().read()
"""


@pytest.fixture
def shop():
    """The port of an HTTP server in a process of its own."""
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.terminate()


def ask(port: int, *paths: str) -> None:
    """Requests on one connection, from a process of its own: an agent does not watch itself, nor these tests."""
    subprocess.run([sys.executable, "-c", _CLIENT, str(port), *paths], check=True)


def test_requests_and_answers_are_told_with_status_latency_and_owner(start, shop):
    agent = start(flags=HEAR_ALL).wait_until_it_observes()
    ask(shop, "/items/1?token=hidden", "/missing", "/items/2")

    def said():
        flows = agent.observe("--last", "20", "-t", "l7", "--port", str(shop))
        return flows if len(flows) >= 6 else []

    flows = wait_for(said, "three exchanges")
    shown = [(flow["l7"]["type"], flow["l7"]["http"].get("code"), flow["l7"]["http"]["url"]) for flow in flows]
    here = f"http://127.0.0.1:{shop}"
    assert shown == [
        ("REQUEST", None, f"{here}/items/1"), ("RESPONSE", 200, f"{here}/items/1"),
        ("REQUEST", None, f"{here}/missing"), ("RESPONSE", 404, f"{here}/missing"),
        ("REQUEST", None, f"{here}/items/2"), ("RESPONSE", 200, f"{here}/items/2"),
    ]  # fmt: skip
    for flow in flows:
        assert flow["Type"] == "L7"
        assert flow["event_type"] == {"type": 129}
        assert flow["traffic_direction"] == "INGRESS"  # over loopback the server tells
        assert flow["is_reply"] == (flow["l7"]["type"] == "RESPONSE")
        assert (int(flow["l7"].get("latency_ns", 0)) > 0) == flow["is_reply"]
    assert "hidden" not in str(flows)
    assert agent.rubin("observe", "--last", "20", "--http-status", "404", "-o", "compact").count("HTTP/1.1 404 ") == 1
    assert agent.rubin("observe", "--last", "20", "--http-path", "/items/.", "-o", "compact").count("items/") == 4
    assert "python" in agent.rubin("observe", "--last", "1", "-t", "l7", "-o", "wide")


def test_they_are_in_the_metrics(start, shop):
    agent = start(flags=[*HEAR_ALL, "--metrics", "httpV2 flow dns"]).wait_until_it_observes()
    ask(shop, "/a", "/b", "/missing")

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{agent.metrics_port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    wanted = 'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="200",reporter="server"} 2'
    wait_for(lambda: wanted in page(), "the requests in the metrics")
    assert 'type="L7"' in page()


def test_names_asked_of_the_dns_are_told(start):
    agent = start(flags=HEAR_ALL).wait_until_it_observes()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve():
            question, client = server.recvfrom(512)
            header = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
            server.sendto(header + question[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x07", client)

        thread = threading.Thread(target=serve)
        thread.start()
        question = "bytes.fromhex('abcd01000001000000000000') + b'\\x04shop\\x07example\\0\\0\\1\\0\\1'"
        words = "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        words += f"s.sendto({question}, ('127.0.0.1', {port}))\ns.recv(512)"
        subprocess.run([sys.executable, "-c", words], check=True)
        thread.join()
    flows = wait_for(
        lambda: agent.observe("--last", "5", "--protocol", "dns", "--port", str(port), "--reply"), "the answer"
    )
    dns = flows[0]["l7"]["dns"]
    assert (dns["query"], dns["ips"], dns["ttl"], dns["qtypes"]) == ("shop.example.", ["192.0.2.7"], 60, ["A"])
    # Who asked calls the address by that name from now on; nobody answers there.
    words = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('192.0.2.7', 9))"
    subprocess.run([sys.executable, "-c", words], check=False)
    assert wait_for(lambda: agent.observe("--last", "5", "--to-fqdn", "shop.example"), "a flow to the name")
    assert flows[0]["Summary"] == 'DNS Answer "192.0.2.7" TTL: 60 (Query shop.example. A)'


def test_nothing_is_read_where_it_is_switched_off(start, shop):
    agent = start(flags=["--messages=false"]).wait_until_it_observes()
    ask(shop, "/private")
    wait_for(lambda: agent.observe("--last", "1", "--port", str(shop)), "its flows")
    assert agent.observe("--last", "20", "-t", "l7") == []


_CACHE = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.request.recv(4096):
            self.request.sendall(b"+OK\\r\\n")
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
_ASK_CACHE = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in sys.argv[2:]:
    words = [b"$%d\\r\\n%b\\r\\n" % (len(word), word.encode()) for word in line.split()]
    connection.sendall(b"*%d\\r\\n" % len(words) + b"".join(words))
    connection.recv(100)
"""


@pytest.fixture
def cache():
    """The port of a server that says OK to each command of Redis."""
    with subprocess.Popen([sys.executable, "-c", _CACHE], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_what_is_asked_for_is_shown_and_no_credential(start, cache):
    agent = start(flags=[*HEAR_ALL, "--redact-values=false"]).wait_until_it_observes()
    lines = ("AUTH hidden", "SET session:1 hidden", "SET greeting hello")
    subprocess.run([sys.executable, "-c", _ASK_CACHE, cache, *lines], check=True)

    def said():
        flows = agent.observe("--last", "20", "--protocol", "redis", "--reply", "--port", cache)
        return flows if len(flows) == len(lines) else []

    flows = wait_for(said, "three commands")
    shown = "".join(agent.rubin("trace", flow["uuid"]) for flow in flows)
    assert "hidden" not in shown
    assert "arguments: hello" in shown
