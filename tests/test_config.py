"""Settings come from the file, the environment and the flags, in rising order."""

from dataclasses import dataclass

import pytest

from rubin import config
from rubin.errors import RubinError, UsageError


@dataclass(frozen=True)
class _Settings:
    ring_capacity: int = 10
    node_name: str = "n"
    interval_s: float = 5.0
    verbose: bool = False
    interfaces: tuple[str, ...] = ()
    path: str | None = None


@pytest.mark.parametrize(
    ("section", "environ", "flags", "expected"),
    [
        ({}, {}, {}, _Settings()),
        ({"ring_capacity": 1}, {}, {}, _Settings(ring_capacity=1)),
        ({"ring-capacity": 1}, {"RUBIN_RING_CAPACITY": "2"}, {}, _Settings(ring_capacity=2)),
        ({"ring_capacity": 1}, {"RUBIN_RING_CAPACITY": "2"}, {"ring_capacity": 3}, _Settings(ring_capacity=3)),
        ({}, {"RUBIN_VERBOSE": "yes"}, {"ring_capacity": None}, _Settings(verbose=True)),
        ({"interfaces": ["a", "b"]}, {}, {}, _Settings(interfaces=("a", "b"))),
        ({}, {"RUBIN_INTERFACES": "a,b"}, {"path": "/x"}, _Settings(interfaces=("a", "b"), path="/x")),
        ({"interval_s": 3}, {"OTHER": "1"}, {}, _Settings(interval_s=3.0)),
    ],
)
def test_later_sources_win(section, environ, flags, expected):
    assert config.fill(_Settings, section, environ, flags) == expected


@pytest.mark.parametrize(
    ("section", "environ", "said"),
    [
        ({"ring_capacty": 1}, {}, "ring_capacty"),
        ({"ring_capacity": "many"}, {}, "many"),
        ({"ring_capacity": True}, {}, "True"),
        ({}, {"RUBIN_VERBOSE": "perhaps"}, "perhaps"),
    ],
)
def test_what_is_not_understood_is_named(section, environ, said):
    with pytest.raises(UsageError, match=said):
        config.fill(_Settings, section, environ, {})


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "rubin.toml"
    path.write_text("a = = b")
    with pytest.raises(RubinError, match="not valid TOML"):
        config.read(path)
    with pytest.raises(RubinError, match="cannot read"):
        config.read(tmp_path / "none.toml")
