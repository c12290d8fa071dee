from rubin.identity.facts import Address, ServicePort
from rubin.identity.kubernetes.nodes import ApiServers, Nodes
from rubin.identity.kubernetes.services import Services
from rubin.identity.told import Told
from rubin.model.enums import Identity
from rubin.model.tables import Service
from tests.identity.kubernetes.objects import endpoint_slice, node, service, uid
from tests.identity.kubernetes.told import read


def told_of(*made, nodes=()):
    """Where services are told to be."""
    told = Told()
    services = Services(told, lambda: nodes)
    for one in made:
        services.put(read("service", one))
    return [fact for facts in told.take().values() for fact in facts]


def test_a_service_is_the_world_with_its_name_beside_it():
    (fact,) = told_of(service("web", "10.96.0.1"))
    assert fact.where == Address("10.96.0.1")
    assert (fact.who.identity, fact.who.service) == (Identity.WORLD, Service("web", "demo"))


def test_all_places_at_which_a_service_is_called():
    ports = [(80, 30080, "TCP"), (53, 30053, "UDP"), (9, 30009, "DCCP")]
    made = service("web", "10.96.0.1", "fd00::1", ports=ports, external=["198.51.100.1"], ingress=["203.0.113.9"])
    made["status"]["loadBalancer"]["ingress"].append({"hostname": "elb.example"})
    assert {fact.where for fact in told_of(made, nodes=("192.0.2.1",))} == {
        Address("10.96.0.1"),
        Address("fd00::1"),
        ServicePort("198.51.100.1", 80, 6),
        ServicePort("203.0.113.9", 80, 6),
        ServicePort("198.51.100.1", 53, 17),
        ServicePort("203.0.113.9", 53, 17),
        ServicePort("192.0.2.1", 30080, 6),
        ServicePort("192.0.2.1", 30053, 17),
    }


def test_a_service_without_an_address_is_nowhere():
    assert told_of(service("headless")) == []


class Cluster:
    """Nodes, the API server and services, as the provider puts them together."""

    def __init__(self):
        self.told = Told()
        self.nodes = Nodes(self.told, "node1")
        self.services = Services(self.told, lambda: self.nodes.addresses)
        self.nodes.changed = self.services.nodes_changed
        self.api = ApiServers(self.nodes)

    def where(self, key):
        """The places of a key that has been told anew; None where it has not."""
        changed = self.told.take()
        return [fact.where for fact in changed[key]] if key in changed else None


def test_node_ports_follow_the_nodes():
    cluster, key = Cluster(), f"service/{uid('service/demo/web')}"
    cluster.services.put(read("service", service("web", "10.96.0.1", ports=[(80, 30080, "TCP")])))
    cluster.nodes.put(read("node", node("node1", "192.0.2.1")))
    assert cluster.where(key) == [Address("10.96.0.1")]
    cluster.nodes.keep({uid("node1")})
    assert cluster.where(key) == [Address("10.96.0.1"), ServicePort("192.0.2.1", 30080)]
    cluster.nodes.put(read("node", node("node1", "192.0.2.1")))
    assert cluster.where(key) is None
    cluster.nodes.put(read("node", node("node2", "192.0.2.2")))
    assert cluster.where(key) == [
        Address("10.96.0.1"),
        ServicePort("192.0.2.1", 30080),
        ServicePort("192.0.2.2", 30080),
    ]
    cluster.nodes.remove(read("node", node("node1")))
    assert cluster.where(key) == [Address("10.96.0.1"), ServicePort("192.0.2.2", 30080)]
    cluster.services.remove(read("service", service("web")))
    assert cluster.where(key) == []
    assert len(cluster.services) == 0


def test_nodes_are_remote_ones_below_the_hosts_own_addresses():
    cluster = Cluster()
    cluster.nodes.put(read("node", node("node2", "192.0.2.2", "FD00::2", outside="198.51.100.2")))
    facts = cluster.told.take()["node/node2"]
    assert [fact.where for fact in facts] == [Address("192.0.2.2"), Address("fd00::2"), Address("198.51.100.2")]
    assert {(fact.who.identity, fact.who.labels, fact.rank) for fact in facts} == {
        (Identity.REMOTE_NODE, ("reserved:remote-node",), -1)
    }


def test_a_node_that_comes_again_under_another_uid_stays():
    cluster = Cluster()
    cluster.nodes.put(read("node", node("node2", "192.0.2.2")))
    again = node("node2", "192.0.2.3")
    again["metadata"]["uid"] = "another"
    cluster.nodes.put(read("node", again))
    cluster.nodes.keep({"another"})
    assert cluster.where("node/node2") == [Address("192.0.2.3")]
    cluster.nodes.remove(read("node", node("node2")))
    assert cluster.where("node/node2") is None


def test_labels_of_this_node_can_be_read():
    cluster = Cluster()
    assert not list(cluster.nodes.own_labels)
    cluster.nodes.put(read("node", node("node2", zone="b")))
    cluster.nodes.put(read("node", node("node1", zone="a")))
    assert cluster.nodes.own_labels == ("kubernetes.io/hostname=node1", "zone=a")
    assert cluster.nodes.has("node1")


def test_the_api_server_is_known_on_nodes_and_outside():
    cluster = Cluster()
    cluster.nodes.put(read("node", node("node2", "192.0.2.2")))
    cluster.nodes.keep({uid("node2")})
    cluster.api.put(read("slice", endpoint_slice("one", "kubernetes", "192.0.2.2", "203.0.113.1")))
    changed = cluster.told.take()
    (on_node,), (outside,) = changed["node/node2"], changed["kube-apiserver"]
    assert (on_node.who.identity, on_node.who.labels) == (7, ("reserved:kube-apiserver", "reserved:remote-node"))
    assert outside.where == Address("203.0.113.1")
    assert (outside.who.identity, outside.who.labels) == (7, ("reserved:kube-apiserver", "reserved:world"))
    cluster.api.put(read("slice", endpoint_slice("one", "kubernetes")))
    changed = cluster.told.take()
    assert changed["kube-apiserver"] == ()
    assert changed["node/node2"][0].who.identity == Identity.REMOTE_NODE


def test_a_slice_that_goes_takes_its_addresses_with_it():
    cluster = Cluster()
    for name, address in (("one", "203.0.113.1"), ("two", "203.0.113.2")):
        cluster.api.put(read("slice", endpoint_slice(name, "kubernetes", address)))
    assert cluster.where("kube-apiserver") == [Address("203.0.113.1"), Address("203.0.113.2")]
    cluster.api.remove(read("slice", endpoint_slice("one", "kubernetes")))
    assert cluster.where("kube-apiserver") == [Address("203.0.113.2")]
    cluster.api.keep(set())
    assert cluster.where("kube-apiserver") == []
    assert len(cluster.api) == 0
