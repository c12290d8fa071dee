"""The manifests of the UI are what the API server takes, ask for as little as can be, and say what `rubin ui` does."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as schemas

from rubin.api.listen import host_and_port
from rubin.api.target import target_of
from rubin.cli.command import Arguments
from rubin.cli.main import load
from rubin.cli.server import LOCAL_SOCKET, client_settings
from rubin.cli.settings import resolve
from rubin.cli.ui import command
from rubin.ui.security import HEALTH
from rubin.ui.server import is_local
from rubin.words.flags import read
from tests.deploy.test_kubernetes import BASE, PAGE, ROOT, VERSIONS, for_this_kubectl, kubectl

UI = BASE / "ui"


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    """Objects by kind; of each kind there is one."""
    found = {one["kind"]: one for one in yaml.safe_load_all(kubectl("kustomize", str(UI))) if one}
    assert sorted(found) == ["ConfigMap", "Deployment", "Service"]
    return found


@pytest.fixture(scope="module")
def pod(rendered):
    return rendered["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (found,) = pod["containers"]
    return found


@pytest.fixture(scope="module")
def arguments(container, rendered):
    """What the command makes of the container's words and of its variables."""
    verb, *words = container["args"]
    assert load(verb).name == "ui"
    given = read(command().flags, words)
    (variables,) = container["envFrom"]
    assert variables["configMapRef"]["name"] == rendered["ConfigMap"]["metadata"]["name"]
    values, sources = resolve(command().flags, given, rendered["ConfigMap"]["data"])
    return Arguments(values, given, sources)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_as_the_published_schemas_have_it(rendered, version):
    for found in rendered.values():
        schemas.validate(found, version, strict=True)


def test_every_name_leads_to_an_object(rendered, pod, container):
    labels = rendered["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert rendered["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert rendered["Service"]["spec"]["selector"] == labels
    (port,), (service,) = container["ports"], rendered["Service"]["spec"]["ports"]
    assert service["targetPort"] == port["name"]
    for name in ("startup", "readiness", "liveness"):
        assert container[f"{name}Probe"]["httpGet"] == {"path": HEALTH, "port": "http"}
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    assert sorted(mounts) == sorted(volume["name"] for volume in pod["volumes"])
    namespaces = {found["metadata"]["namespace"] for found in rendered.values()}
    assert namespaces == {yaml.safe_load((BASE / "namespace.yaml").read_text())["metadata"]["name"]}


def test_agents_and_their_metrics_are_not_taken_for_it(rendered):
    agent = {one["kind"]: one for one in yaml.safe_load_all(kubectl("kustomize", str(BASE))) if one}
    labels = rendered["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (agent["Service"]["spec"]["selector"], agent["DaemonSet"]["spec"]["selector"]["matchLabels"]):
        assert not selector.items() <= labels.items()


def test_it_may_nothing_but_listen_and_ask_its_server(pod, container):
    """The level "restricted" of the pod security standards, but for the agent's socket."""
    of_pod, own = pod["securityContext"], container["securityContext"]
    assert of_pod["runAsNonRoot"]
    assert of_pod["runAsUser"] > 0
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.keys()
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} == {"secret", "hostPath"}


def test_it_listens_where_the_service_leads_and_wants_the_token_of_the_secret(arguments, pod, container):
    (port,) = container["ports"]
    assert host_and_port(arguments["listen"]) == ("", port["containerPort"])
    assert not is_local(arguments["listen"])  # so a token is wanted
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "token"]
    (secret,) = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    made = re.search(r"kubectl create secret generic (\S+) -n rubin --from-literal=(\w+)=", PAGE.read_text())
    assert made
    assert (secret, arguments["token-file"]) == (made[1], f"{mount['mountPath']}/{made[2]}")


def test_it_reads_the_agent_of_its_node_unless_told_otherwise(arguments, pod, container):
    target = target_of(client_settings(arguments))
    assert target.path == LOCAL_SOCKET
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "socket"]
    (path,) = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    assert path == mount["mountPath"] == str(Path(LOCAL_SOCKET).parent)
    assert pod["securityContext"]["supplementalGroups"] == [0]  # the socket's group


def test_it_is_the_agents_image_on_the_agents_machines(pod, container):
    agent = yaml.safe_load((BASE / "daemonset.yaml").read_text())["spec"]["template"]["spec"]
    assert container["image"] == agent["containers"][0]["image"]
    assert pod["nodeSelector"] == agent["nodeSelector"]
    assert pod["enableServiceLinks"] is False


def test_the_pages_kustomization_names_another_server(tmp_path):
    (own,) = re.findall(r"^```yaml\n(# with the UI\n.+?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "rubin/deploy/kubernetes")
    (tmp_path / "kustomization.yaml").write_text(for_this_kubectl(own))
    objects = [found for found in yaml.safe_load_all(kubectl("kustomize", str(tmp_path))) if found]
    (deployment,) = [found for found in objects if found["kind"] == "Deployment"]
    (settings,) = [one for one in objects if one["kind"] == "ConfigMap" and "RUBIN_SERVER" in one["data"]]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    values, sources = resolve(command().flags, read(command().flags, []), settings["data"])
    target = target_of(client_settings(Arguments(values, read(command().flags, []), sources)))
    assert (target.host, target.port) == ("hubble-relay.kube-system.svc.cluster.local", 80)
    assert any(found["kind"] == "DaemonSet" for found in objects)
