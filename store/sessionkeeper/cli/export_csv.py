"""`sessionkeeper export --csv`: calls as rows."""

from __future__ import annotations

from pathlib import Path

from ..recording import calls
from ..recording.analysis.every_session import every_session
from ..recording.formats.csv_calls import csv_header, csv_row
from ..values.errors import SessionNotFound
from .console import interruptible
from .export_output import output_stream
from .progress import progress
from .stores import find_session, open_store

__all__ = ["export_csv"]


async def export_csv(url: str, asked: list[str], output: Path | None) -> int:
    """Write the calls of these sessions, or of all, session by session."""
    async with open_store(url) as store:
        found = {each.id: each for each in [await find_session(store, name) for name in asked]}
        total = len(found) if asked else await store.count_sessions()
        with (
            output_stream(output, encoding="utf-8") as stream,
            progress("exporting", total) as advance,
        ):
            stream.write(csv_header())
            async for session in every_session(store, found.values() if asked else None):
                try:
                    async for call in calls(store, session.id):
                        with interruptible():
                            stream.write(csv_row(call, session))
                except SessionNotFound:  # deleted meanwhile
                    if asked:
                        raise
                advance(1)
            with interruptible():
                stream.flush()
    return 0
