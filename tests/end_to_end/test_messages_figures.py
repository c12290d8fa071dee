"""What is said of messages in numbers: `rubin status` and the metrics say the same."""

import json
import subprocess
import sys
import urllib.request

from tests.waiting import wait_for

_SERVER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        with server.accept()[0] as connection:
            while connection.recv(4096):
                connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
"""
_CLIENT = """
import os, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    for number in range(1500):
        connection.sendall(b"GET / HTTP/1.1\\r\\nX-Other: %d-%d\\r\\n\\r\\n" % (os.getpid(), number))
        connection.recv(4096)
"""
_SAME = {
    "unpaired": "rubin_messages_unpaired_total",
    "without_headers": "rubin_messages_without_headers_total",
    "failures": "rubin_dissector_failures_total",
    "tls_libraries": "rubin_tls_libraries",
    "tls_libraries_refused": "rubin_tls_libraries_refused_total",
}


def test_headers_that_are_not_read_are_counted_in_status_and_metrics(start):
    agent = start(flags=["--messages-cpu-percent", "100"]).wait_until_it_observes()

    def said():
        found = json.loads(agent.rubin("status", "-o", "json"))["rubin"]["messages"]
        return {name: float(found[key]) for key, name in _SAME.items()}

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{agent.metrics_port}/metrics", timeout=5) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if line.startswith("rubin_")]
        return {name: float(number) for name, _, number in lines}

    def same():
        before, found = said(), page()
        assert found["rubin_messages_heard_ratio"] == 1
        return before == said() == {name: found[name] for name in _SAME.values()}

    assert not page()["rubin_messages_without_headers_total"]
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()

        def unread():
            """After more new headers than are read in a second, if the machine is quick enough this time."""
            subprocess.run([sys.executable, "-c", _CLIENT, port], check=True)
            return page()["rubin_messages_without_headers_total"]

        wait_for(unread, "headers that are not read")
        server.terminate()
    wait_for(same, "status and metrics to say the same of a moment")
