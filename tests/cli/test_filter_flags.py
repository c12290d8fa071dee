"""Flags to filters: what Hubble's own command line makes of them (hubble.md 2.4)."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rubin.cli.command import Arguments
from rubin.cli.observe_flows import asked_filters
from rubin.cli.output.raw_filters import raw_filters
from rubin.cli.settings import RAW_FILTERS, resolve
from rubin.errors import UsageError
from rubin.model.fields import EXCLUSIVE
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.model.tables import Workload
from rubin.wire.filters import filter_to_json
from rubin.words.filter_flags import filter_flags, read_filters
from rubin.words.flags import read

F = FlowFilter
FLAGS = tuple(filter_flags())


def filters(line: str) -> tuple[list[FlowFilter], list[FlowFilter]]:
    return read_filters(read(FLAGS, line.split()))


ALLOWED = [
    ("", []),
    ("--uuid 6f1e5a4e-0000-4000-8000-000000000001", [F(uuid=("6f1e5a4e-0000-4000-8000-000000000001",))]),
    ("--pod a", [F(source_pod=("a",)), F(destination_pod=("a",))]),
    ("--from-pod a", [F(source_pod=("a",))]),
    ("--to-pod a", [F(destination_pod=("a",))]),
    ("--pod a --pod b", [F(source_pod=("a", "b")), F(destination_pod=("a", "b"))]),
    (
        "--pod a --port 80",
        [F(source_pod=("a",), source_port=("80",)), F(destination_pod=("a",), destination_port=("80",))],
    ),
    ("--pod a --verdict DROPPED", [F(source_pod=("a",), verdict=(2,)), F(destination_pod=("a",), verdict=(2,))]),
    ("--from-pod a --to-pod b", [F(source_pod=("a",), destination_pod=("b",))]),
    ("-n shop", [F(source_pod=("shop/",)), F(destination_pod=("shop/",))]),
    ("--namespace a --namespace b", [F(source_pod=("a/", "b/")), F(destination_pod=("a/", "b/"))]),
    ("-n shop --pod web", [F(source_pod=("shop/web",)), F(destination_pod=("shop/web",))]),
    ("-n shop --pod shop/web", [F(source_pod=("shop/web",)), F(destination_pod=("shop/web",))]),
    ("-n shop --service web", [F(source_service=("shop/web",)), F(destination_service=("shop/web",))]),
    ("--from-namespace a --to-namespace b", [F(source_pod=("a/",), destination_pod=("b/",))]),
    ("--from-namespace a --to-pod b", [F(source_pod=("a/",), destination_pod=("b",))]),
    ("-A", [F(source_pod=("/",)), F(destination_pod=("/",))]),
    ("-A --pod foo", [F(source_pod=("/foo",)), F(destination_pod=("/foo",))]),
    ("--from-all-namespaces", [F(source_pod=("/",))]),
    ("--all-namespaces=true", [F(source_pod=("/",)), F(destination_pod=("/",))]),
    (
        "--workload Deployment/shop",
        [
            F(source_workload=(Workload("shop", "Deployment"),)),
            F(destination_workload=(Workload("shop", "Deployment"),)),
        ],
    ),
    ("--to-workload Job/", [F(destination_workload=(Workload("", "Job"),))]),
    ("-l app=a,tier!=b", [F(source_label=("app=a,tier!=b",)), F(destination_label=("app=a,tier!=b",))]),
    ("--identity world", [F(source_identity=(2,)), F(destination_identity=(2,))]),
    ("--from-identity 1234", [F(source_identity=(1234,))]),
    ("--to-fqdn *.example.com", [F(destination_fqdn=("*.example.com",))]),
    ("--ip 10.0.0.0/8", [F(source_ip=("10.0.0.0/8",)), F(destination_ip=("10.0.0.0/8",))]),
    ("--snat-ip 1.1.1.1", [F(source_ip_xlated=("1.1.1.1",))]),
    ("-4", [F(ip_version=(1,))]),
    ("-46", [F(ip_version=(1, 2))]),
    ("--ipv6=v6 --ip-version none", [F(ip_version=(2, 0))]),
    ("--protocol http", [F(protocol=("http",))]),
    ("--tcp-flags syn,ACK --tcp-flags rst", [F(tcp_flags=(18, 4))]),
    ("--verdict DROPPED --verdict AUDIT", [F(verdict=(2, 4))]),
    ("--drop-reason-desc POLICY_DENIED", [F(drop_reason_desc=(133,))]),
    ("-t trace", [F(event_type=((4, False, 0),))]),
    ("-t trace:to-endpoint", [F(event_type=((4, True, 0),))]),
    ("-t drop:133 -t l7", [F(event_type=((1, True, 133), (129, False, 0)))]),
    ("-t 4:3", [F(event_type=((4, True, 3),))]),
    ("-t policy-verdict", [F(event_type=((5, False, 0),))]),
    ("--traffic-direction Ingress", [F(traffic_direction=(1,))]),
    ("--reply", [F(reply=(True,))]),
    ("--not-reply", [F(reply=(False,))]),
    ("--encrypted", [F(encrypted=(True,))]),
    ("--unencrypted", [F(encrypted=(False,))]),
    ("--http-status 404 --http-status 5+", [F(http_status_code=("404", "5+"))]),
    ("--http-method get", [F(http_method=("get",))]),
    ("--http-path /page/\\d+", [F(http_path=("/page/\\d+",))]),
    ("--http-url example", [F(http_url=("example",))]),
    ("--http-header a:b:c", [F(http_header=(("a", "b:c"),))]),
    ("--trace-id abc", [F(trace_id=("abc",))]),
    ("--ip-trace-id 7", [F(ip_trace_id=(7,))]),
    ("--interface eth0", [F(interface=((0, "eth0"),))]),
    ("--node-name k8s*", [F(node_name=("k8s*",))]),
    ("--node-label a=b", [F(node_labels=("a=b",))]),
    ("--cluster c", [F(source_cluster_name=("c",)), F(destination_cluster_name=("c",))]),
    ("--cel-expression _flow.verdict==Verdict.DROPPED", [F(cel_expression=("_flow.verdict==Verdict.DROPPED",))]),
    (
        "--process curl --pid 7",
        [
            F(beyond=BeyondHubble(source_process=("curl",), source_pid=(7,))),
            F(beyond=BeyondHubble(destination_process=("curl",), destination_pid=(7,))),
        ],
    ),
    ("--from-image nginx", [F(beyond=BeyondHubble(source_image=("nginx",)))]),
]


@pytest.mark.parametrize(("line", "wanted"), ALLOWED)
def test_flags_make_hubbles_filters(line: str, wanted: list[FlowFilter]) -> None:
    assert filters(line) == (wanted, [])


@pytest.mark.parametrize(
    ("line", "wanted"), [pair for pair in ALLOWED if len(pair[0].split()) == 2 and pair[0] != "-46"]
)
def test_not_sends_the_next_flag_to_the_denying_list(line: str, wanted: list[FlowFilter]) -> None:
    assert filters(f"--not {line}") == ([], wanted)


DENIED = [
    ("--not --pod a --verdict DROPPED", [F(verdict=(2,))], [F(source_pod=("a",)), F(destination_pod=("a",))]),
    ("--verdict DROPPED --not --pod a", [F(verdict=(2,))], [F(source_pod=("a",)), F(destination_pod=("a",))]),
    ("--not --from-ip 1.1.1.1 --not --to-port 80", [], [F(source_ip=("1.1.1.1",), destination_port=("80",))]),
    ("--not --verdict DROPPED --verdict FORWARDED", [F(verdict=(1,))], [F(verdict=(2,))]),
    ("--pod a --not --from-pod b", [F(source_pod=("a",)), F(destination_pod=("a",))], [F(source_pod=("b",))]),
    ("--not -n kube-system", [], [F(source_pod=("kube-system/",)), F(destination_pod=("kube-system/",))]),
    ("--not --reply", [], [F(reply=(True,))]),
]


@pytest.mark.parametrize(("line", "allow", "deny"), DENIED)
def test_not_binds_to_one_flag(line: str, allow: list[FlowFilter], deny: list[FlowFilter]) -> None:
    assert filters(line) == (allow, deny)


REFUSED = [
    ("--not", "trailing --not found in the arguments"),
    ("--verdict DROPPED --not", "trailing --not found in the arguments"),
    ("--not --not --pod a", "consecutive --not statements"),
    ("--verdict droped", "verdict 'droped' does not exist"),
    ("-n a/b", "--namespace cannot be 'a/b'"),
    ("--to-namespace a/b", "--to-namespace cannot be 'a/b'"),
    ("-n a --pod b/c", 'namespace conflict: "a" does not contain "b/c"'),
    ("--pod b/c -n a", 'namespace conflict: "a" does not contain "b/c"'),
    ("-A --pod b/c", 'namespace conflict: "" does not contain "b/c"'),
    ("--pod a/b --service c/d", 'namespace of service "c/d" conflict with pod "a"'),
    ("--ip-trace-id 0", "ip-trace-id '0'"),
    ("--ip 10.0.0.256", "'10.0.0.256' is neither"),
    ("--http-header a", "HTTP header 'a' has no value"),
    ("--reply=false", "--reply takes no value"),
    ("--tcp-flags SYN,FOO", "TCP flag 'FOO' does not exist"),
    ("--tpye drop", "flag '--tpye' does not exist"),
    ("--pod", "--pod needs a value"),
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_what_does_not_go_is_said(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        filters(line)
    assert caught.value.sentence.startswith(sentence)
    assert caught.value.way_on


def _typed(name: str) -> list[str]:
    """The flag with a value that goes with it."""
    kind = name.removeprefix("from-").removeprefix("to-")
    value = {"ip": "1.1.1.1", "port": "1", "identity": "2"}.get(kind, "a")
    takes = next(flag for flag in FLAGS if flag.name == name).bare is None
    return [f"--{name}", value] if takes else [f"--{name}"]


PAIRS = sorted({tuple(sorted((one, other))) for group in EXCLUSIVE for one in group for other in group if one != other})


@pytest.mark.parametrize("pair", PAIRS)
def test_exclusive_flags_do_not_go_together(pair: tuple[str, str]) -> None:
    one, other = _typed(pair[0]), _typed(pair[1])
    for words in (one + other, other + one, ["--not", *one, "--not", *other]):
        with pytest.raises(UsageError, match="cannot be combined"):
            read_filters(read(FLAGS, words))
    allow, deny = read_filters(read(FLAGS, [*one, "--not", *other]))
    assert allow
    assert deny


@given(st.lists(st.sampled_from([word for line, _ in ALLOWED for word in line.split()] + ["--not", "--", "-", "x"])))
def test_any_words_are_filters_or_a_usage_error(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        allow, deny = read_filters(read(FLAGS, words))
        assert len(allow) <= 2
        assert len(deny) <= 2


HUBBLES = [line for line, asked in ALLOWED if all(one.beyond == BeyondHubble() for one in asked)]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(HUBBLES)), max_size=4))
def test_raw_filters_mean_what_the_flags_meant(chosen: list[tuple[bool, str]]) -> None:
    """What `--print-raw-filters` prints, given to `--allowlist` and `--denylist`, asks the same again."""
    lists: list[list[FlowFilter]] = [[], []]
    for negated, line in chosen:
        lists[negated] += filters(line)[0]
    texts = [[filter_to_json(each) for each in side] for side in lists]
    printed = yaml.safe_load(raw_filters(*texts))
    words = [f"--{name}={text}" for name in ("allowlist", "denylist") for text in printed.get(name, [])]
    given_ = read(RAW_FILTERS, words)
    values, sources = resolve(RAW_FILTERS, given_, {})
    assert asked_filters(Arguments(values, given_, sources)) == (lists[0], lists[1])
