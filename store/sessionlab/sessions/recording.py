"""Records every call on a store: who, what, when it began and ended, and what came of it.

An event costs one struct and two numbers; values are immutable, so they are kept as they are
and turned into plain data by `history()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from platform import python_version
from typing import Self, TypeVar, cast
from weakref import WeakKeyDictionary

from sessionkeeper.interface.atomic_store import AtomicSessionStore, Change
from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.events import Listener
from sessionkeeper.values.guarantees import Atomicity, Guarantees
from sessionkeeper.values.message import Frame, MessageEnvelope
from sessionkeeper.values.query import FrameSearch, SessionOrder, SessionPage, SessionQuery
from sessionkeeper.values.session import Session
from sessionkeeper.values.statistics import StoreStatistics

from ..linearizability.history.operation import Header, History
from .plain_data import options_data
from .recorded_call import Effect, RecordedCall, as_operations
from .recorded_watcher import RecordedWatcher
from .split_calls import BATCH_CALLS, CREATE_CALLS, LISTING_CALLS

__all__ = ["RecordingStore"]

R = TypeVar("R")


class RecordingStore(AtomicSessionStore):
    """A store that does what `inner` does and remembers it; `history()` returns what was seen.

    Each task is a client of its own. Events are numbered by a counter, so those of one loop are in
    their true order; use it on one loop. What the inner store refuses, it refuses. The history
    holds payloads.

    Not recorded: `search_frames`, `statistics`, `subscribe`, opening and closing. Refused:
    `for_principal`, since what is done through a view would be missing.
    """

    def __init__(
        self, inner: SessionStore, *, seed: int | None = None, faults: Sequence[str] = ()
    ) -> None:
        if not isinstance(inner, SessionStore):
            raise TypeError(f"a SessionStore is expected, not {type(inner).__name__}")
        self._inner = inner
        if isinstance(inner, AtomicSessionStore):
            # Those of the store behind, not of this class.
            vars(self)["guarantees"] = inner.guarantees
        self._seed = seed
        self._faults = tuple(faults)
        self._calls: list[RecordedCall] = []
        self._tick = count().__next__
        self._clients: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()
        self._next_client = count().__next__
        self._task: Callable[[], asyncio.Task[object] | None] = asyncio.current_task

    def __repr__(self) -> str:
        return f"<RecordingStore of {self._inner!r} calls={len(self._calls)}>"

    def history(self) -> History:
        """Return what was recorded so far; a call that has not ended has an unknown outcome."""
        apart, calls = self._non_atomic_calls(), self._calls
        sessions = sum(call.name in CREATE_CALLS for call in calls)
        operations = [each for call in calls for each in as_operations(call, apart, sessions)]
        guarantees = self._declared()
        return History(
            header=Header(
                model="session-store",
                store=type(self._inner).__name__,
                versions={"python": python_version(), "sessionkeeper": _own_version()},
                seed=self._seed,
                faults=self._faults,
                one_counter=guarantees is None or guarantees.one_counter,
            ),
            operations=tuple(operations),
        )

    def clear(self) -> None:
        """Forget what was recorded. The next history is right only if the store is empty."""
        self._calls.clear()

    def _declared(self) -> Guarantees | None:
        promised: object = getattr(self._inner, "guarantees", None)
        return promised if isinstance(promised, Guarantees) else None

    def _non_atomic_calls(self) -> frozenset[str]:
        """Return the calls that the store does not promise to do in one step."""
        promised = self._declared()
        if promised is None:
            return BATCH_CALLS
        apart: frozenset[str] = frozenset()
        if promised.batch is Atomicity.NONE:
            apart |= BATCH_CALLS
        return apart | LISTING_CALLS if promised.listing is Atomicity.NONE else apart

    def _begin(self, name: str, *argument: object) -> RecordedCall:
        task = self._task()
        client = -1
        if task is not None:
            known = self._clients.get(task)
            if known is None:
                known = self._clients[task] = self._next_client()
            client = known
        call = RecordedCall(client, name, argument, self._tick())
        self._calls.append(call)
        return call

    async def _run(self, call: RecordedCall, reply: Awaitable[R]) -> R:
        try:
            result = await reply
        except BaseException as error:
            call.returned = self._tick()
            call.fail(error)
            raise
        call.returned = self._tick()
        call.result = (_freeze(result),)
        return result

    def _atomic(self, method: str) -> AtomicSessionStore:
        if not isinstance(self._inner, AtomicSessionStore):
            raise NotImplementedError(f"{type(self._inner).__name__} has no {method}")
        return self._inner

    def _record_change(self, call: RecordedCall, change: Change) -> Change:
        """Wrap a change so that its effect is known; it may run more than once, the last counts."""
        call.effect = Effect()

        def recorded(session: Session) -> Session:
            call.effect = effect = Effect(session)
            try:
                changed = change(session)
            except BaseException as error:
                effect.error = error
                raise
            if changed is not session:
                effect.returned = changed
            return changed

        return recorded

    async def open(self) -> Self:
        if isinstance(self._inner, AtomicSessionStore):
            await self._inner.open()
            # How many buckets it has, and so what it can promise, some know only now.
            vars(self)["guarantees"] = self._inner.guarantees
        return self

    @property
    def is_open(self) -> bool:
        """Whether the inner store takes operations now."""
        return not isinstance(self._inner, AtomicSessionStore) or self._inner.is_open

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Close the inner store."""
        if isinstance(self._inner, AtomicSessionStore):
            await self._inner.aclose(timeout=timeout)

    async def create_session(self, session: Session, /) -> Session:
        call = self._begin("create_session", session)
        return await self._run(call, self._inner.create_session(session))

    async def get_session(self, session_id: str, /) -> Session:
        call = self._begin("get_session", session_id)
        return await self._run(call, self._inner.get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        call = self._begin("update_session", session)
        return await self._run(call, self._inner.update_session(session))

    async def delete_session(self, session_id: str, /) -> None:
        call = self._begin("delete_session", session_id)
        await self._run(call, self._inner.delete_session(session_id))

    async def list_sessions(self) -> list[Session]:
        return await self._run(self._begin("list_sessions"), self._inner.list_sessions())

    async def count_sessions(self) -> int:
        return await self._run(self._begin("count_sessions"), self._inner.count_sessions())

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        call = self._begin("add_frame", envelope)
        return await self._run(call, self._inner.add_frame(envelope))

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        call = self._begin("get_frames", session_id)
        return await self._run(call, self._inner.get_frames(session_id))

    async def delete_frames(self, session_id: str, /) -> int:
        call = self._begin("delete_frames", session_id)
        return await self._run(call, self._inner.delete_frames(session_id))

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        if stream is None:
            call = self._begin("count_frames", session_id)
            return await self._run(call, self._inner.count_frames(session_id))
        inner = self._atomic("count_frames")
        call = self._begin("count_frames", session_id, stream)
        return await self._run(call, inner.count_frames(session_id, stream=stream))

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        ids = session_ids if isinstance(session_ids, str) else tuple(session_ids)
        call = self._begin("get_sessions_batch", ids)
        return await self._run(call, self._inner.get_sessions_batch(ids))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        several = tuple(sessions)
        call = self._begin("update_sessions_batch", several)
        return await self._run(call, self._inner.update_sessions_batch(several))

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        inner = self._atomic("modify_session")
        call = self._begin("modify_session", session_id)
        reply = inner.modify_session(session_id, self._record_change(call, change))
        return await self._run(call, reply)

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        inner = self._atomic("get_or_create_session")
        call = self._begin("get_or_create_session", session)
        return await self._run(call, inner.get_or_create_session(session))

    async def put_session(self, session: Session, /) -> Session:
        inner = self._atomic("put_session")
        call = self._begin("put_session", session)
        return await self._run(call, inner.put_session(session))

    async def touch_session(self, session_id: str, /) -> None:
        inner = self._atomic("touch_session")
        call = self._begin("touch_session", session_id)
        await self._run(call, inner.touch_session(session_id))

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        inner = self._atomic("archive_session")
        call = self._begin("archive_session", session, expected_last_seq)
        reply = inner.archive_session(session, expected_last_seq=expected_last_seq)
        return await self._run(call, reply)

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        inner = self._atomic("add_frames")
        several = tuple(envelopes)
        call = self._begin("add_frames", session_id, several, expected_last_seq)
        wrapped = None if change is None else self._record_change(call, change)
        reply = inner.add_frames(
            session_id, several, expected_last_seq=expected_last_seq, change=wrapped
        )
        return await self._run(call, reply)

    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        newest: bool = False,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        inner = self._atomic("read_frames")
        options = options_data(
            before=before, reverse=reverse or None, stream=stream, incarnation=incarnation
        )
        call = self._begin("read_frames", session_id, after, limit, newest, *options)
        reply = inner.read_frames(
            session_id,
            after=after,
            before=before,
            limit=limit,
            newest=newest,
            reverse=reverse,
            stream=stream,
            incarnation=incarnation,
        )
        return await self._run(call, reply)

    async def search_frames(
        self,
        session_id: str,
        /,
        *,
        containing: Sequence[bytes | tuple[bytes, ...]],
        non_messages: bool = False,
        after: int = 0,
        limit: int = 1000,
        incarnation: str | None = None,
    ) -> FrameSearch:
        return await self._atomic("search_frames").search_frames(
            session_id,
            containing=containing,
            non_messages=non_messages,
            after=after,
            limit=limit,
            incarnation=incarnation,
        )

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        inner = self._atomic("trim_frames")
        call = self._begin("trim_frames", session_id, up_to, *options_data(incarnation=incarnation))
        reply = inner.trim_frames(session_id, up_to=up_to, incarnation=incarnation)
        return await self._run(call, reply)

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        inner = self._atomic("remove_frames")
        several = seqs if isinstance(seqs, str | bytes) else tuple(seqs)
        call = self._begin(
            "remove_frames", session_id, several, *options_data(incarnation=incarnation)
        )
        reply = inner.remove_frames(session_id, several, incarnation=incarnation)
        return await self._run(call, reply)

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        inner = self._atomic("find_sessions")
        ordered = () if order == SessionOrder.CREATED else (order,)
        call = self._begin("find_sessions", query, cursor, limit, *ordered)
        reply = inner.find_sessions(query, order=order, cursor=cursor, limit=limit)
        return await self._run(call, reply)

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        inner = self._atomic("expire_sessions")
        call = self._begin("expire_sessions", idle, age, limit)
        return await self._run(call, inner.expire_sessions(idle=idle, age=age, limit=limit))

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        inner = self._atomic("purge_sessions")
        call = self._begin("purge_sessions", ended_before, ended_for, limit)
        reply = inner.purge_sessions(ended_before=ended_before, ended_for=ended_for, limit=limit)
        return await self._run(call, reply)

    def watch_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> FrameWatcher:
        inner = self._atomic("watch_frames")

        async def step(step: Awaitable[Frame], last: int) -> Frame:
            call = self._begin("watch_frames", session_id, last, *_given(stream))
            return await self._run(call, step)

        watcher = inner.watch_frames(
            session_id, after=after, stream=stream, incarnation=incarnation
        )
        return RecordedWatcher(watcher, step, after)

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        return self._atomic("subscribe").subscribe(listener)

    async def statistics(self) -> StoreStatistics:
        return await self._atomic("statistics").statistics()


def _given(stream: str | None) -> tuple[str, ...]:
    """Return the last argument of a call that names a stream; other calls do not have it."""
    return () if stream is None else (stream,)


def _freeze(result: object) -> object:
    """A list is its caller's to change; what is in it is not."""
    return tuple(cast("list[object]", result)) if isinstance(result, list) else result


def _own_version() -> str:
    try:
        return version("sessionkeeper")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "?"
