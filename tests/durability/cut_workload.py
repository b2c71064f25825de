"""What a store is asked to do until the power goes, and what it must have kept of its answers.

Some operations are random. Of others it is known what the file must hold once they are answered:
they are made round by round, all those of a round at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest
from sessionkeeper import MessageEnvelope, Session, SessionError, SQLiteSessionStore

__all__ = ["EARLY", "PASSED", "answering_early", "is_torn", "kept", "work"]

Kept: TypeAlias = dict[str, int]
"""The last round of each operation whose effect a file holds."""

PASSED = datetime(2020, 1, 1, tzinfo=UTC)
"""When sessions expire that the next sweep must end."""
EARLY = ("add_frame", "remove_frames", "put_session", "expire_sessions")
"""The operations whose answers are compared with what is kept."""

_BEYOND = "SELECT count(*) FROM frames JOIN logs USING (session) WHERE seq > last_seq"
_PARTS = (
    "SELECT session, seq, message FROM frames"
    " WHERE message = x'' OR CAST(message AS TEXT) LIKE '%[\"part\"%'"
)
_ACKS = "SELECT number, last_seq, fields FROM sessions JOIN logs ON number = session WHERE id = ?"
_REMOVED = "SELECT count(*) FROM frames WHERE session = ? AND message = x''"


def kept(connection: Any) -> Kept:
    """Read it from the tables."""
    acks = connection.execute(_ACKS, ("acks",)).fetchone()
    if acks is None:
        return dict.fromkeys(EARLY, 0)
    number, last_seq, fields = acks
    due = connection.execute(f"{_ACKS} AND ended_at IS NULL", ("due",)).fetchone()
    return {
        "add_frame": last_seq,
        "remove_frames": connection.execute(_REMOVED, (number,)).fetchone()[0],
        "put_session": _count(fields),
        # That of a round is live no more; a purge may have taken it since.
        "expire_sessions": last_seq if due is None else _count(due[2]) - 1,
    }


def is_torn(connection: Any) -> bool:
    """Whether a frame is not counted, or a batch of three is without its end."""
    found = {
        (session, seq): json.loads(message)["params"][1:] if message else None
        for session, seq, message in connection.execute(_PARTS).fetchall()
    }
    return connection.execute(_BEYOND).fetchone() != (0,) or any(
        part is not None
        and part[1] < 2
        and found.get((session, seq + 1), "none") not in ([part[0], part[1] + 1], None)
        for (session, seq), part in found.items()
    )


async def work(path: Path, durability: str, events: list[Any], random: Random) -> None:
    """Batches of several callers, checkpoints, sweeps, a vacuum, and closings in between."""
    n = 0
    for _ in range(3):
        async with SQLiteSessionStore(path, durability=durability) as store:
            await store.get_or_create_session(Session.new(transport_type="stdio", id="acks"))
            for _ in range(12):
                n += 1
                some = [_operation(store, n, random) for _ in range(random.randrange(6))]
                asked = [asyncio.ensure_future(each) for each in some]
                await asyncio.gather(*(each(store, n, events) for each in _ANSWERED))
                for outcome in await asyncio.gather(*asked, return_exceptions=True):
                    if isinstance(outcome, Exception) and not isinstance(outcome, SessionError):
                        raise outcome
            await store.vacuum()


async def _append(store: SQLiteSessionStore, n: int, events: list[Any]) -> None:
    await store.add_frame(_note("acks", n))
    events.append(("ack", "add_frame", n))


async def _remove(store: SQLiteSessionStore, n: int, events: list[Any]) -> None:
    """The frame of the round before."""
    if n > 1:
        await store.remove_frames("acks", [n - 1])
        events.append(("ack", "remove_frames", n - 1))


async def _put(store: SQLiteSessionStore, n: int, events: list[Any]) -> None:
    await store.put_session(Session.new(transport_type="stdio", id="acks", metadata={"n": n}))
    events.append(("ack", "put_session", n))


async def _expire(store: SQLiteSessionStore, n: int, events: list[Any]) -> None:
    """The session of the round before, in whose place another one is put."""
    await store.expire_sessions()
    events.append(("ack", "expire_sessions", n - 1))
    await store.put_session(
        Session.new(transport_type="stdio", id="due", metadata={"n": n}, expires_at=PASSED)
    )


_ANSWERED = (_append, _remove, _put, _expire)


def _operation(store: SQLiteSessionStore, n: int, random: Random) -> Awaitable[object]:
    """One that may fail: what there is to do depends on what was done."""
    one, first = f"s{random.randrange(6)}", random.randrange(1, 7)
    expires_at = random.choice((None, PASSED))
    kinds: list[Callable[[], Awaitable[object]]] = [
        lambda: store.create_session(Session.new(transport_type="stdio", id=one, principal=one)),
        lambda: store.create_session(
            Session.new(transport_type="stdio", id=one, expires_at=expires_at)
        ),
        lambda: store.put_session(Session.new(transport_type="stdio", id=one, tags={str(n)})),
        lambda: store.add_frames(one, [_part(one, n, each) for each in range(3)]),
        lambda: store.add_frame(_note(one, n, random.randrange(9_000))),
        lambda: store.modify_session(one, lambda s: s.model_copy(update={"tags": {str(n)}})),
        lambda: _remove_if_there(store, one, [first, first + 1]),
        lambda: store.trim_frames(one, up_to=3),
        lambda: store.delete_session(one),
        lambda: store.modify_session(one, lambda s: s.model_copy(update={"state": "closed"})),
        lambda: store.purge_sessions(ended_for=0),
    ]
    return random.choices(kinds, (3, 2, 1, 4, 4, 2, 3, 2, 1, 1, 1))[0]()


async def _remove_if_there(store: SQLiteSessionStore, id: str, seqs: list[int]) -> None:
    with suppress(ValueError):  # a number behind the last one
        await store.remove_frames(id, seqs)


def _note(id: str, n: int, size: int = 0) -> MessageEnvelope:
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of(id, message.ljust(size), direction="client-to-server")


def _part(id: str, n: int, number: int) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": ["part", n, number]}
    return MessageEnvelope.of(id, message, direction="client-to-server", stream=f"s{number}")


def _count(fields: str) -> int:
    return int(json.loads(fields).get("metadata", {}).get("n", 0))


@contextmanager
def answering_early(operation: str) -> Iterator[None]:
    """Have stores answer that operation before they do it."""
    whole = getattr(SQLiteSessionStore, operation)
    begun: set[asyncio.Task[Any]] = set()

    async def early(*arguments: Any, **options: Any) -> int:
        asked = asyncio.ensure_future(whole(*arguments, **options))
        begun.add(asked)
        asked.add_done_callback(forget)
        return 0

    def forget(asked: asyncio.Task[Any]) -> None:
        begun.discard(asked)
        asked.exception()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLiteSessionStore, operation, early)
        yield
