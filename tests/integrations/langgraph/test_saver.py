"""What the saver stores and finds, where LangGraph's kit does not look."""

from __future__ import annotations

import random
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT
from sessionkeeper import AtomicSessionStore, SessionNotFound, SessionQuery
from sessionkeeper.integrations.langgraph import SessionSaver

from .checkpoints import at, ids, put, put_all


async def latest(saver: SessionSaver, config: Any = None) -> str | None:
    found = await saver.aget_tuple(config or at())
    return None if found is None else found.checkpoint["id"]


async def test_the_latest_has_the_highest_id_in_whatever_order_they_came(
    store: AtomicSessionStore,
) -> None:
    names = [f"{n:04}" for n in range(300)]
    shuffled = random.Random(3).sample(names, k=len(names))
    savers = [SessionSaver(store) for _ in range(3)]  # each knows what it has seen
    stored: list[str] = []
    for place, name in enumerate(shuffled):
        await put(savers[place % 3], name)
        stored.append(name)
        if place % 7 == 0:
            assert await latest(savers[place % 2]) == max(stored)
    assert await ids(savers[2]) == names[::-1]
    assert await ids(SessionSaver(store)) == names[::-1]


async def test_what_is_stored_again_takes_the_place_of_the_earlier(
    store: AtomicSessionStore,
) -> None:
    saver = SessionSaver(store)
    first = await put(saver, "1", color="red")
    await put(saver, "2", to=first)
    await put(saver, "1", color="blue")
    found = await saver.aget_tuple(first)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"color": "blue"}
    assert await ids(saver) == ["2", "1"]
    assert await latest(saver) == "2"


async def test_a_write_is_stored_once_but_an_error_and_an_interrupt_change(
    store: AtomicSessionStore,
) -> None:
    saver = SessionSaver(store)
    place = await put(saver, "1")
    await saver.aput_writes(place, [("a", 1), ("b", 2)], "task", "~1")
    await saver.aput_writes(place, [("a", 9), ("b", 9), ("c", 3)], "task", "~1")
    await saver.aput_writes(place, [(ERROR, "first")], "other", "~0")
    await saver.aput_writes(place, [(ERROR, "second"), (INTERRUPT, "why")], "other", "~0")
    found = await saver.aget_tuple(place)
    assert found is not None
    assert found.pending_writes == [
        ("other", INTERRUPT, "why"),
        ("other", ERROR, "second"),
        ("task", "a", 1),
        ("task", "b", 2),
        ("task", "c", 3),
    ]


async def test_writes_may_come_before_their_checkpoint_and_their_thread(
    store: AtomicSessionStore,
) -> None:
    saver = SessionSaver(store)
    await saver.aput_writes(at(checkpoint_id="1"), [("a", 1)], "task")
    assert await saver.aget_tuple(at(checkpoint_id="1")) is None
    assert await latest(saver) is None
    place = await put(saver, "1")
    found = await saver.aget_tuple(place)
    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]


async def test_no_writes_make_no_thread(store: AtomicSessionStore) -> None:
    await SessionSaver(store).aput_writes(at(checkpoint_id="1"), [], "task")
    assert await store.count_sessions() == 0


async def test_what_is_known_of_a_deleted_thread_does_not_mislead(
    store: AtomicSessionStore,
) -> None:
    here, elsewhere = SessionSaver(store), SessionSaver(store)
    await put_all(here, [f"1{n:02}" for n in range(20)])
    assert await latest(here) == "119"
    await elsewhere.adelete_thread("t")
    await put(elsewhere, "9")
    # `here` knew 119 as the highest, and puts without having read the thread again.
    await put_all(here, [f"2{n:02}" for n in range(20)])
    assert await latest(SessionSaver(store)) == "9"
    assert await latest(here) == "9"


async def test_a_namespace_is_named_anew_in_a_thread_made_anew(store: AtomicSessionStore) -> None:
    here, elsewhere = SessionSaver(store), SessionSaver(store)
    await put(here, "1")
    await elsewhere.adelete_thread("t")
    await put(elsewhere, "3", to=at(namespace="other"))
    await put(here, "2")
    everything: Any = {"configurable": {"thread_id": "t"}}
    assert await ids(SessionSaver(store), everything) == ["3", "2"]


async def test_all_namespaces_of_all_threads_are_listed(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    for thread_id in ("s", "t"):
        for name, namespace in (("1", ""), ("3", "a"), ("2", "b|c:1")):
            await put(saver, name, to=at(thread_id, namespace))
    everywhere: Any = {"configurable": {"thread_id": "s"}}
    assert await ids(saver, everywhere) == ["3", "2", "1"]
    found = [each.config["configurable"] async for each in saver.alist(None)]
    assert len(found) == 6
    assert {each["thread_id"] for each in found} == {"s", "t"}
    assert await ids(saver, {"configurable": {"thread_id": "s", "checkpoint_id": "2"}}) == ["2"]
    one = [each async for each in saver.alist(everywhere, before=at(checkpoint_id="3"), limit=1)]
    assert [each.checkpoint["id"] for each in one] == ["2"]
    assert [each async for each in saver.alist(everywhere, limit=0)] == []


async def test_a_principal_sees_only_its_own_threads(store: AtomicSessionStore) -> None:
    alice, bob = (SessionSaver(store, principal=name) for name in ("alice", "bob"))
    await put(alice, "1")
    assert await latest(alice) == "1"
    assert await latest(bob) is None
    assert await ids(bob) == []
    assert [each async for each in bob.alist(None)] == []
    with pytest.raises(SessionNotFound):
        await put(bob, "2")  # the thread of the other looks like one that is not there
    await bob.adelete_thread("t")
    assert await ids(alice) == ["1"]


async def test_a_thread_is_a_session_with_a_tag(store: AtomicSessionStore) -> None:
    await put(SessionSaver(store), "1", to=at("a thread of ümlauts\0"))
    page = await store.find_sessions(SessionQuery(tags_all=frozenset({"langgraph"})))
    assert [each.metadata["thread_id"] for each in page.sessions] == ["a thread of ümlauts\0"]
