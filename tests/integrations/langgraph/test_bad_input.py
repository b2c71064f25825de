"""Wrong configurations, hostile texts, limits, closed stores and cancelled calls."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LimitExceeded,
    MessageEnvelope,
    SessionClosed,
    StoreClosed,
    StoreLimits,
)
from sessionkeeper.integrations.langgraph import SessionSaver
from sessionkeeper.integrations.langgraph.records import checkpoint_stream
from sessionkeeper.integrations.langgraph.threads import thread_session_id

from .checkpoints import at, checkpoint, ids, put

HOSTILE = [
    "",
    " ",
    "\0",
    "a:b",
    "a|b:c",
    "../../etc/passwd",
    "' OR 1=1 --",
    "*[?",
    "{a}",
    "\r\nDEL x",
    "\u202e",
    "ä" * 300,
    "x" * 5_000,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_text_names_a_thread_a_namespace_and_a_checkpoint(
    store: AtomicSessionStore, text: str
) -> None:
    saver, name = SessionSaver(store), text or "1"
    others = [at("other", text), at(text, "other")]
    for place in (at(text, text), *others):
        config = await put(saver, name, to=place, where=str(place))
        await saver.aput_writes(config, [(text, text)], text, text)
        found = await saver.aget_tuple(config)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"where": str(place)}
        assert found.pending_writes == [(text, text, text)]
        assert await ids(saver, place) == [name]
    await saver.adelete_thread(text)
    assert await ids(saver, at(text, text)) == []
    assert await ids(saver, others[0]) == [name]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "no thread_id"),
        ({"configurable": {}}, "no thread_id"),
        ({"configurable": {"thread_id": "a\ud800"}}, "thread_id is no Unicode text"),
        (at("t", "a\ud800"), "checkpoint_ns is no Unicode text"),
        (at("t", "", "a\ud800"), "checkpoint_id is no Unicode text"),
    ],
)
async def test_a_place_that_cannot_be_is_refused(
    store: AtomicSessionStore, config: Any, problem: str
) -> None:
    saver = SessionSaver(store)
    with pytest.raises(ValueError, match=problem):
        await saver.aget_tuple(config)
    with pytest.raises(ValueError, match=problem):
        await saver.aput(config, checkpoint("1"), {}, {})
    with pytest.raises(ValueError, match=problem):
        await saver.aput_writes(config, [("a", 1)], "task")
    with pytest.raises(ValueError, match=problem):
        await ids(saver, config)
    assert await store.count_sessions() == 0


async def test_a_forged_checkpoint_id_finds_nothing_and_is_told_from_a_text(
    store: AtomicSessionStore,
) -> None:
    saver = SessionSaver(store)
    await put(saver, "1")
    assert await saver.aget_tuple(at(checkpoint_id="1' OR 1=1")) is None
    assert await saver.aget_tuple(at(checkpoint_id="2")) is None
    assert await saver.aget_tuple(at("other", checkpoint_id="1")) is None
    for forged in (1, b"1", ["1"], {"$ne": ""}):
        with pytest.raises(TypeError, match="checkpoint_id is a str"):
            await saver.aget_tuple({"configurable": {"thread_id": "t", "checkpoint_id": forged}})
    nameless = checkpoint("1")
    nameless["id"] = ""
    with pytest.raises(ValueError, match="not empty"):
        await saver.aput(at(), nameless, {}, {})
    with pytest.raises(ValueError, match="no checkpoint_id"):
        await saver.aput_writes(at(), [("a", 1)], "task")


async def test_a_payload_over_the_limits_is_refused_and_stores_nothing() -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frame_bytes=10_000)) as store:
        saver = SessionSaver(store)
        place = await put(saver, "1")
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await put(saver, "2", text="x" * 10_000)
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await saver.aput_writes(place, [("a", 1), ("b", "x" * 10_000)], "task")
        found = await saver.aget_tuple(at())
        assert found is not None
        assert (found.checkpoint["id"], found.pending_writes) == ("1", [])
        await put(saver, "2")
        assert await ids(saver) == ["2", "1"]


async def test_what_cannot_be_serialized_stores_nothing(store: AtomicSessionStore) -> None:
    saver = SessionSaver(store)
    place = await put(saver, "1")
    with pytest.raises(TypeError):
        await put(saver, "2", function=lambda: None)
    with pytest.raises(TypeError):
        await saver.aput_writes(place, [("a", 1), ("b", lambda: None)], "task")
    found = await saver.aget_tuple(at())
    assert found is not None
    assert (found.checkpoint["id"], found.pending_writes) == ("1", [])


async def test_pickle_is_refused_where_it_would_be_written_and_where_it_is_read(
    store: AtomicSessionStore,
) -> None:
    with pytest.raises(ValueError, match="pickle_fallback"):
        SessionSaver(store, serde=JsonPlusSerializer(pickle_fallback=True))

    class Pickles:
        def dumps_typed(self, value: object) -> tuple[str, bytes]:
            return "pickle", pickle.dumps(value)

        def loads_typed(self, data: tuple[str, bytes]) -> object:
            raise AssertionError

    await put(SessionSaver(store, serde=Pickles()), "1")
    with pytest.raises(NotImplementedError, match="pickle"):
        await SessionSaver(store).aget_tuple(at())


async def test_a_frame_of_somebody_else_is_named_and_not_shown(store: AtomicSessionStore) -> None:
    saver, session_id = SessionSaver(store), thread_session_id("t")
    place = await put(saver, "1")
    stream = checkpoint_stream("", "1")
    for media_type in ("text/plain", "application/x-sessionkeeper-langgraph"):
        frame = MessageEnvelope.of_payload(
            session_id,
            b"a secret",
            media_type=media_type,
            direction="client-to-server",
            stream=stream,
        )
        seq = await store.add_frame(frame)
        with pytest.raises(ValueError, match=f"frame {seq} of the thread is") as caught:
            await saver.aget_tuple(place)
        assert "secret" not in str(caught.value)
        await store.remove_frames(session_id, [seq])
    assert await saver.aget_tuple(place) is not None


async def test_a_closed_store_says_so() -> None:
    async with ActorSessionStore() as store:
        saver = SessionSaver(store)
        place = await put(saver, "1")
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: saver.aget_tuple(at()),
        lambda: saver.aget_tuple(place),
        lambda: ids(saver),
        lambda: put(saver, "2"),
        lambda: saver.aput_writes(place, [("a", 1)], "task"),
        lambda: saver.adelete_thread("t"),
        lambda: saver.adelete_for_runs(["run"]),
        lambda: saver.acopy_thread("t", "u"),
        lambda: saver.aprune(["t"]),
    ]
    for call in calls:
        with pytest.raises(StoreClosed):
            await call()


async def test_a_thread_whose_session_has_ended_can_only_be_read(
    store: AtomicSessionStore,
) -> None:
    saver, session_id = SessionSaver(store), thread_session_id("t")
    place = await put(saver, "1")
    await store.modify_session(session_id, lambda s: s.model_copy(update={"state": "closed"}))
    assert await saver.aget_tuple(at()) is not None
    with pytest.raises(SessionClosed):
        await put(saver, "2")
    with pytest.raises(SessionClosed):
        await saver.aput_writes(place, [("a", 1)], "task")
    await saver.adelete_thread("t")
    assert await ids(saver) == []


async def test_a_call_that_is_cancelled_anywhere_stores_all_or_nothing(
    store: AtomicSessionStore,
) -> None:
    """Each call is cancelled after one step of the loop, after two, and so on until it ends."""
    for steps in range(60):
        saver, name = SessionSaver(store), f"{steps}"
        config = at(name)

        async def work(saver: SessionSaver = saver, config: Any = config) -> None:
            place = await put(saver, "1", to=config, a=1)
            await saver.aput_writes(place, [("a", 1), ("b", 2)], "task")
            await put(saver, "2", to=place, a=2)
            await saver.acopy_thread(config["configurable"]["thread_id"], "copied")
            await saver.aprune([config["configurable"]["thread_id"]])

        task = asyncio.ensure_future(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        found = [each async for each in SessionSaver(store).alist(config)]
        stored = [each.checkpoint["id"] for each in found]
        assert stored in ([], ["1"], ["2", "1"], ["2"])
        for each in found:
            assert each.checkpoint["channel_values"] == {"a": int(each.checkpoint["id"])}
            assert len(each.pending_writes or []) in (0, 2)
        latest = await saver.aget_tuple(config)
        assert (latest is None) == (not found)
        await put_all_in(saver, config)
        assert (await ids(saver, config))[:2] == ["4", "3"]
        assert set(await ids(saver, at("copied"))) <= {"1", "2"}
        await saver.adelete_thread("copied")


async def put_all_in(saver: SessionSaver, config: Any) -> None:
    for name in ("3", "4"):
        await put(saver, name, to=config)
