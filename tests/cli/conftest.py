"""What all tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.running import Call, caller


@pytest.fixture
def rubin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """The command line, called in this process without any settings of this machine."""
    return caller(capsys, monkeypatch, tmp_path)
