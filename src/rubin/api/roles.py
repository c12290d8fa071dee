"""The access file: roles, and who has them."""

import logging
import os
import re
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rubin.api.asking import Who
from rubin.api.sight import EVERYTHING, Sight, sight_of
from rubin.errors import RubinError

_LOG = logging.getLogger(__name__)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SETTLED_S = 0.5
Roles = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """Whose a token is. `digest` is its SHA-256 in hex digits: the token itself is nowhere."""

    name: str
    digest: str = field(repr=False)
    roles: Roles


@dataclass(frozen=True, slots=True)
class Certificates:
    """Which certificates: those with a name that the pattern fits."""

    pattern: str
    roles: Roles

    def fits(self, name: str) -> bool:
        """Letters are alike in both cases, as in names of hosts."""
        return fnmatchcase(name.lower(), self.pattern.lower())


@dataclass(frozen=True, slots=True)
class Access:
    """What the file says. `anonymous` are the roles of who shows nothing; () lets nobody in."""

    sights: Mapping[str, Sight]
    tokens: tuple[Token, ...] = ()
    certificates: tuple[Certificates, ...] = ()
    anonymous: Roles = ()

    def who(self, name: str, proof: str, roles: Roles) -> Who:
        """Somebody with these roles, who sees what any of them sees."""
        sights = [self.sights[role] for role in roles]
        patterns = sorted({pattern for sight in sights for group in sight.groups for pattern in group})
        sight = EVERYTHING if any(one.is_all for one in sights) else sight_of((tuple(patterns),))
        return Who(name, proof, roles, sight)


def access_of(text: str, path: str) -> Access:
    """The file's text, understood. Raises RubinError that names what is wrong."""
    try:
        return _Reader(path).access(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RubinError(f"{path} is not valid TOML: {error}", "mend the line that is named") from error


class AccessFile:
    """`access` is what the file says; `refresh` reads it again when it changed.

    One that cannot be used changes nothing: the log says so once, `trouble` as long as it is so. Raises RubinError at
    first.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._looked_at: tuple[int, ...] = self._stamp()
        self.access = self._read()
        self.trouble = ""

    def refresh(self) -> bool:
        """Whether something else holds now."""
        try:
            stamp = self._stamp()
        except RubinError as error:
            self._looked_at = ()  # it is to be read when it is back, as it may be
            return self._keep(error)
        if stamp == self._looked_at or 0 <= time.time() - stamp[-1] / 1e9 < _SETTLED_S:
            return False  # nothing new, or somebody may be about to write more
        self._looked_at = stamp
        try:
            access = self._read()
        except RubinError as error:
            return self._keep(error)
        is_other, self.access, self.trouble = access != self.access, access, ""
        _LOG.info("access=reloaded file=%s", self._path)
        return is_other

    def _keep(self, error: RubinError) -> bool:
        if error.sentence != self.trouble:
            _LOG.warning("access=stale reason=%r: what was read before holds", error.sentence)
        self.trouble = error.sentence
        return False

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns, found.st_mtime_ns

    def _read(self) -> Access:
        try:
            return access_of(Path(self._path).read_text(), self._path)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        except UnicodeDecodeError as error:
            raise RubinError(f"{self._path} is no text", "a TOML file, as docs/roles.md says") from error


class _Reader:
    """The parts of a file, each fault with the place where it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def access(self, found: Mapping[str, Any]) -> Access:
        self._need_keys(found, ("anonymous", "roles", "tokens", "certificates"), "the file")
        self._sights = {name: self._sight(name, role) for name, role in self._table(found, "roles").items()}
        tokens = tuple(self._token(one) for one in self._tables(found, "tokens"))
        if len({one.digest for one in tokens}) < len(tokens):
            raise self._fault("the same token is there twice", "`rubin token` makes another")
        certificates = tuple(self._certificates(one) for one in self._tables(found, "certificates"))
        anonymous = self._roles(found.get("anonymous", []), "anonymous")
        return Access(self._sights, tokens, certificates, anonymous)

    def _sight(self, name: str, role: Any) -> Sight:
        where = f"role '{name}'"
        if not isinstance(role, dict):
            raise self._fault(f"{where} is no table", f'[roles.{name}] and namespaces = ["shop-*"]')
        self._need_keys(role, ("namespaces", "all"), where)
        sees_all, namespaces = role.get("all", False), self._texts(role.get("namespaces", []), f"namespaces of {where}")
        if not isinstance(sees_all, bool):
            raise self._fault(f"all of {where} is neither true nor false", "all = true")
        if sees_all == bool(namespaces):
            what = "sees everything, and namespaces are named" if sees_all else "sees nothing"
            raise self._fault(f"{where} {what}", 'namespaces = ["shop-*"], or all = true')
        return EVERYTHING if sees_all else sight_of((namespaces,))

    def _token(self, found: Mapping[str, Any]) -> Token:
        name = self._name(found, "tokens", "token")
        if ":" in name:  # of `name:token`, as basic authentication sends it
            raise self._fault(f"the name '{name}' of a token has a colon", "a name without one")
        text = found.get("token", "")
        whole = _DIGEST.fullmatch(text) if isinstance(text, str) else None
        if whole is None:  # and not its text: it may be the token itself
            way_on = 'token = "sha256:…" with 64 digits, as `rubin token` prints it'
            raise self._fault(f"token of '{name}' is no sha256 of one", way_on)
        return Token(name, whole[1], self._need_roles(found, f"token of '{name}'"))

    def _certificates(self, found: Mapping[str, Any]) -> Certificates:
        name = self._name(found, "certificates")
        return Certificates(name, self._need_roles(found, f"certificate '{name}'"))

    def _name(self, found: Mapping[str, Any], where: str, *others: str) -> str:
        self._need_keys(found, ("name", "roles", *others), where)
        name = found.get("name")
        if not isinstance(name, str) or not name:
            raise self._fault(f"one of the {where} has no name", 'name = "ann"')
        return name

    def _need_roles(self, found: Mapping[str, Any], where: str) -> Roles:
        roles = self._roles(found.get("roles", []), where)
        if not roles:
            raise self._fault(f"{where} has no role", f'roles = ["{next(iter(self._sights), "shop")}"]')
        return roles

    def _roles(self, found: Any, where: str) -> Roles:
        roles = self._texts(found, f"roles of {where}")
        for role in roles:
            if role not in self._sights:
                raise self._fault(f"role '{role}' of {where} does not exist", _one_of(self._sights) or "[roles.shop]")
        return roles

    def _texts(self, found: Any, where: str) -> tuple[str, ...]:
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            raise self._fault(f"{where} is no list of names", 'e.g. ["shop-*"]')
        return tuple(found)

    def _table(self, found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = found.get(name, {})
        if not isinstance(table, dict):
            raise self._fault(f"'{name}' is no table", f"[{name}.shop]")
        return table

    def _tables(self, found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        tables = found.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise self._fault(f"'{name}' is no list of tables", f"[[{name}]]")
        return tables

    def _need_keys(self, found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in found:
            if key not in known:
                raise self._fault(f"{where} has no '{key}'", _one_of(known))

    def _fault(self, what: str, way_on: str) -> RubinError:
        return RubinError(f"{self._path}: {what}", way_on)


def _one_of(words: Iterable[str]) -> str:
    return ", ".join(words)


def _unreadable(path: str, error: OSError) -> RubinError:
    return RubinError(f"cannot read {path}: {error.strerror}", "check the path and its permissions")
