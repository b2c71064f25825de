"""A comparison as one page: everything is on it, and nothing on it is what a history made it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sessionlab.designs.report import render_pictures, render_report, write_pictures, write_report
from sessionlab.designs.results import Bar, Cell, CellVerdict, Comparison, Picture, Row

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</script /><script src=x >",
    "</style><!--<script ",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&amp;",
    "]]>\u2028\u2029",
    "\u202etxt.exe\u2066\u200b\ufeff",
    "\x00\x07\x1b[31m\x7f\x9b",
    "\udc80\ud800",
    "javascript:alert(1)",
]


class Page(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._in: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in = self._in[: len(self._in) - self._in[::-1].index(tag) - 1]

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._in):
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All that is read."""
        return " ".join(" ".join(self.texts).split())


def small(text: str = "x", **more: object) -> Picture:
    """A picture all of whose texts are the same."""
    bars = (
        Bar(0, text, text, text, 0, 3, "ok", 0.5, blocked=False),
        Bar(1, text, text, text, 1, 2, "ok", None, blocked=True),
        Bar(2, text, text, text, 1, None, "unknown", 1.5, blocked=False),
        Bar(2, text, text, text, 4, 5, "failed", None, blocked=False),
    )
    picture = Picture(text, text, text, text, bars, text, 1, text, 9)
    return replace(picture, **more)  # type: ignore[arg-type]  # fields of it


def of_one(verdict: CellVerdict, picture: Picture | None = None, text: str = "w") -> Comparison:
    """One design, one guarantee."""
    row = Row(text, text, None, (Cell(text, verdict, 3, text, picture),))
    return Comparison(((text, text),), (row,), 1, 0.5, {text: text})


def test_every_cell_is_there_with_its_verdict(comparison: Comparison) -> None:
    """Designs down, guarantees across, in their order; the verdict as a word, not as a colour."""
    page = render_report(comparison)
    cells = [
        (each["data-label"], str(each["class"]).split()[1])
        for each in Page(page).named("td")
        if str(each.get("class")).startswith("cell ")
    ]
    words = re.findall(r'aria-hidden="true">(.)</span> ([a-z ]+)</span><span class="grounds"', page)
    verdicts = [cell.verdict for row in comparison.rows for cell in row.cells]
    assert [word for _, word in words] == [verdict.value for verdict in verdicts]
    assert [name for name, _ in cells] == [
        cell.workload for r in comparison.rows for cell in r.cells
    ]
    assert len({sign for sign, _ in words}) == len(set(verdicts)) == 4
    assert len({kind for _, kind in cells}) == 4


def test_what_a_store_did_in_place_of_an_answer_is_in_its_cell() -> None:
    """Without a number of histories, which says nothing then."""
    cell = Cell("w", CellVerdict.BROKEN, 3, "ended", small(bars=()), note="raised SystemExit")
    row = Row("mine", "", None, (cell,))
    text = Page(render_report(Comparison((("w", "p"),), (row,), 1, 0.5, {}))).text
    assert "broken raised SystemExit" in text
    assert "3 ended" not in text


def test_designs_guarantees_and_numbers_are_there(comparison: Comparison) -> None:
    """Names, promises, histories, versions."""
    text = Page(render_report(comparison)).text
    for row in comparison.rows:
        assert row.design in text
        assert row.summary in text
    for name, promise in comparison.workloads:
        assert name in text
        assert promise in text
    for told in ("200 explored", "python 3.11"):
        assert told in text


def test_an_undecided_cell_never_looks_as_if_it_held(comparison: Comparison) -> None:
    """UNKNOWN, and a guarantee without a cell, are unknown: in word, class and sum."""
    for unknown in (
        of_one(CellVerdict.UNKNOWN),
        replace(comparison, rows=(Row("a", "", True, ()),)),
    ):
        page = render_report(unknown)
        number = len(unknown.workloads)
        assert page.count('<td role="cell" class="cell unknown"') == number
        assert '<td role="cell" class="cell holds"' not in page
        assert Page(page).text.count("? unknown ") == number
        assert "✓ holds" not in Page(page).text
        assert "0 hold" in Page(page).text
        assert f"{number} unknown" in Page(page).text


@pytest.mark.parametrize(
    ("right", "verdict", "told"),
    [
        (True, CellVerdict.BROKEN, "meant to be right, and broken"),
        (False, CellVerdict.HOLDS, "wrong on purpose, not caught"),
        (False, CellVerdict.UNKNOWN, "wrong on purpose, not caught"),
    ],
)
def test_an_unexpected_loss_is_reported(right: bool, verdict: CellVerdict, told: str) -> None:
    """A right design that breaks, a wrong one that nothing caught."""
    comparison = of_one(verdict)
    row = replace(comparison.rows[0], right=right)
    page = render_report(replace(comparison, rows=(row,)))
    assert told in Page(page).text
    assert 'class="badge alarm"' in page


def test_a_broken_cell_leads_to_its_picture(comparison: Comparison) -> None:
    """Without a script: a link into the element that opens."""
    page = Page(render_report(comparison))
    targets = [str(link["href"])[1:] for link in page.named("a")]
    figures = [figure["id"] for figure in page.named("figure")]
    assert targets == figures
    assert len(targets) == len(set(targets)) == 2


def test_a_broken_cell_without_a_picture_is_no_link() -> None:
    """It is told all the same."""
    page = Page(render_report(of_one(CellVerdict.BROKEN)))
    assert "✕ broken" in page.text
    assert page.named("a") == page.named("figure") == []


def test_an_empty_result_is_reported() -> None:
    """An empty comparison, no pictures, a picture without calls, a sentence for a picture."""
    empty = Page(render_report(Comparison((), (), 0, 0.0, {})))
    assert "No design was compared." in empty.text
    assert (
        "This alone does not prove that the history is correct."
        in Page(render_pictures("t", [])).text
    )
    assert Page(render_pictures("t", [("a", small(bars=()))])).named("figure")
    said = Page(render_pictures("t", [("a.jsonl", "UNKNOWN: time limit")]))
    assert "a.jsonl UNKNOWN: time limit" in said.text


def test_the_callout_says_what_it_saw_the_state_and_what_was_expected() -> None:
    """It says why, with the facts of the run."""
    bars = (Bar(7, "get", "key", "old", 0, 1, "ok", None, blocked=True),)
    picture = Picture("stale read", "because", "new", "key is new", bars, "2.0.1", 2, "turns", 40)
    text = Page(render_pictures("t", [("a", picture)])).text
    for told in (
        "This call cannot be placed client 7: get(key)",
        "It saw old State before it key is new Expected new because",
        "1 of 40 calls",
        "2 deviations from the default order",
        "2.0.1",
        "turns",
    ):
        assert told in text
    usual = replace(picture, deviations=0, bars=(bars[0], bars[0]))
    text = Page(render_pictures("t", [("a", usual)])).text
    assert "2 of 40 calls in the default order" in text
    assert "2 calls cannot be placed; this is the first" in text


def test_a_part_of_a_long_history_keeps_its_numbers(ten_thousand: Picture) -> None:
    """The table below says the same as the picture above."""
    page = render_pictures("t", [("a", ten_thousand)])
    orders = [
        int(number) for number in re.findall(r'class="badge-text" x="[^"]*" y="[^"]*">(\d+)<', page)
    ]
    placed = sorted(bar.point for bar in ten_thousand.bars if bar.point is not None)
    assert orders[0] == 1  # of the legend
    assert max(orders) == len(placed)
    assert min(orders[1:]) > 1_000


@pytest.mark.parametrize("text", [*HOSTILE, "".join(HOSTILE), "x" * 300_000, "漢" * 90_000])
@pytest.mark.parametrize("wide", [False, True], ids=["svg", "canvas"])
def test_no_text_becomes_markup_or_is_unseen(text: str, wide: bool) -> None:
    """The same elements as with harmless texts; what cannot be seen is written out; an end."""

    def page(text: str) -> str:
        bars = small(text).bars * (150 if wide else 1)
        picture = small(text, bars=bars)
        return render_pictures(text, [(text, picture)]) + render_report(
            of_one(CellVerdict.BROKEN, picture, text)
        )

    hostile, harmless = page(text), page("x")
    shape = [(tag, sorted(each)) for tag, each in Page(hostile).elements]
    assert shape == [(tag, sorted(each)) for tag, each in Page(harmless).elements]
    assert hostile.replace("\n", "").isprintable()
    data = re.findall(r'application/json">(.*)</script>\n', hostile)
    assert len(data) == 2 * wide
    assert not [block for block in data if "<" in block or "&" in block]
    assert len(hostile.encode()) < 3_000_000
    assert Page(hostile).text.count("49") == Page(harmless).text.count("49")


def test_a_page_allows_only_its_own_style_and_scripts(
    comparison: Comparison, ten_thousand: Picture
) -> None:
    """The policy names their hashes; no attribute needs more, and nothing has an address."""
    for page in (render_report(comparison), render_pictures("t", [("a", ten_thousand)])):
        policy = str(Page(page).named("meta")[1]["content"])
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        inline = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.S)
        assert len(inline) == policy.count("sha256-") >= 2
        for text in inline:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        for _, attributes in Page(page).elements:
            assert not {"src", "style", "srcset", "action"} & set(attributes)
            assert not [name for name in attributes if name.startswith("on")]
            assert str(attributes.get("href", "#")).startswith("#")
        assert not re.search(r"url\((?!#)|@import|https?:", page)


def test_a_history_of_10_000_calls_stays_a_small_file(ten_thousand: Picture) -> None:
    """Below 5 MB, with texts of any length; and for readers without scripts, what is around."""
    page = render_pictures("t", [("a", ten_thousand)])
    assert len(page.encode()) < 1_000_000
    longer = [
        replace(bar, argument=f"{n}" * 900, result=f"a{n}" * 900)
        for n, bar in enumerate(ten_thousand.bars)
    ]
    page = render_pictures("t", [("a", replace(ten_thousand, bars=tuple(longer)))])
    assert len(page.encode()) < 5_000_000
    assert page.count('<g class="call blocked"') == 1
    assert page.count('<g class="call ') == 40


@pytest.mark.parametrize("name", ["a", "b"])
def test_files_are_for_their_owner(name: str, tmp_path: Path, comparison: Comparison) -> None:
    """They contain payloads; an existing file is replaced."""
    path = tmp_path / name
    for _ in range(2):
        write_report(comparison, path)
        assert path.read_text(encoding="utf-8") == render_report(comparison)
        write_pictures("t", [("a", small())], str(path))
        assert path.read_text(encoding="utf-8") == render_pictures("t", [("a", small())])
    assert path.stat().st_mode & 0o077 == 0
