"""`rubin certs init | issue | renew | revoke | show`: a small authority for who has none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL
from rubin.errors import UsageError
from rubin.trust.names import KINDS
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from rubin.trust.authority import Authority, Issued

_DIRECTORY = Flag("directory", "Where the authority is.", default="/etc/rubin/certs", short="d", metavar="DIRECTORY")
_KIND = Flag(
    "kind",
    f"Whose they are: {', '.join(KINDS)}. It decides on the names that they carry, and whether for servers or clients.",
    "choice",
    "node",
    metavar="KIND",
    values=tuple(KINDS),
)
_CLUSTER = Flag("cluster", "The cluster's name, as the agents have it.", default="default", metavar="NAME")
_SAN = Flag("san", "Further hosts and addresses; may be repeated.", "list", (), metavar="HOST,...")
_DAYS = Flag("days", "How long they are valid.", "number", 365)
_WITHIN = Flag("within", "Renew what ends in so many days.", "number", 30, metavar="DAYS")
_OUTPUT = Flag("output", "json or table.", "choice", "table", "o", metavar="FORMAT", values=("json", "table"))
_AUTHORITY_DAYS = Flag("days", "How long it is valid.", "number", 3650)
_NAME = Flag("name", "What the authority is called.", default="Rubin CA", metavar="NAME")
_MOST_WORDS = 10_000
_SOON = timedelta(days=30)
_MOST_DAYS = 36_500

_TEXT = """Certificates by which nodes, relays and their clients know each other, where nobody else makes any.

  rubin certs init                           once, on one machine: the authority
  rubin certs issue web-1 web-2              a directory for each node, to be copied there: tls.crt, tls.key, ca.crt
  rubin certs issue relay --kind relay       for the relay, which is a server and a client
  rubin certs renew                          once a day: what ends within a month
  rubin certs revoke web-2                   crl.pem says that it is not to be trusted any more

Servers and the relay read files that change by themselves. docs/trust.md says more."""


def command() -> Command:
    """The command and the five below it."""
    here = (_DIRECTORY, *GLOBAL)
    many = _MOST_WORDS
    init = Command("init", "Make an authority", (_AUTHORITY_DAYS, _NAME, *here), run_init)
    flags = (_KIND, _CLUSTER, _SAN, _DAYS, *here)
    text = "Make a certificate and its key for each name, in a directory of that name. '*': one for all nodes."
    issue = Command("issue", "Make certificates", flags, run_issue, "NAME...", many, text=text)
    renew = Command("renew", "Renew what ends soon, all or these", (_WITHIN, *here), run_renew, "[NAME...]", many)
    revoke = Command("revoke", "Take certificates back", here, run_revoke, "NAME...", many)
    show = Command("show", "List what was made, and until when it holds", (_OUTPUT, *here), run_show)
    summary = "Make the certificates by which nodes, relays and clients know each other"
    return Command("certs", summary, here, text=_TEXT, commands=(init, issue, renew, revoke, show))


def run_init(arguments: Arguments) -> int:
    """Make an authority."""
    from rubin.trust.authority import Authority

    directory = Path(arguments["directory"])
    made = Authority.create(directory, arguments["name"], _days(arguments["days"]), _now())
    print(f"{directory}: an authority until {made.ends:%Y-%m-%d}. Keep ca.key here, and for yourself.")
    return 0


def run_issue(arguments: Arguments) -> int:
    """Make certificates."""
    names = _names(arguments, "rubin certs issue web-1")
    valid_for = _days(arguments["days"])
    authority = _authority(arguments)
    made = authority.issue(names, arguments["kind"], arguments["cluster"], arguments["san"], valid_for)
    for place in made:
        print(f"{place}: tls.crt, tls.key, ca.crt")
    _warn_of_end(authority, _now() + valid_for)
    return 0


def run_renew(arguments: Arguments) -> int:
    """Renew what ends soon."""
    within = _days(arguments["within"])
    authority = _authority(arguments)
    renewed = authority.renew(arguments.words, within)
    for name in renewed:
        print(f"{name}: renewed")
    if not renewed:
        print(f"nothing ends within {arguments['within']} days")
    _warn_of_end(authority, _now() + within)
    return 0


def run_revoke(arguments: Arguments) -> int:
    """Take certificates back."""
    names = _names(arguments, "rubin certs revoke web-1")
    count = _authority(arguments).revoke(names)
    path = Path(arguments["directory"]) / "crl.pem"
    print(f"{path}: {count} more {'certificate' if count == 1 else 'certificates'}. Copy it to where it is named.")
    return 0


def run_show(arguments: Arguments) -> int:
    """List what was made."""
    from rubin.cli.output.columns import align

    authority = _authority(arguments)
    issued = authority.issued()
    if arguments["output"] == "json":
        print(json.dumps([_as_json(one) for one in issued], indent=2))
        return 0
    print(f"{arguments['directory']}: an authority until {authority.ends:%Y-%m-%d}")
    head = ("NAME", "KIND", "ENDS", "STATE", "SERIAL", "NAMES")
    rows = [
        (one.name, one.kind, f"{one.ends:%Y-%m-%d}", _state(one), f"{one.serial:x}", " ".join(one.names))
        for one in issued
    ]
    print(align([head, *rows]), end="")
    return 0


def _state(one: Issued) -> str:
    left = one.ends - _now()
    return f"ends in {left.days} days" if one.state == "valid" and left < _SOON else one.state


def _as_json(one: Issued) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "ends": one.ends.isoformat(),
        "state": one.state,
        "serial": f"{one.serial:x}",
        "names": one.names,
    }


def _authority(arguments: Arguments) -> Authority:
    from rubin.trust.authority import Authority

    return Authority(Path(arguments["directory"]), _now())


def _warn_of_end(authority: Authority, wanted: datetime) -> None:
    import sys

    if authority.ends < wanted:
        ends = f"the authority itself ends on {authority.ends:%Y-%m-%d}"
        print(f"rubin: {ends}; make another in time: rubin certs init --directory DIRECTORY", file=sys.stderr)


def _names(arguments: Arguments, example: str) -> list[str]:
    if not arguments.words:
        raise UsageError("a name is needed", example)
    return list(dict.fromkeys(arguments.words))


def _days(number: int) -> timedelta:
    if not 1 <= number <= _MOST_DAYS:
        raise UsageError(f"{number} days cannot be", f"1 to {_MOST_DAYS}")
    return timedelta(days=number)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
