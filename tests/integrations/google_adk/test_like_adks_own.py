"""Random programs have the same results on ADK's own services and on ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.platform import time as platform_time
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from sessionkeeper import AtomicSessionStore
from sessionkeeper.integrations.google_adk import StoreSessionService

STEPS = 60
VALUES: list[Any] = [None, True, 0, -1, 2**60, 0.1 + 0.2, 1e300, "", "é\u2028", [], {"a": [None]}]


class Program:
    """A random program on a service; `results` is all that it saw."""

    def __init__(self, service: BaseSessionService, seed: int) -> None:
        self._service = service
        self._chance = Random(seed)
        self._time = 1_000.0
        self.results: list[Any] = []

    def now(self) -> float:
        return self._time

    async def run(self) -> None:
        for _ in range(STEPS):
            self._time += 1
            step = self._chance.choice(
                [
                    self.create,
                    self.append,
                    self.append,
                    self.append,
                    self.get,
                    self.look,
                    self.delete,
                ]
            )
            try:
                self.results.append((step.__name__, await step()))
            except Exception as error:
                self.results.append((step.__name__, type(error).__name__, str(error)))

    def names(self) -> dict[str, Any]:
        app, user, session = (self._chance.choice(each) for each in ("ab", "uv", ("s", "t ", "x")))
        return {"app_name": app, "user_id": user, "session_id": session}

    def delta(self) -> dict[str, Any]:
        keys = ["a", "b", "app:a", "user:a", "temp:a", "app:", "user:app:a", "other:a", ""]
        return {
            key: self._chance.choice(VALUES)
            for key in self._chance.sample(keys, self._chance.randrange(4))
        }

    async def create(self) -> Any:
        return seen(await self._service.create_session(**self.names(), state=self.delta()))

    async def delete(self) -> None:
        if self._chance.random() < 0.3:
            await self._service.delete_session(**self.names())

    async def get(self) -> Any:
        config = GetSessionConfig(
            num_recent_events=self._chance.choice([None, 0, 1, 3]),
            after_timestamp=self._chance.choice([None, self._time - 20]),
        )
        session = await self._service.get_session(**self.names(), config=config)
        return None if session is None else seen(session)

    async def look(self) -> Any:
        names = self.names()
        del names["session_id"]
        user = await self._service.get_user_state(**names)
        listed = await self._service.list_sessions(
            app_name=names["app_name"], user_id=self._chance.choice([None, names["user_id"]])
        )
        return user, [seen(each) for each in listed.sessions]

    async def append(self) -> Any:
        names, number = self.names(), len(self.results)
        session = await self._service.get_session(**names)
        if session is None:
            return None
        actions = EventActions(state_delta=self.delta())
        event = Event(id=f"e{number}", author="user", actions=actions, timestamp=self._time)
        await self._service.append_event(session, event)
        return seen(session), event.model_dump()


def seen(session: Any) -> Any:
    return session.model_dump()


@asynccontextmanager
async def adks_own(name: str, folder: Path) -> AsyncIterator[BaseSessionService]:
    if name == "memory":
        yield InMemorySessionService()
        return
    theirs = SqliteSessionService(str(folder / "theirs.db"))
    yield theirs
    await theirs.close()


@pytest.mark.parametrize("theirs", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", range(2))
async def test_programs_have_the_same_results(
    store: AtomicSessionStore,
    stale: Any,
    home: Any,
    theirs: str,
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = StoreSessionService(store, stale=stale, home=home)
    results: list[list[Any]] = []
    async with adks_own(theirs, tmp_path) as peer:
        for service in (peer, ours):
            program = Program(service, seed)
            monkeypatch.setattr(platform_time, "get_time", program.now)
            await program.run()
            results.append(program.results)
    for step, (expected, found) in enumerate(zip(*results, strict=True)):
        assert found == expected, f"step {step}"
