"""ADK's `append_event` on a file: ours beside ADK's own services, 64 callers, in turn.

`pip install -e '.[dev]'`, then `python perf/integrations_adk.py`. Each caller has a session of its
own, and tries again if the file is locked. Theirs use the file as they come. Ours syncs each
commit to the disk, which is its default.
Prints the ratios, and exits with 1 when ours is not 3 times as fast as the fastest of theirs.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from harness import Ratio, options, throughput

CALLERS = 64
ROUNDS = 3
TARGET = 3.0
TEXT = "x" * 900
TOTALS = {"StoreSessionService": 1_280, "SqliteSessionService": 128, "DatabaseSessionService": 128}


@asynccontextmanager
async def opened(name: str, path: Path) -> AsyncIterator[Any]:
    """Open a service on a file."""
    if name == "StoreSessionService":
        from sessionkeeper.integrations.google_adk import StoreSessionService

        async with StoreSessionService.from_url(f"sqlite:///{path}") as ours:
            yield ours
        return
    theirs: Any
    if name == "SqliteSessionService":
        from google.adk.sessions.sqlite_session_service import SqliteSessionService

        theirs = SqliteSessionService(str(path))
    else:
        from google.adk.sessions.database_session_service import DatabaseSessionService

        theirs = DatabaseSessionService(f"sqlite+aiosqlite:///{path}")
    try:
        yield theirs
    finally:
        await theirs.close()


async def measure(name: str, delta: dict[str, int]) -> float:
    """Events a second that a fresh service takes."""
    from google.adk.events.event import Event
    from google.adk.events.event_actions import EventActions
    from google.genai.types import Content, Part

    content = Content(role="user", parts=[Part(text=TEXT)])
    with tempfile.TemporaryDirectory(prefix="adk-") as folder:
        async with opened(name, Path(folder) / "sessions.db") as service:
            sessions = [
                await service.create_session(app_name="app", user_id=f"u{n}")
                for n in range(CALLERS)
            ]

            async def append(n: int) -> None:
                actions = EventActions(state_delta=dict(delta))
                event = Event(author="user", content=content, actions=actions)
                while True:
                    try:
                        await service.append_event(sessions[n], event)
                    except Exception as error:
                        if type(error).__name__ != "OperationalError":
                            raise
                        await asyncio.sleep(0)  # theirs: the database is locked
                    else:
                        return

            await throughput(append, CALLERS, CALLERS)
            gc.collect()
            rate = await throughput(append, CALLERS, TOTALS[name])
            kept = await service.get_session(
                app_name="app", user_id="u0", session_id=sessions[0].id
            )
            assert len(kept.events) == len(sessions[0].events)
            return rate


async def against(what: str, delta: dict[str, int]) -> bool:
    """Measure all in turn, print the ratios; whether the target is reached."""
    ours, *theirs = TOTALS
    rounds = [{name: await measure(name, delta) for name in TOTALS} for _ in range(ROUNDS)]
    fastest = max(theirs, key=lambda name: median(each[name] for each in rounds))
    reached = True
    for name in theirs:
        ratios = [each[ours] / each[name] for each in rounds]
        ratio = Ratio(
            median(each[ours] for each in rounds),
            median(each[name] for each in rounds),
            median(ratios),
            min(ratios),
            max(ratios),
        )
        verdict = ""
        if name == fastest:
            reached = ratio.ratio >= TARGET
            verdict = "reached" if reached else "MISSED"
        print(f"{what:24} / {name:24} {verdict:8} {ratio}", flush=True)
    return reached


async def measure_all() -> bool:
    """All lines."""
    rows: dict[str, dict[str, int]] = {
        "an event": {},
        "with state": {"step": 1},
        "with state of each scope": {"step": 1, "user:step": 1, "app:step": 1},
    }
    return all([await against(what, delta) for what, delta in rows.items()])


def main() -> int:
    """Measure; 0 when all is reached."""
    options(__doc__).parse_args()
    warnings.simplefilter("ignore")

    return 0 if asyncio.run(measure_all()) else 1


if __name__ == "__main__":
    sys.exit(main())
