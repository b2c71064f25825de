"""Builds a page from the results of a comparison, for the templates.

Everything that comes from a history is escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ...pages.formatting import make_visible, pluralize
from ...pages.html_page import render_html, template_text, write_html
from ..results import Comparison, Picture
from .canvas_data import canvas_data, excerpt_around
from .drawing import BAR, Drawing, draw
from .matrix import make_matrix

__all__ = ["render_pictures", "render_report", "write_pictures", "write_report"]

_PACKAGE = "sessionlab.designs.report"
_MAX_DRAWN, _MAX_SHOWN = 400, 20_000
"""Bars drawn as SVG; more go on a canvas, and of more than that only those around the call."""
_EXCERPT = 40
_LONG = 20_000


@dataclass(frozen=True, slots=True)
class _Figure:
    """One picture on a page."""

    id: str
    heading: str
    about: str
    """The subject of the picture."""
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
    matrix = make_matrix(comparison)
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
        versions={make_visible(name): make_visible(of) for name, of in comparison.versions.items()},
    )


def render_pictures(title: str, pictures: Sequence[tuple[str, Picture | str]]) -> str:
    """Return pictures as one HTML page: each with what it is of, or a sentence in its place."""
    figures: list[_Figure] = []
    items: list[tuple[str, str | _Figure]] = []
    for number, (about, picture) in enumerate(pictures, 1):
        if isinstance(picture, str):
            items.append((make_visible(about), make_visible(picture)))
            continue
        figure = _figure(f"picture-{number}", make_visible(about), "", picture)
        figures.append(figure)
        items.append((make_visible(about), figure))
    return _page("pictures.html", figures, title=make_visible(title), items=items)


def write_report(comparison: Comparison, path: Path | str) -> None:
    """Write a comparison as one HTML file.

    Raises `OSError` when the file cannot be written.
    """
    write_html(render_report(comparison), path)


def write_pictures(
    title: str, pictures: Sequence[tuple[str, Picture | str]], path: Path | str
) -> None:
    """Write pictures as one HTML file. It holds payloads: only its owner may read it.

    Raises `OSError` when the file cannot be written.
    """
    write_html(render_pictures(title, pictures), path)


def _figure(id: str, heading: str, about: str, picture: Picture) -> _Figure:
    shown = excerpt_around(picture.bars, _MAX_SHOWN)
    wide = len(shown) > _MAX_DRAWN
    blocked = next((bar for bar in picture.bars if bar.blocked), None)
    call = (
        ""
        if blocked is None
        else (
            f"client {blocked.client}:"
            f" {make_visible(blocked.name, 120)}({make_visible(blocked.argument)})"
        )
    )
    facts = [f"{len(shown):,} of {pluralize(picture.operations, 'call')}"]
    if picture.deviations is not None:
        far = f"{pluralize(picture.deviations, 'deviation')} from" if picture.deviations else "in"
        facts.append(f"{far} the default order")
    return _Figure(
        id=id,
        heading=heading,
        about=about,
        anomaly=make_visible(picture.anomaly, 80),
        why=make_visible(" ".join(picture.why.split()), 2_000),
        blocked=call,
        stuck=sum(bar.blocked for bar in picture.bars),
        saw="" if blocked is None else make_visible(blocked.result, 2_000) or "–",
        state=make_visible(picture.state, 2_000),
        expected=make_visible(picture.expected, 2_000),
        facts=tuple(facts),
        token=make_visible(picture.token or "", 4_000),
        interleaving="\n".join(
            make_visible(line, 400) for line in picture.interleaving[:_LONG].splitlines()
        ),
        drawing=draw(picture, excerpt_around(shown, _EXCERPT) if wide else shown),
        data=Markup(canvas_data(shown, picture.bars)) if wide else None,  # noqa: S704 - JSON without < > &
        count=len(shown),
    )


def _page(template: str, figures: Sequence[_Figure], **values: object) -> str:
    scripts = [template_text("pictures.js", _PACKAGE)]
    if any(figure.data is not None for figure in figures):
        scripts += [template_text(name, _PACKAGE) for name in ("overview.js", "canvas.js")]
    return render_html(
        template,
        package=_PACKAGE,
        style=template_text("page.css"),
        scripts=scripts,
        values={"figures": figures, "bar": BAR, **values},
    )
