"""Files that grew too long to be read at one go."""

from tools.dev.say import ROOT

LOOK_AGAIN_LINES, FAIL_LINES = 300, 500
GENERATED = ("src/rubin/wire/pb/",)
FOLDERS = ("src", "tests", "tools", "demo", "bench")


def hold() -> bool:
    """Prints the long Python files; False where one is longer than it may be."""
    lengths = {
        name: len(path.read_text().splitlines())
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not (name := str(path.relative_to(ROOT))).startswith(GENERATED)
    }
    for name, lines in lengths.items():
        if lines > LOOK_AGAIN_LINES:
            print(f"{'FAILED' if lines > FAIL_LINES else 'look  '} {name} has {lines} lines")
    return max(lengths.values(), default=0) <= FAIL_LINES
