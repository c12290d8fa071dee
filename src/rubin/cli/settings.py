"""Where a flag's value comes from: the command line, the environment, the config file, the default."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rubin.errors import RubinError, UsageError
from rubin.words.flags import REPEATED, Flag, Given

DEFAULT_SERVER = "localhost:4245"

GLOBAL = (
    Flag("config", "Config file to read instead of the first that is found.", group="Global", is_setting=True),
    Flag("debug", "Say more of what happens.", "yes", False, short="D", group="Global", is_setting=True),
)


def _server(name: str, text: str, kind: str = "text", default: Any = None, short: str = "") -> Flag:
    return Flag(name, text, kind, default, short, group="Server", is_setting=True)


SERVER = (
    _server(
        "server",
        "Address of a Rubin or Hubble server: host:port, tls://host:port or unix:///path. Without it the agent's own "
        "socket is used where there is one.",
        default=DEFAULT_SERVER,
    ),
    _server("timeout", "How long to try to connect.", "duration", 5.0),
    _server("request-timeout", "How long to wait for an answer that is no stream.", "duration", 12.0),
    _server("tls", "Use TLS; implied by tls:// in --server.", "yes", False),
    _server(
        "tls-allow-insecure",
        "Do not verify the server's certificate. Anyone on the way can read and answer.",
        "yes",
        False,
    ),
    _server("tls-ca-cert-files", "Certificate authorities to trust instead of the system's, PEM.", "list", ()),
    _server("tls-client-cert-file", "Our certificate for the server, PEM.", default=""),
    _server("tls-client-key-file", "Its private key, PEM.", default=""),
    _server("tls-crl-file", "Lists of revoked certificates (CRL), one of each authority, PEM.", default=""),
    _server("tls-server-name", "The name that the server's certificate must have.", default=""),
    _server("basic-auth-username", "User name, where the server wants one.", default=""),
    _server("basic-auth-password", "Password, where the server wants one.", default=""),
    _server(
        "bearer-token-file",
        "File with the token that says who asks; RUBIN_TOKEN may hold the token itself.",
        default="",
    ),
    _server("port-forward", "Reach Hubble Relay through the Kubernetes API.", "yes", False, "P"),
    _server("port-forward-port", "Local port of the forwarding.", "number", 4245),
    _server("kube-context", "Kubernetes context for --port-forward.", default=""),
    _server("kube-namespace", "Namespace of Hubble Relay for --port-forward.", default="kube-system"),
    _server("kubeconfig", "Kubernetes config file for --port-forward.", default=""),
)

RAW_FILTERS = (
    Flag(
        "allowlist",
        "Only flows that pass this filter, a FlowFilter in JSON; may be repeated.",
        "texts",
        (),
        group="Raw filters",
        is_setting=True,
    ),
    Flag(
        "denylist",
        "No flows that pass this filter, a FlowFilter in JSON; may be repeated.",
        "texts",
        (),
        group="Raw filters",
        is_setting=True,
    ),
)

KEYS = (*GLOBAL, *SERVER, *RAW_FILTERS)


def resolve(flags: Iterable[Flag], given: Given, environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The value of every flag by name, and where it was found. Raises UsageError and RubinError."""
    values: dict[str, Any] = {flag.name: flag.default for flag in flags}
    sources: dict[str, str] = {}
    settings = [flag for flag in flags if flag.is_setting]
    if settings:
        for source, found in (
            ("file", _from_file(settings, given, environ)),
            ("env", from_environment(settings, environ)),
        ):
            values |= found
            sources |= dict.fromkeys(found, source)
    for flag, text in given.flags:
        if flag.kind == "filter" or flag.name not in values:
            continue
        value = flag.parse(text)
        again = flag.kind in REPEATED and sources.get(flag.name) == "flag"
        values[flag.name] = (*values[flag.name], *value) if again else value
        sources[flag.name] = "flag"
    return values, sources


def from_environment(settings: Iterable[Flag], environ: Mapping[str, str]) -> dict[str, Any]:
    """What `RUBIN_SERVER`, else `HUBBLE_SERVER`, says; by the flag's name."""
    found = {}
    for flag in settings:
        name = flag.name.upper().replace("-", "_")
        for variable in (f"RUBIN_{name}", f"HUBBLE_{name}"):
            if environ.get(variable):
                try:
                    found[flag.name] = flag.parse(environ[variable])
                except UsageError as error:
                    raise UsageError(f"{variable} cannot be '{environ[variable]}'", error.way_on) from error
                break
    return found


def _from_file(settings: list[Flag], given: Given, environ: Mapping[str, str]) -> dict[str, Any]:
    named = next((text for flag, text in reversed(given.flags) if flag.name == "config"), None)
    path = config_path(environ, named)
    content = read_file(path, named is not None, _may_know_more(path, environ, named)) if path else {}
    names = {flag.name: flag for flag in settings}
    return {key: from_yaml(names[key], value, path) for key, value in content.items() if key in names}


def config_path(environ: Mapping[str, str], named: str | None = None) -> Path | None:
    """The file named by flag or environment, else the first there is of ours and Hubble's places."""
    named = named or environ.get("RUBIN_CONFIG") or environ.get("HUBBLE_CONFIG")
    if named:
        return Path(named)
    found = (path for path in _places(environ) if _may_be_read(path))
    return next((path for path in found if _is_ours(path)), None)


def _may_be_read(path: Path) -> bool:
    """Whether there is such a file for us; one in a directory that we may not enter is none."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _may_know_more(path: Path, environ: Mapping[str, str], named: str | None) -> bool:
    """Whether the file was found where Hubble's lie: it may hold settings that only Hubble has."""
    is_named = named or environ.get("RUBIN_CONFIG") or environ.get("HUBBLE_CONFIG")
    return not is_named and path != own_path(environ)


def own_path(environ: Mapping[str, str]) -> Path:
    """Where `rubin config set` writes when nothing else is named."""
    return _home(environ) / "rubin" / "config.yaml"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")


def _places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = Path(environ.get("HOME", "/"))
    hubble = (_home(environ) / "hubble" / "config.yaml", home / ".hubble" / "config.yaml")
    return (Path("config.yaml"), own_path(environ), *hubble)


def _is_ours(path: Path) -> bool:
    """Hubble also looks into the working directory, where a config.yaml may be anyone's."""
    if path != Path("config.yaml"):
        return True
    try:
        content = _load(path)
    except RubinError:
        return False
    return isinstance(content, dict) and any(flag.name in content for flag in KEYS)


def read_file(path: Path, must_exist: bool = True, may_know_more: bool = False) -> dict[str, Any]:
    """The file as a mapping. Raises RubinError, for a key that nobody knows too unless it `may_know_more`."""
    if not must_exist and not _is_there(path):
        return {}
    content = _load(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RubinError(f"{path} holds no settings", "lines such as 'server: localhost:4245'")
    known = {flag.name for flag in KEYS}
    for key in content:
        if key not in known and not may_know_more:
            raise unknown_key(str(key), str(path))
    return content


def unknown_key(key: str, where: str = "") -> UsageError:
    """The error for a setting that does not exist, with the nearest that does."""
    import difflib

    near = difflib.get_close_matches(key, [flag.name for flag in KEYS], 1)
    place = f" ({where})" if where else ""
    return UsageError(f"setting '{key}' does not exist{place}", near[0] if near else "rubin config view lists them all")


def from_yaml(flag: Flag, value: Any, path: Path | None) -> Any:
    """The setting's value as the file has it. Raises RubinError where it is of the wrong kind."""
    if isinstance(value, list):
        value = [str(each) for each in value]
        if flag.kind not in REPEATED:
            raise RubinError(f"{path}: setting '{flag.name}' takes one value, not a list", flag.help)
        return tuple(value)
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    try:
        return flag.parse(text)
    except UsageError as error:
        raise RubinError(f"{path}: setting '{flag.name}' cannot be '{value}'", error.way_on) from error


def _load(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RubinError(
            f"{path} is no YAML: {str(error).splitlines()[0]}", "mend it, or name another with --config"
        ) from error
