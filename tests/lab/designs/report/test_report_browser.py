"""The pages in a real browser: headless Chromium, at the widths and in the colours people use."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest
from playwright.sync_api import Locator, Page
from sessionlab.designs.results import Comparison, Picture

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


def in_view(element: Locator) -> bool:
    """Whether some of an element can be seen now, inside what scrolls and inside the window."""
    return bool(
        element.evaluate(
            """element => {
                const box = element.getBoundingClientRect();
                const x = box.left + Math.min(20, box.width / 2), y = box.top + box.height / 2;
                return element.contains(document.elementFromPoint(x, y));
            }"""
        )
    )


@looks
def test_a_broken_cell_opens_its_picture(
    show: Show, comparison: Comparison, size: tuple[int, int], scheme: str
) -> None:
    """The red bar is in view, in red and with a sign; the page is as wide as the window."""
    page = show(comparison, size, scheme)
    assert fits(page)
    figure = page.locator("figure.picture").last
    assert not figure.is_visible()
    page.locator("td.broken a").last.click()
    bar = figure.locator(".call.blocked").first
    bar.wait_for(state="visible")
    bar.evaluate("bar => bar.scrollIntoView({block: 'center', inline: 'nearest'})")
    assert in_view(bar)
    assert "✕" in str(figure.locator(".words.blocked .head").first.text_content())
    edge = bar.locator(".bar").evaluate("bar => getComputedStyle(bar).stroke")
    assert edge.replace(" ", "") == f"rgb({tone(page, '--blocked-edge')})"
    assert "cannot be placed" in figure.locator(".callout").inner_text()
    assert fits(page)


@looks
def test_all_texts_of_a_picture_fit_their_bars(
    show: Show, comparison: Comparison, size: tuple[int, int], scheme: str
) -> None:
    """No label runs out of its bar, and no badge hides another."""
    page = show(comparison, size, scheme)
    widths = page.evaluate(
        """[...document.querySelectorAll(".picture")].filter(f => f.checkVisibility()).flatMap(f =>
            [...f.querySelectorAll(".words")].map((words, n) => [words.getBBox().width,
                f.querySelectorAll(".call")[n].querySelector(".bar,.open-tail").getBBox().width]))"""
    )
    assert len(widths) >= 4
    assert all(0 < text <= bar for text, bar in widths), widths
    badges = page.evaluate(
        """[...document.querySelector(".drawing").querySelectorAll(".effect rect")]
            .map(rect => [rect.x.baseVal.value, rect.width.baseVal.value])"""
    )
    spans = [(x, x + width) for x, width in sorted(badges)]
    assert len(spans) > 1
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


@looks
def test_a_wide_table_scrolls_on_its_own(
    show: Show, comparison: Comparison, size: tuple[int, int], scheme: str
) -> None:
    """Twenty guarantees and a picture wider than a phone: the page stays as wide as the window."""
    more = tuple((f"guarantee {n}", "") for n in range(20))
    page = show(replace(comparison, workloads=(*comparison.workloads, *more)), size, scheme)
    assert fits(page)
    wide = "part => part.scrollWidth > part.clientWidth"
    # On a phone a row of the table is a card, and the picture scrolls.
    assert page.locator(".matrix").evaluate(wide) is (size == DESKTOP)
    assert page.locator(".strip").first.evaluate(wide) or size == DESKTOP


def test_without_scripts_the_pictures_are_there(
    show: Show, comparison: Comparison, ten_thousand: Picture
) -> None:
    """A link opens its target; in a long history, the part around the call."""
    page = show(comparison, scripts=False)
    page.locator("td.broken a").last.click()
    page.locator("figure.picture").last.locator(".call.blocked .bar").wait_for(state="visible")
    page = show(ten_thousand, scripts=False)
    assert page.locator(".call.blocked .bar").is_visible()
    assert not page.locator(".wide").is_visible()
    assert "40 of 10,000 calls" in page.locator(".only-without").inner_text()


def test_an_address_opens_its_picture(show: Show, comparison: Comparison) -> None:
    """A link to a picture can be sent to somebody."""
    page = show(comparison, anchor="#picture-3-3")
    assert page.locator("#picture-3-3 .call.blocked").first.is_visible()


def test_keys_pointer_and_touch_show_a_call(show: Show, lost_update: Picture) -> None:
    """Everything that is known of it, below the picture."""
    page = show(lost_update)
    about = page.locator(".about-call")
    assert not about.is_visible()
    page.locator(".strip").focus()
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "End", "ArrowLeft", "Home"):
        page.keyboard.press(key)
        seen.add(about.inner_text())
    assert len(seen) >= 4
    page.locator(".call.blocked").hover(position={"x": 12, "y": 12})
    assert "cannot be placed" in about.inner_text()
    phone = show(lost_update, PHONE)
    phone.locator(".call.blocked").tap(position={"x": 12, "y": 12})
    assert "cannot be placed" in phone.locator(".about-call").inner_text()
