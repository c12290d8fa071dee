from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Exchange, Piece, Speaker
from rubin.dissect.protocols.framing import OUTSTANDING
from rubin.dissect.protocols.kafka import KAFKA, Kafka, TopicNames
from rubin.dissect.protocols.kafka_messages import APIS, contents
from tests.dissect.speaking import MS, START, Said, brief, client, everything, heard, said, server, talk

claims = KAFKA.claims
ORDERS = bytes(range(1, 17))
PRODUCE, FETCH, LIST_OFFSETS, METADATA, COMMIT, OFFSETS, FIND, JOIN, HEARTBEAT = 0, 1, 2, 3, 8, 9, 10, 11, 12


def framed(body):
    return pack(">i", len(body)) + body


def text(word):
    return pack(">h", -1) if word is None else pack(">h", len(word)) + word.encode()


def compact(word):
    return b"\0" if word is None else bytes([len(word) + 1]) + word.encode()


def array(*elements):
    return pack(">i", len(elements)) + b"".join(elements)


def compacts(*elements):
    return bytes([len(elements) + 1]) + b"".join(elements)


def request(api, version, correlation, body=b"", client_id="shop"):
    tags = b"\0" if version >= APIS[api].flexible else b""
    return framed(pack(">hhi", api, version, correlation) + text(client_id) + tags + body)


def response(correlation, body=b"", tags=b""):
    return framed(pack(">i", correlation) + tags + body)


def produce(correlation, topic="orders", acks=-1, value=b"secret"):
    records = bytes([(len(value) + 1) & 127 | 128, (len(value) + 1) >> 7]) + value
    topics = compacts(compact(topic) + compacts(pack(">i", 0) + records + b"\0") + b"\0")
    return request(PRODUCE, 9, correlation, compact(None) + pack(">hi", acks, 30_000) + topics + b"\0")


def produced(correlation, topic="orders", error=0):
    partition = pack(">ihqqq", 0, error, 5, -1, 0) + compacts() + compact("secret") + b"\0"
    return response(correlation, compacts(compact(topic) + compacts(partition) + b"\0") + pack(">i", 0) + b"\0", b"\0")


def fetch(correlation, topic_id):
    partition = pack(">iiqiqi", 0, -1, 5, -1, -1, 1 << 20) + b"\0"
    head = pack(">iiibii", 500, 1, 1 << 20, 0, 0, -1)
    return request(
        FETCH, 15, correlation, head + compacts(topic_id + compacts(partition) + b"\0") + compacts() + b"\1\0"
    )


def fetched(correlation, topic_id, error=0, records=b"secret"):
    length = len(records) + 1
    size = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
    partition = pack(">ihqqq", 0, error, 9, 9, 0) + b"\0" + pack(">i", -1) + size + records + b"\0"
    return response(
        correlation, pack(">ihi", 0, 0, 7) + compacts(topic_id + compacts(partition) + b"\0") + b"\0", b"\0"
    )


def metadata_answer(correlation, error=0):
    broker = pack(">i", 1) + compact("10.0.0.1") + pack(">i", 9092) + compact(None) + b"\0"
    partition = pack(">hiiii", 0, 0, 1, 0, 2)[:-3] + compacts(pack(">i", 1)) + compacts() + b"\0"
    partition = pack(">hiii", 0, 0, 1, 0) + compacts(pack(">i", 1)) + compacts(pack(">i", 1)) + compacts() + b"\0"
    topic = pack(">h", error) + compact("orders") + ORDERS + b"\0" + compacts(partition) + pack(">i", 0) + b"\0"
    return response(
        correlation, pack(">i", 0) + compacts(broker) + compact("c") + pack(">i", 1) + compacts(topic) + b"\0", b"\0"
    )


def test_produce_and_what_is_known_of_it():
    found = talk(Kafka(), client(produce(7)), server(produced(7), after_ms=4))
    assert brief(found) == [("Produce", "orders", "ok")]
    (one,) = found
    assert one.attributes == (("client_id", "shop"), ("api_version", "9"))
    assert (one.request_bytes, one.response_bytes) == (len(produce(7)), len(produced(7)))
    assert one.answered_ns - one.started_ns == 4 * MS
    assert "secret" not in everything(found)


def test_answers_belong_to_requests_by_their_number_whatever_the_order_of_errors():
    found = talk(
        Kafka(),
        client(produce(1), produce(2, "logs"), produce(3, "other")),
        server(produced(1, error=6), produced(2, "logs"), produced(3, "other", error=-1)),
    )
    assert brief(found) == [
        ("Produce", "orders", "NOT_LEADER_OR_FOLLOWER"),
        ("Produce", "logs", "ok"),
        ("Produce", "other", "UNKNOWN_SERVER_ERROR"),
    ]
    assert [(one.status, one.failed) for one in found] == [(6, True), (0, False), (-1, True)]


def test_without_acknowledgement_there_is_no_answer_to_wait_for():
    conversation = Kafka()
    found = said(conversation, heard([client(produce(1, acks=0))]), end=False)
    assert brief(found) == [("Produce", "orders", "?")]
    assert list(conversation.unanswered(1 << 62)) == []


def test_topics_have_numbers_which_metadata_explains_to_all_connections():
    names = TopicNames()
    first = talk(Kafka(names), client(fetch(1, ORDERS)), server(fetched(1, ORDERS, error=1)))
    talk(Kafka(names), client(request(METADATA, 12, 9, b"\0\0\0\0\0")), server(metadata_answer(9)))
    second = talk(Kafka(names), client(fetch(2, ORDERS)), server(fetched(2, ORDERS)))
    assert brief(first + second) == [
        ("Fetch", "AQIDBAUGBwgJCgsMDQ4PEA", "OFFSET_OUT_OF_RANGE"),
        ("Fetch", "orders", "ok"),
    ]


OLD_TOPIC = array(text("orders") + array(pack(">iiqq", 0, -1, 5, 5)[:4]))


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (request(METADATA, 1, 5, array(text("a"), text("b"))), None, ("Metadata", "a,b", "?")),
        (request(METADATA, 1, 5, pack(">i", -1)), None, ("Metadata", "", "?")),
        (
            request(LIST_OFFSETS, 2, 5, pack(">ib", -1, 0) + array(text("a") + array(pack(">iq", 0, -1)))),
            pack(">i", 0) + array(text("a") + array(pack(">ihqq", 0, 3, -1, -1))),
            ("ListOffsets", "a", "UNKNOWN_TOPIC_OR_PARTITION"),
        ),
        (
            request(COMMIT, 2, 5, text("billing") + pack(">i", 1) + text("m") + pack(">q", -1) + OLD_TOPIC),
            array(text("orders") + array(pack(">ih", 0, 22))),
            ("OffsetCommit", "orders", "ILLEGAL_GENERATION"),
        ),
        (
            request(
                OFFSETS,
                8,
                5,
                compacts(compact("billing") + compacts(compact("orders") + compacts(pack(">i", 0)) + b"\0")),
            ),
            b"\0" + pack(">i", 0) + compacts(compact("billing") + compacts() + pack(">h", 16) + b"\0") + b"\0",
            ("OffsetFetch", "orders", "NOT_COORDINATOR"),
        ),
        (
            request(FIND, 0, 5, text("billing")),
            pack(">hi", 15, -1),
            ("FindCoordinator", "billing", "COORDINATOR_NOT_AVAILABLE"),
        ),
        (
            request(FIND, 4, 5, b"\0" + compacts(compact("billing"))),
            b"\0"
            + pack(">i", 0)
            + compacts(compact("k") + pack(">i", 1) + compact("h") + pack(">ih", 1, 24) + b"\0\0"),
            ("FindCoordinator", "billing", "INVALID_GROUP_ID"),
        ),
        (
            request(JOIN, 6, 5, compact("billing")),
            b"\0" + pack(">ih", 0, 79),
            ("JoinGroup", "billing", "MEMBER_ID_REQUIRED"),
        ),
        (request(HEARTBEAT, 0, 5, text("billing")), pack(">h", 27), ("Heartbeat", "billing", "REBALANCE_IN_PROGRESS")),
        (request(14, 1, 5, text("billing")), pack(">ih", 0, 0), ("SyncGroup", "billing", "ok")),
        (
            request(13, 4, 5, compact("billing")),
            b"\0" + pack(">ih", 0, 25),
            ("LeaveGroup", "billing", "UNKNOWN_MEMBER_ID"),
        ),
        (request(18, 3, 5, compact("java") + compact("3")), pack(">h", 35), ("ApiVersions", "", "UNSUPPORTED_VERSION")),
        (
            request(19, 2, 5, array(text("a") + pack(">ih", 1, 1) + array() + array(text("k") + text("secret")))),
            pack(">i", 0) + array(text("a") + pack(">h", 36) + text("secret")),
            ("CreateTopics", "a", "TOPIC_ALREADY_EXISTS"),
        ),
        (
            request(20, 1, 5, array(text("a"), text("b"))),
            pack(">i", 0) + array(text("a") + pack(">h", 0), text("b") + pack(">h", 41)),
            ("DeleteTopics", "a,b", "NOT_CONTROLLER"),
        ),
        (
            request(36, 1, 5, pack(">i", 6) + b"secret"),
            pack(">h", 58),
            ("SaslAuthenticate", "", "SASL_AUTHENTICATION_FAILED"),
        ),
        (request(61, 0, 5, b"secret"), b"secret", ("DescribeProducers", "", "ok")),
    ],
)
def test_what_is_read_of_each(asked, answered, expected):
    packets = [client(asked)] + ([] if answered is None else [server(response(5, answered))])
    found = talk(Kafka(), *packets)
    assert brief(found) == [expected]
    assert "secret" not in everything(found)
    if expected[1] == "orders" and expected[0] != "Produce":
        assert ("group", "billing") in found[0].attributes


def test_the_first_sasl_has_tokens_without_a_header():
    found = talk(
        Kafka(),
        client(request(17, 0, 1, text("PLAIN"))),
        server(response(1, pack(">h", 0) + array(text("PLAIN")))),
        client(framed(b"\0joe\0secret")),
        server(framed(b"\0\0\0\0")),
        client(request(HEARTBEAT, 0, 2, text("billing"))),
        server(response(2, pack(">h", 0))),
    )
    assert brief(found) == [("SaslHandshake", "", "ok"), ("Heartbeat", "billing", "ok")]
    assert "secret" not in everything(found)


def test_records_longer_than_what_is_heard():
    packets = [
        client(produce(1, value=b"secret" * 1500)),
        server(produced(1)),
        client(fetch(2, ORDERS)),
        server(fetched(2, ORDERS, records=b"secret" * 10_000)),
        client(fetch(3, ORDERS)),
        server(fetched(3, ORDERS)),
    ]
    found = said(Kafka(), heard(packets, 880))
    assert [(one.method, one.request_bytes, one.response_bytes) for one in found] == [
        (method, len(asked.data), len(answered.data))
        for method, asked, answered in zip(("Produce", "Fetch", "Fetch"), packets[::2], packets[1::2], strict=True)
    ]
    assert "secret" not in everything(found)


def test_an_answer_says_that_those_before_it_were_missed():
    packets = [client(produce(1)), server(produced(1)), client(produce(2, "logs")), server(produced(2, error=7))]
    assert brief(said(Kafka(), heard(packets, lost=[1]))) == [
        ("Produce", "orders", "?"),
        ("Produce", "logs", "REQUEST_TIMED_OUT"),
    ]


def test_joined_in_the_middle():
    packets = [server(produced(1)), server(b"secret"), client(produce(2)), server(produced(2))]
    assert brief(talk(Kafka(), *packets, joined=True)) == [("Produce", "orders", "ok")]


def test_what_nobody_answers_is_told_once():
    conversation = Kafka()
    said(conversation, heard([client(produce(1))]), end=False)
    assert list(conversation.unanswered(START)) == []
    assert brief(list(conversation.unanswered(1 << 62))) == [("Produce", "orders", "?")]
    assert talk(conversation, server(produced(1))) == []


def test_requests_without_end_take_no_more_than_so_much():
    conversation = Kafka()
    told: list[Exchange] = []
    for number in range(10_000):
        told += conversation.client(Piece(produce(number), START + number))
    assert len(conversation._waiting) == OUTSTANDING
    assert len(told) == 10_000 - OUTSTANDING
    names = TopicNames()
    names.learn({number.to_bytes(16, "big"): "t" for number in range(20_000)})
    assert len(names._names) == TopicNames.MOST


@pytest.mark.parametrize(
    ("data", "speaker"),
    [
        (produce(1), Speaker.CLIENT),
        (produce(1) + fetch(2, ORDERS), Speaker.CLIENT),
        (produce(1, value=b"x" * 5000)[:880], Speaker.CLIENT),
        (request(18, 3, 0, compact("java") + compact("3") + b"\0"), Speaker.CLIENT),
        (request(METADATA, 1, 5, pack(">i", -1)), Speaker.CLIENT),
        (request(METADATA, 1, 5, client_id=None), None),
        (produced(3), None),
        (fetched(3, ORDERS), None),
        (metadata_answer(3), None),
        (response(3, array(text("orders") + array(pack(">ihq", 0, 0, 5)))), None),
    ],
)
def test_whom_it_claims(data, speaker):
    assert claims(data) is speaker


@given(st.sampled_from(sorted(APIS)), st.integers(0, 20), st.booleans(), st.binary(max_size=200))
def test_any_bytes_behind_any_header(api, version, answers, data):
    found = contents(data, 0, api, version, answers)
    assert len(found.topics) <= 4


@st.composite
def _talks(draw):
    packets: list[Said] = []
    waiting: list[bytes] = []
    for number, size in enumerate(draw(st.lists(st.integers(0, 3000), min_size=1, max_size=20))):
        packets.append(client(produce(number + 1, f"t{number}", value=b"secret" * (size // 6))))
        waiting.append(produced(number + 1, f"t{number}", error=100 + number))
        while waiting and draw(st.booleans()):
            answered = waiting.pop(0)
            cut = draw(st.integers(0, len(answered)))
            packets += [server(part) for part in (answered[:cut], answered[cut:]) if part]
    return packets + [server(answered) for answered in waiting]


@settings(max_examples=150, deadline=None)
@given(_talks(), st.data())
def test_no_answer_is_ever_paired_with_another_request(packets, data):
    lost = data.draw(st.sets(st.integers(0, len(packets)), max_size=6))
    found = said(Kafka(), heard(packets, data.draw(st.sampled_from([60, 300, 880, 1 << 20])), lost))
    for one in found:
        if one.status and one.target:
            assert one.target == f"t{one.status - 100}"
    assert "secret" not in everything(found)


@settings(max_examples=50, deadline=None)
@given(_talks(), st.data())
def test_what_is_heard_whole_is_told_whole_however_it_is_cut(packets, data):
    found = said(Kafka(), heard(packets))
    assert len(found) == sum(packet.client for packet in packets)
    assert all(one.answered_ns and one.failed for one in found)
    pieces = []
    for one in packets:
        at = data.draw(st.integers(0, len(one.data)))
        pieces += [Said(one.client, part) for part in (one.data[:at], one.data[at:]) if part]
    assert brief(said(Kafka(), heard(pieces))) == brief(found)
