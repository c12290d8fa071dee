"""Who may look, and what the browser is told to forbid."""

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rubin.store.ring import Ring
from rubin.ui.pages import Pages
from rubin.ui.security import COOKIE, HEALTH, is_loopback
from tests.flows import generate
from tests.ui.tabs import Browser, looking, page

CSP = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'self'; worker-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
TOKEN = "0f" * 16


def ring() -> Ring:
    made = Ring()
    made.append(generate(10))
    return made


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory):
    with looking(ring(), tmp_path_factory.mktemp("local")) as browser:
        yield browser


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    with looking(ring(), tmp_path_factory.mktemp("guarded"), TOKEN) as browser:
        yield browser


@pytest.mark.parametrize("path", ["/", "/flows", "/api/v1/meta", "/api/v1/nothing", "/assets/none.js"])
def test_every_answer_has_the_headers(local: Browser, path: str) -> None:
    headers = local.client.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_a_page_of_another_site_gets_nothing(local: Browser) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"):
        answer = local.client.get("/api/v1/meta", headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]) == (403, "another site may not ask here")
        assert refused(local, origin=origin)
    own = f"http://{local.host}"
    assert local.client.get("/api/v1/meta", headers={"origin": own}).status_code == 200
    with page(local, origin=own) as tab:
        tab.sub(1, "stats")
        assert tab.take()[0]["sub"] == 1


def test_a_name_that_was_made_to_lead_here_gets_nothing(local: Browser) -> None:
    """DNS rebinding: the origin is that name, too."""
    for host in ("evil.example", "evil.example:12000", "10.0.0.1", ""):
        answer = local.client.get("/api/v1/meta", headers={"host": host, "origin": f"http://{host}"})
        assert answer.status_code in (400, 403)
    for host in ("localhost:12000", "127.0.0.1", "[::1]:12000"):
        assert local.client.get("/api/v1/meta", headers={"host": host}).status_code == 200


def test_without_the_token_nothing_with_it_a_session(guarded: Browser) -> None:
    for path in ("/", "/api/v1/meta", "/?token=", "/?token=" + "0" * 32, "/assets/a.js"):
        assert guarded.client.get(path).status_code == 401
    assert refused(guarded)
    welcome = guarded.client.get(f"/flows?token={TOKEN}&to-port=443")
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/flows?to-port=443")
    cookie = welcome.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    guarded.client.cookies.clear()
    session = {"cookie": f"other=1; {COOKIE}={TOKEN}"}
    assert guarded.client.get("/api/v1/meta", headers=session).status_code == 200
    assert guarded.client.get("/api/v1/meta", headers={"cookie": f"{COOKIE}={TOKEN}x"}).status_code == 401
    with page(guarded, **session) as tab:
        tab.sub(1, "stats")
        assert tab.take()[0]["sub"] == 1


def test_who_asks_whether_it_lives_needs_no_token_and_learns_no_more(guarded: Browser) -> None:
    answer = guarded.client.get(HEALTH)
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_a_browser_without_the_token_sees_a_page(guarded: Browser) -> None:
    answer = guarded.client.get("/flows?token=wrong", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "The session is not known" in answer.text


def test_the_way_after_the_token_leads_nowhere_else(guarded: Browser) -> None:
    answer = guarded.client.get(f"//evil.example/?token={TOKEN}")
    assert not answer.headers.get("location", "/").startswith("//")


def test_the_token_lets_in_under_any_name(guarded: Browser) -> None:
    headers = {"host": "node-1.example:12000", "cookie": f"{COOKIE}={TOKEN}"}
    assert guarded.client.get("/api/v1/meta", headers=headers).status_code == 200


def refused(browser: Browser, **headers: str) -> bool:
    try:
        with page(browser, **headers) as tab:
            tab.session.recv(10)
    except (InvalidStatus, ConnectionClosed):
        return True
    return False


HOSTS = [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("127.9.9.9", True),
         ("0.0.0.0", False), ("", False), ("localhost.evil.example", False), ("10.0.0.1", False)]  # fmt: skip


@pytest.mark.parametrize(("host", "is_it"), HOSTS)
def test_what_is_loopback(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


def test_files_are_those_that_are_there_and_no_others(tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html>app")
    (static / "assets" / "app-1a2b.js").write_text("export {};" * 100)
    (tmp_path / "secret.txt").write_text("secret")
    with looking(ring(), tmp_path, pages=Pages(static)) as browser:
        for path in ("/", "/map", "/flows", "/services", "/any/other", "/index.html"):
            assert browser.client.get(path).text == "<!doctype html>app"
            assert browser.client.get(path).headers["cache-control"] == "no-cache"
        script = browser.client.get("/assets/app-1a2b.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-encoding"] == "gzip"
        assert browser.client.get("/assets/app-1a2b.js", headers={"accept-encoding": ""}).text == script.text
        for path in (
            "/../secret.txt",
            "/assets/../../secret.txt",
            "/..%2fsecret.txt",
            "/assets/none.js",
            "/favicon.ico",
        ):
            assert browser.client.get(path).status_code == 404
        assert browser.client.post("/").status_code == 405


def test_without_pages_it_says_how_to_build_them(tmp_path: Path) -> None:
    with looking(ring(), tmp_path, pages=Pages(tmp_path / "none")) as browser:
        answer = browser.client.get("/map")
        assert answer.status_code == 503
        assert "./dev run" in answer.text
        assert browser.client.get("/api/v1/meta").status_code == 200
