"""CEL sees flows as Hubble's clients write expressions for them."""

import numpy as np
import pytest

from rubin.errors import RubinError
from rubin.wire.cel import compile_cel
from tests.flows import flows

BATCH = flows("""
    src          dst           verdict    drop_reason  from      to
    10.0.0.1:40  10.0.0.2:80   FORWARDED  0            shop/web  shop/db
    10.0.0.1:41  10.0.0.2:443  DROPPED    133          shop/web  -
    10.0.0.3:42  10.0.0.2:80   FORWARDED  0            -         shop/db
""")


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (("_flow.verdict == Verdict.DROPPED",), [0, 1, 0]),
        (("_flow.l4.TCP.destination_port == 80u",), [1, 0, 1]),
        (("_flow.source.labels.exists(l, l == 'k8s:app=web')",), [1, 1, 0]),
        (("_flow.source.pod_name.startsWith('w') && _flow.destination.namespace == 'shop'",), [1, 0, 0]),
        (("_flow.verdict == Verdict.DROPPED", "_flow.IP.source == '10.0.0.3'"), [0, 1, 1]),
        (("has(_flow.is_reply)",), [1, 0, 1]),
        (("_flow.source.labels[0] == 'k8s:app=web'",), [1, 1, 0]),
        (("1 / int(_flow.drop_reason_desc) == 0",), [0, 1, 0]),
        (("true",), [1, 1, 1]),
    ],
)
def test_expressions_choose_rows(expressions: tuple[str, ...], expected: list[int]) -> None:
    assert compile_cel(expressions)(BATCH, np.arange(3)).tolist() == [bool(one) for one in expected]


def test_only_the_given_rows_are_looked_at() -> None:
    test = compile_cel(("_flow.l4.TCP.destination_port == 80u",))
    assert test(BATCH, np.array([1, 2])).tolist() == [False, True]
    assert test(BATCH, np.array([], np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("_flow.nope == 1", "undefined field 'nope'"),
        ("1 + 1", "is of type INT, not BOOL"),
        ("_flow.verdict ==", "Syntax error"),
        ("flow.verdict == 1", "undeclared reference"),
        ("", "CEL expression"),
        ("_flow.l4.TCP.destination_port == 80", "no matching overload"),
    ],
)
def test_what_is_no_condition_is_refused_in_cels_words(expression: str, words: str) -> None:
    with pytest.raises(RubinError, match=words):
        compile_cel((expression,))
