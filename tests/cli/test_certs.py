"""`rubin certs`: what it makes and prints, and what it says where it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ENVIRON, Call


def test_an_authority_from_its_making_to_a_certificate_taken_back(rubin: Call, tmp_path: Path):
    here = ("--directory", str(tmp_path / "certs"))
    made = rubin("certs", "init", *here)
    assert made.code == 0
    assert made.out.startswith(f"{tmp_path}/certs: an authority until 20")

    issued = rubin("certs", "issue", "web-1", "web-2", "--san", "web.example.com,192.0.2.1", *here)
    assert issued.out == "".join(f"{tmp_path}/certs/web-{number}: tls.crt, tls.key, ca.crt\n" for number in (1, 2))
    assert rubin("certs", "issue", "relay", "--kind", "relay", "--days", "20", *here).code == 0
    assert sorted(path.name for path in (tmp_path / "certs" / "relay").iterdir()) == ["ca.crt", "tls.crt", "tls.key"]

    shown = [line.split() for line in rubin("certs", "show", *here).out.splitlines()[1:]]
    assert shown[0] == ["NAME", "KIND", "ENDS", "STATE", "SERIAL", "NAMES"]
    assert [row[:2] for row in shown[1:]] == [["relay", "relay"], ["web-1", "node"], ["web-2", "node"]]
    assert shown[1][3:7] in (["ends", "in", "19", "days"], ["ends", "in", "20", "days"])
    assert shown[2][3] == "valid"
    assert shown[2][5:] == [
        "web-1.default.hubble-grpc.cilium.io",
        "hubble-peer.default.hubble-grpc.cilium.io",
        "web-1",
        "web.example.com",
        "192.0.2.1",
    ]

    assert rubin("certs", "renew", *here).out == "relay: renewed\n"
    assert rubin("certs", "renew", "--within", "5", *here).out == "nothing ends within 5 days\n"
    taken = rubin("certs", "revoke", "web-2", *here).out
    assert taken == f"{tmp_path}/certs/crl.pem: 1 more certificate. Copy it to where it is named.\n"
    listed = json.loads(rubin("certs", "show", "-o", "json", *here).out)
    states = [(one["name"], one["state"]) for one in listed]
    assert states == [("relay", "valid"), ("relay", "replaced"), ("web-1", "valid"), ("web-2", "revoked")]
    text = subprocess.run(
        ["openssl", "crl", "-in", f"{tmp_path}/certs/crl.pem", "-noout", "-text"], capture_output=True, check=True
    ).stdout.decode()
    assert listed[3]["serial"].upper() in text


def test_an_authority_that_ends_soon_says_so(rubin: Call, tmp_path: Path):
    here = ("--directory", str(tmp_path / "certs"))
    rubin("certs", "init", "--days", "10", *here)
    issued = rubin("certs", "issue", "web-1", *here)
    assert issued.code == 0
    assert issued.err.startswith("rubin: the authority itself ends on ")
    assert "the authority itself ends" in rubin("certs", "renew", *here).err


WRONG = [
    (("show",), 1, "there is no authority in", "rubin certs init"),
    (("issue",), 2, "a name is needed", "rubin certs issue web-1"),
    (("revoke",), 2, "a name is needed", "rubin certs revoke web-1"),
    (("issue", "web", "--kind", "nod"), 2, "--kind cannot be 'nod'", "node"),
    (("issue", "web", "--days", "0"), 2, "0 days cannot be", "1 to 36500"),
    (("init", "--days", "100000"), 2, "100000 days cannot be", "1 to 36500"),
    (("shwo",), 2, "'rubin certs' knows no 'shwo'", "rubin certs show"),
    (("show", "web"), 2, "'rubin certs show' knows no 'web'", "--help"),
]


@pytest.mark.parametrize(("words", "code", "says", "way_on"), WRONG)
def test_what_cannot_be_is_said_with_a_way_on(
    rubin: Call, tmp_path: Path, words: tuple[str, ...], code: int, says: str, way_on: str
):
    done = rubin("certs", *words, "--directory", str(tmp_path / "certs"))
    assert done.code == code
    assert says in done.err
    assert way_on in done.err.splitlines()[1]
    assert not (tmp_path / "certs").exists()


def test_a_key_that_is_not_for_us_is_said(rubin: Call, tmp_path: Path):
    assert rubin("certs", "init", "-d", str(tmp_path)).code == 0
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    (tmp_path / "ca.key").chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        done = rubin("certs", "issue", "web", "-d", str(tmp_path))
    finally:
        os.seteuid(user)
    assert done.code == 1
    assert done.err.startswith(f"rubin: cannot read {tmp_path}/ca.key: Permission denied\n  try: ")


def test_the_command_line_is_as_quick_to_start_as_before():
    """Only what makes certificates loads the library that does."""
    code = "import sys, rubin.api.client, rubin.cli.certs; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRON, check=False).returncode == 0
