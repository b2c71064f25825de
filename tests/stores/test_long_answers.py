"""Long answers are of one moment, although others run while they are made (Guarantees 6.1, 6.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, cast

import pytest
from msgspec import structs
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Session,
    SessionNotFound,
    SessionQuery,
    StoreUnavailable,
    ThreadSafeSessionStore,
)
from sessionkeeper.interface import long_answers
from sessionkeeper.operations import session_row
from sessionkeeper.operations.session_row import SessionRow
from sessionkeeper.stores import facade
from sessionkeeper.transfer import export_session
from sessionlab.conformance.histories import explained

from tests.support.sessions import note, numbers
from tests.support.stores import tables_of

MANY = 100
IDS = [f"s{n}" for n in range(MANY)]
FRAMES = 450

Answer = Callable[[AtomicSessionStore], Awaitable[Sequence[Session]]]


async def found(store: AtomicSessionStore, order: str) -> Sequence[Session]:
    """Find all sessions, in the order of their creation."""
    page = await store.find_sessions(SessionQuery(), order=order, limit=1_000)
    return sorted(page.sessions, key=lambda each: int(each.id[1:]))


LISTS: dict[str, Answer] = {
    "list": lambda store: store.list_sessions(),
    "list of a principal": lambda store: store.for_principal("p").list_sessions(),
    "batch": lambda store: store.get_sessions_batch(IDS),
    "found": partial(found, order="created"),
    "found by activity": partial(found, order="last-activity"),
}

every_list = pytest.mark.parametrize("answer", LISTS.values(), ids=LISTS)


@pytest.fixture
async def filled(store: AtomicSessionStore) -> AtomicSessionStore:
    """A store with many sessions, of which no snapshot is kept."""
    await fill(store)
    return store


async def fill(store: AtomicSessionStore) -> None:
    """Create the sessions."""
    for each in IDS:
        await store.create_session(Session.new(transport_type="stdio", id=each, principal="p"))
    await change_all(store, "before")


async def change_all(store: AtomicSessionStore, mark: str) -> None:
    """Change one session after the other, without a look at its snapshot."""
    for each in order_of(mark):
        change = partial(Session.model_copy, update={"tags": {mark}})
        await store.add_frames(each, [], change=change)
        await asyncio.sleep(0)  # a store without an owner answers at once


def order_of(mark: str) -> list[str]:
    """In which order sessions get a mark: another one for each."""
    return Random(mark).sample(IDS, MANY)


async def prefixes(store: AtomicSessionStore, answer: Answer) -> set[int]:
    """Ask while others change all sessions; return how many changes the answers show.

    Fails for an answer that shows a change and not the one before it.
    """
    shown: set[int] = set()
    for mark in ("first", "second"):
        changing = asyncio.create_task(change_all(store, mark))
        while not changing.done():
            sessions = await answer(store)
            assert [session.id for session in sessions] == IDS
            changed = {session.id for session in sessions if mark in session.tags}
            assert changed == {*order_of(mark)[: len(changed)]}, (
                "a later change shows, an earlier one not"
            )
            shown.add(len(changed))
            await asyncio.sleep(0)
        await changing
    return shown


@pytest.fixture
def one_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every answer in slices of one."""
    monkeypatch.setattr(long_answers, "SLICE", 1)
    monkeypatch.setattr(long_answers, "PAUSE", 1)
    monkeypatch.setattr(session_row, "SLICE", 0)
    monkeypatch.setattr(facade, "FRAMES_A_SLICE", 1)


@pytest.mark.usefixtures("one_a_turn")
@every_list
async def test_a_list_is_of_one_moment_while_others_change_it(
    filled: AtomicSessionStore, answer: Answer
) -> None:
    """Whatever has been made of it: what is made later shows no later change."""
    assert len(await prefixes(filled, answer)) > 1


@pytest.fixture
def live_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: what is made later shows the session of later."""

    def capture(row: SessionRow) -> SessionRow:
        return row

    def show_each(parts: Sequence[Session | SessionRow]) -> list[Session]:
        return [part.snapshot() if isinstance(part, SessionRow) else part for part in parts]

    monkeypatch.setattr(SessionRow, "capture", capture)
    monkeypatch.setattr(session_row, "_show_each", show_each)


@pytest.mark.usefixtures("one_a_turn", "live_rows")
@every_list
async def test_a_list_of_live_rows_is_caught(answer: Answer) -> None:
    """The test before this one sees it."""
    async with ActorSessionStore() as store:
        await fill(store)
        with pytest.raises(AssertionError, match="a later change shows"):
            await prefixes(store, answer)


@pytest.mark.usefixtures("one_a_turn")
@pytest.mark.parametrize("seed", range(4))
async def test_one_order_explains_answers_that_take_many_turns(
    store: AtomicSessionStore, seed: int
) -> None:
    """The histories of the kit, with as many turns in each answer as it can have."""
    await explained(store, set(), seed, whole=True)


@pytest.mark.usefixtures("one_a_turn", "live_rows")
async def test_no_order_explains_lists_of_live_rows() -> None:
    """The checker finds it as well."""
    for seed in range(200):
        async with ActorSessionStore() as store:
            try:
                await explained(store, set(), seed, whole=True)
            except pytest.fail.Exception as failure:
                found = str(failure)
                break
    else:
        found = "nothing"
    assert "no order" in found


async def turns_of(call: Awaitable[object]) -> int:
    """How many turns the loop took until a call was answered."""
    task = asyncio.ensure_future(call)
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    task.result()
    return turns


async def test_a_long_answer_lets_others_run_and_a_short_one_takes_no_longer() -> None:
    """6.4: a pause after each slice, and none in an answer of one slice."""
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="s0"))
        await store.add_frames("s0", [note(n, "s0") for n in range(long_answers.FRAMES_A_SLICE)])
        one = await turns_of(store.get_session("s0"))
        assert await turns_of(store.list_sessions()) == one
        assert await turns_of(store.get_frames("s0")) == one
        assert await turns_of(store.read_frames("s0")) == one
        for each in IDS[1:]:
            await store.create_session(Session.new(transport_type="stdio", id=each))
        assert await turns_of(store.list_sessions()) == one  # creating has made all snapshots
        for each in IDS:
            await store.touch_session(each)
        slices = -(-MANY // long_answers.SLICE)
        assert await turns_of(store.list_sessions()) == one + (slices - 1) * long_answers.PAUSE
        await store.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
        slices = -(-(FRAMES + long_answers.FRAMES_A_SLICE) // long_answers.FRAMES_A_SLICE)
        assert await turns_of(store.get_frames("s0")) == one + (slices - 1) * long_answers.PAUSE
        assert (
            await turns_of(store.read_frames("s0", limit=1_000))
            == one + (slices - 1) * long_answers.PAUSE
        )


async def test_a_list_keeps_snapshots_of_what_does_not_change() -> None:
    """A slice more in each list, until all are kept; then a list takes one turn."""
    async with ActorSessionStore() as store:
        for each in IDS:
            await store.create_session(Session.new(transport_type="stdio", id=each))
            await store.touch_session(each)
        one = await turns_of(store.get_session("s0"))
        lists = [await store.list_sessions() for _ in range(MANY // long_answers.SLICE + 2)]
        assert all(each == lists[0] for each in lists)
        assert await turns_of(store.list_sessions()) == one
        again = await store.list_sessions()
        assert all(a is b for a, b in zip(again, lists[-1], strict=True))


async def test_a_caller_cancelled_between_slices_leaves_nothing(
    filled: AtomicSessionStore,
) -> None:
    """At every turn: the caller is gone at once, and the store answers the next one."""
    await filled.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
    calls: list[Callable[[], Coroutine[Any, Any, Sequence[object]]]] = [
        filled.list_sessions,
        lambda: filled.get_frames("s0"),
    ]
    for call in calls:
        whole = await call()
        for turns in range(0, 40, 3):
            task = asyncio.ensure_future(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert list(await call()) == list(whole)


async def test_frames_are_those_of_one_moment(filled: AtomicSessionStore) -> None:
    """Frames that are trimmed, removed or appended meanwhile are in an answer, or not, together."""
    await filled.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])

    async def change() -> None:
        await filled.remove_frames("s0", [1, FRAMES])
        await filled.trim_frames("s0", up_to=FRAMES // 2)
        await filled.delete_frames("s0")
        await filled.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
        await filled.delete_session("s0")

    changing = asyncio.create_task(change())
    lengths: set[int] = set()
    with suppress(SessionNotFound):
        while True:
            envelopes = await filled.get_frames("s0")
            removed = [n for n, each in enumerate(envelopes) if not each.message]
            assert removed in ([], [0, FRAMES - 1], [FRAMES - FRAMES // 2 - 1])
            lengths.add(len(envelopes))
            await asyncio.sleep(0)
    await changing
    assert lengths <= {0, FRAMES // 2, FRAMES}


async def test_a_thread_gets_long_answers_whole(filled: AtomicSessionStore) -> None:
    """A pause is for a loop; a thread that has none goes on."""
    await filled.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
    if not hasattr(filled, "bridge"):
        return
    threads = ThreadSafeSessionStore(filled)
    listed = await asyncio.to_thread(threads.list_sessions)
    assert listed == await filled.list_sessions()
    frames = await asyncio.to_thread(threads.get_frames, "s0")
    assert numbers(frames) == [*range(FRAMES)]


async def test_an_error_of_one_slice_is_the_answer() -> None:
    """A damaged record far behind the first slice: the same error as at the front."""
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="s0"))
        await store.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
        (row,) = cast("Any", tables_of(store)).rows()
        row.log[-1] = structs.replace(row.log[-1], detail=b"\xc1")
        for call in (store.get_frames("s0"), store.read_frames("s0")):
            with pytest.raises(StoreUnavailable, match="damaged"):
                await call
        assert len(await store.read_frames("s0", limit=FRAMES - 1)) == FRAMES - 1


async def test_an_export_is_the_same_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line what it is in one."""
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="s0"))
        await store.add_frames("s0", [note(n, "s0") for n in range(FRAMES)])
        lines = await export_session(store, "s0")
        monkeypatch.setattr(long_answers, "SLICE", 10**6)
        monkeypatch.setattr(facade, "FRAMES_A_SLICE", 10**6)
        assert await export_session(store, "s0") == lines
