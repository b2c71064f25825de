"""10,000 calls in a real browser: drawn, scrolled, zoomed, and no more than is in view."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import pytest
from playwright.sync_api import Page
from sessionlab.designs.results import Picture

PHONE, DESKTOP = (375, 812), (1280, 900)
LOOKS = list(itertools.product((PHONE, DESKTOP), ("light", "dark")))

Show: TypeAlias = Callable[..., Page]

looks = pytest.mark.parametrize(
    ("size", "scheme"), LOOKS, ids=[f"{size[0]}-{scheme}" for size, scheme in LOOKS]
)


def fits(page: Page) -> bool:
    """Whether nothing makes the page itself wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def tone(page: Page, name: str) -> str:
    """A colour of the style sheet as `r,g,b`."""
    value: str = page.evaluate(
        "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name
    )
    return ",".join(str(int(value[at : at + 2], 16)) for at in (1, 3, 5))


def settle(page: Page) -> None:
    """Wait until the requested part is drawn."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def colours(page: Page, selector: str) -> dict[str, int]:
    """How many pixels of a canvas have each colour."""
    counted: dict[str, int] = page.evaluate(
        """selector => {
            const canvas = document.querySelector(selector), counts = {};
            const copy = new OffscreenCanvas(canvas.width, canvas.height);
            const pen = copy.getContext("2d", {willReadFrequently: true});
            pen.drawImage(canvas, 0, 0);
            const data = pen.getImageData(0, 0, copy.width, copy.height).data;
            for (let at = 0; at < data.length; at += 4) {
                const key = [data[at], data[at + 1], data[at + 2]].join();
                counts[key] = (counts[key] || 0) + 1;
            }
            return counts;
        }""",
        selector,
    )
    return counted


@looks
def test_10_000_calls_are_drawn_scrolled_and_zoomed(
    show: Show, ten_thousand: Picture, size: tuple[int, int], scheme: str
) -> None:
    """All are counted and the blocked one is visible; the visible part is drawn at any zoom."""
    page = show(ten_thousand, size, scheme)
    wide = page.locator(".wide[data-ready]")
    wide.wait_for()
    assert wide.get_attribute("data-bars") == "10000"
    edge, fill = tone(page, "--blocked-edge"), tone(page, "--ok-fill")
    near = colours(page, ".sheet")
    assert near[edge] > 50
    assert near[tone(page, "--blocked-fill")] > 500
    assert near[fill] > 1_000
    drawn = int(str(wide.get_attribute("data-drawn")))
    assert 0 < drawn < 200
    assert colours(page, ".map")[edge] > 20

    page.get_by_text("Show all").click()
    page.locator(".wide[data-drawn='10000']").wait_for()
    assert colours(page, ".sheet")[tone(page, "--ok-edge")] > 10_000
    assert colours(page, ".sheet")[edge] > 30
    page.get_by_text("Go to the call").click()
    settle(page)
    assert int(str(wide.get_attribute("data-drawn"))) < 200
    assert colours(page, ".sheet")[edge] > 50
    assert "cannot be placed" in page.locator(".about-call").inner_text()

    page.evaluate("document.querySelector('.scroller').scrollLeft = 0")
    settle(page)
    assert colours(page, ".sheet").get(edge, 0) == 0
    assert colours(page, ".sheet")[fill] > 1_000
    page.locator(".map").click(position={"x": size[0] / 2, "y": 20})
    settle(page)
    assert page.evaluate("document.querySelector('.scroller').scrollLeft") > 10_000
    page.locator(".scroller").focus()
    page.keyboard.press("ArrowRight")
    assert "client" in page.locator(".about-call").inner_text()
    assert fits(page)


def test_a_step_of_scrolling_draws_what_is_in_view_and_no_more(
    show: Show, ten_thousand: Picture
) -> None:
    """Whatever the length of the history: that is what keeps it usable."""
    page = show(ten_thousand)
    page.locator(".wide[data-ready]").wait_for()
    drawn = page.evaluate(
        """async () => {
            const scroller = document.querySelector(".scroller"), drawn = [];
            const end = scroller.scrollWidth - scroller.clientWidth;
            for (let n = 0; n <= 20; n++) {
                scroller.scrollLeft = n * end / 20;
                await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
                drawn.push(Number(document.querySelector(".wide").dataset.drawn));
            }
            return drawn;
        }"""
    )
    assert len(drawn) == 21
    assert 0 < min(drawn) <= max(drawn) < 200


def test_colours_follow_the_reader(show: Show, ten_thousand: Picture) -> None:
    """Dark while the page is open: the canvas too."""
    page = show(ten_thousand)
    page.locator(".wide[data-ready]").wait_for()
    light = tone(page, "--ok-fill")
    page.emulate_media(color_scheme="dark")
    dark = tone(page, "--ok-fill")
    assert dark != light
    settle(page)
    now = colours(page, ".sheet")
    assert now.get(dark, 0) > 1_000 > now.get(light, 0)
