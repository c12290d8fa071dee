"""The door: finds the command, gives it its arguments, and says in one place what went wrong."""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from rubin import __version__
from rubin.cli.command import HELP, Arguments, Command, overview, usage
from rubin.errors import RubinError, UsageError
from rubin.words.flags import Flag, Given, read

# One file a command, loaded when the command is called: `command()` there gives it.
COMMANDS = {
    "observe": "Show flows and events, as they come or as they were",
    "top": "Show which requests are busiest, slowest or failing",
    "trace": "Show one request in full, or the requests of a distributed trace",
    "explain": "Say why a flow ended as it did, and what to try",
    "ui": "Show what a server sees, in the browser",
    "tui": "Show what a server sees, in this terminal",
    "status": "Show how the server is: flows, losses, what it costs, what the kernel offers",
    "list": "List namespaces, nodes and endpoints",
    "get": "Say who has an address, identity, process or container, now or then",
    "watch": "Watch the nodes that a server knows",
    "agent": "Observe this machine: run the server that answers all other commands",
    "relay": "Be one server for many nodes",
    "replay": "Show the flows of a capture file or of saved Hubble JSON",
    "certs": "Make the certificates by which nodes, relays and clients know each other",
    "token": "Make a token by which somebody may ask a server",
    "config": "View and change the settings of this command line",
    "completion": "Print the completion script of a shell",
    "version": "Print the version",
}
_FILES = {name: f"rubin.cli.{name}" for name in COMMANDS}
_ALIASES = {"w": "watch"}
# Objects made before the collector looks: what loading a command makes stays, and 700 is a search in each small module.
_COLLECT_AFTER = 10_000
_VERSION = Flag("version", "Print the version.", "yes", False, short="v", group="Global")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 for what failed, 2 for what was asked wrongly.

    Without `arguments` it is the process's own command: the garbage collector is set for that.
    """
    if arguments is not None:
        return _answered(list(arguments))
    gc.set_threshold(_COLLECT_AFTER)
    code = _answered(sys.argv[1:])
    gc.freeze()  # the system takes everything back at once: Python need not search it before it ends
    return code


def _answered(arguments: list[str]) -> int:
    """The exit code, also where the reader has left."""
    # numpy's OpenBLAS starts a thread per core when it is loaded, which costs 60 ms; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return _told(arguments)
    except BrokenPipeError:
        # The reader has left (`| head`): nothing to say, and nothing more to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _told(arguments: list[str]) -> int:
    """The exit code, errors told."""
    try:
        code = _run(arguments)
    except RubinError as error:
        sys.stdout.flush()
        print(f"rubin: {error}", file=sys.stderr)
        return error.exit_code
    sys.stdout.flush()
    return code


def load(name: str) -> Command:
    """The command of that name. Raises UsageError where there is none."""
    name = _ALIASES.get(name, name)
    if name not in _FILES:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        raise UsageError(f"command '{name}' does not exist", f"rubin {near[0]}" if near else "rubin --help")
    command: Command = import_module(_FILES[name]).command()
    return command


def _run(arguments: list[str]) -> int:
    from rubin.cli.settings import GLOBAL, SERVER

    top = (*GLOBAL, _VERSION, HELP)
    given = read((*SERVER, *top), arguments, stop_at_word=True)
    asked = {flag.name for flag, _ in given.flags}
    if "version" in asked:
        print(f"rubin v{__version__}")
        return 0
    if given.words == ["help"]:
        given = Given(words=given.rest[:1], rest=[*given.rest[1:], "--help"])
    if not given.words or ("help" in asked and not given.words):
        print(overview(list(COMMANDS.items()), top), end="")
        return 0
    before = arguments[: len(arguments) - len(given.rest) - 1]
    return call(load(given.words[0]), [*before, *given.rest], os.environ)


def call(command: Command, arguments: list[str], environ: Mapping[str, str], path: str = "") -> int:
    """Run the command, or the one below it that the first word names."""
    path = f"{path} {command.name}".strip()
    flags = (*command.flags, HELP)
    if command.commands:
        first = read(flags, arguments, stop_at_word=True)
        below = command.find(first.words[0]) if first.words else None
        if below:
            before = arguments[: len(arguments) - len(first.rest) - 1]
            return call(below, [*before, *first.rest], environ, path)
    given = read(flags, arguments)
    if command.run is None or any(flag is HELP for flag, _ in given.flags):
        _refuse_words(path, command, given)
        print(usage(path, command), end="")
        return 0
    _refuse_words(path, command, given)
    return command.run(_arguments(command, given, environ))


def _refuse_words(path: str, command: Command, given: Given) -> None:
    if len(given.words) <= command.most_words:
        return
    import difflib

    word = given.words[command.most_words]
    near = difflib.get_close_matches(word, [each.name for each in command.commands], 1)
    raise UsageError(f"'rubin {path}' knows no '{word}'", f"rubin {path} {near[0]}" if near else f"rubin {path} --help")


def _arguments(command: Command, given: Given, environ: Mapping[str, str]) -> Arguments:
    from rubin.cli.settings import resolve

    values, sources = resolve(command.flags, given, environ)
    return Arguments(values, given, sources)
