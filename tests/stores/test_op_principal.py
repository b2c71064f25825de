"""A principal's view: it owns what it creates, and no session changes its principal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    LimitExceeded,
    Session,
    SessionError,
    SessionNotFound,
    StoreClosed,
    StoreLimits,
)

from tests.support.sessions import (
    close_session,
    fill,
    new_session,
    note,
    read_to_end,
    turns,
)
from tests.support.stores import Design

if TYPE_CHECKING:
    from sessionkeeper.stores.facade import CommandStore

    from tests.conftest import ReachableObjects


def given(to: str | None) -> Callable[[Session], Session]:
    """A change that gives a session away."""
    return lambda session: session.model_copy(update={"principal": to})


async def test_what_a_view_creates_is_its_own(store: CommandStore) -> None:
    """With or without saying so; not for another."""
    alice = store.for_principal("alice")
    assert (await alice.create_session(new_session("a"))).principal == "alice"
    assert (await alice.create_session(new_session("b", principal="alice"))).principal == "alice"
    created = await alice.get_or_create_session(new_session("c"))
    assert (created[0].principal, created[1]) == ("alice", True)
    for call in (alice.create_session, alice.get_or_create_session):
        with pytest.raises(ValueError, match="belongs to that principal"):
            await call(new_session("d", principal="bob"))
    assert [session.principal for session in await store.list_sessions()] == ["alice"] * 3


@pytest.mark.parametrize("to", ["bob", None])
async def test_a_session_cannot_be_given_away(store: CommandStore, to: str | None) -> None:
    """None of the four methods that change one can; and nothing is stored."""
    alice = store.for_principal("alice")
    held = [await alice.create_session(new_session(key)) for key in "ab"]
    away = given(to)
    calls: list[Any] = [
        alice.update_session(away(held[0])),
        alice.update_sessions_batch([held[1].model_copy(update={"tags": {"x"}}), away(held[0])]),
        alice.modify_session("a", away),
        alice.add_frames("a", [note()], change=away),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="belongs to that principal"):
            await call
    assert await store.list_sessions() == held
    assert await store.count_frames("a") == 0


async def test_a_change_that_returns_no_session_raises_as_in_the_store(store: CommandStore) -> None:
    """`TypeError`; an error of its own reaches its caller; the same session changes nothing."""
    alice = store.for_principal("alice")
    held = await alice.create_session(new_session())
    wrong: Any = lambda _: 5  # noqa: E731  # what is tried
    with pytest.raises(TypeError, match="change returns a Session"):
        await alice.modify_session("a", wrong)
    with pytest.raises(ZeroDivisionError):
        await alice.modify_session("a", lambda _: 1 // 0)  # type: ignore[arg-type,return-value]
    assert await alice.modify_session("a", lambda s: s) == held


@pytest.mark.parametrize("method", ["get_sessions_batch", "update_sessions_batch"])
async def test_a_batch_with_one_foreign_session_is_refused_whole(
    store: CommandStore, method: str
) -> None:
    """It looks missing at every position of the batch."""
    alice = store.for_principal("alice")
    held = [await alice.create_session(new_session(key)) for key in "ab"]
    foreign = await store.create_session(new_session("c", principal="bob"))
    before = await store.list_sessions()
    batch = [*held, given("alice")(foreign)]
    for order in (batch, batch[::-1]):
        calls: dict[str, Any] = {
            "get_sessions_batch": [session.id for session in order],
            "update_sessions_batch": [s.model_copy(update={"tags": {"x"}}) for s in order],
        }
        with pytest.raises(SessionNotFound) as refused:
            await getattr(alice, method)(calls[method])
        assert refused.value.session_id == "c"
    assert await store.list_sessions() == before


@pytest.mark.parametrize("method", ["get_sessions_batch", "update_sessions_batch"])
async def test_in_a_batch_another_principals_session_looks_missing(
    store: CommandStore, method: str
) -> None:
    """Nor can be told by what is said first, where something else is wrong as well."""
    alice = store.for_principal("alice")
    stale = await alice.create_session(new_session("a"))
    await alice.modify_session("a", lambda s: s.model_copy(update={"tags": {"x"}}))
    foreign = new_session("c", principal="bob")
    none = new_session("b", principal="alice")
    told: list[object] = []
    for there in (False, True):
        if there:
            await store.create_session(foreign)
        for first in (stale, none):
            batch: Any = [first, given("alice")(foreign)]
            if method == "get_sessions_batch":
                batch = [each.id for each in batch]
            with pytest.raises(SessionError) as error:
                await getattr(alice, method)(batch)
            told.append((type(error.value), vars(error.value)))
    assert told[:2] == told[2:]


async def test_a_watcher_of_a_session_that_changes_hands_ends_at_once(store: CommandStore) -> None:
    """With `SessionNotFound`, without a frame of the new owner; one of the store goes on."""
    alice = store.for_principal("alice")
    await alice.create_session(new_session())
    await fill(store, 2)
    seen: list[int] = []

    async def watch() -> None:
        async for frame in alice.watch_frames("a"):
            seen.append(frame.seq)

    watching = asyncio.create_task(watch())
    everyone = asyncio.create_task(read_to_end(store.watch_frames("a")))
    while seen != [1, 2]:  # in a file it reads beside the writer, in its own time
        assert not watching.done()
        await asyncio.sleep(0.001)
    await store.modify_session("a", given("bob"))
    with pytest.raises(SessionNotFound):
        await watching
    await fill(store, 1)
    await close_session(store)
    assert (seen, await everyone) == ([1, 2], [1, 2, 3])
    assert len(store._wakeups) == 0


@pytest.mark.parametrize("taken", [True, False])
async def test_a_watcher_does_not_learn_who_reuses_a_deleted_id(
    store: CommandStore, taken: bool
) -> None:
    """Its session is over: it ends, as where nobody has the id."""
    alice = store.for_principal("alice")
    await alice.create_session(new_session())
    await fill(store, 1)
    watcher = alice.watch_frames("a")
    assert (await anext(watcher)).seq == 1
    await alice.delete_session("a")
    if taken:
        await store.create_session(new_session(principal="bob"))
        await fill(store, 3)
    assert await read_to_end(watcher) == []


async def test_the_principal_cannot_change_between_check_and_operation(store: CommandStore) -> None:
    """64 callers write through alice's view while the session changes hands all the time.

    The log says whose it is, in the same step as it changes hands: what alice wrote stands where
    it was hers.
    """
    alice, written, refused = store.for_principal("alice"), 0, 0
    await alice.create_session(new_session())
    await store.add_frame(note(1))

    async def writer(n: int) -> None:
        nonlocal written, refused
        for turn in range(20):
            try:
                if (n + turn) % 2:
                    await alice.add_frame(note(9))
                else:
                    await alice.add_frames("a", [note(9)], change=lambda s: s)
                written += 1
            except SessionNotFound:
                refused += 1
            await turns(n % 3)

    async def hand_over() -> None:
        for turn in range(200):
            mark = note(turn % 2)
            to = given("alice" if turn % 2 else "bob")
            await store.add_frames("a", [mark], change=to)
            await turns(1)

    await asyncio.gather(hand_over(), *(writer(n) for n in range(64)))
    hers, count = False, 0
    for envelope in await store.get_frames("a"):
        digit = envelope.message[-3:-2]
        if digit == b"9":
            assert hers
            count += 1
        else:
            hers = digit == b"1"
    assert (count, written + refused) == (written, 1280)
    assert min(written, refused) > 9


async def test_closing_a_view_closes_nothing(store: CommandStore) -> None:
    """`async with` does not, either; the view shows whether its store is open."""
    async with store.for_principal("alice") as alice:
        await alice.create_session(new_session())
    await alice.aclose(timeout=0)
    assert alice.is_open
    assert store.is_open
    assert await alice.count_sessions() == 1


async def test_a_view_of_a_closed_store_is_closed() -> None:
    """With the store's own errors, before it opens and after it closed."""
    store = ActorSessionStore()
    alice = store.for_principal("alice")
    assert not alice.is_open
    with pytest.raises(RuntimeError, match="not open"):
        await alice.count_sessions()
    async with store:
        assert alice.is_open
        watcher = alice.watch_frames((await alice.create_session(new_session())).id)
        step = asyncio.ensure_future(anext(watcher))
        await turns(20)
    with pytest.raises(StoreClosed):
        await step
    assert not alice.is_open
    with pytest.raises(StoreClosed):
        await alice.count_sessions()


@pytest.mark.parametrize("wrong", [None, 5, b"alice", ["alice"], "", "x" * 1025, "\ud800"])
async def test_a_principal_must_be_a_string(store: CommandStore, wrong: Any) -> None:
    """It has 1 to 1,024 characters, as in a session, and no lone surrogate."""
    with pytest.raises((TypeError, ValueError), match="principal"):
        store.for_principal(wrong)
    with pytest.raises((TypeError, ValueError), match="principal"):
        store.for_principal("alice").for_principal(wrong)


async def test_a_view_belongs_to_one_principal(store: CommandStore) -> None:
    """It has its store's guarantees, shows no principal, and leads to no other session."""
    alice = store.for_principal("alice")
    assert alice.for_principal("alice") is alice
    with pytest.raises(ValueError, match="nobody else's"):
        alice.for_principal("bob")
    assert alice.guarantees is store.guarantees
    assert "alice" not in repr(alice)
    # Nor how full the mailbox is, which is others' business.
    assert repr(alice) == "<PrincipalStore open>"


async def test_no_attribute_of_a_view_leads_to_the_store(
    store: CommandStore, reachable_objects: ReachableObjects
) -> None:
    """Nor to its tables, its mailbox or the wake-ups of all; nor does an attribute of a watcher."""
    alice = store.for_principal("alice")
    await alice.create_session(new_session())
    reached = reachable_objects(alice, alice.watch_frames("a"))
    for hidden in (store, store._wakeups, store._listeners, vars(store).get("_actor")):
        assert hidden is None or not any(each is hidden for each in reached)
    assert any(each is store._wakeups for each in reachable_objects(store)), (
        "the search finds what is there"
    )


@pytest.mark.parametrize("held", [4, 7])
async def test_errors_in_a_view_do_not_show_totals_of_the_store(design: Design, held: int) -> None:
    """`current` is None at a limit of the whole store, and given at one of a session or a call."""
    size = len(note().message)
    limits = StoreLimits(max_sessions=2, max_total_bytes=8 * size, max_frames_per_batch=5)
    async with design(limits=limits) as store:
        alice = store.for_principal("alice")
        await alice.create_session(new_session("a"))
        await store.create_session(new_session("b", principal="bob"))
        for _ in range(held):
            await store.add_frame(note(id="b"))
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: alice.create_session(new_session("c")),
            lambda: alice.get_or_create_session(new_session("c")),
            lambda: alice.add_frames("a", [note()] * 5),
            lambda: alice.add_frames("a", [note()] * 6),
        ]
        told: list[tuple[str, int | None, str]] = []
        for call in calls:
            with pytest.raises(LimitExceeded) as error:
                await call()
            assert error.value.__context__ is None
            told.append((error.value.limit, error.value.current, str(error.value)))
        assert told == [
            *[("max_sessions", None, "max_sessions exceeded: limit 2")] * 2,
            ("max_total_bytes", None, f"max_total_bytes exceeded: limit {8 * size}"),
            (
                *("max_frames_per_batch", 6),
                "max_frames_per_batch exceeded: limit 5, current 6",
            ),
        ]


async def test_a_command_of_a_view_has_the_same_weight() -> None:
    """A mailbox bounded by bytes counts the frames that come through a view."""
    size = len(note().message)
    async with ActorSessionStore(capacity_bytes=2 * size) as store:
        alice = store.for_principal("alice")
        await alice.create_session(new_session())
        tasks = [asyncio.create_task(alice.add_frame(note())) for _ in range(3)]
        await asyncio.sleep(0)
        now = store._actor.statistics()
        assert (now.depth, now.depth_bytes, now.waiting) == (2, 2 * size, 1)
        assert sorted(await asyncio.gather(*tasks)) == [1, 2, 3]
