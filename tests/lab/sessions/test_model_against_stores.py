"""The right stores are found right, and a right history with one lie in it is found wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from sessionkeeper import (
    ActorSessionStore,
    Change,
    Gap,
    LockedSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionError,
    SessionQuery,
    SessionState,
)
from sessionlab import (
    AnomalyKind,
    History,
    Operation,
    Outcome,
    RecordingStore,
    SessionStoreModel,
    Verdict,
    check,
    find_anomalies,
)

STORES: dict[str, Callable[[], Any]] = {
    "actor": ActorSessionStore,
    "plain": PlainSessionStore,
    "locked": LockedSessionStore,
    "owned": lambda: OwnedSessionStore(PlainSessionStore()),
}


def note(id: str, n: int) -> MessageEnvelope:
    """A numbered notification of one of two streams or none, or an odd frame or a gap."""
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    if n % 5 == 0:
        message = b"noise \xff %d" % n
    elif n % 5 == 1:
        gap = Gap("too large", n)
        return MessageEnvelope.of_gap(
            id, gap, direction="client-to-server", metadata={"oddity": ""}
        )
    stream = ("x", "y", None)[n % 3]
    return MessageEnvelope.of(id, message, direction="client-to-server", stream=stream)


def calls(store: RecordingStore, random: Random, id: str, held: dict[str, Session]) -> Any:
    """Return some call of a busy client, not begun yet."""

    def marked(session: Session) -> Session:
        return session.model_copy(update={"metadata": {"n": random.randrange(10**9)}})

    def moved(session: Session) -> Session:
        return session.model_copy(update={"state": random.choice(list(SessionState))})

    async def keep() -> None:
        held[id] = await store.get_session(id)

    def life() -> str | None:
        return held[id].incarnation if id in held else random.choice((None, "0" * 16))

    async def archived(state: SessionState) -> Session:
        session = await store.get_session(id)
        created = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(1_000))
        times = {"created_at": created, "last_activity": created, "ended_at": None}
        if state.is_terminal:
            times["ended_at"] = created
        session = session.model_copy(update=times | {"state": state})
        return await store.archive_session(session, expected_last_seq=session.last_seq)

    several = [note(id, random.randrange(10**9)) for _ in range(random.randrange(4))]
    change, backwards = random.choice((None, marked)), random.random() < 0.5
    table: list[Callable[[], Any]] = [
        lambda: store.create_session(Session.new(transport_type="stdio", id=id)),
        lambda: store.get_or_create_session(Session.new(transport_type="stdio", id=id)),
        lambda: store.put_session(
            Session.new(transport_type="stdio", id=id, state=random.choice(list(SessionState)))
        ),
        *[keep] * 2,
        *[lambda: store.update_session(marked(held[id])) if id in held else keep()] * 2,
        *[lambda: store.add_frame(note(id, random.randrange(10**9)))] * 3,
        *[lambda: store.add_frames(id, several, change=change)] * 3,
        *[lambda: store.get_frames(id)] * 2,
        lambda: store.read_frames(id, after=random.randrange(5), limit=random.randint(1, 5)),
        lambda: store.read_frames(id, incarnation=life()),
        lambda: store.trim_frames(id, up_to=random.randrange(6), incarnation=life()),
        lambda: store.remove_frames(id, [random.randrange(1, 4)], incarnation=life()),
        lambda: store.count_frames(id),
        lambda: store.count_frames(id, stream=random.choice("xy")),
        lambda: store.read_frames(
            id,
            limit=random.randint(1, 5),
            reverse=backwards,
            stream=random.choice("xy"),
        ),
        lambda: store.modify_session(id, marked),
        lambda: store.modify_session(id, moved),
        lambda: archived(random.choice(list(SessionState))),
        lambda: store.trim_frames(id, up_to=random.randrange(6)),
        lambda: store.remove_frames(id, [random.randrange(1, 4)]),
        lambda: store.delete_frames(id),
        lambda: store.delete_session(id),
        lambda: store.get_sessions_batch([id, "s0"]),
        store.list_sessions,
        store.count_sessions,
        lambda: store.find_sessions(SessionQuery(states=frozenset({SessionState.ACTIVE})), limit=2),
        lambda: store.expire_sessions(idle=0.001, limit=1),
        lambda: store.purge_sessions(ended_before=datetime.now(UTC), limit=1),
    ]
    return random.choice(table)()


async def run(store: RecordingStore, seed: int) -> History:
    """Let five clients be busy with three sessions; some are cancelled."""
    random = Random(seed)

    async def client() -> None:
        held: dict[str, Session] = {}
        for _ in range(30):
            call = calls(store, random, f"s{random.randrange(3)}", held)
            task = asyncio.ensure_future(call)
            await asyncio.sleep(0)
            if random.random() < 0.05:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            error = None if task.cancelled() else task.exception()
            assert error is None or isinstance(
                error, SessionError | NotImplementedError | ValueError
            ), error

    async with store:
        await asyncio.gather(*(client() for _ in range(5)))
    return store.history()


@pytest.mark.parametrize("name", STORES)
async def test_a_right_store_is_linearizable(name: str) -> None:
    """No alarm on a right one, whatever its clients do at once."""
    for seed in range(12):
        history = await run(RecordingStore(STORES[name]()), seed)
        for operation in history.operations:
            SessionStoreModel().check_shape(operation)
        result = check(history, SessionStoreModel(), timeout=600)
        assert result.verdict is Verdict.OK, (seed, result)
        unknown = [each for each in history.operations if each.outcome is Outcome.UNKNOWN]
        refused = [each for each in history.operations if each.outcome is Outcome.FAILED]
        assert refused
        assert unknown or name in ("plain", "locked", "owned")


def lies(operations: tuple[Operation, ...]) -> Iterator[tuple[str, list[Operation]]]:
    """Yield the history with one lie in it, of several kinds."""
    history = list(operations)
    replace = msgspec.structs.replace
    for index, each in enumerate(history):
        if each.outcome is not Outcome.OK:
            continue
        result: Any = each.result
        if each.name == "add_frame":
            yield "a number more", _with(history, index, replace(each, result=result + 1))
            if result > 1:
                yield "a number again", _with(history, index, replace(each, result=result - 1))
        elif each.name == "get_frames" and result:
            yield "a frame less", _with(history, index, replace(each, result=result[:-1]))
            yield (
                "other order",
                _with(history, index, replace(each, result=result[1:] + result[:1])),
            )
        elif each.name in ("count_frames", "count_sessions", "trim_frames", "delete_frames"):
            yield "a count more", _with(history, index, replace(each, result=result + 1))
        elif each.name in ("get_session", "update_session", "modify_session", "create_session"):
            wrong = (*result[:2], result[2] - 1, *result[3:])
            yield "an older revision", _with(history, index, replace(each, result=wrong))
            wrong = (*result[:4], result[4] + 1, *result[5:])
            yield "a later last_seq", _with(history, index, replace(each, result=wrong))
        elif each.name == "list_sessions" and result:
            yield "not all", _with(history, index, replace(each, result=result[1:]))
        elif each.name == "get_or_create_session":
            wrong = (result[0], not result[1])
            yield "another creator", _with(history, index, replace(each, result=wrong))


def _with(history: list[Operation], index: int, lie: Operation) -> list[Operation]:
    return [*history[:index], lie, *history[index + 1 :]]


def marking(metadata: dict[str, int]) -> Change:
    """A change that sets the metadata."""
    return lambda session: session.model_copy(update={"metadata": metadata})


async def told_all() -> History:
    """A history in which whatever was written is read in the end."""
    store = RecordingStore(ActorSessionStore())

    async def client(number: int) -> None:
        for n in range(4):
            await store.get_or_create_session(Session.new(transport_type="stdio", id="a"))
            await store.add_frame(note("a", 10 * number + n))
            await store.modify_session("a", marking({"by": number, "n": n}))
            await store.get_frames("a")
            await store.count_frames("a")
            await store.list_sessions()

    async with store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await asyncio.gather(*(client(number) for number in range(4)))
        await store.get_session("a")
        await store.count_sessions()
        await store.get_frames("a")
    return store.history()


async def test_a_history_with_a_lie_is_found_illegal() -> None:
    """Broken on purpose: a number, a frame, a count, a revision that was not so."""
    history = await told_all()
    assert check(history, SessionStoreModel()).verdict is Verdict.OK
    kinds: set[str] = set()
    for kind, lie in lies(history.operations):
        kinds.add(kind)
        result = check(lie, SessionStoreModel(), timeout=600, explain_illegal=False)
        assert result.verdict is Verdict.ILLEGAL, kind
    assert len(kinds) == 9


async def test_two_answers_swapped_are_found() -> None:
    """Broken on purpose: the numbers of two appends, one after the other, the other way round."""
    operations = list((await told_all()).operations)
    adds = [index for index, each in enumerate(operations) if each.name == "add_frame"]
    for one, other in pairwise(adds):
        swapped = list(operations)
        first, second = operations[one], operations[other]
        swapped[one] = msgspec.structs.replace(first, result=second.result)
        swapped[other] = msgspec.structs.replace(second, result=first.result)
        result = check(swapped, SessionStoreModel(), timeout=600, explain_illegal=False)
        assert result.verdict is Verdict.ILLEGAL


async def test_a_dropped_write_is_found() -> None:
    """Every value that is read must have been written."""
    operations = (await told_all()).operations
    for index, each in enumerate(operations):
        if each.name in ("add_frame", "modify_session", "create_session"):
            left = [*operations[:index], *operations[index + 1 :]]
            result = check(left, SessionStoreModel(), timeout=600, explain_illegal=False)
            assert result.verdict is Verdict.ILLEGAL


async def test_a_lost_update_in_a_handler_is_seen_where_the_store_is_wrong() -> None:
    """A read, an await, a write: the counter of two is one, and the check names it."""

    class Careless(PlainSessionStore):
        async def modify_session(self, session_id: str, change: Any, /) -> Session:
            before = await self.get_session(session_id)
            changed = change(before)
            await asyncio.sleep(0)
            current = await self.get_session(session_id)
            return await self.update_session(
                changed.model_copy(update={"revision": current.revision})
            )

    store = RecordingStore(Careless())
    await store.create_session(Session.new(transport_type="stdio", id="a"))

    def count(session: Session) -> Session:
        n: Any = session.metadata.get("n", 0)
        return session.model_copy(update={"metadata": {"n": n + 1}})

    await asyncio.gather(*(store.modify_session("a", count) for _ in range(2)))
    model = SessionStoreModel()
    result = check(store.history(), model)
    assert result.verdict is Verdict.ILLEGAL
    assert [each.kind for each in find_anomalies(result, model)] == [AnomalyKind.LOST_UPDATE]
