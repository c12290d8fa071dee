"""The units are such as systemd takes, with the power that the agent needs and the relay does not."""

import re
import subprocess
from configparser import ConfigParser
from dataclasses import fields
from pathlib import Path

import pytest

from rubin import config
from rubin.agent import AgentSettings
from rubin.errors import UsageError
from rubin.relay.settings import RelaySettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/systemd"
UNIT, RELAY = FOLDER / "rubin-agent.service", FOLDER / "rubin-relay.service"


def section(path: Path, name: str = "Service"):
    # A setting may be there several times; the last one is kept.
    unit = ConfigParser(interpolation=None, delimiters="=", comment_prefixes="#", strict=False)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(path.read_text())
    return unit[name]


@pytest.fixture(scope="module")
def service():
    return section(UNIT)


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=[UNIT, RELAY], ids=lambda path: path.stem)
def installed(tmp_path, request):
    """A unit with a program that is there."""
    path: Path = tmp_path / request.param.name
    path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", request.param.read_text(), flags=re.MULTILINE))
    return path


def test_systemd_takes_it(installed):
    assert analyze("verify", str(installed)) == ""


def test_systemd_calls_it_well_hardened(installed):
    """Of 100; a service that is told nothing has 96, and 40 is where "OK" ends."""
    most = {UNIT.name: 35, RELAY.name: 15}[installed.name]
    analyze("security", "--offline=true", f"--threshold={most}", "--no-pager", str(installed))


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


def test_the_relay_has_no_power_and_is_not_root():
    of_relay = section(RELAY)
    assert of_relay["CapabilityBoundingSet"] == ""
    assert of_relay["User"] not in ("", "root", "0")
    assert (
        f"useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {of_relay['User']}\n" in RELAY.read_text()
    )
    assert int(of_relay["RestartPreventExitStatus"]) == UsageError.exit_code


def test_the_relay_takes_the_settings_that_are_installed_beside_it():
    program, verb, flag, path = section(RELAY)["ExecStart"].split()
    assert (Path(program).name, verb, flag) == ("rubin", "relay", "--config")
    assert f"install -D -m 644 deploy/systemd/relay.toml {path}\n" in RELAY.read_text()
    (directory,) = re.findall(
        r"install -d .* (/\S+) +# (?=tls.crt, tls.key, ca.crt, crl.pem, nodes)", RELAY.read_text()
    )
    settings = config.fill(RelaySettings, config.read(FOLDER / "relay.toml"), {}, {})
    settings.check()
    assert settings.peers == (f"@{directory}/nodes",)
    listens, asks = settings.of_listen(), settings.of_pool().client
    assert listens.tls_client_ca_files == asks.tls_ca_cert_files == (f"{directory}/ca.crt",)
    assert listens.tls_cert_file == asks.tls_client_cert_file == f"{directory}/tls.crt"
    assert asks.tls
    named = re.findall(r"RUBIN_([A-Z_]+)=", RELAY.read_text())
    assert {name.lower() for name in named} <= {field.name for field in fields(RelaySettings)}
