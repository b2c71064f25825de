"""`sessionkeeper export --html`: sessions as one page for the browser."""

from __future__ import annotations

import os
from pathlib import Path

from ..recording.analysis.every_session import every_session
from ..values.query import SessionOrder
from ..viewer.page import file_page
from ..viewer.snapshot import LARGEST, TooLarge, read_snapshot
from .console import complain, interruptible
from .export_output import output_stream
from .progress import progress
from .stores import BAD_INPUT, find_session, open_store, store_name

__all__ = ["export_html"]


async def export_html(url: str, asked: list[str], output: Path) -> int:
    """Write a page with these sessions, or with all, the last used first."""
    async with open_store(url) as store:
        found = {each.id: each for each in [await find_session(store, name) for name in asked]}
        sessions = list(found.values())
        if not asked:
            in_order = every_session(store, None, order=SessionOrder.LAST_ACTIVITY)
            sessions = [each async for each in in_order]
        with output_stream(output, encoding="utf-8") as stream:
            with progress("exporting", len(sessions)) as advance:
                try:
                    data = await read_snapshot(
                        store,
                        sessions,
                        os.path.basename(store_name(url)),
                        on_session=lambda: advance(1),
                    )
                except TooLarge:
                    output.unlink()
                    complain(
                        f"the messages are more than the {LARGEST // 1_000_000} MB that a page may"
                        " hold: name fewer sessions, or export JSON Lines"
                    )
                    return BAD_INPUT
            with interruptible():
                stream.write(file_page(data))
    return 0
