"""`rubin completion bash | zsh | fish`: a script made from the tables of commands and flags."""

from collections.abc import Callable, Iterator

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL
from rubin.errors import UsageError

_HOW = {
    "bash": "source <(rubin completion bash), or write it to /etc/bash_completion.d/rubin",
    "zsh": "rubin completion zsh > a file _rubin in a directory of $fpath",
    "fish": "rubin completion fish > ~/.config/fish/completions/rubin.fish",
}


def command() -> Command:
    """The command and one below it for each shell."""
    shells = tuple(Command(shell, f"For {shell}: {how}", GLOBAL, _runner(shell)) for shell, how in _HOW.items())
    return Command("completion", "Print the completion script of a shell", GLOBAL, run, "SHELL", 1, commands=shells)


def run(arguments: Arguments) -> int:
    """No shell was named, or one that we do not know."""
    shell = arguments.words[0] if arguments.words else ""
    told = f"shell '{shell}' is not supported" if shell else "completion needs the name of a shell"
    raise UsageError(told, "one of " + ", ".join(_HOW))


def _runner(shell: str) -> Callable[[Arguments], int]:
    def run_shell(_arguments: Arguments) -> int:
        from rubin.cli.output.completion import SCRIPTS

        print(SCRIPTS[shell](dict(_paths())), end="")
        return 0

    return run_shell


def _paths() -> Iterator[tuple[str, Command]]:
    """Every command that help shows, by its words: `observe`, `observe flows`, `list nodes`, …"""
    from rubin.cli.main import COMMANDS, load

    for name in COMMANDS:
        yield from _below(name, load(name))


def _below(path: str, of: Command) -> Iterator[tuple[str, Command]]:
    yield path, of
    for each in of.commands:
        yield from _below(f"{path} {each.name}", each)
