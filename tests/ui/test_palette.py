"""The colours of the page by numbers: who sees few colours, or needs much contrast, can tell verdicts apart.

Contrast is that of WCAG 2.2 (1.4.3 text, 1.4.11 graphics). Colour vision deficiencies are simulated by the matrices for
severity 1 of Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency"
(2009), on linear RGB; differences are CIEDE2000 as in Sharma, Wu and Dalal (2005).
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Colour = npt.NDArray[np.float64]

CSS = (Path(__file__).parents[2] / "web/src/theme.css").read_text()
VERDICTS = ("forwarded", "dropped", "audit", "error", "unknown")
TEXTS = ("fg", "dim", "forwarded-text", "dropped", "audit-text", "error-text")
GROUNDS = ("bg", "pane", "card")
LEAST_TEXT, LEAST_GRAPHIC, LEAST_HIGH, LEAST_APART = 4.5, 3.0, 7.0, 15.0
MATRICES = {
    "usual": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "protan": (0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998),
    "deutan": (0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881),
    "tritan": (1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900),
}
SEEN = {name: np.array(numbers, np.float64).reshape(3, 3) for name, numbers in MATRICES.items()}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def declared(selector: str, within: str = "") -> dict[str, str]:
    """The colours that a rule declares; `within`: inside of this media query."""
    css = CSS
    if within:
        start = css.index(f"@media {within} {{") + len(f"@media {within} {{")
        css = css[start : css.index("\n}", start)]
    start = css.index(f"{selector} {{")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", css[start : css.index("}", start)]))


LIGHT = declared(":root")
DARK = declared(':root[data-theme="dark"]')
MORE = "(prefers-contrast: more)"
THEMES = {
    "light": LIGHT,
    "dark": DARK,
    "light, more contrast": LIGHT | declared(":root[data-theme]", MORE),
    "dark, more contrast": DARK | declared(':root[data-theme="dark"]', MORE),
}


def linear(colour: str) -> Colour:
    """#rgb or #rrggbb without sRGB's curve."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    low, high = sorted(float(linear(each) @ TO_XYZ[1]) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Colour) -> Colour:
    """CIE L*a*b* for D65 of linear RGB."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: Colour, other: Colour) -> float:
    """CIEDE2000 of two colours in L*a*b*."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    lightness, c = (l1 + l2) / 2, (c1 + c2) / 2
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = 1 - 0.17 * cos(hue - 30) + 0.24 * cos(2 * hue) + 0.32 * cos(3 * hue + 6) - 0.20 * cos(4 * hue - 63)
    weight_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    parts = ((l2 - l1) / weight_l, (c2 - c1) / weight_c, delta_h / weight_h)
    return float(np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2]))


def cos(degrees: float) -> float:
    """Of an angle in degrees."""
    return float(np.cos(np.radians(degrees)))


SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
    ((50.0, -1.0, 2.0), (50.0, 0.0, 0.0), 2.3669),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "apart"), SHARMA)
def test_differences_are_those_of_the_paper(one: tuple[float, ...], other: tuple[float, ...], apart: float) -> None:
    assert difference(np.array(one), np.array(other)) == pytest.approx(apart, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_graphics_stand_out(theme: str) -> None:
    colours = THEMES[theme]
    much = "more" in theme
    graphics = dict.fromkeys((*VERDICTS, "line") if much else VERDICTS, LEAST_GRAPHIC)
    least = graphics | dict.fromkeys(TEXTS, LEAST_HIGH if much else LEAST_TEXT)
    rows = () if much else ("chosen", "found")
    faint = {
        (name, ground): round(found, 2)
        for name, wanted in least.items()
        for ground in (*GROUNDS, *(rows if name in TEXTS else ()))
        if (found := contrast(colours[name], colours[ground])) < wanted
    }
    assert faint == {}


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("theme", THEMES)
def test_verdicts_are_told_apart(theme: str, seen: str) -> None:
    colours = {name: lab(SEEN[seen] @ linear(THEMES[theme][name])) for name in VERDICTS}
    close = {
        pair: round(apart, 1)
        for pair in combinations(VERDICTS, 2)
        if (apart := difference(*(colours[name] for name in pair))) < LEAST_APART
    }
    assert close == {}


def test_the_systems_dark_is_the_same_dark() -> None:
    system = ':root[data-theme="system"]'
    assert declared(system, "(prefers-color-scheme: dark)") == DARK
    more = declared(':root[data-theme="dark"]', MORE)
    assert declared(system, f"{MORE} and (prefers-color-scheme: dark)") == more


def test_every_colour_has_a_dark_one() -> None:
    assert set(DARK) == set(LIGHT)
