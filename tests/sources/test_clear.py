"""What reads TLS is loaded by the thread that follows libraries: that it cannot be is said and counted."""

import logging

import pytest

from rubin.errors import RubinError
from rubin.kernel.objects import Objects
from rubin.sources.clear import Clear
from tests.waiting import wait_for


def test_what_cannot_be_loaded_is_said_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> bool:
        raise RubinError("the BPF object 'clear' is not built")

    with caplog.at_level(logging.WARNING):
        clear = Clear(Objects(), load)
        wait_for(lambda: clear.account()["tls_libraries_refused"] == 1, "it to be counted")
        clear.close()
    assert "the BPF object 'clear' is not built" in caplog.text
    assert not clear.attached


def test_where_the_kernel_cannot_nothing_is_looked_at() -> None:
    clear = Clear(Objects(), lambda: False)
    clear.close()
    assert not clear.looked
    assert clear.account() == {"tls_libraries": 0, "tls_libraries_refused": 0}
