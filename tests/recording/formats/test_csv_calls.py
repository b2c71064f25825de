"""Calls as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest
from sessionkeeper import ActorSessionStore
from sessionkeeper.recording import calls
from sessionkeeper.recording.formats.csv_calls import COLUMNS, csv_header, csv_row

from tests.support.recorded_logs import RecordedLog


async def rows_of(log: RecordedLog) -> tuple[str, list[dict[str, str]]]:
    async with ActorSessionStore() as store:
        session = await log.put_into(store)
        text = csv_header()
        async for call in calls(store, session.id):
            text += csv_row(call, session)
    return text, list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_call_is_a_row() -> None:
    log = RecordedLog()
    log.call('a,"b"', "say", after=0.25)
    log.ask(-2, "tools/list")
    log.fail(-2, -32601, 'two\nlines, "quoted"')
    text, (say, listed) = await rows_of(log)
    assert tuple(say) == COLUMNS
    assert (say["client"], say["server"]) == ("editor", "files")
    assert say["direction"] == "client-to-server"
    assert (say["request_id"], say["method"], say["name"]) == ('a,"b"', "tools/call", "say")
    assert (say["started"], say["latency_ms"]) == ("2026-01-01T00:00:01.000000+00:00", "250.0")
    assert (say["outcome"], say["error_code"]) == ("result", "")
    assert (say["request_frame"], say["response_frame"]) == ("1", "2")
    assert (listed["request_id"], listed["error_code"]) == ("-2", "-32601")
    assert listed["error_text"] == 'two\nlines, "quoted"'
    assert text.count("\r\n") == 3


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
async def test_no_text_is_taken_for_a_formula(start: str) -> None:
    """Whoever wrote it: the name of a tool, an id, the text of an error."""
    hostile = f"{start}HYPERLINK(A1)"
    log = RecordedLog()
    log.ask(hostile, "tools/call", name=hostile)
    log.fail(hostile, 1, hostile)
    _, (row,) = await rows_of(log)
    for column in ("request_id", "name", "error_text"):
        assert row[column] == f"'{hostile}"
