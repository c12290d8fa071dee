import base64
import contextlib
import json
import shutil
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import RubinError, UsageError
from rubin.identity.kubernetes import kubeconfig as reading
from rubin.identity.kubernetes.cluster import Token, in_cluster
from rubin.identity.kubernetes.settings import KubernetesSettings, Places, found, inside, kubeconfigs, node_name
from tests.identity.kubernetes.beside import kubeconfig

CERTIFICATES = Path(__file__).parents[2] / "api" / "certificates"
HERE = "https://192.0.2.1:6443"


def data(name):
    return base64.b64encode((CERTIFICATES / name).read_bytes()).decode()


def read(path):
    return reading.read([path])


@pytest.mark.parametrize(
    ("server", "host", "port", "place", "path"),
    [
        ("https://192.0.2.1:6443", "192.0.2.1", 6443, "192.0.2.1:6443", ""),
        ("https://kube.example/k8s/c-1/", "kube.example", 443, "kube.example:443", "/k8s/c-1"),
        ("http://[2001:db8::1]", "2001:db8::1", 80, "[2001:db8::1]:80", ""),
    ],
)
def test_a_server_is_an_address_with_or_without_a_path(tmp_path, server, host, port, place, path):
    cluster = read(kubeconfig(tmp_path, server))
    assert (cluster.host, cluster.port, cluster.place, cluster.path) == (host, port, place, path)
    assert cluster.token.text() == "secret"


def test_certificates_are_taken_from_files_beside_the_kubeconfig_and_from_the_text(tmp_path):
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(CERTIFICATES / name, tmp_path)
    files = {"client-certificate": "client.pem", "client-key": "client.key"}
    cluster = read(kubeconfig(tmp_path, HERE, files, **{"certificate-authority": "ca.pem"}))
    assert [one["subject"] for one in cluster.tls.get_ca_certs()] == [((("commonName", "test CA"),),)]
    inline = {"client-certificate-data": data("client.pem"), "client-key-data": data("client.key")}
    cluster = read(kubeconfig(tmp_path, HERE, inline, **{"certificate-authority-data": data("ca.pem")}))
    assert len(cluster.tls.get_ca_certs()) == 1
    assert cluster.tls.verify_mode == ssl.CERT_REQUIRED


def test_verification_is_left_out_only_where_that_is_asked_for(tmp_path):
    assert read(kubeconfig(tmp_path, HERE)).tls.verify_mode == ssl.CERT_REQUIRED
    unsafe = read(kubeconfig(tmp_path, HERE, None, **{"insecure-skip-tls-verify": True, "tls-server-name": "kube"}))
    assert (unsafe.tls.verify_mode, unsafe.tls_name) == (ssl.CERT_NONE, "kube")
    assert read(kubeconfig(tmp_path, "http://127.0.0.1:8001")).tls is None


def test_a_token_in_a_file_is_read_again_after_a_while_and_when_it_was_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text("first\n")
    token = read(kubeconfig(tmp_path, HERE, {"tokenFile": "token", "token": "other"})).token
    path.write_text("second\n")
    assert token.text() == "first"
    token.refused()
    assert token.text() == "second"
    path.write_text("third")
    assert Token(path=path, renew_s=0).text() == "third"
    token = Token(path=path, renew_s=0)
    path.write_text("")
    with pytest.raises(RubinError, match="token holds no token"):
        token.text()
    path.unlink()
    with pytest.raises(RubinError, match="cannot read .*token: No such file"):
        token.text()


def test_several_files_are_merged_and_the_first_word_counts(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("current-context: b\nusers: [{name: me, user: {token: one}}]")
    second.write_text(
        "current-context: a\n"
        "users: [{name: me, user: {token: two}}]\n"
        "contexts: [{name: b, context: {cluster: c, user: me}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1'}}]"
    )
    cluster = reading.read([tmp_path / "none", first, second])
    assert (cluster.server, cluster.token.text()) == ("http://127.0.0.1", "one")


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"exec": {"command": "aws"}}, {}, ["user 'me' runs a program for its token", "'exec' is not supported"]),
        ({"auth-provider": {"name": "gcp"}}, {}, ["'auth-provider' is not supported"]),
        ({"username": "a", "password": "b"}, {}, ["'username' is not supported"]),
        ({"as": "admin"}, {}, ["acts as somebody else"]),
        ({"token": 3}, {}, ["'token' must be a text"]),
        ({"tokenFile": "none"}, {}, ["cannot read", "none: No such file"]),
        ({"client-certificate-data": "AAAA"}, {}, ["only one of client-certificate and client-key"]),
        ({"client-certificate-data": "AAAA", "client-key-data": "AAAA"}, {}, ["are no pair"]),
        ({"client-certificate-data": "%", "client-key-data": "AAAA"}, {}, ["'client-certificate-data' is not base64"]),
        ({}, {"certificate-authority-data": "AAAA"}, ["cluster 'one' holds no certificate of an authority"]),
        ({}, {"certificate-authority": "none"}, ["cannot read", "No such file"]),
        ({}, {"proxy-url": "socks5://localhost"}, ["'proxy-url' is not supported"]),
        ({}, {"server": "192.0.2.1"}, ["server '192.0.2.1' is no address"]),
        ({}, {"server": "https://[x"}, ["is no address"]),
        ({}, {"server": "https://a:99999"}, ["is no address"]),
    ],
)
def test_what_cannot_be_used_is_said_with_a_way_on(tmp_path, user, cluster, words):
    path = kubeconfig(tmp_path, user=user, **{"server": HERE, **cluster})
    with pytest.raises(RubinError) as told:
        read(path)
    assert all(word in told.value.sentence for word in words)
    assert told.value.way_on


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no kubeconfig"),
        ("[1, 2]", "is no kubeconfig"),
        ("a: [", "is not valid YAML"),
        ("clusters: 3", "clusters is no kubeconfig"),
        ("clusters: [{name: a, cluster: 3}]", "cluster 'a' is no kubeconfig"),
        ("kind: Config", "has no current-context"),
        ("current-context: a", "context 'a' does not exist"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]", "cluster 'b' does not exist"),
        ("\x00", "is not valid YAML"),
    ],
)
def test_a_broken_file_is_said_to_be_so(tmp_path, text, words):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as told:
        read(path)
    assert told.value.way_on


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "cluster",
                    "user",
                    "context",
                    "server",
                    "token",
                    "client-key-data",
                    "certificate-authority-data",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.text()
    | st.dictionaries(st.sampled_from(["current-context", "clusters", "users", "contexts"]), _VALUES).map(json.dumps)
)
def test_any_text_is_a_cluster_or_an_error_of_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any-kubeconfig"
    path.write_text(text, "utf-8", "replace")
    with contextlib.suppress(RubinError):
        read(path)


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "account", tmp_path / "kubelet")


def test_without_anything_that_points_to_it_there_is_no_kubernetes(tmp_path, places):
    assert not found(KubernetesSettings(), {"HOME": str(tmp_path)}, places)
    assert not found(KubernetesSettings(), {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, places)
    with pytest.raises(UsageError, match="nothing leads to a Kubernetes"):
        reading.read(())


def test_a_kubeconfig_at_home_counts_on_a_node_only(tmp_path, places):
    own = tmp_path / ".kube" / "config"
    own.parent.mkdir()
    own.touch()
    assert not found(KubernetesSettings(), {"HOME": str(tmp_path)}, places)
    places.kubelet.mkdir()
    assert kubeconfigs(KubernetesSettings(), {"HOME": str(tmp_path)}, places) == (own,)


def test_what_is_asked_for_comes_before_the_pods_own_account_and_that_before_the_environment(places):
    places.account.mkdir()
    (places.account / "token").touch()
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBECONFIG": "/a:/b:"}
    assert kubeconfigs(KubernetesSettings(), environ, places) == (Path("/a"), Path("/b"))
    assert inside(KubernetesSettings(), environ, places)
    asked = KubernetesSettings("/asked/for")
    assert not inside(asked, environ, places)
    assert found(asked, environ, places)
    assert kubeconfigs(asked, environ, places) == (Path("/asked/for"),)


def test_a_pod_finds_its_own_api_server(places):
    places.account.mkdir()
    (places.account / "token").write_text("mine\n")
    shutil.copy(CERTIFICATES / "ca.pem", places.account / "ca.crt")
    cluster = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, places)
    assert (cluster.place, cluster.token.text()) == ("[fd00::1]:6443", "mine")
    assert cluster.tls is not None
    assert cluster.tls.verify_mode == ssl.CERT_REQUIRED
    (places.account / "ca.crt").write_text("")
    with pytest.raises(UsageError, match="holds no certificate"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, places)


def test_a_node_is_named_as_it_is_said_or_as_its_host():
    assert node_name(KubernetesSettings(node_name="Node-1")) == "Node-1"
    assert node_name(KubernetesSettings()) == node_name(KubernetesSettings()).lower() != ""
