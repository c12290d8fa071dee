import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece, Speaker
from rubin.dissect.protocols.framing import HELD_BYTES, OUTSTANDING
from rubin.dissect.protocols.redis import REDIS, Redis
from tests.dissect.speaking import MS, START, Said, brief, client, everything, heard, said, server, talk

claims = REDIS.claims


def bulk(word):
    word = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(word), word)


def array(*elements, kind=b"*"):
    count = len(elements) // 2 if kind == b"%" else len(elements)
    return kind + b"%d\r\n" % count + b"".join(elements)


def command(*words):
    return array(*map(bulk, words))


def ask(*words, after_ms=1):
    return client(command(*words), after_ms=after_ms)


OK, NIL, QUEUED = b"+OK\r\n", b"$-1\r\n", b"+QUEUED\r\n"


def test_commands_and_answers():
    found = talk(
        Redis(),
        ask("SET", "user:1", "secret"),
        server(OK, after_ms=3),
        ask("get", "user:1"),
        server(bulk("secret")),
        ask("GET", "nokey"),
        server(NIL),
        ask("INCR", "n"),
        server(b":1\r\n"),
        ask("LPUSH", "user:1", "secret"),
        server(b"-WRONGTYPE Operation against secret\r\n"),
        ask("LRANGE", "l", 0, -1),
        server(array(bulk("secret"), array(b":1\r\n", NIL), b"*0\r\n", b"*-1\r\n")),
    )
    assert brief(found) == [
        ("SET", "user:1", "ok"),
        ("GET", "user:1", "ok"),
        ("GET", "nokey", "ok"),
        ("INCR", "n", "ok"),
        ("LPUSH", "user:1", "WRONGTYPE"),
        ("LRANGE", "l", "ok"),
    ]
    assert found[0].attributes == (("db", "0"), ("resp", "2"))
    assert found[0].answered_ns - found[0].started_ns == 3 * MS
    assert (found[0].request_bytes, found[1].response_bytes) == (len(command("SET", "user:1", "secret")), 12)
    assert [one.failed for one in found] == [False] * 4 + [True, False]
    assert "secret" not in everything(found)


@pytest.mark.parametrize(
    ("words", "method", "target"),
    [
        (("AUTH", "secret"), "AUTH", ""),
        (("AUTH", "joe", "secret"), "AUTH", ""),
        (("HELLO", "3", "AUTH", "joe", "secret"), "HELLO", ""),
        (("CONFIG", "SET", "requirepass", "secret"), "CONFIG SET", ""),
        (("CONFIG", "secret"), "CONFIG", ""),
        (("ACL", "SETUSER", "joe", ">secret"), "ACL SETUSER", ""),
        (("EVAL", "return 'secret'", "1", "k", "secret"), "EVAL", "k"),
        (("EVALSHA", "secret", "0", "secret"), "EVALSHA", ""),
        (("SCRIPT", "LOAD", "secret"), "SCRIPT LOAD", ""),
        (("MIGRATE", "host", "1", "k", "0", "9", "AUTH", "secret"), "MIGRATE", "k"),
        (("AUHT", "secret"), "OTHER", ""),
        (("secret",), "OTHER", ""),
        (("PUBLISH", "channel", "secret"), "PUBLISH", "channel"),
        (("OBJECT", "ENCODING", "k"), "OBJECT ENCODING", "k"),
        (("XADD", "stream", "*", "f", "secret"), "XADD", "stream"),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"), "XREADGROUP", "stream"),
        (("XGROUP", "CREATE", "stream", "g", "$"), "XGROUP CREATE", "stream"),
        (("ZUNION", "2", "a", "b"), "ZUNION", "a"),
        (("BLMPOP", "0", "1", "l", "LEFT"), "BLMPOP", "l"),
        (("JSON.SET", "doc", "$", '"secret"'), "JSON.SET", "doc"),
        (("FT.SEARCH", "index", "secret"), "FT.SEARCH", ""),
        (("ECHO", "secret"), "ECHO", ""),
        (("SET", "k" * 300, "secret"), "SET", "k" * 128),
        (("CLIENT", "SETNAME", "secret"), "CLIENT SETNAME", ""),
    ],
)
def test_only_names_are_shown(words, method, target):
    (one,) = talk(Redis(), ask(*words), server(b"-ERR secret\r\n"))
    assert (one.method, one.target, one.error) == (method, target, "ERR")
    assert "secret" not in everything([one])


def test_pipelines_and_transactions():
    found = talk(
        Redis(),
        client(command("MULTI"), command("SET", "a", "secret"), command("LPUSH", "a", "secret"), command("EXEC")),
        server(OK, QUEUED, QUEUED, array(OK, b"-WRONGTYPE secret\r\n")),
        client(*(command("GET", key) for key in "abc")),
        server(bulk("secret"), b"-MOVED 1 10.0.0.1:1\r\n"),
        server(NIL),
    )
    assert brief(found) == [
        ("MULTI", "", "ok"),
        ("SET", "a", "ok"),
        ("LPUSH", "a", "ok"),
        ("EXEC", "", "ok"),
        ("GET", "a", "ok"),
        ("GET", "b", "MOVED"),
        ("GET", "c", "ok"),
    ]


def test_inline_commands():
    found = talk(Redis(), client(b"SET k secret\r\n\r\nPING\n"), server(OK, b"+PONG\r\n"), client(b"secret secret\r\n"))
    assert brief(found) == [("SET", "k", "ok"), ("PING", "", "ok")]


def test_version_3_and_databases():
    hello = array(bulk("server"), bulk("redis"), bulk("proto"), b":3\r\n", kind=b"%")
    found = talk(
        Redis(),
        ask("HELLO", 3),
        server(hello),
        ask("SELECT", 2),
        server(OK),
        ask("SELECT", "secret"),
        server(b"-ERR invalid DB index\r\n"),
        ask("GET", "a"),
        server(b"|1\r\n+ttl\r\n:5\r\n", b"_\r\n"),
        ask("HGETALL", "h"),
        server(array(bulk("a"), bulk("secret"), kind=b"%")),
        ask("ZSCORE", "z", "secret"),
        server(b",1.5\r\n"),
        ask("SMEMBERS", "s"),
        server(array(b"#t\r\n", b"(123\r\n", b"=10\r\ntxt:secret\r\n", kind=b"~")),
        ask("GET", "b"),
        server(b"!21\r\nSYNTAX invalid syntax\r\n"),
    )
    assert [one.attributes for one in found[:3]] == [
        (("db", "0"), ("resp", "2")),
        (("db", "0"), ("resp", "3")),
        (("db", "2"), ("resp", "3")),
    ]
    assert [(one.method, one.error) for one in found[3:]] == [
        ("GET", ""),
        ("HGETALL", ""),
        ("ZSCORE", ""),
        ("SMEMBERS", ""),
        ("GET", "SYNTAX"),
    ]
    assert "secret" not in everything(found)


@pytest.mark.parametrize("kind", [b"*", b">"])
def test_what_is_pushed_answers_nothing(kind):
    def push(*words):
        return array(*map(bulk, words[:-1]), b":1\r\n" if words[-1] == 1 else bulk(words[-1]), kind=kind)

    found = talk(
        Redis(),
        ask("SUBSCRIBE", "a", "b"),
        server(push("subscribe", "a", 1), push("subscribe", "b", 1), push("message", "a", "secret")),
        ask("PSUBSCRIBE", "p*"),
        server(push("message", "a", "secret")),
        server(push("psubscribe", "p*", 1), push("pmessage", "p*", "p1", "secret")),
        ask("PING"),
        server(push("message", "a", "secret"), array(bulk("pong"), bulk("")) if kind == b"*" else b"+PONG\r\n"),
    )
    assert brief(found) == [("SUBSCRIBE", "a", "ok"), ("PSUBSCRIBE", "p*", "ok"), ("PING", "", "ok")]
    assert "secret" not in everything(found)


@pytest.mark.parametrize("words", [("PSYNC", "?", "-1"), ("MONITOR",), ("CLIENT", "REPLY", "OFF")])
def test_what_ends_the_conversation(words):
    conversation = Redis()
    assert len(talk(conversation, ask(*words), server(OK, b"+1.2 [0] secret\r\n"), ask("GET", "a"))) == 1
    assert conversation.over


def test_values_longer_than_what_is_heard():
    large = b"secret" * 2000
    packets = [
        ask("SET", "big", large),
        server(OK),
        ask("GET", "big"),
        server(bulk(large)),
        ask("MSET", *(word for i in range(50) for word in (f"k{i}", "secret" * 9))),
        server(OK),
        ask("MGET", *(f"k{i}" for i in range(50))),
        server(array(*[bulk("secret" * 9)] * 50)),
        ask("LLEN", "l"),
        server(b":5\r\n"),
    ]
    found = said(Redis(), heard(packets, 880))
    assert brief(found) == [
        (m, t, "ok")
        for m, t in zip(("SET", "GET", "MSET", "MGET", "LLEN"), ("big", "big", "k0", "k0", "l"), strict=True)
    ]
    assert [one.response_bytes for one in found] == [len(packet.data) for packet in packets[1::2]]
    assert (found[0].request_bytes, found[2].request_bytes) == (len(packets[0].data), 0)


def test_what_cannot_be_paired_is_told_without_an_answer():
    packets = [
        client(*(command("SET", f"a{i}", "secret" * 20) for i in range(10))),
        server(*[OK] * 10),
        ask("GET", "b"),
        server(b"-ERR b\r\n"),
        ask("GET", "c", after_ms=500),
        server(b"-ERR c\r\n"),
    ]
    found = said(Redis(), heard(packets, 880))
    assert brief(found)[:5] == [("SET", f"a{i}", "ok") for i in range(5)]
    assert brief(found)[-2:] == [("GET", "b", "?"), ("GET", "c", "ERR")]


def test_joined_in_the_middle():
    packets = [server(b"secret\r\n"), ask("GET", "a"), server(b"-ERR\r\n"), ask("GET", "b"), server(OK)]
    found = talk(Redis(), *packets, joined=True)
    assert brief(found) == [("GET", "a", "ERR"), ("GET", "b", "ok")]
    assert found[0].attributes == ()


def test_what_nobody_answers_is_told_once():
    conversation = Redis()
    said(conversation, heard([ask("BLPOP", "l", 0)]), end=False)
    assert list(conversation.unanswered(START)) == []
    assert brief(list(conversation.unanswered(1 << 62))) == [("BLPOP", "l", "?")]
    assert list(conversation.unanswered(1 << 62)) == []
    assert brief(talk(conversation, server(NIL), ask("GET", "a"), server(b"-ERR\r\n"))) == [("GET", "a", "ERR")]


def test_requests_without_end_take_no_more_than_so_much():
    conversation = Redis()
    for number in range(10_000):
        list(conversation.client(Piece(command("GET", f"k{number}"), START + number)))
        assert len(conversation._order.waiting) <= OUTSTANDING
    list(conversation.client(Piece(b"*1000000\r\n" + bulk("MSET"), START)))
    for _ in range(1000):
        list(conversation.client(Piece(b"$1000000\r\n" + b"x" * 900, START)))
    assert len(conversation._client._held) <= HELD_BYTES + 2000
    assert len(conversation._client._words) <= 16


@pytest.mark.parametrize(
    ("data", "speaker"),
    [
        (command("GET", "a"), Speaker.CLIENT),
        (command("set", "a", "x" * 2000)[:880], Speaker.CLIENT),
        (command("HELLO", "3"), Speaker.CLIENT),
        (command("JSON.GET", "a"), Speaker.CLIENT),
        (command("FOO", "a"), None),
        (command("subscribe", "a"), Speaker.CLIENT),
        (array(bulk("subscribe"), bulk("a"), b":1\r\n"), Speaker.SERVER),
        (bulk("x"), Speaker.SERVER),
        (NIL, Speaker.SERVER),
        (b"-WRONGTYPE x\r\n", Speaker.SERVER),
        (b"-ERR x\r\n", None),
        (b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n", Speaker.SERVER),
        (OK, None),
        (b"+OK POP3 ready\r\n", None),
        (b"PING\r\n", None),
    ],
)
def test_whom_it_claims(data, speaker):
    assert claims(data) is speaker


_odd = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([b"*2\r\n", b"$3\r\n", b"abc\r\n", b"%1\r\n", b"|1\r\n", b">2\r\n", b"+OK\r\n", b"*-1\r\n"])
    ).map(b"".join),
)


@given(st.lists(st.tuples(st.booleans(), _odd, st.integers(-1, 60)), max_size=20))
def test_any_bytes(pieces):
    found = said(Redis(), [(who, Piece(data, START, skipped)) for who, data, skipped in pieces])
    assert all(one.protocol == "redis" for one in found)


@st.composite
def _talks(draw, pipelined):
    kinds = draw(st.lists(st.integers(0, 40), min_size=1, max_size=25))
    packets: list[Said] = [ask("PING"), server(b"+PONG\r\n")]
    waiting: list[bytes] = []
    if pipelined:  # it is known from the start that this client does not wait
        packets += [client(*[command("PING")] * 3), server(*[b"+PONG\r\n"] * 3)]
    for number, size in enumerate(kinds):
        packets.append(client(command("GET", f"k{number}", *["secret"] * size), after_ms=1 if waiting else 3))
        waiting.append(b"-E%d secret\r\n" % number if number % 3 else array(*[bulk("secret")] * size, b"-E999\r\n"))
        while waiting and (not pipelined or draw(st.booleans())):
            answered = waiting.pop(0)
            cut = draw(st.one_of(st.just(0), st.integers(min(40, len(answered)), len(answered))))
            packets += [server(part) for part in (answered[:cut], answered[cut:]) if part]
    return packets + [server(answered) for answered in waiting]


@settings(max_examples=200, deadline=None)
@given(st.booleans().flatmap(_talks), st.booleans(), st.data())
def test_no_answer_is_ever_paired_with_another_request(packets, side, data):
    lost = data.draw(st.sets(st.sampled_from(range(4, max(len(packets), 5))), max_size=5))
    lost = {number for number in lost if number < len(packets) and packets[number].client == side}
    found = said(Redis(), heard(packets, data.draw(st.sampled_from([60, 100, 300, 880])), lost))
    for one in found:
        if one.error and one.error != "ERR" and one.target:
            assert one.error == f"E{one.target[1:]}"
    assert "secret" not in everything(found)


@settings(max_examples=50, deadline=None)
@given(st.booleans().flatmap(_talks), st.data())
def test_what_is_heard_whole_is_told_whole_however_it_is_cut(packets, data):
    found = said(Redis(), heard(packets))
    assert len(found) == sum(packet.data.count(b"GET") + packet.data.count(b"PING") for packet in packets)
    assert all(one.answered_ns for one in found)
    pieces = []
    for one in packets:
        at = data.draw(st.integers(0, len(one.data)))
        pieces += [Said(one.client, part) for part in (one.data[:at], one.data[at:]) if part]
    assert brief(said(Redis(), heard(pieces))) == brief(found)
