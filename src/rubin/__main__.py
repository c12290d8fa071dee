"""`python -m rubin` and the command `rubin`."""

import sys

from rubin.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
