"""`rubin token`, and how a token gets from its file to a server."""

import json
from pathlib import Path

import pytest

from rubin.api.client import Client
from rubin.api.roles import access_of
from rubin.api.target import ClientSettings, authorization
from rubin.errors import RubinError, UsageError
from tests.api.entering import TOKENS, guarded, replaced, town
from tests.cli.running import Call

ROLES = '[roles.shop]\nnamespaces = ["shop"]\n[roles."the bank"]\nnamespaces = ["bank"]\n'


def test_a_token_is_printed_once_with_its_lines_for_the_access_file(rubin: Call, tmp_path: Path) -> None:
    made = [rubin("token", 'ann "x"', "--roles", "shop,the bank") for _ in range(2)]
    token, empty, text = made[0].out.partition("\n\n")
    assert empty
    assert token.startswith("rubin_")
    assert len(token) > 40
    (known,) = access_of(ROLES + text, "access.toml").tokens
    assert (known.name, known.roles) == ('ann "x"', ("shop", "the bank"))
    assert token not in text
    assert made[0].out != made[1].out


def test_it_lets_in_from_a_file_and_from_the_environment(rubin: Call, tmp_path: Path) -> None:
    made = rubin("token", "eve", "--roles", "shop", "--output-file", str(tmp_path / "eve.token"))
    assert made.out.startswith("[[tokens]]\n")
    assert oct((tmp_path / "eve.token").stat().st_mode & 0o777) == "0o600"
    token = (tmp_path / "eve.token").read_text().strip()
    with guarded(town(), tmp_path) as server:
        replaced(tmp_path / "access.toml", (ROLES + made.out).encode())
        asked = ("observe", "--server", server.address, "-o", "json", "--last", "1")
        by_file = rubin(*asked, "--bearer-token-file", str(tmp_path / "eve.token"), RUBIN_TOKEN="wrong")
        assert json.loads(by_file.out)["flow"]["destination"]["pod_name"] == "vault"
        assert rubin(*asked, RUBIN_TOKEN=token).out == by_file.out
        assert rubin(*asked, RUBIN_BEARER_TOKEN_FILE=str(tmp_path / "eve.token")).out == by_file.out
        assert (
            rubin(*asked, "--basic-auth-username", "eve", "--basic-auth-password", token).code == 2
        )  # not without TLS
        wrong = rubin(*asked, RUBIN_TOKEN=TOKENS["ann"])
        assert wrong.code == 1
        assert "does not let you in: the token is not known here\n  try: a token of" in wrong.err
        nothing = rubin(*asked)
        assert "it wants to know who asks\n  try: --bearer-token-file (RUBIN_TOKEN)" in nothing.err
        status = rubin("status", "--server", server.address, RUBIN_TOKEN=token)
        assert (status.code, "Node: node-1" in status.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "whose token it is to be is not said"),
        (("a:b", "--roles", "shop"), "'a:b' cannot be the name of a token"),
        (("ann",), "what ann may see is not said"),
        (("ann", "--roles", "shop", "--output-file", "/proc/none/x"), "cannot write /proc/none/x"),
    ],
)
def test_what_is_asked_wrongly_is_said(rubin: Call, words: tuple[str, ...], says: str) -> None:
    done = rubin("token", *words)
    assert done.code in (1, 2)
    assert says in done.err
    assert "\n  try: " in done.err
    assert done.out == ""


@pytest.mark.parametrize("server", ["10.0.0.1:4245", "example.com:4245", "[fd00::1]:4245"])
def test_a_token_goes_over_tls_beyond_this_machine(server: str) -> None:
    with pytest.raises(UsageError, match="could read the token") as refused:
        Client(ClientSettings(server, token="t"))
    assert refused.value.way_on == "--tls, or tls:// before the server"
    for near in (f"tls://{server}", "localhost:1", "127.0.0.2:1", "[::1]:1", "unix:///s"):
        Client(ClientSettings(near, token="t"))


def test_a_file_that_holds_no_token_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    settings = ClientSettings(token_file=str(path))
    with pytest.raises(RubinError, match=f"cannot read the token in {path}: No such file"):
        authorization(settings)
    for content in (b"", b"two words\n", b"a\nb", "ü".encode(), b"\xff"):
        path.write_bytes(content)
        with pytest.raises(RubinError, match="no token|no text"):
            authorization(settings)
    path.write_text("rubin_abc\n")
    assert authorization(settings) == {"authorization": "Bearer rubin_abc"}
    with pytest.raises(UsageError, match="a token is given, and a user name"):
        authorization(ClientSettings(token="a", basic_auth_username="b", basic_auth_password="c"))
    assert "secret" not in repr(ClientSettings(token="secret", basic_auth_password="secret"))
