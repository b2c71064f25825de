"""Puts a page together: what a comparison found, as the templates show it.

Everything that comes from a history is escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ...pages.formatting import counted, visible
from ...pages.html_page import render_sheet, text_of, write_sheet
from ..results import Comparison, Picture
from .canvas_data import around, wide_data
from .drawing import BAR, Drawing, draw
from .matrix import matrix_of

__all__ = ["render_pictures", "render_report", "write_pictures", "write_report"]

_MOST_DRAWN, _MOST_SHOWN = 400, 20_000
"""Bars drawn as SVG; more go on a canvas, and of more than that only those around the call."""
_EXCERPT = 40
_LONG = 20_000


@dataclass(frozen=True, slots=True)
class _Figure:
    """One picture on a page."""

    id: str
    heading: str
    about: str
    """What it is a picture of."""
    anomaly: str
    why: str
    blocked: str
    stuck: int
    """How many calls cannot be placed."""
    saw: str
    state: str
    expected: str
    facts: tuple[str, ...]
    token: str
    interleaving: str
    drawing: Drawing
    data: Markup | None
    count: int


def render_report(comparison: Comparison) -> str:
    """Return a comparison as one HTML page."""
    matrix = matrix_of(comparison)
    figures = [
        _figure(target, design, guarantee, picture)
        for target, design, guarantee, picture in matrix.pictures
    ]
    return _page(
        "report.html",
        figures,
        title="Designs compared",
        matrix=matrix,
        seeds=comparison.seeds,
        seconds=comparison.seconds,
        versions={visible(name): visible(of) for name, of in comparison.versions.items()},
    )


def render_pictures(title: str, pictures: Sequence[tuple[str, Picture | str]]) -> str:
    """Return pictures as one HTML page: each with what it is of, or a sentence in its place."""
    figures: list[_Figure] = []
    items: list[tuple[str, str | _Figure]] = []
    for number, (about, picture) in enumerate(pictures, 1):
        if isinstance(picture, str):
            items.append((visible(about), visible(picture)))
            continue
        figure = _figure(f"picture-{number}", visible(about), "", picture)
        figures.append(figure)
        items.append((visible(about), figure))
    return _page("pictures.html", figures, title=visible(title), items=items)


def write_report(comparison: Comparison, path: Path | str) -> None:
    """Write a comparison as one HTML file.

    Raises `OSError` when the file cannot be written.
    """
    write_sheet(render_report(comparison), path)


def write_pictures(
    title: str, pictures: Sequence[tuple[str, Picture | str]], path: Path | str
) -> None:
    """Write pictures as one HTML file. It holds payloads: only its owner may read it.

    Raises `OSError` when the file cannot be written.
    """
    write_sheet(render_pictures(title, pictures), path)


def _figure(id: str, heading: str, about: str, picture: Picture) -> _Figure:
    shown = around(picture.bars, _MOST_SHOWN)
    wide = len(shown) > _MOST_DRAWN
    blocked = next((bar for bar in picture.bars if bar.blocked), None)
    call = (
        ""
        if blocked is None
        else (f"client {blocked.client}: {visible(blocked.name, 120)}({visible(blocked.argument)})")
    )
    facts = [f"{len(shown):,} of {counted(picture.operations, 'call')}"]
    if picture.deviations is not None:
        far = f"{counted(picture.deviations, 'deviation')} from" if picture.deviations else "in"
        facts.append(f"{far} the usual order")
    return _Figure(
        id=id,
        heading=heading,
        about=about,
        anomaly=visible(picture.anomaly, 80),
        why=visible(" ".join(picture.why.split()), 2_000),
        blocked=call,
        stuck=sum(bar.blocked for bar in picture.bars),
        saw="" if blocked is None else visible(blocked.result, 2_000) or "–",
        state=visible(picture.state, 2_000),
        expected=visible(picture.expected, 2_000),
        facts=tuple(facts),
        token=visible(picture.token or "", 4_000),
        interleaving="\n".join(
            visible(line, 400) for line in picture.interleaving[:_LONG].splitlines()
        ),
        drawing=draw(picture, around(shown, _EXCERPT) if wide else shown),
        data=Markup(wide_data(shown, picture.bars)) if wide else None,  # noqa: S704 - JSON without < > &
        count=len(shown),
    )


def _page(template: str, figures: Sequence[_Figure], **values: object) -> str:
    scripts = [text_of("pictures.js")]
    if any(figure.data is not None for figure in figures):
        scripts += [text_of("overview.js"), text_of("canvas.js")]
    return render_sheet(
        template,
        style=text_of("report.css"),
        scripts=scripts,
        values={"figures": figures, "bar": BAR, **values},
    )
