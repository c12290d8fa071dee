"""The completion scripts. They hold all they offer: completing starts no program of ours."""

from collections.abc import Callable, Iterator, Mapping

from rubin.cli.command import HELP, Command
from rubin.words.flags import Flag

Commands = Mapping[str, Command]


def _flags(of: Command) -> list[Flag]:
    return [flag for flag in (*of.flags, HELP) if not flag.is_hidden]


def _names(flag: Flag) -> list[str]:
    return [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]


def _below(commands: Commands, path: str) -> list[tuple[str, str]]:
    """The commands one word further, with what they are for."""
    depth = len(path.split()) + 1
    prefix = f"{path} " if path else ""
    return [
        (each.split()[-1], of.summary)
        for each, of in commands.items()
        if each.startswith(prefix) and len(each.split()) == depth
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def bash(commands: Commands) -> str:
    """Functions for `complete`: the words before the cursor name the command, its case lists what may follow."""
    cases = []
    for path, of in {"": None, **commands}.items():
        words = [name for name, _ in _below(commands, path)]
        flags = [name for flag in (_flags(of) if of else []) for name in _names(flag)]
        cases.append(
            f"        {_quoted(path)}) words={_quoted(' '.join(words))}; flags={_quoted(' '.join(flags))} ;;\n"
        )
    values = [
        f'        {names}) COMPREPLY=($(compgen -W {_quoted(offered)} -- "$cur")); return ;;\n'
        for names, offered in _valued(commands)
    ]
    files = _filed(commands)
    paths = "|".join(_quoted(path) for path in commands)
    return f"""# bash completion for rubin
_rubin() {{
    local cur prev word path="" next words="" flags=""
    cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
    [ "$prev" = "=" ] && prev="${{COMP_WORDS[COMP_CWORD-2]}}"
    [ "$cur" = "=" ] && cur=""
    case "$prev" in
{"".join(values)}        {files}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        next="${{path:+$path }}$word"
        case "$next" in
            {paths}) path="$next" ;;
        esac
    done
    case "$path" in
{"".join(cases)}    esac
    case "$cur" in
        -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    esac
}}
complete -o default -F _rubin rubin
"""


def zsh(commands: Commands) -> str:
    """A function for compsys: `_arguments` by command."""
    parts = []
    for path, of in {"": None, **commands}.items():
        words = " ".join(_quoted(f"{name}:{_plain(text)}") for name, text in _below(commands, path))
        specs = " ".join(_zsh_flag(flag) for flag in (_flags(of) if of else []))
        parts.append(f"        {_quoted(path)}) words=({words}); flags=({specs}) ;;\n")
    paths = "|".join(_quoted(path) for path in commands)
    return f"""#compdef rubin
_rubin() {{
    local word next spot=""
    local -a words_before words flags
    words_before=("${{(@)words[2,CURRENT-1]}}")
    for word in $words_before; do
        next="${{spot:+$spot }}$word"
        case "$next" in
            {paths}) spot="$next" ;;
        esac
    done
    case "$spot" in
{"".join(parts)}    esac
    _arguments -s $flags '*: :{{_describe command words}}'
}}
if [ "$funcstack[1]" = "_rubin" ]; then _rubin "$@"; else compdef _rubin rubin; fi
"""


def _plain(text: str) -> str:
    return text.replace(":", ",").replace("[", "(").replace("]", ")")


def _zsh_flag(flag: Flag) -> str:
    value = ""
    if flag.bare_text is None:
        offered = f"({' '.join(flag.values)})" if flag.values else "_files" if _is_file(flag) else " "
        value = f":{_plain(flag.meta)}:{offered}"
    names = _names(flag)
    text = f"[{_plain(flag.help)}]{value}"
    if len(names) == 1:
        return _quoted(f"*{names[0]}{'=' if value else ''}{text}")
    long, short = names
    return f"{_quoted(f'*{short}' + text)} {_quoted(f'*{long}' + ('=' if value else '') + text)}"


def fish(commands: Commands) -> str:
    """Lines of `complete`, each with the condition under which it counts."""
    lines = ["# fish completion for rubin", "complete -c rubin -f"]
    for path, of in {"": None, **commands}.items():
        seen = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path.split()) or "__fish_use_subcommand"
        below = _below(commands, path)
        if path and below:
            seen_below = f"{seen} && not __fish_seen_subcommand_from {' '.join(name for name, _ in below)}"
        else:
            seen_below = seen
        lines += [f"complete -c rubin -n {_quoted(seen_below)} -a {name} -d {_quoted(text)}" for name, text in below]
        lines += [_fish_flag(flag, seen) for flag in (_flags(of) if of else [])]
    return "\n".join(lines) + "\n"


def _fish_flag(flag: Flag, seen: str) -> str:
    short = f" -s {flag.short}" if flag.short else ""
    takes = "" if flag.bare_text is not None else " -r -F" if _is_file(flag) else " -x"
    offered = f" -a {_quoted(' '.join(flag.values))}" if flag.values else ""
    return f"complete -c rubin -n {_quoted(seen)} -l {flag.name}{short}{takes}{offered} -d {_quoted(flag.help)}"


def _valued(commands: Commands) -> Iterator[tuple[str, str]]:
    """`--output|-o` and what may follow it in any command."""
    offered: dict[str, dict[str, None]] = {}
    for flag in _taking(commands):
        offered.setdefault("|".join(_names(flag)), {}).update(dict.fromkeys(flag.values))
    return ((names, " ".join(values)) for names, values in offered.items() if values)


def _filed(commands: Commands) -> str:
    """`--config|--input-file|…`"""
    return "|".join(dict.fromkeys(name for flag in _taking(commands) if _is_file(flag) for name in _names(flag)))


def _taking(commands: Commands) -> Iterator[Flag]:
    return (flag for of in commands.values() for flag in _flags(of) if flag.bare_text is None)


def _is_file(flag: Flag) -> bool:
    return flag.metavar == "FILE" or flag.name.endswith(("-file", "-files", "-path", "config"))


SCRIPTS: dict[str, Callable[[Commands], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
