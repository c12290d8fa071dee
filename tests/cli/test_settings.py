"""Flag before environment before file before default; ours before Hubble's."""

from pathlib import Path

import pytest

from rubin.cli.settings import KEYS, config_path, own_path, resolve
from rubin.errors import RubinError, UsageError
from rubin.words.flags import read


def values(line: str, environ: dict[str, str], *names: str) -> list[object]:
    found, _ = resolve(KEYS, read(KEYS, line.split()), environ)
    return [found[name] for name in names]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_source_counts(home: Path) -> None:
    path = write(home / "mine.yaml", "server: from-file:1\ntimeout: 7s\n")
    environ = {"HOME": str(home), "RUBIN_CONFIG": str(path)}
    assert values("", {"HOME": str(home)}, "server", "timeout") == ["localhost:4245", 5.0]
    assert values("", environ, "server", "timeout") == ["from-file:1", 7.0]
    assert values("", environ | {"HUBBLE_SERVER": "hubble:1"}, "server", "timeout") == ["hubble:1", 7.0]
    both = environ | {"HUBBLE_SERVER": "hubble:1", "RUBIN_SERVER": "rubin:1"}
    assert values("", both, "server") == ["rubin:1"]
    assert values("--server flag:1", both, "server", "timeout") == ["flag:1", 7.0]


def test_lists_given_again_are_joined_and_replace_other_sources(home: Path) -> None:
    environ = {"HOME": str(home), "HUBBLE_TLS_CA_CERT_FILES": "x,y", "HUBBLE_ALLOWLIST": '{"a":1,"b":2}'}
    assert values("", environ, "tls-ca-cert-files", "allowlist") == [("x", "y"), ('{"a":1,"b":2}',)]
    assert values("--tls-ca-cert-files a,b --tls-ca-cert-files c", environ, "tls-ca-cert-files") == [("a", "b", "c")]


def test_files_are_looked_for_in_our_places_then_hubbles(home: Path) -> None:
    environ = {"HOME": str(home)}
    assert config_path(environ) is None
    hubble = write(home / ".config" / "hubble" / "config.yaml", "server: a:1\nunknown-to-us: 1\n")
    assert config_path(environ) == hubble
    assert values("", environ, "server") == ["a:1"]
    ours = write(own_path(environ), "server: b:1\n")
    assert config_path(environ) == ours
    assert config_path(environ | {"XDG_CONFIG_HOME": str(home / "elsewhere")}) is None
    named = write(home / "named.yaml", "server: c:1\n")
    assert config_path(environ | {"HUBBLE_CONFIG": str(named)}) == named


@pytest.mark.parametrize(
    ("text", "counts"), [("server: a:1\n", True), ("services: [web]\n", False), ("a: [\n", False), ("- a\n", False)]
)
def test_a_file_in_the_working_directory_counts_when_it_is_ours(home: Path, text: str, counts: bool) -> None:
    write(home / "config.yaml", text)
    assert (config_path({"HOME": str(home)}) is not None) == counts


BAD = [
    ("foo: 1\n", UsageError, "setting 'foo' does not exist"),
    ("servr: a\n", UsageError, "setting 'servr' does not exist"),
    ("timeout: soon\n", RubinError, "setting 'timeout' cannot be 'soon'"),
    ("server: [a, b]\n", RubinError, "setting 'server' takes one value"),
    ("- a\n", RubinError, "holds no settings"),
    ("a: [\n", RubinError, "is no YAML"),
    ("\x00", RubinError, "is no YAML"),
]


@pytest.mark.parametrize(("text", "kind", "sentence"), BAD)
def test_a_bad_file_is_refused(home: Path, text: str, kind: type[Exception], sentence: str) -> None:
    path = write(home / "bad.yaml", text)
    with pytest.raises(kind, match=sentence):
        values(f"--config {path}", {"HOME": str(home)}, "server")


def test_an_empty_file_is_no_settings(home: Path) -> None:
    path = write(home / "empty.yaml", "")
    assert values(f"--config {path}", {"HOME": str(home)}, "server") == ["localhost:4245"]


def test_a_missing_file_that_was_named_is_an_error(home: Path) -> None:
    with pytest.raises(RubinError, match="cannot read"):
        values("--config /nonexistent/file.yaml", {"HOME": str(home)}, "server")


def test_a_bad_value_of_the_environment_names_the_variable(home: Path) -> None:
    with pytest.raises(UsageError, match="HUBBLE_TIMEOUT cannot be 'x'"):
        values("", {"HOME": str(home), "HUBBLE_TIMEOUT": "x"}, "timeout")


@pytest.mark.parametrize("boolean", ["true", "True", "yes", "on"])
def test_yaml_booleans_are_booleans(home: Path, boolean: str) -> None:
    path = write(home / "tls.yaml", f"tls: {boolean}\n")
    assert values(f"--config {path}", {"HOME": str(home)}, "tls") == [True]


def test_a_directory_that_may_not_be_entered_holds_no_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    write(home / ".config" / "rubin" / "config.yaml", "server: a:1\n")
    monkeypatch.setattr(Path, "is_file", refuse)
    assert config_path({"HOME": str(home)}) is None
    assert values("", {"HOME": str(home)}, "server") == ["localhost:4245"]


def test_a_key_of_hubbles_alone_passes_in_a_file_that_was_found_not_in_one_that_was_named(home: Path) -> None:
    environ = {"HOME": str(home)}
    path = write(home / ".hubble" / "config.yaml", "server: a:1\nof-hubble-alone: 1\n")
    assert values("", environ, "server") == ["a:1"]
    for line, more in ((f"--config {path}", {}), ("", {"HUBBLE_CONFIG": str(path)})):
        with pytest.raises(UsageError, match="setting 'of-hubble-alone' does not exist"):
            values(line, environ | more, "server")
    here = write(home / "config.yaml", "server: b:1\nof-hubble-alone: 1\n")
    assert values("", environ, "server") == ["b:1"]
    with pytest.raises(UsageError, match="setting 'of-hubble-alone' does not exist"):
        values(f"--config {here.name}", environ, "server")
