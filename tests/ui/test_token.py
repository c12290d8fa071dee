"""A token of one's own: from a file, as a Secret is mounted; for browsers and for programs."""

import signal
from pathlib import Path

import httpx
import pytest

from rubin.cli.main import main
from rubin.errors import RubinError
from rubin.store.ring import Ring
from rubin.ui.security import COOKIE, token_of
from tests.flows import generate
from tests.ui.tabs import looking
from tests.ui.test_command import running

TOKEN = "s3cret-of-our-own~" + "0f" * 8


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n", f"  {TOKEN}\r\n", "a" * 16, "QUJD+/==" * 2])
def test_a_file_holds_a_token_and_may_be_readable_to_all(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o644)
    assert token_of(str(path)) == text.strip()


WRONG = [
    ("", "is empty, 16 are the least"), (" \n", "is empty"), ("short", "has 5 letters"), ("a" * 15, "has 15 letters"),
    ("a token with spaces", "is more than letters"), ("é" * 20, "is more than letters"),
    ("0123456789abcdef;path=/", "is more than letters"), ("0123456789abcdef\nx", "is more than letters"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_somebody_guesses_or_no_cookie_holds_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(RubinError, match=sentence) as raised:
        token_of(str(tmp_path / "token"))
    assert "openssl rand -hex 32" in raised.value.way_on
    assert not text.strip() or text.strip() not in raised.value.sentence


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--listen", "127.0.0.1:0", "--token-file", str(tmp_path / "none")]) != 0
    assert f"cannot read {tmp_path}/none: No such file" in capsys.readouterr().err


def test_the_environment_names_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("short")
    monkeypatch.setenv("RUBIN_TOKEN_FILE", str(tmp_path / "token"))
    assert main(["ui", "--listen", "127.0.0.1:0"]) != 0
    assert "has 5 letters" in capsys.readouterr().err


def test_with_a_file_even_this_machine_needs_the_token_and_it_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    arguments = ("--listen", "127.0.0.1:0", "--token-file", f"{tmp_path}/token", "--server", f"unix://{tmp_path}/s")
    with running(*arguments) as (process, sentence):
        assert TOKEN not in sentence
        assert f"?token=, and behind it what {tmp_path}/token holds," in sentence
        link = sentence.split()[2].partition("?")[0]
        with httpx.Client(base_url=link, trust_env=False, timeout=30) as client:
            assert client.get("/api/v1/meta").status_code == 401
            assert client.get(f"/api/v1/meta?token={TOKEN}").status_code == 303
            assert client.get("/api/v1/meta").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_programs_send_it_in_a_header(tmp_path: Path) -> None:
    ring = Ring()
    ring.append(generate(10))
    with looking(ring, tmp_path, TOKEN) as browser:

        def code(given: str) -> int:
            return browser.client.get("/api/v1/flows", headers={"authorization": given}).status_code

        assert [code(given) for given in (f"Bearer {TOKEN}", f"bearer  {TOKEN}")] == [200, 200]
        wrong = ("", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x")
        assert {code(given) for given in wrong} == {401}
        assert COOKIE not in browser.client.cookies
        answer = browser.client.get("/api/v1/flows")
        assert "Authorization: Bearer" in answer.json()["way_on"]
