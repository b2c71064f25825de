"""A benchmark as one page: everything is on it, and nothing on it is what a name made it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from sessionlab.bench import (
    BenchResult,
    Curve,
    Growth,
    LatencySummary,
    Load,
    LoadResult,
    Point,
    Spread,
    Stored,
    SubjectResult,
    WorkResult,
)
from sessionlab.bench.report import render_page, write_page
from sessionlab.bench.report.charts import Series, over_sizes

HOSTILE = "</script></style><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"
CURVE = ((0.0, 1.0), (50.0, 3.0), (90.0, 12.0), (99.0, 80.0), (99.9, 900.0))
LATENCY = LatencySummary(10_000, 3.0, 12.0, 80.0, 900.0, 2_000.0, 2_500.0, CURVE)
SOUND = Stored(800, 0, 0, 200, 0, 0, 0, checked=True)
LOST = replace(SOUND, lost_messages=17)


class Page(HTMLParser):
    """Elements and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is read."""
        return " ".join(" ".join(self.texts).split())


def under(load: Load, callers: int, stored: Stored, **changes: object) -> LoadResult:
    """A subject under a load."""
    measured = LoadResult(
        load=replace(load, callers=callers),
        rounds=3,
        per_second=Spread(20_000.0 * callers, 18_000.0 * callers, 21_000.0 * callers),
        latency=LATENCY,
        works=(WorkResult("get", 6_000, LATENCY), WorkResult("append", 4_000, LATENCY)),
        left_out=(),
        stall_ms=4.0,
        gc_pauses=3,
        gc_longest_ms=0.5,
        gc_share=0.01,
        mailbox_depth=64,
        rss_mb=57.0,
        rss_grown_mb=3.0,
        server_mb=None,
        errors={},
        late=0,
        ended_early=False,
        stored=stored,
    )
    return replace(measured, **changes)  # type: ignore[arg-type]  # of its fields


@pytest.fixture
def result(load: Load) -> BenchResult:
    """Two subjects, one of which is hostile and loses messages, and its growth."""
    growth = Growth(
        curves=(
            Curve("get", "sessions", points((1_000, 2.0), (10_000, 2.1)), 0.02),
            Curve("list", "sessions", points((1_000, 50.0), (10_000, 510.0)), 1.01),
        ),
        session_bytes=1_480.0,
        frame_bytes=None,
        frame_payload=100,
        stall_ms=2.0,
    )
    trouble = {"errors": {HOSTILE: 3}, "late": 40, "left_out": ("list",), "ended_early": True}
    return BenchResult(
        subjects=(
            SubjectResult(
                "memory",
                ("no durability",),
                (under(load, 1, SOUND), under(load, 64, SOUND)),
                growth,
            ),
            SubjectResult(
                HOSTILE, (HOSTILE,), (under(load, 1, LOST), under(load, 64, LOST, **trouble))
            ),
        ),
        loop="uvloop",
        workers=2,
        seconds=12.0,
        interrupted=True,
        versions={"python": "3.11", HOSTILE: HOSTILE},
        machine="2 cores",
    )


def points(*costs: tuple[int, float]) -> tuple[Point, ...]:
    """Sizes with what they cost."""
    return tuple(Point(size, Spread(cost, 0.9 * cost, 1.2 * cost)) for size, cost in costs)


def test_everything_is_on_the_page(result: BenchResult) -> None:
    """Speeds, percentiles, what is lost, charts, growth; and that it was interrupted."""
    page = Page(render_page(result))
    for said in (
        "interrupted: these are the results so far",
        "2 processes per store",
        "no durability",
        "lost 17 of 800 messages",
        "all 1,000",
        "measured without list, which it does not offer",
        "40 arrivals never started: the store cannot keep up",
        "rounds ended early",
        "1.28 M",
        "1,480 bytes",
        "+1.01",
    ):
        assert said in page.text, said
    labels = [
        attributes["aria-label"]
        for tag, attributes in page.elements
        if tag == "svg"
        if "aria-label" in attributes
    ]
    assert [str(label).partition(":")[0] for label in labels] == [
        "Throughput by callers, per second",
        "Latency by percentile, 1 caller, 20 sessions",
        "Latency by percentile, 64 callers, 20 sessions",
        "get",
        "list",
    ]


def test_nothing_on_the_page_is_what_a_name_made_it(result: BenchResult) -> None:
    """Escaped, and allowed by the policy in no case: its own style by hash, no script at all."""
    text = render_page(result)
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "base", "a"})
    assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in page.text
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    [policy] = [
        str(attributes["content"])
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert not re.search(r"url\(\s*['\"]?(?!#)", style[0])


def test_a_chart_has_room_for_a_store_that_does_nothing() -> None:
    """No logarithm has a place for 0: such a point is on the ground, and the others are seen."""
    series = [Series(0, "dead", ((1, 0.0, 0.0, 0.0), (64, 500.0, 0.0, 900.0)))]
    chart = over_sizes("Throughput", "callers", series, str)
    assert chart is not None
    [line] = chart.lines
    for _, y, down, up, _ in line.dots:
        assert chart.top <= up <= y <= down <= chart.bottom
    assert line.dots[0][1] == chart.bottom > line.dots[1][1]
    assert over_sizes("Throughput", "callers", [Series(0, "x", ((1, 0.0, 0.0, 0.0),))], str) is None


def test_loads_on_stores_of_different_sizes_are_said_to_be(result: BenchResult) -> None:
    """Not all of them to be of the first one's."""
    first, other = result.subjects[0].measured
    other = replace(other, load=replace(other.load, sessions=1_000_000))
    page = Page(render_page(replace(result, subjects=(SubjectResult("x", (), (first, other)),))))
    assert "messages of 100 bytes, 20 to 1,000,000 sessions, Zipf" in page.text


def test_a_page_of_nothing_says_so(result: BenchResult) -> None:
    """Interrupted before anything was measured."""
    assert "Nothing was measured." in Page(render_page(replace(result, subjects=()))).text


@pytest.mark.any_loop
def test_the_page_fits_phones_and_desks_and_fetches_nothing(
    result: BenchResult, tmp_path: Path
) -> None:
    """In a real browser, light and dark; each chart has a line that can be told from its ground."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on the PATH")
        pytest.skip("no chromium on the PATH")
    file = tmp_path / "page.html"
    write_page(result, file)
    assert file.stat().st_mode & 0o077 == 0
    fetched: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        for width, scheme in ((375, "dark"), (1280, "light")):
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.on("request", lambda request: fetched.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate(OUTSIDE) == []
            tones: Sequence[str] = page.evaluate(TONES)
            assert len(set(tones)) == 3, tones
            context.close()
        browser.close()
    assert set(fetched) == {file.as_uri()}
    assert complaints == []


OUTSIDE = """() => [...document.querySelectorAll(".chart")].flatMap(chart => {
    const box = chart.getBoundingClientRect();
    return [...chart.querySelectorAll("text, .curve, .dot")].filter(each => {
        const own = each.getBoundingClientRect();
        return own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
    }).map(each => each.outerHTML);
})"""
"""What of a chart is outside of it."""

TONES = """() => {
    const lines = [...document.querySelectorAll(".chart")][0].querySelectorAll(".curve");
    const ground = getComputedStyle(document.querySelector(".chart .box")).fill;
    return [...[...lines].map(line => getComputedStyle(line).stroke), ground];
}"""
