"""Histories of callers of a session service, and the model that judges them.

A session is the list of its events, and its state is what they set, in their order. State of
`user:` is a key of its own: it changes in a step of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, TypeAlias, cast

from google.adk.errors import StaleSessionError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.base_session_service import BaseSessionService
from sessionlab import Model, Operation, Outcome

NAMES: Any = {"app_name": "app", "user_id": "user", "session_id": "one"}
KEYS = ("a", "b")

State: TypeAlias = tuple[str, ...]
"""What was set, in order: each event is named `key=number`, by what it sets."""


def folded(events: State) -> dict[str, str]:
    """Return the state that events make."""
    return dict(cast("tuple[str, str]", tuple(each.split("="))) for each in events)


class SessionOfEvents(Model[State]):
    """`get` answers the events and the state; `append` adds an event to a log of `seen` events."""

    name = "session of events"

    def init(self) -> State:
        return ()

    def step(self, state: State, operation: Operation, /) -> list[State]:
        argument: Any = operation.argument
        if operation.name == "get":
            right = operation.result == (state, tuple(sorted(folded(state).items())))
            return [state] if right else []
        if operation.name == "get user":
            value = folded(state).get("user")
            return [state] if operation.result == value else []
        event, seen = argument
        fits = seen is None or seen == len(state)
        if operation.outcome is Outcome.FAILED:
            return [] if fits else [state]
        return [(*state, event)] if fits else []

    def key(self, operation: Operation, /) -> tuple[str, ...]:
        return ("user",) if "user" in operation.name else ("session",)

    def is_read(self, operation: Operation, /) -> bool:
        return "get" in operation.name or operation.outcome is Outcome.FAILED

    def is_evidence(self, operation: Operation, /) -> bool:
        return operation.outcome is not Outcome.FAILED or operation.name == "append"

    def describe(self, state: State, /) -> str:
        return f"{len(state)} events"

    def explain(self, state: State, operation: Operation, /) -> str:
        return f"{operation.name} {operation.outcome}, but there are {self.describe(state)}"


@dataclass(slots=True)
class Recorder:
    """Callers of one session, each a client of the history."""

    service: BaseSessionService
    stale: str
    chance: Random
    operations: list[Operation] = field(default_factory=list)
    _times: Any = field(default_factory=lambda: count(1))
    _events: Any = field(default_factory=count)

    async def run(self, clients: int, calls: int) -> list[Operation]:
        """Let callers get and append at random, and look at the end."""
        await self.service.create_session(**NAMES)
        async with asyncio.TaskGroup() as tasks:
            for client in range(clients):
                tasks.create_task(self._call(client, calls))
        await self._get(clients)
        await self._get_user(clients)
        return sorted(self.operations, key=lambda each: each.call)

    async def _call(self, client: int, calls: int) -> None:
        for _ in range(calls):
            session = await self._get(client)
            if self.chance.random() < 0.3:
                await self._get_user(client)
            if self.chance.random() < 0.8:
                await self._append(client, session)

    async def _get(self, client: int) -> Any:
        call = next(self._times)
        session = await self.service.get_session(**NAMES)
        assert session is not None
        events = tuple(event.id for event in session.events)
        own = {name: value for name, value in session.state.items() if ":" not in name}
        self._note(client, "get", call, result=(events, tuple(sorted(own.items()))))
        return session

    async def _get_user(self, client: int) -> None:
        call = next(self._times)
        state = await self.service.get_user_state(app_name="app", user_id="user")
        self._note(client, "get user", call, result=state.get("user"))

    async def _append(self, client: int, session: Any) -> None:
        key, number = self.chance.choice(KEYS), str(next(self._events))
        delta = {key: number}
        if sets_user := self.chance.random() < 0.4:
            delta["user:user"] = number
        event = Event(id=f"{key}={number}", author="user", actions=EventActions(state_delta=delta))
        seen = len(session.events) if self.stale == "refuse" else None
        call, outcome = next(self._times), Outcome.OK
        while True:
            appending = asyncio.ensure_future(self.service.append_event(session, event))
            if self.chance.random() < 0.2:  # give up, and try the same again
                for _ in range(self.chance.randrange(6)):
                    await asyncio.sleep(0)
                appending.cancel()
            try:
                await appending
            except StaleSessionError:
                outcome = Outcome.FAILED
            except asyncio.CancelledError:
                continue
            break
        self._note(client, "append", call, argument=(event.id, seen), outcome=outcome)
        if sets_user:
            argument = (f"user={number}", None)
            self._note(client, "set user", call, argument=argument, outcome=outcome)

    def _note(
        self,
        client: int,
        name: str,
        call: int,
        *,
        argument: Any = None,
        result: Any = None,
        outcome: Outcome = Outcome.OK,
    ) -> None:
        self.operations.append(
            Operation(
                client=client,
                name=name,
                argument=argument,
                result=result,
                call=call,
                returned=next(self._times),
                outcome=outcome,
            )
        )
