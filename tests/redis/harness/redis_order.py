"""Random concurrent calls, and their expected results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    Session,
    SessionError,
)
from sessionkeeper.interface.atomic_store import Change

__all__ = ["Call", "begin", "make_program", "mark", "same_order"]

SESSIONS = ("a", "b", "c")
OWNER = "alice"


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `reads` says that it changes nothing."""

    name: str
    make: Callable[[AtomicSessionStore], Awaitable[object]]
    reads: bool
    scoped: bool

    def __repr__(self) -> str:
        return f"{OWNER}'s {self.name}" if self.scoped else self.name

    async def on(self, store: AtomicSessionStore) -> object:
        """Make the call; return the answer or the error, without values of other stores."""
        view = store.for_principal(OWNER) if self.scoped else store
        try:
            return _plain(await self.make(view))
        except (SessionError, ValueError) as error:
            return type(error).__name__


Maker: TypeAlias = Callable[[Random, str, str], tuple[str, Callable[[AtomicSessionStore], Any]]]


def mark(label: str, **fields: object) -> Change:
    """A change that is distinct from others and shows its position."""

    def change(session: Session) -> Session:
        marks: Any = session.metadata.get("marks", ())
        held = {**session.metadata, "marks": [*marks, label]}
        return session.model_copy(update={"metadata": held, **fields})

    return change


def _note(key: str, label: str) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": label}
    return MessageEnvelope.of(key, message, direction="client-to-server")


def _new(key: str, label: str) -> Session:
    return Session.new(
        transport_type="stdio", id=key, principal=OWNER, metadata={"marks": [f"new {label}"]}
    )


def _stay(session: Session) -> Session:
    return session


def _refuse(session: Session) -> Session:
    raise _RefusedError


class _RefusedError(SessionError):
    pass


_WRITES: tuple[Callable[[str, str], Callable[[AtomicSessionStore], Any]], ...] = (
    lambda key, n: lambda s: s.add_frame(_note(key, n)),
    lambda key, n: lambda s: s.add_frame(_note(key, n)),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n), _note(key, f"{n}.2")]),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n)], change=mark(n)),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n)], change=mark(n)),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n)], change=_stay),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n)], change=_refuse),
    lambda key, n: lambda s: s.add_frames(key, [_note(key, n)], expected_last_seq=3),
    lambda key, n: lambda s: s.modify_session(key, mark(n)),
    lambda key, n: lambda s: s.modify_session(key, mark(n)),
    lambda key, n: lambda s: s.modify_session(key, mark(n, state="active")),
    lambda key, n: lambda s: s.modify_session(key, mark(n, state="closed")),
    lambda key, n: lambda s: s.touch_session(key),
    lambda key, n: lambda s: s.trim_frames(key, up_to=2),
    lambda key, n: lambda s: s.remove_frames(key, [1]),
    lambda key, n: lambda s: s.delete_frames(key),
    lambda key, n: lambda s: s.delete_session(key),
    lambda key, n: lambda s: s.create_session(_new(key, n)),
    lambda key, n: lambda s: s.create_session(_new(key, n)),
    lambda key, n: lambda s: s.get_or_create_session(_new(key, n)),
    lambda key, n: lambda s: s.get_or_create_session(_new(key, n)),
    lambda key, n: lambda s: s.put_session(_new(key, n)),
)
_WRITE_NAMES = (
    "add_frame",
    "add_frame",
    "add_frames",
    "add_frames change",
    "add_frames change",
    "add_frames no change",
    "add_frames refused change",
    "add_frames expected",
    "modify_session",
    "modify_session",
    "modify_session active",
    "modify_session closed",
    "touch_session",
    "trim_frames",
    "remove_frames",
    "delete_frames",
    "delete_session",
    "create_session",
    "create_session",
    "get_or_create_session",
    "get_or_create_session",
    "put_session",
)
_READS: tuple[tuple[str, Callable[[str], Callable[[AtomicSessionStore], Any]]], ...] = (
    ("get_session", lambda key: lambda s: s.get_session(key)),
    ("read_frames", lambda key: lambda s: s.read_frames(key)),
    ("read_frames newest", lambda key: lambda s: s.read_frames(key, limit=1, newest=True)),
    ("count_frames", lambda key: lambda s: s.count_frames(key)),
    (
        "get_sessions_batch",
        lambda key: lambda s: s.get_sessions_batch(["a", "b"] if key != "a" else ["a"]),
    ),
)


def make_program(random: Random, calls: int = 24, *, without: Sequence[str] = ()) -> list[Call]:
    """Calls on few sessions, without those of these names."""
    program: list[Call] = []
    for n in range(calls):
        key, scoped = random.choice(SESSIONS), random.random() < 0.2
        if random.random() < 0.3:
            name, read = random.choice(_READS)
            program.append(Call(f"{n}: {name} {key}", read(key), reads=True, scoped=scoped))
            continue
        kind = random.randrange(len(_WRITES))
        if _WRITE_NAMES[kind] in without:
            kind = 0
        name = f"{n}: {_WRITE_NAMES[kind]} {key}"
        program.append(Call(name, _WRITES[kind](key, f"m{n}"), reads=False, scoped=scoped))
    return program


async def begin(store: AtomicSessionStore) -> None:
    """Make the sessions a program finds."""
    for key in SESSIONS[:2]:
        await store.create_session(_new(key, "before"))
        await store.add_frames(key, [_note(key, "before")])


async def ask_together(store: AtomicSessionStore, program: Sequence[Call]) -> list[object]:
    """Make all calls at once, in order."""
    return [*await asyncio.gather(*(call.on(store) for call in program))]


async def apply_in_turn(program: Sequence[Call]) -> tuple[list[object], object]:
    """Make one call after the other, in memory; return the answers and the content."""
    async with ActorSessionStore() as store:
        await begin(store)
        answers = [await call.on(store) for call in program]
        return answers, await look_at(store)


async def look_at(store: AtomicSessionStore) -> object:
    """All that calls have a part in."""
    sessions = sorted(await store.list_sessions(), key=lambda session: session.id)
    return [(_plain(each), _plain(await store.read_frames(each.id))) for each in sessions]


async def same_order(
    store: AtomicSessionStore, program: Sequence[Call], *, reads: bool = True
) -> None:
    """Check that concurrent calls have the same results as consecutive ones."""
    expected, there = await apply_in_turn(program)
    answers = await ask_together(store, program)
    for call, answer, right in zip(program, answers, expected, strict=True):
        if reads or not call.reads:
            assert answer == right, f"{call}: {answer} for {right} of {program}"
    assert await look_at(store) == there, program


def _plain(value: Any) -> object:
    match value:
        case Session():
            marks: Any = value.metadata.get("marks", ())
            return value.id, value.state, [*marks], value.frame_count, value.last_seq
        case list() | tuple():
            values: list[Any] = [*value]
            return [_plain(each) for each in values]
        case _ if hasattr(value, "envelope"):
            return value.seq, value.envelope.method
        case _:
            return value
