"""Every call on a store is recorded as its client saw it, and nothing else changes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from weakref import ref

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    OutcomeUnknown,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionNotFound,
    SessionQuery,
    SessionStore,
)
from sessionlab import Operation, Outcome, RecordingStore, SessionStoreModel, Verdict, check


def note(n: int = 0, id: str = "a") -> MessageEnvelope:
    """A numbered notification."""
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of(id, message, direction="client-to-server")


def new(id: str = "a", **fields: object) -> Session:
    """A session to be created."""
    return Session.new(transport_type="stdio", id=id, **fields)


@pytest.fixture
async def store() -> AsyncIterator[RecordingStore]:
    """A recorded store."""
    async with RecordingStore(ActorSessionStore(), seed=4, faults=["none"]) as store:
        yield store


def last(store: RecordingStore) -> Operation:
    """The call begun last."""
    return store.history().operations[-1]


def values(operation: Operation) -> tuple[Any, ...]:
    """An argument or a result of several parts."""
    return cast("tuple[Any, ...]", operation.result)


async def test_every_method_is_recorded_and_answers_as_before(store: RecordingStore) -> None:
    """All methods of both interfaces; the whole is linearizable by the model."""
    session = await store.create_session(new())
    assert (await store.get_or_create_session(new()))[1] is False
    assert await store.get_session("a") == session
    session = await store.update_session(session.model_copy(update={"metadata": {"n": 1}}))
    assert await store.modify_session("a", lambda held: held) == session
    assert await store.get_sessions_batch(["a"]) == [session]
    [session] = await store.update_sessions_batch([session])
    await store.touch_session("a")
    assert (await store.archive_session(session, expected_last_seq=0)).metadata == {"n": 1}
    assert await store.add_frame(note(1)) == 1
    changed = {"tags": {"x"}}
    numbers = await store.add_frames(
        "a", [note(2), note(3)], expected_last_seq=1, change=lambda s: s.model_copy(update=changed)
    )
    assert numbers == range(2, 4)
    assert len(await store.get_frames("a")) == 3
    assert [frame.seq for frame in await store.read_frames("a", after=1)] == [2, 3]
    found = await store.search_frames("a", containing=[b"{"], after=1)
    assert [frame.seq for frame in found.frames] == [2, 3]
    assert await store.count_frames("a") == 3
    assert await store.read_frames("a", stream="x") == []
    assert await store.count_frames("a", stream="x") == 0
    assert last(store).argument == ("a", "x")
    assert await store.trim_frames("a", up_to=1) == 1
    assert await store.remove_frames("a", iter([1, 3])) == 1
    watching = store.watch_frames("a", after=1)
    assert (await anext(watching)).seq == 2
    await watching.aclose()
    context = note(4).context.model_copy(update={"stream": "x"})
    assert await store.add_frame(note(4).model_copy(update={"context": context})) == 4
    assert (await anext(store.watch_frames("a", stream="x"))).seq == 4
    assert last(store).argument == ("a", 0, "x")
    assert await store.delete_frames("a") == 3
    assert len((await store.find_sessions(SessionQuery())).sessions) == 1
    assert len(await store.expire_sessions(idle=0)) == 1
    assert [each.id for each in await store.list_sessions()] == ["a"]
    assert await store.purge_sessions(ended_before=datetime(2999, 1, 1, tzinfo=UTC)) == 1
    assert await store.count_sessions() == 0
    await store.create_session(new())
    for state in ("active", "closed", "active"):
        put = await store.put_session(new().model_copy(update={"state": state}))
        assert await store.read_frames("a", incarnation=put.incarnation) == []
        assert await store.trim_frames("a", up_to=1, incarnation=put.incarnation) == 0
        assert last(store).argument == ("a", 1, ("incarnation", put.incarnation))
        assert await store.remove_frames("a", [], incarnation=put.incarnation) == 0
        assert last(store).argument == ("a", (), ("incarnation", put.incarnation))
    await store.delete_session("a")
    assert (await store.statistics()).frames == 0
    history = store.history()
    public = {name for name in vars(SessionStore) | vars(AtomicSessionStore) if name[0] != "_"}
    unrecorded = {"guarantees", "open", "is_open", "aclose", "statistics", "subscribe"}
    unrecorded |= {"for_principal", "mailbox", "observe", "search_frames"}
    assert {each.name for each in history.operations} == public - unrecorded
    assert all(each.outcome is Outcome.OK for each in history.operations)
    assert check(history, SessionStoreModel()).verdict is Verdict.OK


async def test_the_header_says_where_it_comes_from(store: RecordingStore) -> None:
    """Store, versions, seed, faults."""
    header = store.history().header
    assert (header.model, header.store) == ("session-store", "ActorSessionStore")
    assert (header.seed, header.faults) == (4, ("none",))
    assert header.versions["python"].startswith("3.")


async def test_events_are_numbered_in_their_order(store: RecordingStore) -> None:
    """By a counter; a task is a client; overlapping calls overlap."""
    await store.create_session(new())
    await asyncio.gather(*(store.add_frame(note(n)) for n in range(3)))
    first, *adds = store.history().operations
    assert (first.call, first.returned) == (0, 1)
    assert [each.call for each in adds] == [2, 3, 4]
    assert sorted(cast("int", each.returned) for each in adds) == [5, 6, 7]
    assert len({each.client for each in adds}) == 3


async def test_a_refusal_is_recorded_with_its_values(store: RecordingStore) -> None:
    """A `SessionError` is certainly no effect, and an observation."""
    with pytest.raises(SessionNotFound):
        await store.get_session("b")
    assert (last(store).outcome, last(store).call, last(store).returned) == (Outcome.FAILED, 0, 1)
    assert last(store).result == ("SessionNotFound", "b")
    stale = await store.create_session(new())
    current = await store.update_session(stale)
    with pytest.raises(RevisionConflict):
        await store.update_session(stale)
    assert last(store).result == ("RevisionConflict", "a", stale.revision, current.revision)


async def test_a_cancelled_call_has_an_unknown_outcome(store: RecordingStore) -> None:
    """Cancelled, or never ended: open."""
    await store.create_session(new())
    task = asyncio.create_task(store.add_frame(note()))
    await asyncio.sleep(0)
    assert (last(store).outcome, last(store).returned) == (Outcome.UNKNOWN, None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert last(store).outcome is Outcome.UNKNOWN
    assert check(store.history(), SessionStoreModel()).verdict is Verdict.OK


class Failing(PlainSessionStore):
    """Raises the given error."""

    error: BaseException = OutcomeUnknown("1")

    async def count_frames(self, session_id: str, /, **options: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OutcomeUnknown("1"), Outcome.UNKNOWN),
        (ZeroDivisionError(), Outcome.UNKNOWN),
        (ValueError("wrong use"), Outcome.FAILED),
        (NotImplementedError(), Outcome.FAILED),
    ],
)
async def test_each_error_means_a_known_or_unknown_outcome(
    error: Exception, outcome: Outcome
) -> None:
    """OutcomeUnknown and a bug leave it open; wrong use is refused."""
    inner = Failing()
    inner.error = error
    store = RecordingStore(inner)
    with pytest.raises(type(error)):
        await store.count_frames("a")
    assert last(store).outcome is outcome


async def test_a_change_is_recorded_as_its_effect(store: RecordingStore) -> None:
    """The session and the result of its last run."""
    session = await store.create_session(new())
    changed = await store.modify_session("a", lambda s: s.model_copy(update={"failure": "x"}))
    session_id, (given, returned) = cast("Any", last(store).argument)
    assert (session_id, given[2], returned[2]) == ("a", session.revision, "x")
    assert values(last(store))[2] == changed.revision

    def raising(session: Session) -> Session:
        raise LookupError

    with pytest.raises(LookupError):
        await store.modify_session("a", raising)
    assert last(store).outcome is Outcome.FAILED
    assert last(store).result == ("ChangeRaised",)
    assert check(store.history(), SessionStoreModel()).verdict is Verdict.OK


async def test_a_list_that_its_caller_changes_is_recorded_as_it_was(store: RecordingStore) -> None:
    """The answer counts."""
    await store.create_session(new())
    (await store.list_sessions()).clear()
    assert len(values(last(store))) == 1


async def test_a_store_of_ten_methods_is_recorded_too() -> None:
    """Any `SessionStore`: its batches, not atomic, are recorded one by one."""
    store = RecordingStore(ten_methods())
    for name in "ab":
        await store.create_session(new(name))
    await store.get_sessions_batch(["a", "b"])
    assert [each.name for each in store.history().operations[2:]] == ["get_session"] * 2
    with pytest.raises(NotImplementedError):
        await store.touch_session("a")
    assert not hasattr(store, "guarantees")
    assert check(store.history(), SessionStoreModel()).verdict is Verdict.OK


def ten_methods() -> SessionStore:
    """A store of the ten methods, without the rest."""
    inner = PlainSessionStore()

    def passed_on(name: str) -> Any:
        return lambda _, *arguments: getattr(inner, name)(*arguments)

    names = [name for name in vars(SessionStore) if not name.startswith(("_", "get_sessions_b"))]
    methods = {name: passed_on(name) for name in names if name != "update_sessions_batch"}
    return cast("SessionStore", type("TenMethods", (SessionStore,), methods)())


async def test_a_recording_store_has_the_guarantees_of_its_inner_store(
    store: RecordingStore,
) -> None:
    """A wrapper, no store of its own."""
    assert store.guarantees is ActorSessionStore.guarantees
    assert store.is_open
    await store.aclose()
    assert not store.is_open


def test_only_a_store_can_be_recorded() -> None:
    """`TypeError` at once."""
    with pytest.raises(TypeError):
        RecordingStore(cast("SessionStore", "store"))


@pytest.mark.parametrize("ran", [False, True])
async def test_an_append_whose_change_never_ran_appended_nothing(ran: bool) -> None:
    """Frames and change are one step: cancelled before the change ran, it had no effect."""

    class Stuck(PlainSessionStore):
        async def add_frames(self, *arguments: Any, **named: Any) -> range:
            if ran:
                await super().add_frames(*arguments, **named)
            return await asyncio.Future()

    store = RecordingStore(Stuck())
    await store.create_session(new())
    tagged = {"tags": {"x"}}
    call = asyncio.create_task(
        store.add_frames("a", [note()], change=lambda s: s.model_copy(update=tagged))
    )
    await asyncio.sleep(0)
    assert last(store).outcome is Outcome.UNKNOWN
    call.cancel()
    await asyncio.wait([call])
    assert last(store).outcome is (Outcome.UNKNOWN if ran else Outcome.FAILED)
    assert last(store).result == (None if ran else ("ChangeNeverRan",))
    await store.get_frames("a")
    assert check(store.history(), SessionStoreModel()).verdict is Verdict.OK


async def test_a_recording_with_errors_is_freed() -> None:
    """Calls are outside of the garbage collector, so they keep no error: its traceback has them."""

    def refuse(_: Session) -> Session:
        raise ValueError("no")

    async def record() -> ref[RecordingStore]:
        store = RecordingStore(PlainSessionStore())
        await store.create_session(new())
        with pytest.raises(SessionNotFound):
            await store.get_session("b")
        with pytest.raises(ValueError, match="no"):
            await store.modify_session("a", refuse)
        return ref(store)

    store = await record()
    gc.collect()
    assert store() is None
