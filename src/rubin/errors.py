"""Errors that a person reads: one sentence and a way on."""


class RubinError(Exception):
    """Something a user can act on: what is wrong, and what to try.

    Raised where the fault is known, shown in one place (`cli`), as

        rubin: verdict 'droped' does not exist
          try: one of FORWARDED, DROPPED, ERROR, AUDIT, REDIRECTED, TRACED, TRANSLATED
    """

    exit_code = 1

    def __init__(self, sentence: str, way_on: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.way_on = way_on

    def __str__(self) -> str:
        return f"{self.sentence}\n  try: {self.way_on}" if self.way_on else self.sentence


class UsageError(RubinError):
    """The command line, a filter or a setting is not understood (exit code 2)."""

    exit_code = 2


class UnsupportedError(RubinError):
    """The kernel or the machine lacks what is needed; the rest goes on without it."""
