"""Deleting, pruning and copying threads."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LimitExceeded,
    MessageKind,
    StoreLimits,
)
from sessionkeeper.integrations.langgraph import SessionSaver
from sessionkeeper.integrations.langgraph.threads import thread_session_id

from .checkpoints import at, ids, put, put_all

EVERYTHING: Any = {"configurable": {"thread_id": "t"}}


async def stored_bytes(store: AtomicSessionStore) -> int:
    found = (await store.statistics()).bytes
    assert found is not None
    return found


async def test_pruning_frees_what_it_removes(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    for name in ("1", "2", "3"):
        place = await put(saver, name, text="x" * 10_000)
        await saver.aput_writes(place, [("a", "y" * 10_000)], "task")
    await put(saver, "1", to=at(namespace="other"))
    before = await stored_bytes(store)
    await saver.aprune(["t"])
    assert await ids(saver, EVERYTHING) == ["3", "1"]
    found = await saver.aget_tuple(at())
    assert found is not None
    assert found.pending_writes == [("task", "a", "y" * 10_000)]
    assert await stored_bytes(store) < before / 2


async def test_a_thread_that_is_pruned_again_and_again_does_not_grow(
    store: AtomicSessionStore,
) -> None:
    saver, counts = SessionSaver(store), []
    for turn in range(6):
        await put_all(saver, [f"{turn}{n}" for n in range(10)])
        await saver.aprune(["t"])
        counts.append((await store.get_session(thread_session_id("t"))).frame_count)
        assert await ids(SessionSaver(store), EVERYTHING) == [f"{turn}9"]
    assert len(set(counts[1:])) == 1


@pytest.mark.parametrize("method", ["remove_frames", "trim_frames"])
async def test_a_thread_that_is_made_anew_meanwhile_is_not_pruned(
    store: AtomicSessionStore, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """It comes in directly before a step that would take frames out of it."""
    saver, removing = SessionSaver(store), getattr(store, method)
    await put_all(saver, ["1", "2", "3"])

    async def come_late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(store, method, removing)
        await saver.adelete_thread("t")
        await put_all(SessionSaver(store), ["4", "5", "6"])
        return await removing(*arguments, **options)

    monkeypatch.setattr(store, method, come_late)
    await saver.aprune(["t"])
    assert await ids(saver, EVERYTHING) == ["6", "5", "4"]
    session = await store.get_session(thread_session_id("t"))
    left = await store.get_frames(session.id)
    assert len(left) == session.last_seq
    assert {each.kind for each in left} == {MessageKind.OPAQUE}


async def test_pruning_keeps_writes_that_wait_for_their_checkpoint(
    store: AtomicSessionStore,
) -> None:
    saver = SessionSaver(store)
    await saver.aput_writes(at(checkpoint_id="9"), [("a", 1)], "task")
    await put_all(saver, ["1", "2", "3"])
    await saver.aprune(["t"])
    found = await saver.aget_tuple(await put(saver, "9"))
    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]


async def test_the_latest_is_found_after_its_run_was_removed(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    for n in range(30):
        await put(saver, f"{n:02}", run_id="kept" if n < 10 else f"run-{n % 2}")
    await saver.adelete_for_runs(["run-0", "run-1"])
    for each in (saver, SessionSaver(store)):
        found = await each.aget_tuple(at())
        assert found is not None
        assert found.checkpoint["id"] == "09"
    await put(saver, "10", run_id="later")
    assert await ids(saver) == [f"{n:02}" for n in range(10, -1, -1)]


async def test_an_id_that_was_stored_twice_is_removed_with_both(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    await put_all(saver, ["1", "2", "1", "3"])
    await saver.aprune(["t"])
    assert await ids(saver) == ["3"]
    assert await saver.aget_tuple(at(checkpoint_id="1")) is None


async def test_a_copy_has_all_and_goes_its_own_way(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    for n in range(150):
        place = await put(saver, f"{n:03}", number=n)
        await saver.aput_writes(place, [("a", n)], "task")
    await put(saver, "000", to=at(namespace="other"))
    await saver.acopy_thread("t", "copy")
    for each in (saver, SessionSaver(store)):
        assert await ids(each, at("copy")) == await ids(saver, at("t"))
        assert len(await ids(each, {"configurable": {"thread_id": "copy"}})) == 151
    await put(saver, "999", to=at("copy"))
    assert await ids(saver, at("copy")) == ["999", *await ids(saver, at("t"))]
    found = await saver.aget_tuple(at("copy", checkpoint_id="007"))
    assert found is not None
    assert found.pending_writes == [("task", "a", 7)]


async def test_copying_onto_itself_or_from_nothing_does_nothing(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    await put_all(saver, ["1", "2"])
    await saver.acopy_thread("t", "t")
    await saver.acopy_thread("nothing", "target")
    assert await ids(saver) == ["2", "1"]
    assert await store.count_sessions() == 1


async def test_a_copy_that_does_not_fit_leaves_nothing() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_total_bytes=200_000)) as store:
        saver = SessionSaver(store)
        for n in range(120):
            await put(saver, f"{n:03}", text="x" * 1_000)
        before = await stored_bytes(store)
        with pytest.raises(LimitExceeded, match="max_total_bytes"):
            await saver.acopy_thread("t", "copy")
        assert await stored_bytes(store) == before
        assert await ids(saver, at("copy")) == []


async def test_an_unknown_strategy_is_refused(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    await put_all(saver, ["1", "2"])
    with pytest.raises(ValueError, match="'keep_latest' or 'delete'"):
        await saver.aprune(["t"], strategy="delete_all")
    assert await ids(saver) == ["2", "1"]


async def test_a_thread_that_is_full_can_be_pruned_and_goes_on() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_session=101)) as store:
        saver = SessionSaver(store)
        for turn in range(3):
            with pytest.raises(LimitExceeded, match="max_frames_per_session"):
                await put_all(saver, [f"{turn}{n:02}" for n in range(99)])
            last = (await ids(saver))[0]
            await saver.aprune(["t"])
            assert await ids(SessionSaver(store), EVERYTHING) == [last]


@pytest.mark.parametrize("room", [6, 8], ids=["nothing-to-prune", "kept-at-the-beginning"])
async def test_pruning_a_full_thread_loses_no_namespace(room: int) -> None:
    """There is no room to name them anew, and what is kept at the beginning cannot be trimmed."""
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_session=room)) as store:
        saver = SessionSaver(store)
        await put(saver, "1", to=at(namespace="first"))
        with pytest.raises(LimitExceeded, match="max_frames_per_session"):
            await put_all(saver, [f"2{n:02}" for n in range(99)])
        latest = (await ids(saver, EVERYTHING))[0]
        for _ in range(2):
            await saver.aprune(["t"])
            assert await ids(SessionSaver(store), EVERYTHING) == [latest, "1"]


async def test_a_thread_whose_names_come_first_makes_room() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_session=11)) as store:
        saver = SessionSaver(store)
        await put(saver, "1", run_id="a run")
        await saver.adelete_for_runs(["a run"])  # now the log has the names alone
        for turn in range(2, 5):
            with pytest.raises(LimitExceeded, match="max_frames_per_session"):
                await put_all(saver, [f"{turn}{n:02}" for n in range(99)])
            last = (await ids(saver))[0]
            await saver.aprune(["t"])
            assert await ids(SessionSaver(store), EVERYTHING) == [last]


async def test_a_thread_that_has_ended_can_be_pruned(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    await put_all(saver, ["1", "2"])
    await store.modify_session(
        thread_session_id("t"), lambda session: session.model_copy(update={"state": "closed"})
    )
    await saver.aprune(["t"])
    assert await ids(saver, EVERYTHING) == ["2"]


async def test_more_frames_are_removed_than_one_step_can() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_batch=10)) as store:
        saver = SessionSaver(store)
        place = await put(saver, "1")
        for n in range(25):
            await saver.aput_writes(place, [("a", n)], f"task-{n}")
        await put(saver, "2")
        await saver.aprune(["t"])
        assert await ids(saver) == ["2"]
        assert await saver.aget_tuple(place) is None
        assert (await store.get_session(thread_session_id("t"))).frame_count == 3
