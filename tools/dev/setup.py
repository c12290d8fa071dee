"""What the verbs have in common: everything in place, in the order in which it is needed."""

from tools.dev import debian, environment, objects


def need(kind: str, *groups: str) -> None:
    """Debian's packages of `groups`, .venv of `kind` ("run" or "dev") and the BPF objects."""
    if groups:
        debian.need(*groups)
    environment.need(kind)
    objects.need()
