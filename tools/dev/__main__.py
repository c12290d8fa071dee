"""`./dev VERB [arguments]`: finds the verb's file and runs it."""

import importlib
import signal
import sys
from pathlib import Path

from tools.dev.say import Stop

VERBS = Path(__file__).with_name("verbs")


def verbs() -> dict[str, str]:
    """Each verb and the first line of its file, which says what it does."""
    lines = {path.stem: path.read_text().splitlines()[0].strip('"') for path in sorted(VERBS.glob("[a-z]*.py"))}
    return {name: line for name, line in lines.items() if line}


def main(arguments: list[str]) -> int:
    """The exit code of the verb; 2 where there is no such verb."""
    known = verbs()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print("./dev VERB [arguments]\n")
        print("\n".join(f"  {name:<8}{line}" for name, line in known.items()))
        return 0
    if arguments[0] not in known:
        raise Stop(f"there is no verb {arguments[0]!r}", f"one of {', '.join(known)}", 2)
    verb = importlib.import_module(f"tools.dev.verbs.{arguments[0]}")
    return int(verb.main(arguments[1:]))


if __name__ == "__main__":
    # Who starts us in the background of a script has SIGINT ignored, and so would have all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what we have started ends, too
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
