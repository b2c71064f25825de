"""Tasks that get a session of ADK and append to it, all at once, and what is left of it.

`python race.py SIDE PLACE NAME TASKS` is one of several processes; it prints what was acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from sessionkeeper.integrations.google_adk import StoreSessionService

EACH = 5
NEWEST = GetSessionConfig(num_recent_events=1)
NAMES: Any = {"app_name": "app", "user_id": "user", "session_id": "raced"}
SIDES = ("merge", "refuse", "SqliteSessionService", "DatabaseSessionService")


@dataclass(slots=True)
class Raced:
    """What callers were told, and what is stored."""

    acknowledged: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    events: int = 0
    lost: int = 0
    """Acknowledged events that are not stored, or whose state is missing in a scope."""

    def __str__(self) -> str:
        return (
            f"acknowledged {len(self.acknowledged)}, events {self.events}, lost {self.lost}, "
            f"errors {dict(self.errors)}"
        )


@asynccontextmanager
async def opened(side: str, place: str) -> AsyncIterator[BaseSessionService]:
    """Open a service: ours at a URL, theirs in a file."""
    if side in ("merge", "refuse"):
        stale: Any = side
        async with StoreSessionService.from_url(place, stale=stale) as ours:
            yield ours
        return
    path = place.removeprefix("sqlite:///")
    theirs: Any
    if side == "SqliteSessionService":
        from google.adk.sessions.sqlite_session_service import SqliteSessionService

        theirs = SqliteSessionService(path)
    else:
        from google.adk.sessions.database_session_service import DatabaseSessionService

        theirs = DatabaseSessionService(f"sqlite+aiosqlite:///{path}")
    try:
        yield theirs
    finally:
        await theirs.close()


async def append_often(service: BaseSessionService, who: str, raced: Raced) -> None:
    """Get the session and append an event with state of each scope, `EACH` times."""
    for number in range(EACH):
        key = f"{who}-{number}"
        delta = {f"{scope}{key}": number for scope in ("", "user:", "app:")}
        try:
            session = await service.get_session(**NAMES, config=NEWEST)
            assert session is not None
            await asyncio.sleep(0)
            event = Event(id=key, author="user", actions=EventActions(state_delta=delta))
            await service.append_event(session, event)
        except Exception as error:
            raced.errors[type(error).__name__] += 1
        else:
            raced.acknowledged.append(key)


async def race(side: str, place: str, who: str, tasks: int) -> Raced:
    """Race some tasks in this process."""
    raced = Raced()
    async with opened(side, place) as service:
        await asyncio.gather(*(append_often(service, f"{who}{n}", raced) for n in range(tasks)))
    return raced


async def prepare(side: str, place: str) -> None:
    """Create the session."""
    async with opened(side, place) as service:
        await service.create_session(**NAMES)


async def judge(side: str, place: str, raced: Raced) -> Raced:
    """Look at what is stored."""
    async with opened(side, place) as service:
        session = await service.get_session(**NAMES)
    assert session is not None
    ids = Counter(event.id for event in session.events)
    raced.events = len(session.events)
    raced.lost = sum(
        ids[key] != 1 or any(scope + key not in session.state for scope in ("", "user:", "app:"))
        for key in raced.acknowledged
    )
    return raced


async def race_in_processes(side: str, place: str, tasks: int) -> Raced:
    """Race tasks in two processes."""
    await prepare(side, place)
    command = (sys.executable, "-W", "ignore", str(Path(__file__)), side, place)
    processes = [
        await asyncio.create_subprocess_exec(
            *command, who, str(tasks // 2), stdout=asyncio.subprocess.PIPE
        )
        for who in "ab"
    ]
    both = Raced()
    for process in processes:
        output, _ = await process.communicate()
        assert process.returncode == 0, "a racing process failed"
        told = json.loads(output.splitlines()[-1])
        both.acknowledged += told["acknowledged"]
        both.errors.update(told["errors"])
    return await judge(side, place, both)


async def race_in_one(side: str, place: str, tasks: int) -> Raced:
    """Race tasks in this process."""
    await prepare(side, place)
    return await judge(side, place, await race(side, place, "a", tasks))


if __name__ == "__main__":
    side, place, who, tasks = sys.argv[1:]
    raced = asyncio.run(race(side, place, who, int(tasks)))
    print(json.dumps({"acknowledged": raced.acknowledged, "errors": raced.errors}))
