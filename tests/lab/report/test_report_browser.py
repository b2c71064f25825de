"""The pages in a real browser: headless Chromium, at the widths and in the colours people use."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from sessionkeeper.lab.report import write_pictures, write_report
from sessionkeeper.lab.results import Comparison, Picture

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PHONE, DESKTOP = (375, 812), (1280, 900)
LOOKS = list(itertools.product((PHONE, DESKTOP), ("light", "dark")))

Show: TypeAlias = Callable[..., Page]

looks = pytest.mark.parametrize(
    ("size", "scheme"), LOOKS, ids=[f"{size[0]}-{scheme}" for size, scheme in LOOKS]
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; that there is none is a failure in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "no chromium on the PATH: the report was not looked at in a browser"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # With no folder given, each start has a fresh profile.
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Open a page; at the end, nothing was complained of and nothing was fetched but the page."""
    complaints: list[str] = []
    fetched: list[str] = []
    pages: list[Page] = []
    file = tmp_path / "page.html"

    def show(
        what: Comparison | Picture,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        *,
        scripts: bool = True,
        anchor: str = "",
    ) -> Page:
        if isinstance(what, Comparison):
            write_report(what, file)
        else:
            write_pictures("one", [("a history", what)], file)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            has_touch=size == PHONE,
            java_script_enabled=scripts,
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(f"{file.as_uri()}{anchor}")
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.context.close()
    assert complaints == []
    assert {url.partition("#")[0] for url in fetched} == {file.as_uri()}


def fits(page: Page) -> bool:
    """Whether nothing makes the page itself wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def settle(page: Page) -> None:
    """Wait until what was asked for is drawn."""
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


def test_without_scripts_the_pictures_are_there(
    show: Show, comparison: Comparison, ten_thousand: Picture
) -> None:
    """A link opens what it leads to; of a long history, what is around the call."""
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


@looks
def test_10_000_calls_are_drawn_scrolled_and_zoomed(
    show: Show, ten_thousand: Picture, size: tuple[int, int], scheme: str
) -> None:
    """All of them counted and the blocked one seen; what is in view is drawn, far and near."""
    page = show(ten_thousand, size, scheme)
    wide = page.locator(".wide[data-ready]")
    wide.wait_for()
    assert wide.get_attribute("data-bars") == "10000"
    edge, fill = tone(page, "--blocked-edge"), tone(page, "--ok-fill")
    near = colours(page, ".sheet")
    assert near[edge] > 50
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
