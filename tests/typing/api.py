"""How the library is written against: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_type

from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Change,
    Direction,
    Frame,
    FrameWatcher,
    FrozenDict,
    FrozenList,
    Guarantees,
    JsonValue,
    LimitExceeded,
    LockedSessionStore,
    ManagerConfig,
    ManagerStatistics,
    MemoryBackend,
    MessageEnvelope,
    MessageKind,
    OwnedSessionStore,
    PendingRequest,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionEvent,
    SessionHooks,
    SessionId,
    SessionManager,
    SessionPage,
    SessionQuery,
    SessionState,
    SessionStatus,
    SessionStore,
    ShutdownReport,
    StorageFactory,
    StoreLimits,
    StoreStatistics,
    ThreadSafeSessionStore,
    VersionState,
    backend_from_url,
    freeze,
    new_session_id,
)
from sessionlab import (
    Anomaly,
    CheckResult,
    Grade,
    History,
    RecordingStore,
    Register,
    Verdict,
    check,
    find_anomalies,
    find_model,
    grade,
    read_history,
)
from soleowner import Actor, ActorStatistics, Command, LoopRunner, Observer, ThreadPort

# The engine: the types travel with the command.


@dataclass(frozen=True, slots=True)
class Push(Command[list[str], int]):
    """Append; answer how many there are."""

    text: str

    def apply(self, state: list[str], /) -> int:
        state.append(self.text)
        return len(state)


@dataclass(frozen=True, slots=True)
class Last(Command[list[str], str | None]):
    """Answer the newest, if there is one."""

    def apply(self, state: list[str], /) -> str | None:
        return state[-1] if state else None


class BatchObserver:
    """An observer needs no base class."""

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        assert_type(waited, float)


an_observer: Observer = BatchObserver()


async def an_actor_answers_what_its_command_says() -> None:
    actor: Actor[list[str]] = Actor(LoopRunner(["a"], expected=(KeyError,)), capacity=8)
    async with actor as entered:
        assert_type(entered, Actor[list[str]])
        assert_type(actor.ask(Push("x")), asyncio.Future[int])
        assert_type(await actor.ask(Push("x")), int)
        assert_type(await actor.ask_nowait(Last()), str | None)
        assert_type(actor.statistics(), ActorStatistics)
        assert_type(actor.statistics().refusals, Mapping[str, int])
        assert_type(actor.port(), ThreadPort[list[str]])
        assert_type(actor.port().ask(Push("x"), timeout=1), int)
        assert_type(actor.port().ask(Last()), str | None)
        actor.observe(BatchObserver())
        await actor.aclose(timeout=1.5)


# Values.


def values_are_made_and_read() -> None:
    session = Session.new(transport_type="stdio", tags={"t"}, metadata={"a": [1]})
    assert_type(session, Session)
    assert_type(session.id, str)
    assert_type(session.state, SessionState)
    assert_type(session.status, SessionStatus)
    assert_type(session.tags, frozenset[str])
    assert_type(session.metadata, FrozenDict)
    assert_type(session.client_info, FrozenDict | None)
    assert_type(session.metadata["a"], JsonValue)
    assert_type(session.version_state.negotiate("2025-11-25"), VersionState)
    assert_type(session.model_copy(update={"state": "active"}), Session)
    assert_type(new_session_id(), str)
    key: SessionId = "any string is one to a type checker"
    envelope = MessageEnvelope.of(key, {"jsonrpc": "2.0"}, direction="client-to-server")
    assert_type(envelope, MessageEnvelope)
    assert_type(envelope.message, bytes)
    assert_type(envelope.kind, MessageKind)
    assert_type(envelope.method, str | None)
    assert_type(envelope.request_id, int | str | None)
    assert_type(envelope.context.direction, Direction)
    frozen = freeze({"a": [1]})
    if isinstance(frozen, FrozenList):
        assert_type(frozen[0], JsonValue)
        assert_type(frozen[0:1], FrozenList)


# Stores: one interface, whatever is behind it.


async def every_method_of_a_store(store: AtomicSessionStore, envelope: MessageEnvelope) -> None:
    session = await store.create_session(Session.new(transport_type="sse"))
    assert_type(session, Session)
    assert_type(await store.get_session(session.id), Session)
    assert_type(await store.update_session(session), Session)
    await store.delete_session(session.id)
    assert_type(await store.list_sessions(), list[Session])
    assert_type(await store.count_sessions(), int)
    assert_type(await store.add_frame(envelope), int)
    assert_type(await store.get_frames(session.id), list[MessageEnvelope])
    assert_type(await store.delete_frames(session.id), int)
    assert_type(await store.count_frames(session.id), int)
    assert_type(await store.get_sessions_batch((session.id,)), list[Session])
    assert_type(await store.update_sessions_batch([session]), list[Session])
    assert_type(await store.modify_session(session.id, lambda s: s), Session)
    assert_type(await store.get_or_create_session(session), tuple[Session, bool])
    assert_type(await store.put_session(session), Session)
    await store.touch_session(session.id)
    assert_type(await store.archive_session(session, expected_last_seq=0), Session)
    assert_type(
        await store.add_frames(session.id, [envelope], expected_last_seq=0, change=lambda s: s),
        range,
    )
    assert_type(await store.read_frames(session.id, after=5, limit=10, newest=True), list[Frame])
    assert_type(await store.read_frames(session.id, before=5, reverse=True), list[Frame])
    assert_type(await store.read_frames(session.id, stream="x"), list[Frame])
    assert_type(await store.count_frames(session.id, stream="x"), int)
    assert_type(await store.statistics(), StoreStatistics)
    assert_type(store.guarantees, Guarantees)


def every_method_of_a_store_from_a_thread(
    mine: AtomicSessionStore, envelope: MessageEnvelope, query: SessionQuery, moment: datetime
) -> None:
    with ThreadSafeSessionStore(mine, timeout=1.5) as store:
        assert_type(store, ThreadSafeSessionStore)
        session = store.create_session(Session.new(transport_type="sse"))
        assert_type(session, Session)
        assert_type(store.get_session(session.id), Session)
        assert_type(store.update_session(session), Session)
        store.delete_session(session.id)
        assert_type(store.list_sessions(), list[Session])
        assert_type(store.count_sessions(), int)
        assert_type(store.add_frame(envelope), int)
        assert_type(store.get_frames(session.id), list[MessageEnvelope])
        assert_type(store.delete_frames(session.id), int)
        assert_type(store.count_frames(session.id), int)
        assert_type(store.get_sessions_batch((session.id,)), list[Session])
        assert_type(store.update_sessions_batch([session]), list[Session])
        assert_type(store.modify_session(session.id, close), Session)
        assert_type(store.get_or_create_session(session), tuple[Session, bool])
        assert_type(store.put_session(session), Session)
        store.touch_session(session.id)
        assert_type(store.archive_session(session, expected_last_seq=0), Session)
        assert_type(store.add_frames(session.id, [envelope], change=close), range)
        assert_type(store.read_frames(session.id, after=5, newest=True), list[Frame])
        assert_type(store.count_frames(session.id, stream="x"), int)
        assert_type(store.trim_frames(session.id, up_to=3), int)
        assert_type(store.remove_frames(session.id, {3}), int)
        assert_type(store.find_sessions(query, limit=5), SessionPage)
        assert_type(store.expire_sessions(idle=5.5), list[Session])
        assert_type(store.purge_sessions(ended_before=moment), int)
        with store.watch_frames(session.id, after=1) as frames:
            assert_type(next(frames), Frame)
            assert_type([frame.seq for frame in frames], list[int])
        assert_type(store.statistics(), StoreStatistics)
        assert_type(store.guarantees, Guarantees)
        assert_type(store.within(0.5).is_open, bool)


async def stores_are_opened(third_party: SessionStore) -> None:
    async with ActorSessionStore(limits=StoreLimits(max_sessions=5), capacity=64) as actor:
        assert_type(actor, ActorSessionStore)
    async with PlainSessionStore() as plain, LockedSessionStore() as locked:
        assert_type(plain, PlainSessionStore)
        assert_type(locked, LockedSessionStore)
    assert_type(await OwnedSessionStore(third_party).open(), OwnedSessionStore)
    assert_type(await StorageFactory.create("memory://"), AtomicSessionStore)
    assert_type(await StorageFactory.create(MemoryBackend()), AtomicSessionStore)
    assert_type(await StorageFactory.create(backend_from_url("memory:")), AtomicSessionStore)


async def errors_carry_values(store: SessionStore, session: Session) -> None:
    try:
        await store.update_session(session)
    except RevisionConflict as conflict:
        assert_type(conflict.current, int)
    except SessionClosed as closed:
        assert_type(closed.state, SessionState)
    except LimitExceeded as exceeded:
        assert_type(exceeded.limit, str)


def close(session: Session) -> Session:
    return session.model_copy(update={"state": SessionState.CLOSED})


a_change: Change = close
another_change: Callable[[Session], Session] = a_change


# The manager.


async def a_manager_records(envelope: MessageEnvelope, mine: SessionStore) -> None:
    async with SessionManager(ManagerConfig(close_timeout=None)) as manager:
        assert_type(manager, SessionManager)
        session = await manager.create_session(transport_type="stdio", tags=["t"])
        assert_type(session, Session)
        assert_type(
            await manager.get_or_create_session(transport_type="stdio", id="a"),
            tuple[Session, bool],
        )
        assert_type(await manager.record(envelope), int)
        assert_type(await manager.modify_session("a", close), Session)
        assert_type(await manager.complete_session("a"), Session)
        assert_type(await manager.fail_session("a", "reason"), Session)
        await manager.delete_session("a")
        assert_type(await manager.negotiate_version("a", "2025-11-25"), str)
        assert_type(manager.watch("a", after=1), FrameWatcher)
        assert_type(manager.pending_requests("a"), list[PendingRequest])
        assert_type(manager.match(envelope), PendingRequest | None)
        assert_type(manager.sessions_awaiting("1", direction="client-to-server"), tuple[str, ...])
        assert_type(await manager.statistics(), ManagerStatistics)
        assert_type((await manager.statistics()).requests.latency.median, float | None)
        assert_type(manager.store, AtomicSessionStore)
        assert_type(await manager.aclose(drain=1.0), ShutdownReport)
    assert_type(SessionManager.with_store(mine), SessionManager)


async def a_hook(event: SessionEvent) -> None:
    assert_type(event.before, SessionState | None)


def another_hook(request: PendingRequest) -> None:
    assert_type(request.request_id, int | str)


hooks = SessionHooks(created=a_hook, ended=print, request_timed_out=another_hook)
with_hooks = SessionManager(ManagerConfig.recording(idle=60), hooks=hooks)


# A third party's store: the ten methods and nothing more.


class MyStore(SessionStore):
    """Ten methods; the two batches have a default."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def create_session(self, session: Session, /) -> Session:
        return self._sessions.setdefault(session.id, session)

    async def get_session(self, session_id: str, /) -> Session:
        return self._sessions[session_id]

    async def update_session(self, session: Session, /) -> Session:
        session.check_follows(self._sessions[session.id])
        return session

    async def delete_session(self, session_id: str, /) -> None:
        del self._sessions[session_id]

    async def list_sessions(self) -> list[Session]:
        return list(self._sessions.values())

    async def count_sessions(self) -> int:
        return len(self._sessions)

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return len(envelope.message)

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return []

    async def delete_frames(self, session_id: str, /) -> int:
        return 0

    async def count_frames(self, session_id: str, /) -> int:
        return 0


async def a_third_partys_store_is_used_as_any_other() -> None:
    mine = MyStore()
    assert_type(await mine.get_sessions_batch(["a"]), list[Session])
    async with OwnedSessionStore(mine, capacity=16) as store:
        assert_type(await store.modify_session("a", close), Session)
    async with SessionManager.with_store(mine) as manager:
        assert_type(await manager.get_session("a"), Session)


def histories_are_checked(store: SessionStore) -> None:
    history = RecordingStore(store, seed=1, faults=["pause"]).history()
    assert_type(history, History)
    assert_type(read_history("file.jsonl"), History)
    result = check(history, find_model("session-store"), timeout=1.5)
    assert_type(result, CheckResult)
    assert_type(result.verdict, Verdict)
    assert_type(check(history.operations, Register()), CheckResult)
    assert_type(find_anomalies(result, Register(), history), tuple[Anomaly, ...])
    assert_type(grade(history, Register()), Grade)
