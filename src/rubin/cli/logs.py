"""Where a server of ours writes what happens."""

import logging
import os
import time


def log(debug: bool) -> None:
    """To standard error, `key=value`, with times in UTC; under systemd its journal has the time."""
    logging.Formatter.converter = time.gmtime
    layout = (
        "%(message)s"
        if os.environ.get("JOURNAL_STREAM")
        else "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"
    )
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(level=level, format=layout, datefmt="%Y-%m-%dT%H:%M:%S")
    logging.getLogger("hpack").setLevel(logging.WARNING)
