"""The event store: what it keeps, replays, follows and refuses, on each backend."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from mcp.server.streamable_http import GET_STREAM_KEY
from mcp_types import JSONRPCResponse
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LimitExceeded,
    SessionClosed,
    SessionNotFound,
    SessionState,
    StoreClosed,
    StoreLimits,
)
from sessionkeeper.integrations.mcp import SessionEventStore
from sessionkeeper.integrations.mcp.event_frames import stream_name

from .events import Replay, answer, progress, texts


async def replayed(events: SessionEventStore, after: str) -> list[str]:
    """What is replayed after an id, up to the end of its stream."""
    replay = Replay(events, after)
    assert await replay.task is None
    return texts(replay.sent)


async def test_replays_one_stream_of_many_after_an_id(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    first = await events.store_event("1", progress("a"))
    await events.store_event("2", progress("other"))
    second = await events.store_event("1", progress("b"))
    await events.store_event(GET_STREAM_KEY, progress("standalone"))
    await events.store_event("1", answer(1, "done"))
    await events.store_event("2", answer(2, "other"))
    assert await replayed(events, first) == ["b", "done"]
    assert await replayed(events, second) == ["done"]


async def test_a_priming_event_is_kept_and_replay_begins_there(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    again = await events.store_event("1", None)
    await events.store_event("1", answer(1, "done"))
    assert await replayed(events, priming) == ["done"]
    assert await replayed(events, again) == ["done"]
    assert await store.count_frames("s") == 3


async def test_the_ids_that_a_replay_sends_are_those_of_storing(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    stored = [await events.store_event("1", progress("a"))]
    stored.append(await events.store_event("1", answer(1, "done")))
    replay = Replay(events, priming)
    await replay.task
    assert [each.event_id for each in replay.sent] == stored
    assert replay.sent[1].message == answer(1, "done")


async def test_an_answer_ends_its_stream_and_the_standalone_stream_goes_on(
    store: AtomicSessionStore,
) -> None:
    events = SessionEventStore(store, "s")
    await events.store_event("1", None)
    last = await events.store_event("1", answer(1, "done"))
    assert await replayed(events, last) == []
    first = await events.store_event(GET_STREAM_KEY, progress("a"))
    replay = Replay(events, first)
    await events.store_event(GET_STREAM_KEY, answer("unknown", "no stream's answer"))
    await events.store_event(GET_STREAM_KEY, progress("b"))
    await replay.until(2)
    assert texts(replay.sent) == ["no stream's answer", "b"]
    await store.modify_session(
        "s", lambda session: session.model_copy(update={"state": SessionState.CLOSED})
    )
    assert await replay.task is None


async def test_no_event_is_lost_between_what_is_replayed_and_what_comes(
    store: AtomicSessionStore,
) -> None:
    """Plain event stores lose what comes after they read and before the SDK registers."""
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    expected = [str(number) for number in range(40)]
    came_back: list[Replay] = []
    for text in expected:
        came_back.append(Replay(events, priming))
        for _ in range(int(text) % 7):  # it is at another step of its reading each time
            await asyncio.sleep(0)
        await events.store_event("1", progress(text))
    came_back.append(Replay(events, priming))
    await events.store_event("1", answer(1, "done"))
    for replay in came_back:
        await replay.task
        assert texts(replay.sent) == [*expected, "done"]


async def test_another_store_object_replays_and_follows(store: AtomicSessionStore) -> None:
    here, there = SessionEventStore(store, "s"), SessionEventStore(store, "s")
    priming = await here.store_event("1", None)
    replay = Replay(there, priming)
    await here.store_event("1", progress("a"))
    await replay.until(1)
    await here.store_event("1", answer(1, "done"))
    await replay.task
    assert texts(replay.sent) == ["a", "done"]


async def test_ids_of_others_forged_ones_and_old_ones_are_refused(
    store: AtomicSessionStore,
) -> None:
    alice = SessionEventStore(store, "of-alice", principal="alice")
    bob = SessionEventStore(store, "of-bob", principal="bob")
    of_alice = await alice.store_event("1", None)
    of_bob = await bob.store_event("1", None)
    await alice.store_event("1", answer(1, "for alice"))
    await bob.store_event("1", answer(1, "for bob"))
    incarnation, _, _ = of_bob.rpartition("-")
    forged = (
        *("", "0", "1", "-1", "none", "١", incarnation, of_alice, f"{of_bob}0", f" {of_bob}"),
        *(f"{incarnation}-{number}" for number in ("0", "-1", "01", "9" * 19, "9" * 20, "1e1")),
        *(f"{incarnation.upper()}-x", f"{incarnation}-1\n", "\ud800", "x" * 100_000),
    )
    for each in forged:
        assert await replayed(bob, each) == [], each
    assert await replayed(bob, of_bob) == ["for bob"]
    assert await replayed(alice, of_alice) == ["for alice"]
    await store.trim_frames("of-bob", up_to=1)
    assert await replayed(bob, of_bob) == []


async def test_an_id_of_an_earlier_session_with_the_same_id_is_refused(
    store: AtomicSessionStore,
) -> None:
    before = SessionEventStore(store, "s")
    old = await before.store_event("1", None)
    await store.delete_session("s")
    after = SessionEventStore(store, "s")
    new = await after.store_event("1", None)
    await after.store_event("1", answer(1, "of the later session"))
    assert old != new
    assert await replayed(after, old) == []
    assert await replayed(after, new) == ["of the later session"]


async def test_the_session_of_another_principal_is_not_found(store: AtomicSessionStore) -> None:
    await SessionEventStore(store, "s", principal="alice").store_event("1", None)
    for principal in ("bob", None):
        events = SessionEventStore(store, "s", principal=principal)
        with pytest.raises(SessionNotFound):
            await events.store_event("1", answer(1, "a"))
        with pytest.raises(SessionNotFound):
            await events.replay_events_after(f"{'0' * 16}-1", Replay.collect_nothing)
    assert await store.count_frames("s") == 1


async def test_what_exceeds_a_limit_is_answered_by_an_error() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frame_bytes=500)) as store:
        events = SessionEventStore(store, "s")
        priming = await events.store_event("1", None)
        await events.store_event("1", progress("x" * 500))
        await events.store_event("1", progress("fits"))
        await events.store_event("1", answer(1, "y" * 500))
        replay = Replay(events, priming)
        await replay.task
        assert texts(replay.sent) == [
            "fits",
            "the answer was not kept: it exceeds a limit of the session store: max_frame_bytes",
        ]
        assert getattr(replay.sent[-1].message, "id", None) == 1


async def test_a_full_log_refuses_the_event() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_session=1)) as store:
        events = SessionEventStore(store, "s")
        await events.store_event("1", None)
        for message in (None, progress("a"), answer(1, "done")):
            with pytest.raises(LimitExceeded, match="max_frames_per_session"):
                await events.store_event("1", message)
        assert await store.count_frames("s") == 1


async def test_an_ended_session_and_a_closed_store_refuse(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    await store.modify_session(
        "s", lambda session: session.model_copy(update={"state": SessionState.CLOSED})
    )
    with pytest.raises(SessionClosed):
        await events.store_event("1", answer(1, "late"))
    assert await replayed(events, priming) == []
    await store.aclose()
    with pytest.raises(StoreClosed):
        await events.store_event("1", answer(1, "late"))
    with pytest.raises(StoreClosed):
        await replayed(events, priming)


async def test_a_cancelled_event_is_stored_whole_or_not_at_all(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    for number in range(30):
        task = asyncio.create_task(events.store_event("1", progress(str(number))))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    await events.store_event("1", answer(1, "done"))
    kept = await replayed(events, priming)
    assert kept[-1] == "done"
    assert kept[:-1] == sorted(kept[:-1], key=int)


async def test_a_cancelled_replay_leaves_nothing_behind(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    await events.store_event("1", progress("a"))
    replay = Replay(events, priming)
    await replay.until(1)
    replay.task.cancel()
    await asyncio.wait({replay.task})
    assert replay.task.cancelled()
    await events.store_event("1", answer(1, "done"))
    assert await replayed(events, priming) == ["a", "done"]


async def test_any_request_id_names_a_stream(store: AtomicSessionStore) -> None:
    events = SessionEventStore(store, "s")
    ids = ["", " ", "\x00", "ä" * 127, "ä" * 128, "x" * 10_000, "1", "01", "_GET_stream "]
    ids.append(stream_name("x" * 10_000))
    primings = {each: await events.store_event(each, None) for each in ids}
    for each in ids:
        await events.store_event(each, JSONRPCResponse(jsonrpc="2.0", id=each, result={"text": ""}))
    for each in ids:
        replay = Replay(events, primings[each])
        await replay.task
        assert [getattr(event.message, "id", None) for event in replay.sent] == [each]


async def test_an_answer_that_is_no_message_for_the_store_ends_its_stream_too(
    store: AtomicSessionStore,
) -> None:
    nested: object = "deep"
    for _ in range(150):
        nested = [nested]
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    deep = JSONRPCResponse(jsonrpc="2.0", id=1, result={"text": nested})
    await events.store_event("1", deep)
    assert (await store.get_session("s")).odd_frames == 1
    replay = Replay(events, priming)
    await replay.task
    assert [each.message for each in replay.sent] == [deep]


async def test_an_answer_that_cannot_be_encoded_becomes_an_error(
    store: AtomicSessionStore,
) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    await events.store_event("1", progress("\ud800"))
    await events.store_event("1", answer(1, "\ud800"))
    assert await replayed(events, priming) == ["the answer was not kept: it cannot be encoded"]


async def test_an_event_whose_content_was_removed_is_not_replayed(
    store: AtomicSessionStore,
) -> None:
    events = SessionEventStore(store, "s")
    priming = await events.store_event("1", None)
    await events.store_event("1", progress("secret"))
    await events.store_event("1", answer(1, "done"))
    await store.remove_frames("s", [1, 2])
    assert await replayed(events, priming) == ["done"]


def test_without_mcp_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp_types'] = None; import sessionkeeper.integrations.mcp"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False)
    assert "ImportError" in done.stderr
    assert "pip install 'sessionkeeper[mcp]'" in done.stderr
