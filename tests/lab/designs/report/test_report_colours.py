"""Every text of a page can be read: WCAG 2.2, level AA, computed from the style sheet."""

from __future__ import annotations

import re

import pytest
from sessionlab.designs.report import render_pictures

PLAIN = ("page", "surface", "raised", "lane", "lane-odd")
TEXTS = [
    *((ink, ground) for ink in ("ink", "muted", "link") for ground in PLAIN),
    *((kind, f"{kind}-ground") for kind in ("holds", "broken", "unknown")),
    *((kind, "surface") for kind in ("holds", "broken", "unknown")),
    *((f"{kind}-ink", f"{kind}-fill") for kind in ("ok", "failed", "open", "blocked")),
    ("blocked-ink", "blocked-hatch"),
    ("badge-ink", "badge"),
]
"""Text and ground: at least 4.5 to 1."""

SHAPES = [
    *((f"{kind}-edge", lane) for kind in ("ok", "failed", "open", "blocked") for lane in PLAIN[3:]),
    *((each, lane) for each in ("badge", "order", "focus") for lane in PLAIN[3:]),
    *((f"{kind}-edge", "surface") for kind in ("ok", "blocked")),
    ("order", "ok-fill"),
    ("blocked-edge", "blocked-fill"),
]
"""What is needed to understand a picture: at least 3 to 1 (1.4.11)."""


def sheet() -> dict[str, dict[str, str]]:
    """The colours of both schemes."""
    page = render_pictures("t", [])
    light, dark = re.findall(r":root \{(.*?)\}", page, re.S)
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})[;\s]", block))
        for name, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    """The ends of the scale, and a known grey."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: str) -> None:
    """Light and dark."""
    colours = sheet()[scheme]
    low = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in TEXTS
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_shape_has_enough_contrast(scheme: str) -> None:
    """Bars, dots, the line of the order, the focus."""
    colours = sheet()[scheme]
    low = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in SHAPES
        if contrast(colours[pair[0]], colours[pair[1]]) < 3
    }
    assert low == {}


def test_both_schemes_have_the_same_colours() -> None:
    """No colour is missing, and each differs."""
    light, dark = sheet()["light"], sheet()["dark"]
    assert light.keys() == dark.keys()
    assert not [name for name in light if light[name] == dark[name]]
