"""Draw the charts of the docs from the numbers beside the records: `python perf/charts.py`.

The numbers are what the measuring commands print with `--json`. Each chart is an SVG that follows
the reader's light or dark setting and needs nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import options
from markupsafe import escape
from sessionlab.bench.report.charts import Series, over_sizes
from sessionlab.pages.formatting import format_micros, format_ratio

DOCS = Path(__file__).resolve().parents[1] / "docs"
DATA = DOCS / "measurements" / "data"
WIDTH, ROW, LEFT, RIGHT = 720, 19, 268, 70
GROWN = ("get", "touch", "append", "dict lookup")
STYLE = """
svg { --ink: #1b1d21; --muted: #545b66; --box: #fdfdfb; --grid: #dcdfe4; --one: #8a8f98;
  --s0: #2f5bd0; --s1: #b5470b; --s2: #14713f; --s3: #8a2ba8; }
@media (prefers-color-scheme: dark) { svg { --ink: #e8eaed; --muted: #a9b0bb; --box: #14171c;
  --grid: #2b3039; --one: #7d8590; --s0: #8fb0ff; --s1: #ffa468; --s2: #71d69b; --s3: #dd9bf2; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.muted { fill: var(--muted); } .head { font-weight: 650; } .end { text-anchor: end; }
.mid { text-anchor: middle; } .box { fill: var(--box); } .grid { stroke: var(--grid); }
.one { stroke: var(--one); stroke-width: 1.5; }
.s0 { fill: var(--s0); stroke: var(--s0); } .s1 { fill: var(--s1); stroke: var(--s1); }
.s2 { fill: var(--s2); stroke: var(--s2); } .s3 { fill: var(--s3); stroke: var(--s3); }
.curve { fill: none; stroke-width: 2; }
line.s0, line.s1, line.s2, line.s3 { stroke-width: 2; opacity: .55; }
"""


@dataclass(frozen=True, slots=True)
class Dot:
    """A ratio with its range."""

    middle: float
    low: float
    high: float
    series: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the chart; one without dots is a heading."""

    label: str
    dots: tuple[Dot, ...] = ()


def draw(title: str, axis: str, names: Sequence[str], rows: Sequence[Row], ticks: str) -> str:
    """Draw ratios along a logarithmic axis, a row each; one beyond the ticks is at the edge."""
    values = [float(tick) for tick in ticks.split()]
    low, high = math.log(values[0]), math.log(values[-1])
    top = 34 if names else 12
    bottom = top + ROW * len(rows) + 6

    def at(ratio: float) -> float:
        share = (min(max(math.log(ratio), low), high) - low) / (high - low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    parts = opening(title, names, WIDTH, bottom + 38)
    for value, told in zip(values, ticks.split(), strict=True):
        kind = "one" if value == 1 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{at(value)}" x2="{at(value)}" y1="{top}" y2="{bottom}"/>'
            f'<text class="muted mid" x="{at(value)}" y="{bottom + 15}">{told}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="muted mid" x="{middle}" y="{bottom + 31}">{escape(axis)}</text>')
    for number, row in enumerate(rows):
        parts += drawn(row, top + ROW * number + 14, at)
    return "\n".join([*parts, "</svg>", ""])


def opening(title: str, names: Sequence[str], width: int, height: int) -> list[str]:
    """Begin a picture, with the names of its series."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="box" width="{width}" height="{height}" rx="8"/>',
        *legend(names),
    ]


def legend(names: Sequence[str]) -> Iterable[str]:
    """Name the series, when there are several."""
    for number, name in enumerate(names):
        x = 12 + 150 * number
        yield f'<circle class="s{number}" cx="{x + 4}" cy="16" r="4"/>'
        yield f'<text x="{x + 14}" y="20">{escape(name)}</text>'


def drawn(row: Row, y: float, at: Any) -> Iterable[str]:
    """Draw one row, the text of its only ratio at the end."""
    if not row.dots:
        yield f'<text class="head" x="12" y="{y}">{escape(row.label)}</text>'
        return
    yield f'<text class="end" x="{LEFT - 10}" y="{y}">{escape(row.label)}</text>'
    for dot in row.dots:
        told = f"{format_ratio(dot.middle)} ({format_ratio(dot.low)} to {format_ratio(dot.high)})"
        up = y - 4 + (dot.series - (len(row.dots) - 1) / 2) * (4 if len(row.dots) > 1 else 0)
        yield (
            f'<line class="s{dot.series}" x1="{at(dot.low)}" x2="{at(dot.high)}"'
            f' y1="{up}" y2="{up}"/>'
            f'<circle class="s{dot.series}" cx="{at(dot.middle)}" cy="{up}" r="3.5">'
            f"<title>{escape(told)}</title></circle>"
        )
    if len(row.dots) == 1:
        ratio = format_ratio(row.dots[0].middle)
        yield f'<text class="end" x="{WIDTH - 12}" y="{y}">{ratio}</text>'


def beside(result: dict[str, Any]) -> str:
    """Ours over theirs on each line, from `sessionkeeper bench --peers --json`."""
    rows: list[Row] = []
    for line in result["lines"]:
        rows.append(Row(f"{line['storage']}: {line['what']}"))
        for side in line["theirs"]:
            ratio = side["ratio"]
            rows.append(Row(side["name"], (Dot(ratio["median"], ratio["low"], ratio["high"]),)))
    axis = "ours over theirs, logarithmic: to the right of 1, ours is faster"
    return draw("Our stores beside others", axis, [], rows, "0.1 0.2 0.5 1 2 5 10 20 50 100")


def pythons(rows: Sequence[dict[str, Any]]) -> str:
    """Each interpreter relative to the first, from `perf/pythons.py --json`."""
    names = list(dict.fromkeys(row["python"] for row in rows))
    shown = [
        Row(
            line,
            tuple(
                Dot(row["ratio"], row["low"], row["high"], names.index(row["python"]) - 1)
                for row in rows
                if row["line"] == line and row["python"] != names[0]
            ),
        )
        for line in dict.fromkeys(row["line"] for row in rows)
    ]
    axis = f"processor time relative to {names[0]}: to the right of 1, slower"
    return draw("Every Python", axis, names[1:], shown, "0.6 0.7 0.8 0.9 1 1.1 1.2 1.3")


def growth(result: dict[str, Any]) -> str:
    """The cost of each operation by the number of sessions, from `bench --growth --json`."""
    curves = [
        curve
        for curve in result["subjects"][0]["growth"]["curves"]
        if curve["over"] == "sessions" and curve["what"] in GROWN
    ]
    curves.sort(key=lambda curve: -curve["points"][-1]["cost"]["median"])
    series = [
        Series(
            number,
            curve["what"],
            tuple(
                (point["size"], *(point["cost"][each] for each in ("median", "low", "high")))
                for point in curve["points"]
            ),
        )
        for number, curve in enumerate(curves)
    ]
    chart = over_sizes("Cost by number of sessions", "sessions", series, format_micros)
    assert chart is not None
    parts = opening(chart.title, [], 560, 284)
    for tick in chart.rows:
        parts.append(
            f'<line class="grid" x1="{chart.left}" x2="{chart.right}"'
            f' y1="{tick.at}" y2="{tick.at}"/>'
            f'<text class="muted end" x="{chart.left - 6}" y="{tick.at + 4}">{tick.label}</text>'
        )
    for tick in chart.columns:
        parts.append(
            f'<text class="muted mid" x="{tick.at}" y="{chart.bottom + 16}">{tick.label}</text>'
        )
    parts.append(f'<text class="muted mid" x="220" y="{chart.bottom + 32}">sessions</text>')
    for line, curve in zip(chart.lines, curves, strict=True):
        parts.append(f'<polyline class="curve s{line.place}" points="{line.path}"/>')
        for x, y, down, up, told in line.dots:
            parts.append(
                f'<line class="s{line.place}" x1="{x}" x2="{x}" y1="{down}" y2="{up}"/>'
                f'<circle class="s{line.place}" cx="{x}" cy="{y}" r="3">'
                f"<title>{escape(told)}</title></circle>"
            )
        end = f"{line.name}, exponent {curve['exponent']:.2f}"
        parts.append(f'<text x="{x + 10}" y="{y + 4}">{escape(end)}</text>')
    return "\n".join([*parts, "</svg>", ""])


DRAWN: dict[str, Callable[[Any], str]] = {"beside": beside, "growth": growth, "pythons": pythons}
"""By the first word of a file's name, after its date."""


def main() -> None:
    """Draw a chart for each file of numbers."""
    parser = options(__doc__)
    parser.add_argument("--to", type=Path, default=DOCS / "images", help="folder of the charts")
    folder = parser.parse_args().to
    for numbers in sorted(DATA.glob("*.json")):
        kind = numbers.stem.rpartition("30-")[2].partition("-")[0]
        chart = DRAWN[kind](json.loads(numbers.read_text("utf-8")))
        (folder / f"{numbers.stem}.svg").write_text(chart, "utf-8")


if __name__ == "__main__":
    main()
