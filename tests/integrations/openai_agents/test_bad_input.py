"""Closed stores, limits, wrong items, ended sessions, and cancellation in every await."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from typing import Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    LimitExceeded,
    SessionClosed,
    StoreClosed,
    StoreLimits,
    threaded,
)
from sessionkeeper.integrations.openai_agents import ClosedSession, StoreSession

from tests.integrations.openai_agents.items import said, say


async def test_a_closed_store_is_the_sdks_runtime_error(
    store: AtomicSessionStore, session: StoreSession
) -> None:
    """And ours: `StoreClosed`. Also without an item to add."""
    await session.add_items(say(1))
    turn = session.turn()
    async with turn:
        pass
    await store.aclose()
    for call in (
        session.get_items(),
        session.add_items(say(2)),
        session.add_items([]),
        session.pop_item(),
        session.clear_session(),
        session.turn().__aenter__(),
    ):
        with pytest.raises(RuntimeError, match="StoreSession is closed") as closed:
            await call
        assert isinstance(closed.value, ClosedSession)
        assert isinstance(closed.value, StoreClosed)


async def test_what_is_no_json_is_refused_whole(session: StoreSession) -> None:
    """Before anything is stored."""
    await session.add_items(say("before"))
    loop: dict[str, Any] = {}
    loop["self"] = loop
    for bad, error in (
        ({"a": object()}, TypeError),
        (loop, ValueError),
        ({1j: 2}, TypeError),
        ("text", TypeError),
        (None, TypeError),
        ([], TypeError),
    ):
        wrong: Any = [*say("no"), bad, *say("no")]
        with pytest.raises(error):
            await session.add_items(wrong)
    for arguments in ((5,), (None,), (b"a",)):
        wrong = arguments[0]
        with pytest.raises(TypeError, match="session id"):
            StoreSession(wrong, session._conversation.store)
    assert said(await session.get_items()) == ["before"]


async def test_limits_refuse_whole_batches(store_url: str) -> None:
    """`LimitExceeded` names the limit, and nothing of the call is stored."""
    limits = StoreLimits(max_frame_bytes=1000, max_frames_per_batch=10, max_frames_per_session=12)
    async with threaded(store_url, limits=limits) as store:
        session = StoreSession("ann", store)
        for items, limit in (
            (say("no", "x" * 2000), "max_frame_bytes"),
            (say(*range(11)), "max_frames_per_batch"),
        ):
            with pytest.raises(LimitExceeded) as refused:
                await session.add_items(items)
            assert refused.value.limit == limit
        assert await session.get_items() == []
        await session.add_items(say(*range(10)))
        with pytest.raises(LimitExceeded) as refused:
            async with session.turn() as turn:
                await turn.add_items(say(*range(5)))
        assert refused.value.limit == "max_frames_per_session"
        assert said(await session.get_items()) == [str(n) for n in range(10)]


async def test_an_ended_session_can_be_read_and_cleared(session: StoreSession) -> None:
    """A sweeper may have ended it: adding raises `SessionClosed` and loses nothing silently."""
    await session.add_items(say(1, 2))
    store = session._conversation.store
    await store.modify_session(
        session._conversation.key, lambda each: each.model_copy(update={"state": "timed-out"})
    )
    with pytest.raises(SessionClosed):
        await session.add_items(say(3))
    assert said(await session.get_items()) == ["1", "2"]
    assert await session.pop_item() == say(2)[0]


async def test_cancellation_in_every_await_leaves_whole_calls(session: StoreSession) -> None:
    """A batch, and a turn, is there whole or not at all; a popped item is out or still there."""
    for turns in range(30):
        for call in (session.add_items(say(turns, turns)), _in_a_turn(session, turns)):
            await _cancelled_after(turns, call)
        before = said(await session.get_items())
        pairs = zip(before[::2], before[1::2], strict=True)
        assert all(one == other for one, other in pairs)
        await _cancelled_after(turns, session.get_items())
        await session.add_items(say("last"))
        await _cancelled_after(turns, session.pop_item())
        await session._conversation.store.count_sessions()
        assert said(await session.get_items()) in (before, [*before, "last"])
        await _cancelled_after(turns, session.clear_session())
        assert len(await session.get_items()) in (0, len(before), len(before) + 1)
        await session.clear_session()


async def _cancelled_after(turns: int, call: Coroutine[Any, Any, object]) -> None:
    """Cancel a call after a number of turns of the loop."""
    task = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _in_a_turn(session: StoreSession, number: int) -> None:
    async with session.turn() as turn:
        await turn.add_items(say(number))
        await turn.add_items(say(number))


def test_without_the_sdk_the_import_says_what_to_install() -> None:
    """Any other error of importing is its own."""
    program = (
        "import sys; sys.modules['agents'] = None\nimport sessionkeeper.integrations.openai_agents"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last.endswith("pip install 'sessionkeeper[openai-agents]'")
