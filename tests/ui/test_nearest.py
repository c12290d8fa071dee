"""The nearest name is the one that difflib finds, and it is found among very many in no time."""

import time
from difflib import get_close_matches

import numpy as np
import pytest

from rubin.ui.nearest import closest

WORDS = ["cart", "web", "catalog", "payments", "mailer", "redis", "postgres", "ingress", "coredns", "metrics", "front"]
MANY, MOST_MS = 100_000, 60  # 18 where nothing else runs


@pytest.fixture(scope="module")
def many() -> list[str]:
    random = np.random.default_rng(1)
    parts = np.array(WORDS)[random.integers(0, len(WORDS), (MANY, 3))]
    numbers = random.integers(0, 1 << 32, MANY)
    return sorted(
        {f"{a}/{b}-{c}-{number:08x}" for (a, b, c), number in zip(parts.tolist(), numbers.tolist(), strict=True)}
    )


@pytest.mark.parametrize("word", ["shopp", "carts", "catlog", "paymnets", "kube", "x", "", "é", "webweb"])
def test_it_is_the_one_that_looks_most_like_it(word: str) -> None:
    assert [closest(word, WORDS)] == (get_close_matches(word, WORDS, 1) or [""])


def test_among_many_it_is_one_that_is_no_less_alike(many: list[str]) -> None:
    """Those of a letter too much, too little or another one, and ones that are not alike at all."""
    for at in range(0, len(many), len(many) // 10):
        name = many[at]
        for word in (f"{name}x", name[1:], name.replace("a", "o", 1)):
            found = closest(word, many)
            assert [found] == get_close_matches(word, [found, *many[max(0, at - 50) : at + 50]], 1)
    assert closest("ÿÿÿÿÿÿ", many) == ""


def test_a_name_of_several_lines_and_other_letters_is_looked_at_like_others(many: list[str]) -> None:
    odd = ["two\nlines", "имя/поды-123456", "\udcff\udcfe-lone"]
    assert closest("имя/поды-12345", [*odd, *many]) == "имя/поды-123456"


def test_it_takes_no_time(many: list[str]) -> None:
    took_ms = []
    for at in range(5):
        begun = time.process_time()
        closest(f"{many[at * 1000]}x", many)
        took_ms.append((time.process_time() - begun) * 1e3)
    print(f"{len(many):,} names: {min(took_ms):.1f} ms")
    assert min(took_ms) < MOST_MS
