"""The manifests are what the API server takes, and say what the agent does."""

import json
import re
import shutil
import subprocess
from dataclasses import fields
from inspect import isfunction, signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as schemas

from rubin.agent import AgentSettings
from rubin.api.listen import host_and_port
from rubin.cli.agent import command, settings
from rubin.cli.command import Arguments
from rubin.cli.main import load
from rubin.cli.server import LOCAL_SOCKET
from rubin.cli.settings import resolve
from rubin.errors import RubinError
from rubin.identity.containers import cri
from rubin.identity.kubernetes import resource
from rubin.kernel import privileges
from rubin.metrics.sink import DEFAULT, Metrics, Settings
from rubin.words.flags import read

ROOT = Path(__file__).parents[2]
BASE, PAGE = ROOT / "deploy/kubernetes", ROOT / "docs/from-cilium.md"
# Before 1.30 there is no appArmorProfile.
VERSIONS = sorted({version for version in schemas.all_versions() if tuple(map(int, version.split("."))) >= (1, 30)})
CAPABILITIES = {
    "BPF": privileges.BPF,
    "NET_ADMIN": privileges.NET_ADMIN,
    "PERFMON": privileges.PERFMON,
    "SYS_ADMIN": privileges.SYS_ADMIN,
}
# From the article's jobs kubernetes-pods and kubernetes-endpoints: what is kept, and how the address is rewritten.
KEPT, ADDRESS, REPLACEMENT = "prometheus.io/scrape", r"(.+)(?::\d+);(\d+)", r"\1:\2"


def kubectl(*words: str, given: str = "") -> str:
    done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    assert done.returncode == 0
    return done.stdout


def for_this_kubectl(kustomization: str) -> str:
    """Debian 12's knows directories and patches under other words."""
    client = json.loads(kubectl("version", "--client", "-o", "json"))["clientVersion"]
    if int(client["minor"].rstrip("+")) >= 21:
        return kustomization
    return kustomization.replace("resources:", "bases:").replace("patches:\n  - path: ", "patchesStrategicMerge:\n  - ")


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    """Objects by kind; of each kind there is one."""
    objects = [found for found in yaml.safe_load_all(kubectl("kustomize", str(BASE))) if found]
    kinds = {found["kind"]: found for found in objects}
    assert len(kinds) == len(objects)
    return kinds


@pytest.fixture(scope="module")
def pod(rendered):
    return rendered["DaemonSet"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (found,) = pod["containers"]
    return found


def test_all_that_is_needed_is_rendered(rendered):
    wanted = "ClusterRole ClusterRoleBinding ConfigMap DaemonSet Namespace Service ServiceAccount"
    assert sorted(rendered) == wanted.split()
    (namespace,) = {found["metadata"]["namespace"] for found in rendered.values() if "namespace" in found["metadata"]}
    assert namespace == rendered["Namespace"]["metadata"]["name"]
    for found in rendered.values():
        assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "rubin"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_as_the_published_schemas_have_it(rendered, version):
    for found in rendered.values():
        schemas.validate(found, version, strict=True)


def test_what_the_schemas_do_not_know_would_be_found(rendered):
    pod_spec = {**rendered["DaemonSet"]["spec"]["template"]["spec"], "hostPid": True}
    wrong = {**rendered["DaemonSet"], "spec": {**rendered["DaemonSet"]["spec"], "template": {"spec": pod_spec}}}
    with pytest.raises(schemas.ValidationError, match="hostPid"):
        schemas.validate(wrong, VERSIONS[-1], strict=True)


def test_every_name_leads_to_an_object(rendered, pod, container):
    account, role, binding = (rendered[kind] for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding"))
    (subject,) = binding["subjects"]
    assert subject["kind"] == "ServiceAccount"
    assert (subject["name"], subject["namespace"]) == (account["metadata"]["name"], account["metadata"]["namespace"])
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", role["metadata"]["name"])
    labels = rendered["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    assert rendered["DaemonSet"]["spec"]["selector"]["matchLabels"] == labels
    assert rendered["Service"]["spec"]["selector"] == labels
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    assert sorted(mounts) == sorted(volume["name"] for volume in pod["volumes"])
    (config,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    assert config == rendered["ConfigMap"]["metadata"]["name"]


def read_by_the_agent() -> set[tuple[str, str]]:
    """(group, resource) of every list and watch that the agent asks for."""
    makers = [made for made in vars(resource).values() if getattr(made, "__module__", "") == resource.__name__]
    resources = [made(*["node"] * len(signature(made).parameters)) for made in makers if isfunction(made)]
    found = [re.fullmatch(r"/apis?(?:/([^/]+))?/v1(?:/namespaces/[^/]+)?/([a-z]+)", one.path) for one in resources]
    return {(one[1] or "", one[2]) for one in found if one}


def test_rbac_allows_what_the_agent_reads_and_nothing_else(rendered):
    rules = rendered["ClusterRole"]["rules"]
    allowed = {(group, name) for rule in rules for group in rule["apiGroups"] for name in rule["resources"]}
    assert allowed == read_by_the_agent()
    for rule in rules:
        assert sorted(rule) == ["apiGroups", "resources", "verbs"]
        assert rule["verbs"] == ["list", "watch"]


def settings_of(container, rendered, folder: Path) -> AgentSettings:
    """What the agent makes of the container's words, its environment and the ConfigMap."""
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "settings"]
    for name, text in rendered["ConfigMap"]["data"].items():
        (folder / name).write_text(text)
    verb, *words = [word.replace(mount["mountPath"], str(folder)) for word in container["args"]]
    assert load(verb).name == "agent"
    given = read(command().flags, words)
    values, sources = resolve(command().flags, given, {})
    environ = {variable["name"]: "node-1" for variable in container["env"]}
    found = settings(Arguments(values, given, sources), environ)
    assert isinstance(found, AgentSettings)
    return found


def test_the_agent_takes_the_settings(container, rendered, tmp_path):
    found = settings_of(container, rendered, tmp_path)
    found.check()
    assert found.node == "node-1"
    Metrics(Settings(found.metrics, found.metrics_series_limit))
    assert found.metrics.split() == DEFAULT.split()
    (variable,) = container["env"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


def test_ports_are_those_of_the_agent(container, rendered, tmp_path):
    host, number = host_and_port(settings_of(container, rendered, tmp_path).metrics_address)
    assert not host
    (port,) = container["ports"]
    assert port["containerPort"] == number
    (service,) = rendered["Service"]["spec"]["ports"]
    assert (service["port"], service["targetPort"]) == (number, port["name"])
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}


def test_probes_ask_the_api(container):
    for probe in ("startupProbe", "readinessProbe"):
        program, verb = container[probe]["exec"]["command"]
        assert program == "rubin"
        assert load(verb).name == "status"
        assert container[probe]["timeoutSeconds"] > 5  # the client tries to connect for five seconds


def test_the_articles_scrape_configuration_finds_each_agent_once(rendered):
    service = rendered["Service"]
    annotations = service["metadata"]["annotations"]
    assert annotations[KEPT] == "true"
    (port,) = service["spec"]["ports"]
    found = re.sub(ADDRESS, REPLACEMENT, f"192.0.2.1:{port['port']};{annotations['prometheus.io/port']}")
    assert found == f"192.0.2.1:{port['port']}"
    assert service["spec"]["clusterIP"] == "None"
    assert KEPT not in rendered["DaemonSet"]["spec"]["template"]["metadata"].get("annotations", {})


def capabilities(container) -> set[str]:
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert not container["securityContext"].get("privileged")
    return set(container["securityContext"]["capabilities"]["add"])


def test_capabilities_are_those_that_the_agent_asks_for(container):
    given = capabilities(container)
    assert given - CAPABILITIES.keys() == {"SYSLOG", "SYS_NICE", "SYS_PTRACE"}
    numbers = frozenset(CAPABILITIES[name] for name in given & CAPABILITIES.keys())
    privileges.check(numbers)
    for number in numbers:
        with pytest.raises(RubinError, match="watching this machine needs"):
            privileges.check(numbers - {number})


def test_what_the_page_says_of_older_kernels_adds_one_capability(container, rendered):
    (patch,) = re.findall(r"kubectl patch -n rubin daemonset rubin-agent --type json -p '([^']+)'", PAGE.read_text())
    given = json.dumps(rendered["DaemonSet"])
    patched = yaml.safe_load(
        kubectl("patch", "--local", "-f", "-", "--type", "json", "-p", patch, "-o", "yaml", given=given)
    )
    (after,) = patched["spec"]["template"]["spec"]["containers"]
    assert capabilities(after) - capabilities(container) == {"SYS_ADMIN"}


def test_the_pages_kustomization_sets_image_and_settings(rendered, tmp_path):
    (own,) = re.findall(r"^```yaml\n(# kustomization.yaml\n.+?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    shutil.copytree(BASE, tmp_path / "rubin/deploy/kubernetes")
    (tmp_path / "kustomization.yaml").write_text(for_this_kubectl(own))
    (tmp_path / "agent.toml").write_text('cluster_name = "mine"\n')
    kinds = {found["kind"]: found for found in yaml.safe_load_all(kubectl("kustomize", str(tmp_path)))}
    assert kinds.keys() == rendered.keys()
    assert kinds["ConfigMap"]["data"] == {"agent.toml": 'cluster_name = "mine"\n'}
    pod = kinds["DaemonSet"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example/rubin:0.1"
    assert pod["volumes"][0]["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
    assert kinds["ConfigMap"]["metadata"]["name"] != rendered["ConfigMap"]["metadata"]["name"]


def test_settings_of_the_page_are_the_agents():
    """The second column of the table of values: words in small letters with an underscore."""
    table = PAGE.read_text().partition("| Helm value | Rubin |")[2].partition("\n\n")[0]
    named = {
        name for line in table.splitlines() for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)\b", line.split(" | ")[-1])
    }
    assert len(named) > 10
    assert named <= {field.name for field in fields(AgentSettings)}


def test_the_node_is_seen_where_the_agent_looks(pod, container):
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"] if mount["name"] in paths}
    assert {name: mount["mountPath"] for name, mount in mounts.items()} == paths
    sockets = {str(Path(socket).parent) for socket in cri.SOCKETS}
    own = str(Path(AgentSettings().listen).parent)
    assert set(paths.values()) == {"/sys/fs/cgroup", "/run/netns", own, *sockets}
    assert AgentSettings().listen == LOCAL_SOCKET
    for name, mount in mounts.items():
        if paths[name] != own:
            assert mount["readOnly"]
            assert mount["mountPropagation"] == "HostToContainer"
    assert pod["hostNetwork"]
    assert pod["hostPID"]


def test_it_runs_on_every_node(pod, rendered):
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "system-node-critical"
    assert rendered["DaemonSet"]["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"] == 0
