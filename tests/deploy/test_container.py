"""The container file fits the tree: it cannot be built where there is no registry."""

import re
from pathlib import Path

import pytest
import yaml

from tools.dev.debian import PACKAGES

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy/container/Containerfile"
KNOWN = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """(instruction, its text), lines joined, comments left out."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, " ".join(text.split())) for word, _, text in (line.partition(" ") for line in joined.split("\n")) if word
    ]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, text in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, text))
    return found


def packages(stage: list[tuple[str, str]]) -> set[str]:
    installs = [re.search(r"apt-get install -y --no-install-recommends ([^&]+)", text) for _, text in stage]
    return {name for found in installs if found for name in found[1].split()}


def test_every_instruction_is_one():
    assert {word for word, _ in instructions()} <= KNOWN
    assert [text for word, text in instructions() if word == "FROM"] == ["debian:12-slim AS build", "debian:12-slim"]


@pytest.mark.parametrize("text", [text for word, text in instructions() if word == "COPY" and "--from" not in text])
def test_what_is_copied_is_there(text):
    *sources, target = text.split()
    for source in sources:
        assert (ROOT / source).exists()
        if (ROOT / source).is_dir():
            assert target == source


def test_what_the_wheel_is_made_of_is_copied():
    copied = {source for word, text in instructions() if word == "COPY" for source in text.split()[:-1]}
    assert copied >= {"pyproject.toml", "README.md", "LICENSE", "bpf", "tools", "src", "requirements.lock"}


def test_packages_are_those_that_the_verbs_install():
    build, final = stages()
    assert packages(build) == {*PACKAGES["build"], *PACKAGES["python"]}
    assert packages(final) == {*PACKAGES["load"], "python3"}


def test_python_packages_are_the_locked_ones():
    """With their hashes; what is built from the tree asks no index."""
    pips = [call for _, text in stages()[0] for call in text.split("&&") if "/bin/pip " in call]
    locked, wheel, installed = pips
    assert "--require-hashes" in locked
    assert "-r requirements.lock" in locked
    assert "--no-deps --no-build-isolation" in wheel
    assert "--no-deps --no-index" in installed


def test_it_is_the_image_of_the_manifests():
    (tag,) = re.findall(r"^#.* -t (\S+) \.$", FILE.read_text(), flags=re.MULTILINE)
    daemon_set = yaml.safe_load((ROOT / "deploy/kubernetes/daemonset.yaml").read_text())
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    assert container["image"] == tag
    assert dict(stages()[1])["ENTRYPOINT"] == '["rubin"]'
    assert container["args"][0] == "agent"
