"""A session as server-sent events under a real server: resumed, refused, ended, cut off."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from sessionkeeper import ActorSessionStore, AtomicSessionStore, MessageEnvelope
from sessionkeeper.integrations.starlette import RequestSessions

from tests.support.stores import wakeups_of

from .application import PING, application, refusal, user, watching
from .conftest import Serve, served

ANN = {"x-user": "ann"}
EVENTS = "/sessions/one/events"


def numbered(number: int) -> bytes:
    return b'{"jsonrpc":"2.0","method":"notifications/n","params":{"n":%d}}' % number


async def test_frames_come_and_are_resumed_after_any_event(
    serve: Serve, store: AtomicSessionStore
) -> None:
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    for number in range(3):
        await client.post("/sessions/one/messages", headers=ANN, content=numbered(number))
    ids: list[str] = []
    async with watching(client, EVENTS) as (response, events):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        for number in range(3):
            event = await anext(events)
            assert event["data"]["message"].encode() == numbered(number)
            assert event["data"]["seq"] == number + 1
            ids.append(event["id"])
        await client.post("/sessions/one/messages", headers=ANN, content=numbered(3))
        assert (await anext(events))["data"]["message"].encode() == numbered(3)
    async with watching(client, EVENTS, last=ids[0]) as (_, events):
        assert [(await anext(events))["data"]["seq"] for _ in range(3)] == [2, 3, 4]
        await client.post("/sessions/one/end", headers=ANN)
        end = await anext(events)
        assert end == {"event": "end", "data": {}}
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    async with watching(client, EVENTS, last=ids[1]) as (_, events):
        assert [each["data"].get("seq") async for each in events] == [3, 4, None]
    last = ids[0].replace("-1", "-4")
    async with watching(client, EVENTS, last=last) as (response, _):
        assert response.status_code == 204  # an EventSource does not come again


async def test_a_stream_goes_on_at_another_server(shared_url: str) -> None:
    async with served(application(RequestSessions.from_url(shared_url, principal=user))) as first:
        await first.put("/sessions/one", headers=ANN)
        for number in range(3):
            await first.post("/sessions/one/messages", headers=ANN, content=numbered(number))
        async with watching(first, EVENTS) as (_, events):
            last = (await anext(events))["id"]
    async with AsyncExitStack() as stack:
        second, third = [
            await stack.enter_async_context(
                served(application(RequestSessions.from_url(shared_url, principal=user)))
            )
            for _ in range(2)
        ]
        async with watching(second, EVENTS, last=last) as (_, events):
            assert [(await anext(events))["data"]["seq"] for _ in range(2)] == [2, 3]
            await third.post("/sessions/one/messages", headers=ANN, content=numbered(3))
            assert (await anext(events))["data"]["seq"] == 4
            await third.post("/sessions/one/end", headers=ANN)
            assert (await anext(events))["event"] == "end"


async def test_an_id_of_an_earlier_session_and_a_forged_one_are_refused(
    serve: Serve, store: AtomicSessionStore
) -> None:
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    await client.post("/sessions/one/messages", headers=ANN, content=PING)
    async with watching(client, EVENTS) as (_, events):
        old = (await anext(events))["id"]
    await client.delete("/sessions/one", headers=ANN)
    await client.put("/sessions/one", headers=ANN)
    for _ in range(3):
        await client.post("/sessions/one/messages", headers=ANN, content=PING)
    async with watching(client, EVENTS) as (_, events):
        current = (await anext(events))["id"]
    incarnation = current.partition("-")[0]
    refused: dict[str, tuple[int, str]] = {
        old: (404, "session-not-found"),
        f"{incarnation}-4": (410, "log-replaced"),
        f"{incarnation}-{'9' * 19}": (410, "log-replaced"),
    }
    wrong = ("", "1", "-1", f"{incarnation}-0", f"{incarnation}-01", f"{incarnation}-", "x" * 5000)
    refused |= dict.fromkeys(wrong, (400, "invalid-event-id"))
    refused |= dict.fromkeys(
        (f"{incarnation}-{'9' * 20}", f"{incarnation}-1-1", incarnation.upper() + "-x"),
        (400, "invalid-event-id"),
    )
    for last, (status, kind) in refused.items():
        response = await refusal(client, EVENTS, x_user="ann", last_event_id=last)
        problem = response.json()
        assert (response.status_code, problem["status"]) == (status, status), last
        assert problem["type"] == f"urn:sessionkeeper:problem:{kind}"
        assert incarnation not in response.text


async def test_a_session_of_another_principal_does_not_exist(
    serve: Serve, store: AtomicSessionStore
) -> None:
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    await client.post("/sessions/one/messages", headers=ANN, content=PING)
    async with watching(client, EVENTS) as (_, events):
        last = (await anext(events))["id"]
    answers = [
        await refusal(client, path, x_user="mallory", **more)
        for path in (EVENTS, "/sessions/none/events")
        for more in ({}, {"last_event_id": last}, {"last_event_id": "forged"})
    ]
    assert {each.status_code for each in answers} == {404}
    assert len({each.text for each in answers}) == 1
    assert (await refusal(client, EVENTS)).status_code == 401


async def test_no_message_can_forge_an_event(serve: Serve, store: AtomicSessionStore) -> None:
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    hostile = [
        b'{"jsonrpc":"2.0",\n\n"method":"a"}',
        b"\n\nevent: end\ndata: {}\n\nid: x\n\n",
        b"\r\rdata: x\r\r",
        "\u2028data: x\u0085\u2029".encode(),
        b"\xff\x00\n\n",
        b"",
    ]
    for message in hostile:
        answer = await client.post(
            "/sessions/one/messages", params={"lax": "1"}, headers=ANN, content=message
        )
        assert answer.status_code == 200
    await client.post("/sessions/one/end", headers=ANN)
    async with watching(client, EVENTS) as (response, _):
        text = (await response.aread()).decode()
    blocks = text.removesuffix("\n\n").split("\n\n")
    assert len(blocks) == len(hostile) + 1
    assert all(block.startswith("id: ") for block in blocks[:-1])
    assert blocks[-1] == "event: end\ndata: {}"


async def test_a_stream_says_why_it_is_cut_off(serve: Serve) -> None:
    store = await ActorSessionStore().open()
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    async with watching(client, EVENTS) as (_, events):
        closing = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        await store.aclose()
        event = await closing
        assert event["event"] == "problem"
        assert event["data"]["type"] == "urn:sessionkeeper:problem:store-closed"
    response = await client.get(EVENTS, headers=ANN)
    assert (response.status_code, response.json()["title"]) == (503, "The store is closed")


async def test_a_deleted_session_ends_its_streams(serve: Serve, store: AtomicSessionStore) -> None:
    client = await serve(application(RequestSessions(store, principal=user)))
    await client.put("/sessions/one", headers=ANN)
    await client.post("/sessions/one/messages", headers=ANN, content=PING)
    async with watching(client, EVENTS) as (_, events):
        await anext(events)
        await client.delete("/sessions/one", headers=ANN)
        await client.put("/sessions/one", headers=ANN)
        assert (await anext(events))["event"] == "end"


async def test_a_client_that_leaves_leaves_nothing_behind(serve: Serve) -> None:
    async with ActorSessionStore() as store:
        sessions = RequestSessions(store, principal=user, heartbeat=0.05)
        client = await serve(application(sessions))
        await client.put("/sessions/one", headers=ANN)
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with watching(client, EVENTS) as (response, _):
                lines = response.aiter_lines()
                assert await anext(lines) == ":"  # idle, and the server shows that it is there
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0.01)
        assert not wakeups_of(store)
        envelope = MessageEnvelope.of("one", PING, direction="client-to-server")
        assert await store.add_frame(envelope) == 1
