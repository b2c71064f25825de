"""Turns that run at the same time, kept apart, and turns that fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Session
from sessionkeeper import SequenceConflict, threaded
from sessionkeeper.integrations.openai_agents import StoreSession

from tests.integrations.openai_agents.items import said, say


async def test_turns_are_not_mixed(session: StoreSession) -> None:
    """Each sees what was there when it began and its own; each is one block in the end."""
    await session.add_items(say("begin"))
    ready = asyncio.Barrier(8)

    async def turn(number: int) -> None:
        async with session.turn() as own:
            protocol: Session = own
            assert isinstance(protocol, Session)
            await own.add_items(say(f"question {number}"))
            await ready.wait()
            await own.add_items(say(f"answer {number}", role="assistant"))
            assert said(await own.get_items()) == [
                "begin",
                f"question {number}",
                f"answer {number}",
            ]
            await ready.wait()

    await asyncio.gather(*(turn(n) for n in range(8)))
    kept = said(await session.get_items())
    assert kept[0] == "begin"
    assert sorted(zip(kept[1::2], kept[2::2], strict=True)) == [
        (f"question {n}", f"answer {n}") for n in range(8)
    ]


async def turn_that_is_late(session: StoreSession) -> None:
    """Begin a turn, and have something else added before it ends."""
    async with session.turn(stale="refuse") as turn:
        await turn.add_items(say("second"))
        await session.add_items(say("between"))


async def turn_that_raises(session: StoreSession) -> None:
    """Add to a turn, and raise."""
    async with session.turn() as turn:
        await turn.add_items(say("no"))
        raise KeyError


async def test_a_turn_may_refuse_what_came_in_between(session: StoreSession) -> None:
    """Of two that began together one is kept, and the other adds nothing."""
    for begun in (say(), say("earlier")):  # also of a conversation that is not there yet
        await session.add_items(begun)
        before = said(await session.get_items())
        async with session.turn(stale="refuse") as first:
            await first.add_items(say("first"))
            with pytest.raises(SequenceConflict):
                await turn_that_is_late(session)
            assert said(await session.get_items()) == [*before, "between"]
            await first.clear_session()
        assert said(await session.get_items()) == [*before, "between"]
        async with session.turn(stale="refuse") as third:
            await third.add_items(say("third"))
        assert said(await session.get_items()) == [*before, "between", "third"]
        await session.clear_session()


async def test_a_turn_is_not_of_a_conversation_that_was_made_anew(session: StoreSession) -> None:
    """Not even where its last number is the same: its items are not shown, nor is it added to."""
    store, key = session._conversation.store, session._conversation.key
    await session.add_items(say("old 1", "old 2"))
    turn = session.turn(stale="refuse")
    await turn.__aenter__()
    await store.delete_session(key)
    await session.add_items(say("new 1", "new 2"))
    await turn.add_items(say("mine"))
    for limit in (None, 2, 100):
        assert said(await turn.get_items(limit)) == ["mine"]
    with pytest.raises(SequenceConflict):
        await turn.__aexit__(None)
    assert said(await session.get_items()) == ["new 1", "new 2"]
    async with session.turn() as merged:  # this one goes wherever the conversation is
        await store.delete_session(key)
        await merged.add_items(say("merged"))
    assert said(await session.get_items()) == ["merged"]


async def test_a_turn_that_fails_adds_nothing(session: StoreSession) -> None:
    """An error, a cancellation, and a wrong item in the middle."""
    with pytest.raises(KeyError):
        await turn_that_raises(session)
    begun = asyncio.Event()

    async def hang() -> None:
        async with session.turn() as turn:
            await turn.add_items(say("no"))
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hang())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wrong: Any = [*say("no"), {"role": object()}]
    async with session.turn() as turn:
        with pytest.raises(TypeError):
            await turn.add_items(wrong)
    assert await session.get_items() == []


async def test_a_turn_takes_out_its_own_items(session: StoreSession) -> None:
    """And leaves those of the conversation; limits count both."""
    await session.add_items(say(1, 2, 3))
    async with session.turn() as turn:
        await session.add_items(say("other"))
        await turn.add_items(say(4, 5))
        assert said(await turn.get_items(limit=3)) == ["3", "4", "5"]
        assert said(await turn.get_items(limit=1)) == ["5"]
        assert await turn.get_items(limit=0) == []
        assert await turn.pop_item() == say(5)[0]
        assert said(await turn.get_items()) == ["1", "2", "3", "4"]
        assert await turn.pop_item() == say(4)[0]
        assert await turn.pop_item() is None
        await turn.add_items(say(6))
    assert said(await session.get_items()) == ["1", "2", "3", "other", "6"]


async def test_a_turn_is_used_in_its_block(session: StoreSession) -> None:
    """Before and after it every call says so."""
    turn = session.turn()
    for _ in range(2):
        for call in (
            turn.get_items(),
            turn.add_items(say(1)),
            turn.pop_item(),
            turn.clear_session(),
        ):
            with pytest.raises(RuntimeError, match="not under way"):
                await call
        async with turn:
            with pytest.raises(RuntimeError, match="begun once"):
                await turn.__aenter__()
    wrong: Any = "overwrite"
    with pytest.raises(ValueError, match="'merge' or 'refuse'"):
        session.turn(stale=wrong)


def blocking_turn_that_raises(session: StoreSession) -> None:
    """The same without a loop."""
    with session.turn() as turn:
        asyncio.run(turn.add_items(say("no")))
        raise KeyError


def test_a_turn_without_a_loop(store_url: str) -> None:
    """On a store with a thread of its own."""
    with threaded(store_url) as store:
        session = StoreSession("ann", store)
        with session.turn() as turn:
            asyncio.run(turn.add_items(say(1)))
            assert asyncio.run(session.get_items()) == []
        assert said(asyncio.run(session.get_items())) == ["1"]
        with pytest.raises(KeyError):
            blocking_turn_that_raises(session)
        assert said(asyncio.run(session.get_items())) == ["1"]
