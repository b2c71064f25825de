"""`export --csv`, `--otel` and `--otlp` write calls for other programs."""

from __future__ import annotations

import asyncio
import csv
import json
import stat
import sys
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore
from sessionkeeper.cli.app import run
from sessionkeeper.recording import formats

from tests.support.collector import Collector, collector
from tests.support.recorded_logs import RecordedLog

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra is not installed")

Capture = pytest.CaptureFixture[str]
__all__ = ["collector"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            for name in "first", "second":
                log = RecordedLog(name)
                for number in range(300):
                    log.call(number, "größe")
                await log.put_into(store)

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/a.db"


def test_csv_has_a_row_for_each_call(url: str, tmp_path: Path, capsys: Capture) -> None:
    """Of all sessions or of some; into a file that only its owner can read."""
    assert run(["export", "--csv", url]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["session_id"] for row in rows] == ["first"] * 300 + ["second"] * 300
    file = tmp_path / "calls.csv"
    assert run(["export", "--csv", url, "second", "-o", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_bytes()
    assert text.count(b"\r\n") == 301
    assert text.count(b"\n") == 301
    assert "größe".encode() in text
    assert run(["export", "--csv", url, "-o", str(file)]) == 2  # it exists
    assert run(["export", "--csv", url, "third"]) == 1


def test_spans_are_lines_of_json(url: str, tmp_path: Path) -> None:
    """Each line is a request of at most 512 spans, as the collector's receiver reads them."""
    file = tmp_path / "spans.jsonl"
    assert run(["export", "--otel", url, "-o", str(file)]) == 0
    requests = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    batches = [
        [
            span["name"]
            for resource in request["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]
        for request in requests
    ]
    assert [len(batch) for batch in batches] == [512, 91]
    names = [name for batch in batches for name in batch]
    assert names.count("tools/call größe") == 600
    assert names.count("session files") == 2
    assert names.count("run editor") == 1


def test_a_collector_receives_the_spans_of_a_session(
    url: str, collector: Collector, capsys: Capture
) -> None:
    assert run(["export", "--otlp", collector.url, url, "second"]) == 0
    assert capsys.readouterr().err == "sent 302 spans\n"
    assert len(collector.spans) == 302
    collector.status = 401
    assert run(["export", "--otlp", collector.url, url]) == 2
    assert capsys.readouterr().err == (
        "sessionkeeper: the collector: it answered 401 Unauthorized\n"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ["--csv", "--otel"],
        ["--otlp", "http://127.0.0.1:4318", "-o", "x"],
        ["--otlp", "127.0.0.1:4318"],
        ["--otlp", "http://u:hunter2@127.0.0.1:4318"],
    ],
    ids=["two", "file", "no URL", "password"],
)
def test_wrong_use_is_one_line(wrong: list[str], url: str, capsys: Capture) -> None:
    assert run(["export", url, *wrong]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "hunter2" not in said


def test_a_missing_extra_is_named(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(formats, "otlp", raising=False)
    monkeypatch.delitem(sys.modules, "sessionkeeper.recording.formats.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.common", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.common.trace_encoder", None)
    assert run(["export", "--otel", url]) == 2
    assert capsys.readouterr().err == (
        "sessionkeeper: OpenTelemetry is not installed: pip install 'sessionkeeper[otlp]'\n"
    )
