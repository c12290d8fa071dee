"""Settings: frozen dataclasses beside what they set, filled from a file, the environment and flags."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from rubin.errors import RubinError, UsageError

Settings = TypeVar("Settings")

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def read(path: Path) -> dict[str, Any]:
    """The TOML file as a mapping. Raises RubinError where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise RubinError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RubinError(f"{path} is not valid TOML: {error}", "mend the line that is named") from error


def fill(
    cls: type[Settings],
    section: Mapping[str, Any],
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    prefix: str = "RUBIN_",
) -> Settings:
    """`cls` with its defaults overridden by the file's section, then the environment, then flags.

    The variable of a setting `ring_capacity` is `RUBIN_RING_CAPACITY`; a tuple is written there with
    commas. A flag that is None was not given. Raises UsageError for a key of the file or the flags
    that is no setting, and for a value of the wrong type; other variables are not ours to judge.
    """
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for origin, given in (("file", section), ("flag", flags)):
        for key in given:
            if key.replace("-", "_") not in names:
                near = difflib.get_close_matches(key.replace("-", "_"), names, 1)
                raise UsageError(f"setting '{key}' does not exist ({origin})", near[0] if near else ", ".join(names))
    for name in names:
        for given in (section, {name: environ.get(prefix + name.upper())}, flags):
            value = given.get(name, given.get(name.replace("_", "-")))
            if value is not None:
                values[name] = _convert(name, value, hints[name])
    return cls(**values)


def _convert(name: str, value: Any, hint: Any) -> Any:
    """The value as the type that the setting has."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    try:
        if get_origin(hint) is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(_convert(name, part, get_args(hint)[0]) for part in parts if part != "")
        if hint is bool:
            return _boolean(value)
        if isinstance(value, bool):  # an int to Python, to nobody else
            raise ValueError(value)
        if hint is Any or isinstance(value, hint):
            return value
        return hint(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"setting '{name}' cannot be {value!r}", f"a value of type {_name(hint)}") from error


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE:
        return True
    if str(value).lower() in _FALSE:
        return False
    raise ValueError(value)


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))
