import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.metrics.catalogue import COUNTERS, HANDLERS
from rubin.metrics.configuration import BEYOND_HUBBLE, KNOWN, parse
from rubin.metrics.options import IDENTIFIERS, LABELS

ARTICLE = (
    "{dns,drop,tcp,flow,flow-to-world,port-distribution,icmp,httpV2:exemplars=true;labelsContext=source_ip\\,"
    "source_namespace\\,source_workload\\,destination_ip\\,destination_namespace\\,destination_workload\\,traffic_direction}"
)
ADDED = (
    "flows-to-world:labelsContext=source_namespace,source_app,destination_namespace,destination_app"
    " flow:labelsContext=source_namespace,source_app,destination_namespace,destination_app"
)
APPS = ("source_namespace", "source_app", "destination_namespace", "destination_app")


def by_name(configuration):
    return {metric.name: metric for metric in configuration.metrics}


def test_the_articles_helm_string_works():
    configuration = parse(ARTICLE)
    assert set(by_name(configuration)) - set(BEYOND_HUBBLE) == {
        "dns", "drop", "tcp", "flow", "flows-to-world", "port-distribution", "icmp", "httpV2",
    }  # fmt: skip
    assert by_name(configuration)["httpV2"].flags == {"exemplars"}
    assert not configuration.notes


def test_every_name_has_a_handler():
    assert COUNTERS.keys() | HANDLERS.keys() == KNOWN.keys()


def test_the_articles_second_step_replaces_the_options_of_the_first():
    together = parse([*ARTICLE[1:-1].replace("\\,", "|").split(","), *ADDED.split()])
    assert by_name(together)["flow"].context.names == APPS
    assert by_name(together)["flows-to-world"].context.names == APPS
    assert sum("twice" in note for note in together.notes) == 2


@pytest.mark.parametrize("text", ["flow drop", "{flow,drop}", "{flow, drop}", " flow\n\tdrop ", "{ flow ,drop , }"])
def test_blanks_and_helms_commas_read_alike(text):
    assert set(by_name(parse(text))) - set(BEYOND_HUBBLE) == {"flow", "drop"}


def test_nothing_configured_leaves_our_own():
    assert tuple(by_name(parse(""))) == tuple(by_name(parse("{}"))) == tuple(by_name(parse([]))) == BEYOND_HUBBLE


def test_hubbles_example_with_contexts_and_flags():
    configuration = parse("dns:query;ignoreAAAA flow:destinationContext=workload-name|reserved-identity drop")
    assert by_name(configuration)["flow"].context.names == ("destination",)
    world = by_name(parse("flows-to-world:any-drop;port;syn-only;sourceContext=pod"))["flows-to-world"]
    assert world.flags == {"any-drop", "port", "syn-only"}
    assert world.context.names == ("source",)


def test_context_options_do_not_mind_case():
    configuration = parse("flow:SOURCECONTEXT=Pod;LabelsContext=source_ip")
    assert by_name(configuration)["flow"].context.names == ("source_ip", "source")


def test_labels_come_in_hubbles_order_whatever_was_written():
    configuration = parse(
        "flow:labelsContext=" + ",".join(reversed(LABELS)) + ";destinationContext=ip;sourceContext=ip"
    )
    assert by_name(configuration)["flow"].context.names == (*LABELS, "source", "destination")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flows", ["metric 'flows' does not exist", "flow"]),
        ("flow:labelContext=source_ip", ["metric 'flow' has no option 'labelContext'", "labelsContext"]),
        ("flow:labelsContext=source_pods", ["labelsContext value 'source_pods' does not exist", "source_pod"]),
        ("flow:sourceContext=pods", ["sourceContext value 'pods' does not exist", "pod"]),
        ("http httpV2", ["exclude each other", "leave out http"]),
        ("drop,flow", ["metric 'drop,flow' does not exist", "blanks"]),
        ("tcp:port", ["metric 'tcp' has no option 'port'"]),
        (":port", ["metric '' does not exist"]),
    ],
)
def test_an_error_says_what_and_a_way_on(text, words):
    with pytest.raises(UsageError) as caught:
        parse(text)
    for word in words:
        assert word in str(caught.value)


@given(st.text())
def test_any_string_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        parse(text)


_context = st.builds(
    lambda name, values: f"{name}={'|'.join(values)}",
    st.sampled_from(["sourceContext", "destinationContext"]),
    st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3),
)
_labels = st.builds(lambda values: f"labelsContext={','.join(values)}", st.lists(st.sampled_from(LABELS), min_size=1))
_options = st.lists(st.one_of(_context, _labels), max_size=3)


@given(st.dictionaries(st.sampled_from([name for name in KNOWN if name != "http"]), _options))
def test_the_three_forms_say_the_same(chosen):
    items = [name + ":" * bool(options) + ";".join(options) for name, options in chosen.items()]
    helm = "{" + ",".join(item.replace(",", "\\,") for item in items) + "}"
    assert parse(" ".join(items)) == parse(helm) == parse(items)
