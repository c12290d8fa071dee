from hypothesis import given
from hypothesis import strategies as st

from rubin.identity.numbers import Identities, Numbers
from rubin.model.tables import Endpoint

words = st.lists(st.text(max_size=8), max_size=30, unique=True)


def pod(name, *labels, namespace="default"):
    return Endpoint(namespace=namespace, labels=labels, pod_name=name)


@given(words)
def test_words_that_come_together_have_the_same_numbers_in_any_process(given_words):
    first, second = Numbers(range(256, 65_536)), Numbers(range(256, 65_536))
    assert [first.number((word,)) for word in given_words] == [second.number((word,)) for word in given_words]


@given(words)
def test_numbers_are_distinct_and_in_the_range_even_where_hashes_meet(given_words):
    numbers = Numbers(range(10, 50))
    given_numbers = [numbers.number((word,)) for word in given_words]
    assert len(set(given_numbers)) == len(given_words)
    assert set(given_numbers) <= set(range(10, 50))


def test_when_all_numbers_are_taken_words_share():
    numbers = Numbers(range(3))
    assert {numbers.number((str(i),)) for i in range(10)} == {0, 1, 2}


def test_pods_with_the_same_labels_share_an_identity_and_not_an_id():
    identities = Identities()
    pods = [pod("a-1", "k8s:app=a"), pod("a-2", "k8s:app=a"), pod("b-1", "k8s:app=b")]
    first, second, third = (identities.filled(one, True) for one in pods)
    assert first.identity == second.identity != third.identity
    assert 256 <= first.identity < 65_536
    assert len({first.id, second.id, third.id}) == 3
    assert 1 <= first.id < 65_536


def test_who_lives_elsewhere_has_no_id():
    assert Identities().filled(pod("a-1", "k8s:app=a"), False).id == 0


def test_an_identity_outlives_everything_around_it():
    identities = Identities()
    one, other = pod("a-1", "k8s:app=a"), pod("b", "k8s:app=b")
    before, _ = (identities.filled(each, True) for each in (one, other))
    identities.keep([one])
    assert identities.filled(one, True) == before
    assert Identities().filled(one, True) == before


def test_networks_have_identities_of_the_node_and_reserved_ones_their_own():
    network = Endpoint(labels=("cidr:198.51.100.0/24", "reserved:world"))
    world = Endpoint(identity=2, labels=("reserved:world",))
    assert 16_777_217 <= Identities().filled(network, False).identity < 33_554_432
    assert Identities().filled(world, False) == world
