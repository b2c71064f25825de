"""Measurements are shown although a file cannot be written; nothing is measured here."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from sessionlab.bench import BenchResult, Load, SubjectResult
from sessionlab.cli.bench_output import show_and_write
from sessionlab.cli.bench_table import _COLUMNS, _fitting

RESULT = BenchResult(
    subjects=(SubjectResult("mine", ("µ, no durability",), ()),),
    loop="asyncio",
    workers=1,
    seconds=1.0,
    interrupted=False,
    versions={},
    machine="2 cores",
)
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has it")


@needs_full
def test_a_file_that_cannot_be_written_keeps_nothing_else_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is reported in one line; the other file and the table are written."""
    numbers = tmp_path / "bench.json"
    assert not show_and_write(RESULT, numbers, FULL, as_json=False)
    assert json.loads(numbers.read_bytes())["machine"] == "2 cores"
    output = capsys.readouterr()
    assert "mine: µ, no durability" in output.out
    assert f"written: {numbers}" in output.out
    assert output.err == "sessionkeeper: /dev/full: No space left on device\n"


@needs_full
@pytest.mark.parametrize("as_json", [False, True])
def test_an_output_that_is_full_is_one_line(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code does not say that something was lost."""
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert not show_and_write(RESULT, None, None, as_json=as_json)
        monkeypatch.undo()
    assert capsys.readouterr().err == "sessionkeeper: output: No space left on device\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_missing_reader_is_no_failure(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench | head`."""
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w", encoding="utf-8") as broken:
        monkeypatch.setattr(sys, "stdout", broken)
        assert show_and_write(RESULT, None, None, as_json=as_json)
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_a_terminal_without_greek_letters_shows_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that its encoding lacks are escaped."""
    shown = io.BytesIO()
    with io.TextIOWrapper(shown, "ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        assert show_and_write(RESULT, None, None, as_json=False)
        monkeypatch.undo()
        assert b"mine: \\xb5, no durability" in shown.getvalue()


@pytest.mark.parametrize(
    ("rate", "said"), [(0.1, "0.1"), (2.5, "2.5"), (99.9, "99.9"), (2_000.0, "2,000")]
)
def test_few_arrivals_are_not_none(rate: float, said: str) -> None:
    """One in ten seconds is not `0 arrivals/s`."""
    load = Load("append", 1, rate, 1_000, 0.0, (100,), 0.5, 0.0, 1)
    assert load.title == f"{said} arrivals/s"


@pytest.mark.parametrize(
    ("width", "shown"),
    [(40, ["ops/s"]), (52, ["ops/s", "p50"]), (80, ["ops/s", "p50", "p99"]), (200, [*_COLUMNS])],
)
def test_lost_frames_are_shown_on_a_narrow_terminal(width: int, shown: list[str]) -> None:
    """Speeds make room for it."""
    cells = dict.fromkeys(_COLUMNS, "9.49 µs")
    rows = [("read-modify-write", cells, ("lost 664 of 1,419 updates", True))]
    assert _fitting(rows, width) == shown
