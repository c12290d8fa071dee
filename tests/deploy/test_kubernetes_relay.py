"""The manifests of a cluster with relays are what the API server takes, ask for as little as can be, and fit together:
agents, relays, certificates and what `rubin relay` makes of its settings.
"""

import re
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as schemas

from rubin import config
from rubin.api.listen import host_and_port
from rubin.api.target import target_of
from rubin.cli.agent import command as agent_command
from rubin.cli.agent import settings as agent_settings
from rubin.cli.command import Arguments
from rubin.cli.main import load
from rubin.cli.relay import command
from rubin.cli.server import client_settings
from rubin.cli.settings import resolve
from rubin.cli.ui import command as ui_command
from rubin.errors import RubinError, UsageError
from rubin.identity.kubernetes.settings import KubernetesSettings
from rubin.relay.discovery.kubernetes import Endpoints
from rubin.relay.discovery.naming import Defaults
from rubin.relay.settings import RelaySettings
from rubin.trust.names import server_name_of_node
from rubin.words.flags import read
from tests.deploy.test_kubernetes import BASE, ROOT, VERSIONS, for_this_kubectl, kubectl

CLUSTER, CERTIFICATES, PAGE = ROOT / "deploy/cluster", BASE / "relay/cert-manager", ROOT / "docs/relay.md"
# What cert-manager 1.x knows of each, of what is used here (its CRDs).
KNOWN = {
    "Issuer": {"selfSigned", "ca"},
    "Certificate": {
        *("secretName", "issuerRef", "dnsNames", "usages", "duration", "privateKey", "isCA", "commonName"),
    },
}
USAGES = {"digital signature", "server auth", "client auth"}


def rendered_of(kustomization: str, folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization in `folder/here/there`, beside a copy of deploy/ in `folder/here`."""
    shutil.copytree(ROOT / "deploy", folder / "here", dirs_exist_ok=True)
    place = folder / "here/there"
    place.mkdir(exist_ok=True)
    (place / "kustomization.yaml").write_text(for_this_kubectl(kustomization))
    return [found for found in yaml.safe_load_all(kubectl("kustomize", str(place))) if found]


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "here/there").mkdir(parents=True)
    for path in CLUSTER.iterdir():
        shutil.copy(path, folder / "here/there")
    return rendered_of((CLUSTER / "kustomization.yaml").read_text(), folder)


def one(objects: Iterable[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The object by its kind and name, whatever hash the name ends in."""
    (found,) = [
        each
        for each in objects
        if each["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", each["metadata"]["name"])
    ]
    return found


def pod_of(found: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


def container_of(found: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any]
    (container,) = pod_of(found)["containers"]
    return container


@pytest.fixture(scope="module")
def relay(everything):
    return one(everything, "Deployment", "rubin-relay")


@pytest.fixture(scope="module")
def agents(everything):
    return one(everything, "DaemonSet", "rubin-agent")


@pytest.fixture(scope="module")
def certificates():
    return [found for found in yaml.safe_load_all(kubectl("kustomize", str(CERTIFICATES))) if found]


@pytest.fixture(scope="module")
def settings(everything, relay, tmp_path_factory) -> RelaySettings:
    """What the relay makes of its container's words, its environment and the ConfigMap."""
    folder = tmp_path_factory.mktemp("settings")
    for name, text in one(everything, "ConfigMap", "rubin-relay")["data"].items():
        (folder / name).write_text(text)
    container = container_of(relay)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "settings"]
    verb, *words = [word.replace(mount["mountPath"], str(folder)) for word in container["args"]]
    assert load(verb).name == "relay"
    values, _ = resolve(command().flags, read(command().flags, words), {})
    environ = {variable["name"]: "relay-1" for variable in container["env"]}
    return config.fill(RelaySettings, config.read(Path(values["config"])), environ, {})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_as_the_published_schemas_have_it(everything, version):
    for found in everything:
        schemas.validate(found, version, strict=True)


def test_every_object_is_labelled_and_in_the_one_namespace(everything, certificates):
    for found in (*everything, *certificates):
        assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "rubin"
        if found["kind"] not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            assert found["metadata"]["namespace"] == "rubin"


def test_every_name_leads_to_an_object(everything, relay, agents):
    labels = {
        component: found["spec"]["template"]["metadata"]["labels"]
        for component, found in (("relay", relay), ("agent", agents))
    }
    assert relay["spec"]["selector"]["matchLabels"] == labels["relay"]
    budget = one(everything, "PodDisruptionBudget", "rubin-relay")["spec"]
    (spread,) = pod_of(relay)["topologySpreadConstraints"]
    assert budget["selector"]["matchLabels"] == spread["labelSelector"]["matchLabels"] == labels["relay"]
    assert budget["minAvailable"] < relay["spec"]["replicas"]
    for name, component in (("hubble-relay", "relay"), ("rubin-relay-metrics", "relay"), ("rubin-agents", "agent")):
        service = one(everything, "Service", name)["spec"]
        assert service["selector"] == labels[component]
        ports = {port["name"] for port in container_of(relay if component == "relay" else agents)["ports"]}
        assert all(port["targetPort"] in ports for port in service["ports"])
    for found in (relay, agents):
        mounts = [mount["name"] for mount in container_of(found)["volumeMounts"]]
        assert sorted(mounts) == sorted(volume["name"] for volume in pod_of(found)["volumes"])
    (config_map,) = [volume["configMap"]["name"] for volume in pod_of(relay)["volumes"] if "configMap" in volume]
    assert config_map == one(everything, "ConfigMap", "rubin-relay")["metadata"]["name"]


def test_the_relay_may_read_where_agents_are_and_nothing_else(everything, relay, settings):
    role, binding = one(everything, "Role", "rubin-relay"), one(everything, "RoleBinding", "rubin-relay")
    assert role["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    ]
    assert role["metadata"]["namespace"] == settings.kubernetes_service.partition("/")[0]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    account = one(everything, "ServiceAccount", subject["name"])
    assert subject["namespace"] == account["metadata"]["namespace"]
    assert pod_of(relay)["serviceAccountName"] == account["metadata"]["name"]
    for other in everything:
        if other["kind"] == "ClusterRoleBinding":
            assert subject["name"] not in [each["name"] for each in other["subjects"]]


def test_the_relay_may_nothing_but_listen_and_ask(relay):
    """The level "restricted" of the pod security standards."""
    of_pod, own = pod_of(relay)["securityContext"], container_of(relay)["securityContext"]
    assert of_pod["runAsNonRoot"]
    assert of_pod["runAsUser"] > 0
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod_of(relay).keys()
    assert all(mount["readOnly"] for mount in container_of(relay)["volumeMounts"])
    assert {kind for volume in pod_of(relay)["volumes"] for kind in volume} == {"name", "configMap", "secret"}


def test_several_relays_stand_side_by_side_and_one_of_them_always_answers(relay):
    assert relay["spec"]["replicas"] == 2
    assert relay["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (spread,) = pod_of(relay)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"


def test_the_relay_takes_the_settings_and_wants_tls_on_both_sides(settings):
    settings.check()
    assert settings.node == "relay-1"
    assert settings.of_listen().tls_client_ca_files
    assert settings.of_pool().client.tls
    assert not settings.disable_server_tls
    assert not settings.disable_client_tls


def test_ports_and_probes_are_those_of_the_relay(everything, relay, settings):
    container = container_of(relay)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    addresses = (settings.listen_address, settings.health_listen_address, settings.metrics_listen_address)
    assert [host_and_port(address) for address in addresses] == [("", ports[name]) for name in ports]
    assert list(ports) == ["grpc", "health", "metrics"]
    assert container["readinessProbe"]["grpc"] == {"port": ports["health"]}
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    # Hubble's command line goes by the first port of the service.
    (port,) = one(everything, "Service", "hubble-relay")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "grpc")
    metrics = one(everything, "Service", "rubin-relay-metrics")
    assert metrics["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])


def test_agents_listen_where_the_relay_finds_them(everything, agents, settings):
    namespace, name, port = re.split("[/:]", settings.kubernetes_service)
    service = one(everything, "Service", name)
    assert service["metadata"]["namespace"] == namespace
    assert service["spec"]["clusterIP"] == "None"
    (found,) = service["spec"]["ports"]
    assert found["name"] == port
    flags = agent_command().flags
    given = read(flags, [])
    values, sources = resolve(flags, given, {})
    environ = {each["name"]: each.get("value", "node-1") for each in container_of(agents)["env"]}
    of_agent = agent_settings(Arguments(values, given, sources), environ)
    of_agent.check()
    (own,) = [each for each in container_of(agents)["ports"] if each["name"] == found["targetPort"]]
    assert host_and_port(of_agent.listen_address) == ("", found["port"]) == ("", own["containerPort"])
    assert of_agent.of_listen().tls_client_ca_files


def test_the_certificates_are_for_the_secrets_and_carry_the_names_that_are_asked_for(
    everything, relay, agents, settings, certificates
):
    made = {each["spec"]["secretName"]: each["spec"] for each in certificates if each["kind"] == "Certificate"}
    used = {
        (found["metadata"]["name"], volume["secret"]["secretName"])
        for found in (relay, agents)
        for volume in pod_of(found)["volumes"]
        if "secret" in volume
    }
    assert used == {("rubin-relay", "rubin-relay-certs"), ("rubin-agent", "rubin-agent-certs")}
    assert made.keys() == {"rubin-authority", "rubin-reader-certs", *(secret for _, secret in used)}
    defaults = Defaults(tls=True, cluster=settings.cluster_name)
    (pattern,) = made["rubin-agent-certs"]["dnsNames"]
    assert fnmatchcase(defaults.node("ip-10-0-0-1.ec2.internal"), pattern)
    assert defaults.node("node-1") == server_name_of_node("node-1", "default")
    names = made["rubin-relay-certs"]["dnsNames"]
    service = one(everything, "Service", "hubble-relay")["metadata"]
    assert "*.hubble-relay.cilium.io" in names
    assert f"{service['name']}.{service['namespace']}.svc" in names
    assert set(made["rubin-relay-certs"]["usages"]) == USAGES
    assert "server auth" not in made["rubin-reader-certs"]["usages"]
    assert "client auth" not in made["rubin-agent-certs"]["usages"]


def test_the_certificates_are_as_cert_manager_has_them(certificates):
    issuers = {each["metadata"]["name"] for each in certificates if each["kind"] == "Issuer"}
    for each in certificates:
        assert each["apiVersion"] == "cert-manager.io/v1"
        assert each["spec"].keys() <= KNOWN[each["kind"]]
        if each["kind"] == "Certificate":
            assert each["spec"]["issuerRef"]["name"] in issuers
            assert set(each["spec"].get("usages", ())) <= USAGES
            assert re.fullmatch(r"\d+h", each["spec"]["duration"])


def test_the_service_that_is_named_is_one_that_discovery_reads(settings, tmp_path):
    no_cluster = KubernetesSettings(str(tmp_path / "kubeconfig"))
    with pytest.raises(RubinError) as error:
        Endpoints(settings.kubernetes_service, Defaults(), no_cluster)
    assert not isinstance(error.value, UsageError), "what lacks is an API server, not a service"


def test_what_the_page_shows_puts_the_ui_in_front_of_the_relay(tmp_path):
    own, patch = (
        text
        for head in ("kustomization", "reader")
        for text in re.findall(rf"^```yaml\n(# {head}.yaml.*?\n.+?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    shutil.copytree(ROOT / "deploy", tmp_path / "rubin/deploy")
    cluster = tmp_path / "rubin/deploy/cluster/kustomization.yaml"
    cluster.write_text(for_this_kubectl(cluster.read_text()))
    (tmp_path / "reader.yaml").write_text(patch)
    (tmp_path / "kustomization.yaml").write_text(for_this_kubectl(own))
    objects = [found for found in yaml.safe_load_all(kubectl("kustomize", str(tmp_path))) if found]
    ui = one(objects, "Deployment", "rubin-ui")
    (agents, relay) = one(objects, "DaemonSet", "rubin-agent"), one(objects, "Deployment", "rubin-relay")
    assert {container_of(found)["image"] for found in (agents, relay, ui)} == {"registry.example/rubin:0.1"}
    flags = ui_command().flags
    given = read(flags, [])
    values, sources = resolve(flags, given, one(objects, "ConfigMap", "rubin-ui")["data"])
    asked = client_settings(Arguments(values, given, sources))
    target = target_of(asked)
    service = one(objects, "Service", "hubble-relay")
    assert target.tls
    assert target.host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert target.port == service["spec"]["ports"][0]["port"]
    (mount,) = [mount["mountPath"] for mount in container_of(ui)["volumeMounts"] if mount["name"] == "certs"]
    files = (*asked.tls_ca_cert_files, asked.tls_client_cert_file, asked.tls_client_key_file)
    assert {str(Path(file).parent) for file in files} == {mount}
    assert {"secretName": "rubin-reader-certs"} in [volume.get("secret") for volume in pod_of(ui)["volumes"]]


def test_what_the_page_says_of_its_own_certificates_makes_the_secrets_that_are_mounted(agents, relay):
    made = set(re.findall(r"([-\w]+)=(\w+)(?= |;)", PAGE.read_text().partition("for who in ")[2].partition("do\n")[0]))
    assert made == {("every-node", "agent"), ("relay", "relay"), ("reader", "reader")}
    for found, name in ((agents, "agent"), (relay, "relay")):
        assert {"secretName": f"rubin-{name}-certs"} in [volume.get("secret") for volume in pod_of(found)["volumes"]]
