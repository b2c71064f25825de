"""Every method, cancelled at every moment: whole or not at all (Guarantees 5.2 and 5.3)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    MessageEnvelope,
    Session,
    SessionQuery,
    StoreClosed,
)
from sessionlab.explore import may_cancel, sweep_cancellations

from tests.support.sessions import without_incarnations

NOW = 1_700_000_000.0
EARLIER = datetime.fromtimestamp(NOW - 100, UTC)
LATER = datetime.fromtimestamp(NOW + 100, UTC)

Call = Callable[[ActorSessionStore], Awaitable[object]]


def session(id: str) -> Session:
    """A session to be created."""
    return Session.new(transport_type="stdio", id=id)


def note(n: int, id: str = "a") -> MessageEnvelope:
    """A numbered notification."""
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of(id, message, direction="client-to-server", timestamp=LATER)


def tag(name: str, session: Session) -> Session:
    """A change."""
    return session.model_copy(update={"tags": {*session.tags, name}})


async def update(store: ActorSessionStore) -> object:
    """Read, change, write: two operations; only the second one changes anything."""
    return await store.update_session(tag("x", await store.get_session("a")))


async def update_batch(store: ActorSessionStore) -> object:
    """The same with two sessions, both or none."""
    both = await store.get_sessions_batch(["a", "b"])
    return await store.update_sessions_batch([tag("x", each) for each in both])


async def archive(store: ActorSessionStore) -> object:
    """Read, then give the times and the end: only the second operation changes anything."""
    current = await store.get_session("a")
    ended = {"state": "closed", "created_at": EARLIER, "ended_at": EARLIER}
    changed = current.model_copy(update=ended | {"last_activity": EARLIER})
    return await store.archive_session(changed, expected_last_seq=current.last_seq)


async def watch(store: ActorSessionStore) -> object:
    """All that is there and all that comes, until the session is deleted."""
    seen = 0
    async for _ in store.watch_frames("a"):
        seen += 1
        if seen == 4:
            await store.delete_session("a")
        elif seen == 3:
            await store.add_frame(note(3))
    return seen


CALLS: dict[str, Call] = {
    "create_session": lambda store: store.create_session(session("new")),
    "get_session": lambda store: store.get_session("a"),
    "update_session": update,
    "delete_session": lambda store: store.delete_session("a"),
    "list_sessions": lambda store: store.list_sessions(),
    "count_sessions": lambda store: store.count_sessions(),
    "archive_session": archive,
    "add_frame": lambda store: store.add_frame(note(7)),
    "get_frames": lambda store: store.get_frames("a"),
    "delete_frames": lambda store: store.delete_frames("a"),
    "count_frames": lambda store: store.count_frames("a"),
    "get_sessions_batch": lambda store: store.get_sessions_batch(["a", "b"]),
    "update_sessions_batch": update_batch,
    "modify_session": lambda store: store.modify_session("a", partial(tag, "x")),
    "get_or_create_session": lambda store: store.get_or_create_session(session("new")),
    "put_session": lambda store: store.put_session(session("ended")),
    "touch_session": lambda store: store.touch_session("a"),
    "add_frames": lambda store: store.add_frames(
        "a", [note(7), note(8), note(9)], expected_last_seq=3, change=partial(tag, "x")
    ),
    "read_frames": lambda store: store.read_frames("a", after=1),
    "search_frames": lambda store: store.search_frames("a", containing=[b"note"], after=1),
    "trim_frames": lambda store: store.trim_frames("a", up_to=2),
    "remove_frames": lambda store: store.remove_frames("a", [1, 3]),
    "find_sessions": lambda store: store.find_sessions(SessionQuery()),
    "expire_sessions": lambda store: store.expire_sessions(idle=0, limit=1),
    "purge_sessions": lambda store: store.purge_sessions(ended_before=LATER),
    "watch_frames": watch,
    "statistics": lambda store: store.statistics(),
}
SEVERAL = {"watch_frames"}
"""Calls that change more than once."""


async def filled(capacity: int) -> ActorSessionStore:
    """An open store with three sessions, one of them ended; its clock stands still."""
    clock = Clock(wall=lambda: NOW, steady=lambda: NOW)
    store = await ActorSessionStore(capacity=capacity, clock=clock).open()
    for name in ("a", "b", "ended", "neighbour"):
        await store.create_session(session(name))
    await store.add_frames("a", [note(0), note(1), note(2)])
    await store.modify_session("ended", lambda s: s.model_copy(update={"state": "closed"}))
    return store


async def picture(store: AtomicSessionStore) -> object:
    """Everything a store tells about its sessions, but the neighbour's."""
    sessions = [each for each in await store.list_sessions() if each.id != "neighbour"]
    logs = [await store.read_frames(each.id) for each in sessions]
    return without_incarnations(sessions), logs


def test_every_method_is_cancelled_at_every_moment() -> None:
    """A method that is added without a line above is found here."""
    public = {
        name
        for name, thing in inspect.getmembers(AtomicSessionStore, inspect.isroutine)
        if not name.startswith("_")
    }
    without = {"open", "aclose", "subscribe", "observe", "for_principal"}
    assert public - without == CALLS.keys()


@pytest.mark.parametrize("capacity", [1024, 1], ids=["queued", "in line"])
@pytest.mark.parametrize("method", CALLS)
def test_a_method_cancelled_at_any_moment_is_whole_or_not_at_all(
    method: str, capacity: int
) -> None:
    """The state is that before or that after; the store answers; the neighbour notices nothing."""
    call = CALLS[method]

    async def uncancelled() -> tuple[object, object]:
        store = await filled(capacity)
        before = await picture(store)
        await call(store)
        after = await picture(store)
        await store.aclose()
        return before, after

    before, after = asyncio.run(uncancelled())
    outcomes: set[str] = set()

    async def scenario() -> None:
        store = await filled(capacity)

        async def neighbour() -> None:
            for n in range(3):
                await store.add_frame(note(n, "neighbour"))

        busy = [asyncio.create_task(neighbour(), name=f"neighbour-{n}") for n in range(2)]
        caller = may_cancel(asyncio.ensure_future(call(store)))
        await asyncio.wait([caller])
        outcomes.add("cancelled" if caller.cancelled() else "done")
        now = await picture(store)
        if caller.cancelled():
            assert now in (before, after) or method in SEVERAL
        else:
            assert caller.exception() is None
            assert now == after
        await asyncio.gather(*busy)
        assert await store.count_frames("neighbour") == 6
        await store.create_session(session("later"))
        statistics = (await store.statistics()).mailbox
        assert statistics is not None
        assert (statistics.depth, statistics.waiting) == (0, 0)
        await store.aclose()

    swept = sweep_cancellations(scenario, seeds=6, strict=True)
    swept.check()
    assert swept.cancelled >= 3
    assert outcomes == {"cancelled", "done"}


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_closing_that_is_cancelled_leaves_a_store_that_can_be_closed(
    timeout: float | None,
) -> None:
    """No caller waits forever: every call is answered, and closing again ends."""

    async def scenario() -> None:
        store = await filled(1)
        calls = [asyncio.ensure_future(store.add_frame(note(n, "neighbour"))) for n in range(4)]
        await asyncio.sleep(0)
        closing = may_cancel(asyncio.create_task(store.aclose(timeout=timeout)))
        await asyncio.wait([closing])
        results = await asyncio.gather(*calls, return_exceptions=True)
        # Who came after the closing was refused, all others are served.
        numbers = sorted(each for each in results if isinstance(each, int))
        assert numbers == [*range(1, len(numbers) + 1)]
        assert all(isinstance(each, int | StoreClosed) for each in results)
        await store.aclose()
        with pytest.raises(StoreClosed):
            await store.count_sessions()

    swept = sweep_cancellations(scenario, seeds=6, strict=True)
    swept.check()
    assert swept.cancelled >= 3


def test_opening_that_is_cancelled_leaves_nothing_running() -> None:
    """The store is open or it never will be, and closing it ends either way."""

    async def scenario() -> None:
        store = ActorSessionStore()
        opening = may_cancel(asyncio.create_task(store.open()))
        await asyncio.wait([opening])
        if store.is_open:
            await store.create_session(session("a"))
        await store.aclose()
        with pytest.raises((StoreClosed, RuntimeError)):
            await store.count_sessions()

    sweep_cancellations(scenario, seeds=6, strict=True).check()
