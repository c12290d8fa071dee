"""`rubin config view | get | set | reset`: the settings of this command line and the file that holds them."""

import os
from pathlib import Path
from typing import Any

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, KEYS, RAW_FILTERS, SERVER, config_path, own_path, read_file, unknown_key
from rubin.errors import RubinError, UsageError
from rubin.words.flags import REPEATED, Flag
from rubin.words.times import SECOND_NS, duration_text

_FLAGS = (*SERVER, *RAW_FILTERS, *GLOBAL)


def command() -> Command:
    """The command and the four below it."""
    view = Command("view", "Print every setting as it is now", _FLAGS, run_view)
    get = Command("get", "Print one setting as it is now, or all", _FLAGS, run_get, "[KEY]", 1)
    put = Command("set", "Write a setting to the file; without a value, its default", GLOBAL, run_set, "KEY [VALUE]", 2)
    reset = Command("reset", "Take a setting out of the file, or all", GLOBAL, run_reset, "[KEY]", 1)
    text = (
        "Settings are flags that need not be typed each time. A flag counts before the environment (RUBIN_SERVER,\n"
        "else HUBBLE_SERVER), that before the config file, that before the default."
    )
    summary = "View and change the settings of this command line"
    return Command("config", summary, GLOBAL, text=text, commands=(view, get, put, reset))


def run_view(arguments: Arguments) -> int:
    """Every setting, as YAML."""
    print(_yaml({flag.name: _told(flag, arguments[flag.name]) for flag in KEYS}), end="")
    return 0


def run_get(arguments: Arguments) -> int:
    """The value of one, as YAML."""
    if not arguments.words:
        return run_view(arguments)
    flag = _flag(arguments.words[0])
    print(_yaml(_told(flag, arguments[flag.name])).removesuffix("...\n"), end="")
    return 0


def run_set(arguments: Arguments) -> int:
    """Write one; only what was set explicitly stands in the file."""
    if not arguments.words:
        raise UsageError("config set needs a key", "rubin config set server localhost:4245")
    flag = _flag(arguments.words[0])
    if len(arguments.words) == 1:
        return run_reset(arguments)
    value = _told(flag, flag.parse(arguments.words[1]))
    _write(arguments, lambda content: content | {flag.name: value})
    return 0


def run_reset(arguments: Arguments) -> int:
    """Take one out, or all."""
    key = _flag(arguments.words[0]).name if arguments.words else None
    _write(arguments, lambda content: {name: value for name, value in content.items() if key and name != key})
    return 0


def _flag(key: str) -> Flag:
    flag = next((each for each in KEYS if each.name == key), None)
    if flag is None:
        raise unknown_key(key)
    return flag


def _told(flag: Flag, value: Any) -> Any:
    """The value as a file has it."""
    if flag.kind == "duration":
        return duration_text(round(value * SECOND_NS))
    return list(value) if flag.kind in REPEATED else "" if value is None else value


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=False, sort_keys=True, allow_unicode=True, width=10_000)
    return text


def _write(arguments: Arguments, change: Any) -> None:
    """Put the changed settings into the file that was named or found, else into our own."""
    path = config_path(os.environ, arguments["config"]) or own_path(os.environ)
    content = change(read_file(path, must_exist=False, may_know_more=True))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        fresh = Path(f"{path}.{os.getpid()}")
        fresh.touch(mode=0o600)  # it may hold a password
        fresh.write_text(_yaml(content) if content else "")
        fresh.rename(path)
    except OSError as error:
        raise RubinError(f"cannot write {path}: {error.strerror}", "another file with --config") from error
