"""`python -m tests.dissect.fuzz PROTOCOL [libFuzzer's arguments]`: one dissector under atheris; see `./dev fuzz`."""

import sys

import atheris

import rubin.model.messages  # noqa: F401  # not instrumented: atheris keeps every array that is compared

with atheris.instrument_imports(include=["rubin.dissect", "hpack"]):
    from tests.dissect.fuzzed import RUN

if __name__ == "__main__":
    run = RUN[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: run(data) and None)
    atheris.Fuzz()
