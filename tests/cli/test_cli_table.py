"""Tables, the width of the screen, and quantities as users write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import typer
from sessionkeeper.cli.quantities import (
    format_duration,
    format_moment,
    format_size,
    parse_duration,
    parse_since,
)
from sessionkeeper.cli.screen import Screen
from sessionkeeper.cli.table import Column, Table

Capture = pytest.CaptureFixture[str]

ID, LONG = "abcdefgh…", "a very long text that hardly any terminal has the room for"
COLUMNS = (
    Column("id", 1),
    Column("client", 3, least=10),
    Column("calls", 2, right=True),
    Column("started", 4),
    Column("tags", 5, least=6, optional=True),
)
ROW = (ID, LONG, "1,234", "2026-11-30 06:00:00", "")


def shown(capsys: Capture, *rows: tuple[str, ...], columns: tuple[Column, ...] = COLUMNS) -> str:
    """What a table of these rows prints, and which columns it left out."""
    table = Table(Screen(), *columns)
    for row in rows:
        table.add(*row)
    table.end()
    print(table.left_out)
    return capsys.readouterr().out


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Nothing is cut, and a column with nothing to show is not there."""
    monkeypatch.delenv("COLUMNS", raising=False)
    header, row, left_out = shown(capsys, ROW).splitlines()
    assert header.split() == ["id", "client", "calls", "started"]
    assert all(cell in row for cell in ROW)
    assert left_out == "[]"


@pytest.mark.parametrize(
    ("width", "left"),
    [
        (120, []),
        (60, []),
        (50, []),
        (48, ["started"]),
        (30, ["started"]),
        (20, ["client", "started"]),
        (4, ["client", "calls", "started"]),
    ],
)
def test_columns_go_by_importance(
    width: int, left: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What stays is whole, or shortened at its end; ids, times and numbers are always whole."""
    monkeypatch.setenv("COLUMNS", str(width))
    header, row, left_out = shown(capsys, ROW).splitlines()
    assert left_out == str(left)
    assert row.startswith(ID)
    for line in header, row:
        assert len(line) <= max(width, len(ID))
    if "client" not in left:
        client = row[len(ID) + 2 :].partition("  ")[0]
        assert client == LONG or (client.endswith("…") and LONG.startswith(client[:-1]))
    for name, cell in ("calls", "1,234"), ("started", ROW[3]):
        assert (cell in row) == (name not in left)


def test_a_spare_column_is_left_out_before_another_is_shortened(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The other one is shortened only if that is not enough."""
    columns = (Column("id", 1), Column("why", 2, least=5), Column("more", 3, spare=True))
    for width, header in (10, ["id", "why"]), (20, ["id", "why"]), (26, ["id", "why", "more"]):
        monkeypatch.setenv("COLUMNS", str(width))
        first = shown(capsys, ("ab", "it vanished", "much more"), columns=columns).splitlines()[0]
        assert first.split() == header


def test_numbers_stand_below_each_other(capsys: Capture) -> None:
    """Aligned on the right, the header as well."""
    lines = shown(capsys, ("a", "", "1", "", ""), ("b", "", "1,000", "", "")).splitlines()
    end = lines[0].index("calls") + len("calls")
    assert [line[:end].split()[-1] for line in lines[:3]] == ["calls", "1", "1,000"]


def test_wide_characters_count_as_two(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A terminal gives them two cells."""
    monkeypatch.setenv("COLUMNS", "30")
    row = shown(capsys, ("漢字漢字", "漢" * 30, "1", "", "")).splitlines()[1]
    assert sum(1 + (each > "\u2e80") for each in row) <= 30
    assert row.startswith("漢字漢字  漢漢")


def test_cells_do_not_control_the_terminal(capsys: Capture) -> None:
    """Nor are they markup."""
    out = shown(capsys, ("[red]\x1b[31m", "\u202e", "1\n2", "", "\x9b2J"))
    assert "[red]\\x1b[31m" in out
    assert out.isascii()
    assert len(out.splitlines()) == 3


def test_a_column_appears_with_its_first_value(capsys: Capture) -> None:
    """Rows are printed as they come; a new header names the column that was missing."""
    empty = ("a", "", "1", "", "")
    lines = shown(capsys, *([empty] * 700), ("b", "", "1", "", "tag")).splitlines()
    assert len(lines) == 1 + 700 + 2 + 1
    assert [n for n, line in enumerate(lines) if line.startswith("id")] == [0, 701]
    assert "tags" in lines[701]
    assert "tag" in lines[702]


def test_a_table_without_rows_prints_nothing(capsys: Capture) -> None:
    """Not even a header."""
    assert shown(capsys) == "['id', 'client', 'calls', 'started', 'tags']\n"


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """FORCE_COLOR asks for them, NO_COLOR decides."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b" not in shown(capsys, ROW)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = shown(capsys, ROW)
    assert "\x1b[1m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(capsys, ROW) == re.sub(r"\x1b\[[0-9;]*m", "", coloured)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("30m", 1800), ("12h", 43_200), ("2d", 172_800)],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_duration(text, option="--slow") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "ms", "-1s", "1 y", "9999999999s", "\u0661s", "1e3s"])
def test_a_bad_duration_is_wrong_use(text: str) -> None:
    """The error says what is expected."""
    with pytest.raises(typer.BadParameter, match="500ms"):
        parse_duration(text, option="--slow")


def test_since_is_how_long_ago_or_a_time() -> None:
    """UTC, unless the time names its zone."""
    before = datetime.now(UTC) - timedelta(hours=1)
    assert before <= parse_since("1h") <= datetime.now(UTC) - timedelta(hours=1)
    moment = datetime(2026, 11, 30, 6, tzinfo=UTC)
    for text in "2026-11-30T06:00", "2026-11-30T06:00:00Z", "2026-11-30 07:00+01:00":
        assert parse_since(text) == moment
    assert parse_since("2026-11-30") == moment.replace(hour=0)
    assert parse_since("999999999w").year == 1
    for text in "", "yesterday", "2026-13-01", "0001-01-01T00:00+23:00":
        with pytest.raises(typer.BadParameter, match="30m, 1h, 2d"):
            parse_since(text)


def test_quantities_have_two_or_three_digits() -> None:
    """At each border as well."""
    durations = {
        0.00035: "0.35 ms",
        0.00999: "9.99 ms",
        0.009996: "10.0 ms",
        0.0482: "48.2 ms",
        0.123: "123 ms",
        0.9996: "1.00 s",
        12.34: "12.3 s",
        59.999: "1 m 00 s",
        192: "3 m 12 s",
        7500: "2 h 05 m",
        200_000: "2 d 07 h",
        -0.5: "-500 ms",
    }
    assert {each: format_duration(timedelta(seconds=each)) for each in durations} == durations
    sizes = {0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10_240: "10 KiB", 10**7: "9.5 MiB"}
    assert {each: format_size(each) for each in sizes} == sizes
    assert format_moment(datetime(2020, 1, 2, 3, 4, 5, 6789, UTC), exact=True) == (
        "2020-01-02 03:04:05.006"
    )
    assert len(format_moment(datetime.now(UTC), exact=True)) in (12, 23)
