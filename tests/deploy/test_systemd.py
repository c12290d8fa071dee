"""The unit is one that systemd takes, with the power that the agent needs."""

import re
import subprocess
from configparser import ConfigParser
from dataclasses import fields
from pathlib import Path

import pytest

from rubin.agent import AgentSettings
from rubin.errors import UsageError

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/rubin-agent.service"


@pytest.fixture(scope="module")
def service():
    unit = ConfigParser(interpolation=None, delimiters="=", comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path):
    """The unit with a program that is there."""
    path: Path = tmp_path / UNIT.name
    path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    return path


def test_systemd_takes_it(installed):
    assert analyze("verify", str(installed)) == ""


def test_systemd_calls_it_well_hardened(installed):
    """Of 100; a service that is told nothing has 96, and 40 is where "OK" ends."""
    analyze("security", "--offline=true", "--threshold=35", "--no-pager", str(installed))


def test_an_unknown_setting_would_be_found(installed):
    installed.write_text(installed.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    assert "NoNewPriviledges" in analyze("verify", str(installed))


def test_capabilities_are_those_in_kubernetes(service):
    found = {name.removeprefix("CAP_") for name in service["CapabilityBoundingSet"].split()}
    text = (ROOT / "deploy/kubernetes/daemonset.yaml").read_text()
    (added,) = re.findall(r"^ *add: \[(.+)\]$", text, flags=re.MULTILINE)
    assert found == set(added.split(", "))


def test_it_starts_the_agent_and_makes_its_directory(service):
    program, verb = service["ExecStart"].split()
    assert (Path(program).name, verb) == ("rubin", "agent")
    assert f"/run/{service['RuntimeDirectory']}" == str(Path(AgentSettings().listen).parent)
    assert int(service["RestartPreventExitStatus"]) == UsageError.exit_code


def test_nothing_hides_what_the_agent_reads(service):
    """Kernel symbols, other processes and the sockets of runtimes."""
    refused = {"ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset", "PrivateNetwork", "User"}
    assert not refused & set(service)


def test_settings_that_it_names_are_the_agents():
    named = re.findall(r"RUBIN_([A-Z_]+)=", UNIT.read_text())
    assert named
    assert {name.lower() for name in named} <= {field.name for field in fields(AgentSettings)}
