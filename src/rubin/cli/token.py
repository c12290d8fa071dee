"""`rubin token`: a token, and its line for a server's access file."""

import secrets
from pathlib import Path

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL
from rubin.errors import UsageError
from rubin.words.flags import Flag

_ROLES = Flag("roles", "What its owner may see: roles of the access file.", "list", (), "r", metavar="ROLE,...")
_OUTPUT = Flag("output-file", "Write the token to this file, for its owner, instead of printing it.", metavar="FILE")
_BYTES = 32

_TEXT = """A new token for somebody who asks a server. The server's access file knows its SHA-256 only; the token itself
is printed once, or written to a file:

  rubin token ann --roles shop --output-file ann.token >> access.toml

Ann sends it with --bearer-token-file ann.token, or RUBIN_TOKEN. docs/roles.md says more."""


def command() -> Command:
    """The command."""
    summary = "Make a token by which somebody may ask a server"
    return Command("token", summary, (_ROLES, _OUTPUT, *GLOBAL), run, "NAME", 1, text=_TEXT)


def run(arguments: Arguments) -> int:
    """Make one. Raises UsageError, and RubinError where the file cannot be written."""
    from rubin.api.proofs import digest

    words, roles = arguments.words, arguments["roles"]
    if not words:
        raise UsageError("whose token it is to be is not said", "rubin token ann --roles shop")
    if ":" in words[0]:
        raise UsageError(f"'{words[0]}' cannot be the name of a token", "a name without a colon")
    if not roles:
        raise UsageError(f"what {words[0]} may see is not said", f"rubin token {words[0]} --roles shop")
    token = f"rubin_{secrets.token_urlsafe(_BYTES)}"
    if arguments["output-file"]:
        from rubin.trust.keeping import write

        write(Path(arguments["output-file"]), f"{token}\n".encode(), 0o600)
    else:
        print(f"{token}\n")
    print(f'[[tokens]]\nname = {_toml(words[0])}\ntoken = "sha256:{digest(token)}"')
    print(f"roles = [{', '.join(map(_toml, roles))}]\n")
    return 0


def _toml(text: str) -> str:
    """A basic string of TOML: those of JSON are."""
    import json

    return json.dumps(text)
