"""The colours of steps by numbers: they stand out on the map and go one way, for whoever sees few colours, too."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.ui.test_palette import LEAST_GRAPHIC, SEEN, THEMES, contrast, difference, lab, linear

CSS = (Path(__file__).parents[2] / "web/src/map/map.css").read_text()
RULES = {
    "light": ":root {",
    "dark": ':root[data-theme="dark"] {',
    "dark, by the system": ':root[data-theme="system"] {',
}
LEAST_APART = 9.0  # of neighbours, which have dashes of their own, too


def steps(theme: str) -> list[str]:
    rule = CSS[CSS.index(RULES[theme]) :]
    return re.findall(r"--step-[a-d]: (#[0-9a-f]{6});", rule[: rule.index("}")])


@pytest.mark.parametrize("theme", RULES)
def test_steps_stand_out_and_go_one_way(theme: str) -> None:
    colours, grounds = steps(theme), [THEMES[theme[:5].strip(", ")][name] for name in ("bg", "card")]
    assert len(colours) == 4
    for ground in grounds:
        contrasts = [contrast(colour, ground) for colour in colours]
        assert contrasts[0] >= LEAST_GRAPHIC
        assert contrasts == sorted(contrasts)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("theme", RULES)
def test_neighbours_are_told_apart(theme: str, seen: str) -> None:
    colours = [lab(SEEN[seen] @ linear(colour)) for colour in steps(theme)]
    assert np.min([difference(*pair) for pair in pairwise(colours)]) >= LEAST_APART
