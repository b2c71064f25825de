"""Calls as CSV: one row a call, for spreadsheets and data frames.

Source: RFC 4180. Text in UTF-8, rows end with CRLF.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from ..analysis.parties import client_name, server_name

if TYPE_CHECKING:
    from ...values.session import Session
    from ..analysis.call import Call

__all__ = ["COLUMNS", "csv_header", "csv_row"]

COLUMNS = (
    *("session_id", "client", "server", "direction", "request_id", "method", "name"),
    *("started", "ended", "latency_ms", "outcome", "error_code", "error_text"),
    *("request_frame", "response_frame", "request_bytes", "response_bytes", "progress", "stream"),
)
"""The names in the first row; new ones are only ever added at the end."""

_Cell: TypeAlias = "str | int | float | None"

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A spreadsheet would compute a cell that begins with one of these.

Source: OWASP, "CSV Injection".
"""


def csv_header() -> str:
    """Return the first row."""
    return _write(COLUMNS)


def csv_row(call: Call, session: Session) -> str:
    """Return a call as a row.

    A text that a spreadsheet would take for a formula gets a `'` in front, which spreadsheets do
    not show. Numbers get none. An id that is a number is written as one, times are in UTC.
    """
    latency = call.latency
    return _write(
        (
            call.session_id,
            client_name(session),
            server_name(session),
            call.direction.value,
            call.request_id,
            call.method,
            call.name,
            _moment(call.started),
            _moment(call.ended),
            None if latency is None else round(latency.total_seconds() * 1000, 3),
            call.outcome.value,
            call.error_code,
            call.error_text,
            call.request_seq,
            call.response_seq,
            call.request_bytes,
            call.response_bytes,
            call.progress,
            call.stream,
        )
    )


def _write(cells: tuple[_Cell, ...]) -> str:
    row = io.StringIO()
    csv.writer(row).writerow([_harmless(each) if isinstance(each, str) else each for each in cells])
    return row.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds")
