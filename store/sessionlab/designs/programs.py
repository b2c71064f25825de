"""Programs for generated tests: a prefix of calls, then concurrent branches.

A program is data, so a generator can shrink it. Its calls are those of a store; a call that is
refused or not offered is skipped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sessionkeeper.values.errors import SessionError
from sessionkeeper.values.session import Session

from .. import RecordingStore
from .clients import add_one, new, note, together

__all__ = ["CALLS", "Program", "ProgramStep"]


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """One call: its name, a key of `CALLS`, and the session it is for."""

    call: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Program:
    """Calls in sequence, then concurrent clients, then reads of everything."""

    prefix: tuple[ProgramStep, ...]
    branches: tuple[tuple[ProgramStep, ...], ...]

    async def run_clients(self, store: RecordingStore) -> None:
        """Run it. Raises an error that no store may raise."""
        texts = iter(range(1_000_000))
        await _run(store, self.prefix, texts.__next__)
        await together(*(_run(store, branch, texts.__next__) for branch in self.branches))
        seen = {step.session_id for steps in (self.prefix, *self.branches) for step in steps}
        looks = [
            ProgramStep(call, each) for each in sorted(seen) for call in ("get", "frames", "count")
        ]
        await _run(store, [*looks, ProgramStep("list", "")], texts.__next__)


class _Client:
    """A client with the last snapshot it saw of each session."""

    def __init__(self, store: RecordingStore, number: Callable[[], int]) -> None:
        self.store = store
        self._number = number
        self._seen: dict[str, Session] = {}

    def text(self) -> str:
        """Return a text that no other frame has."""
        return f"t{self._number()}"

    async def get(self, session_id: str) -> None:
        self._seen[session_id] = await self.store.get_session(session_id)

    async def update(self, session_id: str) -> None:
        """Write the last snapshot seen, however old it is."""
        if session_id not in self._seen:
            await self.get(session_id)
        changed = add_one(self._seen[session_id])
        self._seen[session_id] = await self.store.update_session(changed)

    async def update_both(self, session_id: str) -> None:
        seen = [add_one(session) for session in self._seen.values()]
        if seen:
            await self.store.update_sessions_batch(seen)

    async def recreate(self, session_id: str) -> None:
        await self.store.delete_session(session_id)
        await self.store.create_session(new(session_id))

    async def add_three(self, session_id: str) -> None:
        frames = [note(session_id, self.text()) for _ in range(3)]
        await self.store.add_frames(session_id, frames)

    async def add_and_change(self, session_id: str) -> None:
        frames = [note(session_id, self.text()) for _ in range(2)]
        await self.store.add_frames(session_id, frames, change=add_one)


_Call: TypeAlias = "Callable[[_Client, str], Awaitable[object]]"

CALLS: Mapping[str, _Call] = {
    "create": lambda client, each: client.store.create_session(new(each)),
    "get or create": lambda client, each: client.store.get_or_create_session(new(each)),
    "put": lambda client, each: client.store.put_session(new(each)),
    "get": _Client.get,
    "update": _Client.update,
    "update both": _Client.update_both,
    "modify": lambda client, each: client.store.modify_session(each, add_one),
    "delete": lambda client, each: client.store.delete_session(each),
    "recreate": _Client.recreate,
    "list": lambda client, _: client.store.list_sessions(),
    "count sessions": lambda client, _: client.store.count_sessions(),
    "add": lambda client, each: client.store.add_frame(note(each, client.text())),
    "add three": _Client.add_three,
    "add and change": _Client.add_and_change,
    "frames": lambda client, each: client.store.get_frames(each),
    "read": lambda client, each: client.store.read_frames(each, after=1, limit=2),
    "count": lambda client, each: client.store.count_frames(each),
    "trim": lambda client, each: client.store.trim_frames(each, up_to=1),
    "delete frames": lambda client, each: client.store.delete_frames(each),
}
"""The calls that a program can make, by name."""


async def _run(
    store: RecordingStore, steps: Sequence[ProgramStep], number: Callable[[], int]
) -> None:
    client = _Client(store, number)
    for step in steps:
        try:
            await CALLS[step.call](client, step.session_id)
        except (SessionError, NotImplementedError):
            continue
