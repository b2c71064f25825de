"""A conversation on each backend: what is added is read, in order, and taken out once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from agents import Agent, Runner, Session, SessionSettings
from agents.testing import ScriptedModel
from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    SessionQuery,
    session_id_for,
    threaded,
)
from sessionkeeper.integrations.openai_agents import StoreSession

from tests.integrations.openai_agents.items import said, say
from tests.support.thread_group import ThreadGroup


def answer(text: str) -> Any:
    """What a model says."""
    from openai.types.responses import ResponseOutputMessage, ResponseOutputText

    content = ResponseOutputText(annotations=[], text=text, type="output_text")
    return ResponseOutputMessage(
        id="1", type="message", role="assistant", content=[content], status="completed"
    )


async def test_it_is_a_session_of_the_sdk(session: StoreSession) -> None:
    """By its protocol, with the settings that the SDK's sessions take."""
    protocol: Session = session
    assert isinstance(protocol, Session)
    assert session.session_settings == SessionSettings()
    other = StoreSession("ann", session._conversation.store, session_settings={"limit": 2})
    await other.add_items(say(1, 2, 3))
    assert said(await session.get_items()) == ["1", "2", "3"]
    assert said(await other.get_items()) == ["2", "3"]
    assert said(await other.get_items(limit=1)) == ["3"]
    with pytest.raises(TypeError, match="Unknown session settings"):
        StoreSession("ann", session._conversation.store, session_settings={"limitt": 2})


async def test_items_come_back_as_they_were(session: StoreSession) -> None:
    """Whatever JSON they are made of: also a lone surrogate, NUL and deep values."""
    deep: Any = {"a": [[[{"b": None}]]] * 3, "c": 1.5, "d": True}
    items: Any = [
        {"role": "user", "content": "å \0 \ud800 \U0001f600 '; DROP TABLE--"},
        {"type": "function_call", "arguments": '{"x":1}', "call_id": "c", "name": "f"},
        {"type": "function_call_output", "call_id": "c", "output": deep},
        {"type": "reasoning", "id": "r", "summary": []},
    ]
    await session.add_items(items)
    assert await session.get_items() == items
    frames = await session._conversation.store.get_frames(session._conversation.key)
    assert [str(each.context.direction) for each in frames] == [
        "client-to-server",
        "server-to-client",
        "client-to-server",
        "server-to-client",
    ]
    assert {each.kind for each in frames} == {"opaque"}


async def test_popping_takes_out_the_newest_first(session: StoreSession) -> None:
    """And the numbers of the log go on: what is added later comes last."""
    assert await session.pop_item() is None
    await session.add_items(say(*range(40)))
    popped = [await session.pop_item() for _ in range(30)]
    assert said([each for each in popped if each]) == [str(n) for n in range(39, 9, -1)]
    await session.add_items(say("new"))
    assert said(await session.get_items()) == [*map(str, range(10)), "new"]
    assert said(await session.get_items(limit=3)) == ["8", "9", "new"]
    assert said(await session.get_items(limit=11)) == [*map(str, range(10)), "new"]
    assert await session.get_items(limit=0) == await session.get_items(limit=-1) == []
    assert [await session.pop_item() for _ in range(11)][-1] == say("0")[0]
    assert await session.pop_item() is None
    assert await session.get_items() == []


async def test_clearing_empties_it_and_it_goes_on(session: StoreSession) -> None:
    """Also when nothing was ever added, and when the session in the store has ended."""
    await session.clear_session()
    await session.add_items(say("old"))
    await session.clear_session()
    assert await session.get_items() == []
    await session.add_items(say("new"))
    assert said(await session.get_items()) == ["new"]
    store = session._conversation.store
    await store.modify_session(
        session._conversation.key, lambda each: each.model_copy(update={"state": "closed"})
    )
    await session.clear_session()
    assert await session.get_items() == []
    await session.add_items(say("fresh"))
    assert said(await session.get_items()) == ["fresh"]


async def test_conversations_and_principals_are_apart(store: AtomicSessionStore) -> None:
    """Whatever their ids are; a record shows whose it is."""
    names = ["a", "a:b", "a%3Ab", "", "\0", "\ud800", "x" * 5000, "x" * 5001, "../..", "{a}*"]
    sessions = [StoreSession(name, store) for name in names]
    sessions += [StoreSession("a", store, principal=name) for name in ("ann", "bob")]
    for number, session in enumerate(sessions):
        await session.add_items(say(number))
    for number, session in enumerate(sessions):
        assert said(await session.get_items()) == [str(number)]
    assert await store.count_sessions() == len(sessions)
    found = await store.find_sessions(SessionQuery(principal="ann"))
    (record,) = found.sessions
    assert record.id == session_id_for("openai-agents", "a", "ann")
    assert (record.transport_type, record.state) == ("in-process", "active")
    assert record.metadata == {"session_id": "a"}
    assert record.tags == {"openai-agents"}
    assert "ann" not in repr(sessions[-2])


async def test_frames_of_other_programs_are_passed_over(session: StoreSession) -> None:
    """They may be in the log of the session; they are no items."""
    await session.add_items(say(1))
    for _ in range(40):
        message = {"jsonrpc": "2.0", "method": "note"}
        await session._conversation.store.add_frame(
            MessageEnvelope.of(session._conversation.key, message, direction="client-to-server")
        )
    assert said(await session.get_items(limit=1)) == ["1"]
    assert await session.pop_item() == say(1)[0]
    assert await session.pop_item() is None


async def test_many_items_are_read_in_one_step(session: StoreSession) -> None:
    """More than a page; with a limit, only as many as are asked for."""
    for begin in range(0, 3000, 500):
        await session.add_items(say(*range(begin, begin + 500)))
    assert said(await session.get_items()) == [str(n) for n in range(3000)]
    assert said(await session.get_items(limit=2)) == ["2998", "2999"]
    assert len(await session.get_items(limit=1500)) == 1500


@pytest.mark.parametrize("method", ["read_frames", "remove_frames"])
async def test_a_conversation_that_is_made_anew_meanwhile_keeps_its_items(
    session: StoreSession, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """`pop_item` takes nothing out of it: for a moment there was none."""
    store, key = session._conversation.store, session._conversation.key
    await session.add_items(say(1, 2))
    calling = getattr(store, method)

    async def come_late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(store, method, calling)
        await store.delete_session(key)
        await session.add_items(say(3, 4))
        return await calling(*arguments, **options)

    monkeypatch.setattr(store, method, come_late)
    assert await session.pop_item() is None
    assert said(await session.get_items()) == ["3", "4"]
    assert await session.pop_item() == say(4)[0]


async def test_concurrent_pops_take_each_item_once(session: StoreSession) -> None:
    """And nothing that is added meanwhile is lost."""
    await session.add_items(say(*range(30)))

    async def pop() -> Any:
        return await session.pop_item()

    async def add(text: str) -> None:
        await session.add_items(say(text))

    calls = [pop() for _ in range(20)] + [add(f"new {n}") for n in range(10)]
    popped = [each for each in await asyncio.gather(*calls) if each is not None]
    left = said(await session.get_items())
    assert len(popped) == 20
    assert sorted(said(popped) + left) == sorted(
        [*map(str, range(30)), *(f"new {n}" for n in range(10))]
    )


async def test_a_runner_keeps_its_conversation(session: StoreSession) -> None:
    """Turn by turn, and streamed."""
    model = ScriptedModel()
    agent = Agent(name="test", model=model)
    model.enqueue([answer("one")])
    model.enqueue([answer("two")])
    await Runner.run(agent, "first", session=session)
    streamed = Runner.run_streamed(agent, "second", session=session)
    async for _ in streamed.stream_events():
        pass
    items: Any = await session.get_items()
    assert [item["role"] for item in items] == ["user", "assistant", "user", "assistant"]
    assert len(model.calls[-1].input) == 3


def test_run_sync_keeps_it_without_a_loop(store_url: str) -> None:
    """Each run has a loop of its own, in several threads: the store has a thread of its own."""

    def run(session: StoreSession, number: int) -> str:
        model = ScriptedModel()
        model.enqueue([answer(f"answer {number}")])
        done = asyncio.new_event_loop()
        asyncio.set_event_loop(done)  # `run_sync` takes the loop of its thread
        try:
            result = Runner.run_sync(
                Agent(name="test", model=model), f"question {number}", session=session
            )
        finally:
            done.close()
        return str(result.final_output)

    with StoreSession.from_url("ann", store_url) as session:
        group = ThreadGroup()
        runs = [group.begin(partial(run, session, n)) for n in range(8)]
        assert [each.result(300) for each in runs] == [f"answer {n}" for n in range(8)]
        assert len(asyncio.run(session.get_items())) == 16


async def test_a_url_is_opened_and_closed(store_url: str) -> None:
    """On the loop that runs, or in a thread; a bad argument leaves nothing open."""
    async with StoreSession.from_url("ann", store_url, session_settings={"limit": 1}) as session:
        await session.add_items(say(1, 2))
        assert said(await session.get_items()) == ["2"]
        store = session._conversation.store
    assert not store.is_open
    wrong: Any = 5
    for bad in (
        StoreSession.from_url(wrong, store_url),
        StoreSession.from_url("a", store_url, principal=wrong),
    ):
        with pytest.raises(TypeError), bad:
            pass
        with pytest.raises(TypeError):
            async with bad:
                pass
    with pytest.raises(ValueError, match="store URL"), StoreSession.from_url("ann", "mysql://"):
        pass


async def test_a_url_opens_one_store_at_a_time(store_url: str) -> None:
    """A second one would be closed in place of the first, which would stay open."""
    opened = StoreSession.from_url("ann", store_url)
    for _ in range(2):
        async with opened as session:
            with pytest.raises(RuntimeError, match="runs already"):
                await opened.__aenter__()
            with pytest.raises(RuntimeError, match="runs already"):
                opened.__enter__()
            store = session._conversation.store
            assert store.is_open
        assert not store.is_open
    with opened as session:
        store = session._conversation.store
        with pytest.raises(RuntimeError, match="runs already"):
            opened.__enter__()
    assert not store.is_open


async def test_any_loop_may_use_a_store_with_a_thread(store_url: str) -> None:
    """One conversation, from the loop of this test and from others."""
    async with threaded(store_url) as store:
        session = StoreSession("ann", store)
        await session.add_items(say("here"))
        await asyncio.to_thread(asyncio.run, session.add_items(say("there")))
        assert said(await session.get_items()) == ["here", "there"]
