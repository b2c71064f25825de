"""The session manager under uvicorn: its record of a session, its principals and its refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Direction,
    ManagerConfig,
    MessageKind,
    SessionHooks,
    SessionNotFound,
    SessionQuery,
    SessionState,
    StoreLimits,
)
from sessionkeeper.integrations.mcp import SessionEventStore, StoredSessionManager
from sessionkeeper.integrations.mcp.principals import principal_of_token
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.waiting import until

from .raw_client import RawClient, read_all, said
from .servers import app_of, serving
from .tools import make_lowlevel, make_server


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """Connections of raw clients; no limit of it ends a test that only takes long."""
    async with httpx2.AsyncClient(timeout=300) as http:
        yield http


def user_of(scope: Scope) -> str | None:
    """The principal that a header names."""
    found = dict(scope["headers"]).get(b"x-user")
    return None if found is None else found.decode()


async def only_session(store: AtomicSessionStore) -> Any:
    """The one session of a client in the store."""
    sessions = await store.list_sessions()
    (session,) = (each for each in sessions if "mcp-worker" not in each.tags)
    return session


async def test_the_record_of_a_session_is_that_of_our_manager(store: AtomicSessionStore) -> None:
    manager = StoredSessionManager(make_server(), store)
    async with serving(app_of(manager)) as url:
        async with Client(streamable_http_client(url), mode="legacy") as client:
            result = await client.call_tool("say", {"text": "hello"})
            assert result.content[0].text == "hello"  # type: ignore[union-attr]
            session = await only_session(manager.sessions.store)
            assert session.state is SessionState.ACTIVE
            assert session.version_state.negotiated == "2025-11-25"
            assert session.client_info["name"] == "mcp"
            assert session.server_info["name"] == "tools"
            assert not manager.sessions.pending_requests(session.id)
        session = await only_session(store)
        assert session.state is SessionState.CLOSED
    frames = await store.read_frames(session.id)
    kinds = [(each.envelope.context.direction, each.envelope.kind) for each in frames]
    assert kinds[0] == (Direction.CLIENT_TO_SERVER, MessageKind.REQUEST)
    asked = [each.envelope.method for each in frames if each.envelope.kind is MessageKind.REQUEST]
    assert asked[0] == "initialize"
    assert "tools/call" in asked
    results = [each for _, each in kinds if each is MessageKind.RESULT]
    assert len(results) == len(asked)


async def test_the_stateless_revision_is_recorded_by_principal(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    manager = StoredSessionManager(make_server(), store, principal_of=user_of)
    async with serving(app_of(manager)) as url:
        for user in ("alice", "bob", "alice"):
            async with (
                httpx2.AsyncClient(timeout=300, headers={"x-user": user}) as own,
                Client(streamable_http_client(url, http_client=own), mode="2026-07-28") as client,
            ):
                said_back = await client.call_tool("say", {"text": f"of {user}"})
                assert said_back.content[0].text == f"of {user}"  # type: ignore[union-attr]
                steps: list[str | None] = []

                async def note(progress: float, total: float | None, message: str | None) -> None:
                    steps.append(message)  # noqa: B023

                await client.call_tool("steps", {"number": 2, "gate": ""}, progress_callback=note)
                assert steps == ["step 0", "step 1"]
        headers = {"mcp-protocol-version": "2026-07-28", "x-user": "alice"}
        assert (await http.get(url, headers=headers)).status_code == 405
    for user in ("alice", "bob"):
        (session,) = (await store.find_sessions(SessionQuery(principal=user))).sessions
        frames = await store.read_frames(session.id)
        texts = b" ".join(each.envelope.message for each in frames)
        other = {"alice": b"of bob", "bob": b"of alice"}[user]
        assert f"of {user}".encode() in texts
        assert other not in texts
        asked = [each for each in frames if each.envelope.kind is MessageKind.REQUEST]
        answered = [each for each in frames if each.envelope.kind is MessageKind.RESULT]
        assert len(asked) == len(answered)
        assert b"step 1" in texts
        assert {each.envelope.context.protocol_version for each in frames} == {"2026-07-28"}


async def test_bob_gets_nothing_of_alices_session(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    """The SDK's example event store hands alice's events to bob."""
    one = StoredSessionManager(make_server(), store, principal_of=user_of)
    other = StoredSessionManager(make_server(), store, principal_of=user_of)
    async with serving(app_of(one)) as url, serving(app_of(other)) as other_url:
        alice, bob = RawClient(http, url, **{"x-user": "alice"}), RawClient(http, url)
        bob_himself = RawClient(http, url, **{"x-user": "bob"})
        await alice.initialize()
        await bob_himself.initialize()
        async with alice.calling("say", text="for alice") as events:
            of_alice = await read_all(events)
        # With the id of her session, on the worker that serves it and on another.
        for who in (bob, RawClient(http, url, **{"x-user": "bob"})):
            who.session_id = alice.session_id
            for who.url in (url, other_url):
                assert (await who.post("ping", {})).status_code == 404
                assert (await who.notify("notifications/initialized")).status_code == 404
                headers = who.headers(**{"last-event-id": of_alice[0].id})
                assert (await http.get(who.url, headers=headers)).status_code == 404
                assert (await http.delete(who.url, headers=headers)).status_code == 404
        # With the ids of her events, in his own session.
        async with bob_himself.calling("say", text="for bob") as events:
            of_bob = await read_all(events)
        incarnation = of_bob[0].id.partition("-")[0]
        forged = [f"{incarnation}-{event.id.partition('-')[2]}0" for event in of_alice]
        for event_id in (*(event.id for event in of_alice), *forged, "1", "0", "x" * 1000):
            async with bob_himself.listening(after=event_id) as events:
                assert await read_all(events) == []
        async with alice.listening(after=of_alice[0].id) as events:
            assert said(await read_all(events)) == ["for alice"]
        assert (await alice.post("ping", {})).status_code == 200


async def test_the_principal_of_a_token_is_its_client_issuer_and_subject() -> None:
    def scope(**fields: Any) -> Scope:
        token = AccessToken(token="t", client_id="c", scopes=[], **fields)
        return {"type": "http", "user": AuthenticatedUser(token)}

    found = {
        principal_of_token(each)
        for each in (
            scope(),
            scope(subject="alice"),
            scope(subject="alice", claims={"iss": "i"}),
            scope(subject="a" * 2000),
            scope(subject="b" * 2000),
        )
    }
    assert len(found) == 5
    assert all(0 < len(each or "") <= 1024 for each in found)
    assert principal_of_token({"type": "http"}) is None
    assert principal_of_token({"type": "http", "user": object()}) is None


async def test_a_slow_reader_delays_nobody_and_loses_nothing(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    """The SDK's router waits for it, and every other stream of the session with it."""
    number, size = 60, 20_000
    async with serving(app_of(StoredSessionManager(make_server(), store))) as url:
        client = RawClient(http, url)
        await client.initialize()
        async with client.listening() as slow:
            async with client.calling("flood", number=number, size=size) as events:
                assert said(await read_all(events)) == ["sent"]
            async with client.calling("say", text="meanwhile") as events:
                assert said(await read_all(events)) == ["meanwhile"]
            came = [await anext(slow) for _ in range(number)]
    assert [each[:12] for each in said(came)] == [f"file:///{n}/xxxx"[:12] for n in range(number)]


async def test_a_stream_is_closed_only_once_its_client_can_come_back(
    store: AtomicSessionStore,
) -> None:
    manager = StoredSessionManager(make_server(), store, retry_interval=0)
    async with (
        serving(app_of(manager)) as url,
        Client(streamable_http_client(url), mode="legacy") as client,
    ):
        for _ in range(10):
            result = await client.call_tool("close_first", {})
            assert result.content[0].text == "closed"  # type: ignore[union-attr]


async def test_a_client_that_comes_back_replaces_its_earlier_connection(
    http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.write_text("1")
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        await client.initialize()
        async with client.calling("steps", number=2, gate=str(gate)) as before:
            seen = [await anext(before) for _ in range(2)]
            async with client.listening(after=seen[0].id) as now:
                assert said([await anext(now)]) == ["step 0"]
                assert await read_all(before) == []
                gate.write_text("3")
                assert said(await read_all(now)) == ["step 1", "done"]


async def test_one_new_standalone_stream_a_session(http: httpx2.AsyncClient) -> None:
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        await client.initialize()
        async with client.listening() as first:
            async with client.calling("flood", number=1, size=1) as events:
                await read_all(events)
            seen = await anext(first)
            response = await http.get(url, headers=client.headers())
            assert response.status_code == 409
            async with client.calling("flood", number=2, size=1) as events:
                await read_all(events)
            async with client.listening(after=seen.id) as second:
                assert len(said([await anext(second) for _ in range(2)])) == 2


async def test_a_message_over_a_limit_is_refused_and_the_session_goes_on(
    http: httpx2.AsyncClient,
) -> None:
    async with (
        ActorSessionStore(limits=StoreLimits(max_frame_bytes=1000)) as store,
        serving(app_of(StoredSessionManager(make_server(), store))) as url,
    ):
        client = RawClient(http, url)
        await client.initialize()
        response = await client.post("ping", {"_meta": {"x": "y" * 1000}})
        assert response.status_code == 413
        assert "max_frame_bytes" in response.text
        assert "yyy" not in response.text
        async with client.calling("say", text="z" * 700) as events:
            (refusal,) = said(await read_all(events))
        assert refusal.endswith("it exceeds a limit of the session store: max_frame_bytes")
        async with client.calling("say", text="short") as events:
            assert said(await read_all(events)) == ["short"]


async def test_a_full_log_ends_the_stream_and_not_the_server(http: httpx2.AsyncClient) -> None:
    async with (
        ActorSessionStore(limits=StoreLimits(max_frames_per_session=6)) as store,
        serving(app_of(StoredSessionManager(make_server(), store))) as url,
    ):
        client = RawClient(http, url)
        await client.initialize()  # four frames
        async with client.calling("say", text="a") as events:
            assert said(await read_all(events)) == []  # no room for the answer
        response = await client.post("ping", {})
        assert response.status_code == 503
        assert "max_frames_per_session" in response.text
        another = RawClient(http, url)
        await another.initialize()


async def test_a_closed_store_is_said_and_nothing_is_left(http: httpx2.AsyncClient) -> None:
    store = await ActorSessionStore().open()
    async with serving(app_of(StoredSessionManager(make_server(), store))) as url:
        client = RawClient(http, url)
        await client.initialize()
        await store.aclose()
        for response in (
            await client.post("ping", {}),
            await http.get(url, headers=client.headers()),
            await http.delete(url, headers=client.headers()),
            await RawClient(http, url).post("initialize", {}),
        ):
            assert response.status_code == 503
            assert response.json()["error"]["message"] == "The session store is not available"


async def test_what_opens_no_session_leaves_none(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    manager = StoredSessionManager(make_server(), store)
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        assert (await client.post("ping", {})).status_code == 400
        assert (await http.get(url, headers=client.headers())).status_code == 400
        assert (await http.post(url, content=b"{", headers=client.headers())).status_code == 400
        client.session_id = "unknown"
        assert (await client.post("ping", {})).status_code == 404
        client.session_id = "not an id"
        assert (await client.post("ping", {})).status_code == 404
        sessions = await store.list_sessions()
        assert all("mcp-worker" in each.tags or each.state.is_terminal for each in sessions)
        assert not manager._server_instances


async def test_a_session_that_could_not_be_opened_is_ended(http: httpx2.AsyncClient) -> None:
    async with (
        ActorSessionStore(limits=StoreLimits(max_frame_bytes=50)) as store,
        serving(app_of(StoredSessionManager(make_server(), store))) as url,
    ):
        response = await RawClient(http, url).post("initialize", {})
        assert response.status_code == 413
        session = await only_session(store)
        while not session.state.is_terminal:  # after the answer
            session = await only_session(store)
        assert session.state is SessionState.FAILED
        assert session.failure == "its initialize was not answered"


async def test_a_session_whose_handshake_failed_is_on_no_other_worker(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    one, other = (StoredSessionManager(make_server(), store) for _ in range(2))
    async with serving(app_of(one)) as url, serving(app_of(other)) as other_url:
        client = RawClient(http, url)
        response = await client.post("initialize", {"capabilities": 3})
        assert "error" in response.text
        client.session_id, client.url = response.headers["mcp-session-id"], other_url
        assert (await client.post("ping", {})).status_code == 404


@pytest.mark.parametrize("user", ["", "x" * 2000], ids=["empty", "long"])
async def test_what_is_no_principal_is_refused_and_opens_nothing(
    http: httpx2.AsyncClient, user: str
) -> None:
    async with ActorSessionStore() as store:
        manager = StoredSessionManager(make_server(), store, principal_of=user_of)
        async with serving(app_of(manager)) as url:
            alice = RawClient(http, url, **{"x-user": "alice"})
            await alice.initialize()
            nobody = RawClient(http, url, **{"x-user": user})
            response = await nobody.post("initialize", {})
            assert response.status_code == 400
            assert response.json()["error"]["message"] == "The session store refuses the message"
            nobody.session_id = alice.session_id
            assert (await nobody.post("ping", {})).status_code == 404
            assert len(manager._transports) == 1


async def test_there_are_at_most_max_sessions(http: httpx2.AsyncClient) -> None:
    manager = StoredSessionManager.from_url(make_server(), "memory://", max_sessions=1)
    async with serving(app_of(manager)) as url:
        first, second = RawClient(http, url), RawClient(http, url)
        await first.initialize()
        response = await second.post("initialize", {})
        assert response.status_code == 503
        assert (await http.delete(url, headers=first.headers())).status_code == 200
        await second.initialize()


async def test_clients_that_vanish_anywhere_leave_nothing_behind(
    store: AtomicSessionStore, http: httpx2.AsyncClient
) -> None:
    manager = StoredSessionManager(make_server(), store)
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        await client.initialize()

        async def call(number: int) -> None:
            async with client.calling("steps", number=30, gate="") as events:
                for _ in range(number):
                    await anext(events)

        for number in range(40):
            task = asyncio.create_task(call(number))
            for _ in range(number * 3):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
        async with client.calling("say", text="still here") as events:
            assert said(await read_all(events)) == ["still here"]
        (transport,) = manager._server_instances.values()
        for _ in until("without a stream and a request"):
            left = transport._sse_stream_writers, transport._request_streams
            if not any(left) and not manager.sessions.pending_requests():
                break
            await asyncio.sleep(0.01)


async def test_an_open_stream_keeps_its_session_alive(http: httpx2.AsyncClient) -> None:
    touched: dict[str, int] = {}

    class Touched(ActorSessionStore):
        async def touch_session(self, session_id: str, /) -> None:
            await super().touch_session(session_id)
            touched[session_id] = touched.get(session_id, 0) + 1

    config = ManagerConfig(idle=0.6, age=None, sweep_interval=3600)
    async with Touched() as store:
        manager = StoredSessionManager(make_server(), store, config=config)
        async with serving(app_of(manager)) as url:
            open_one, idle_one = RawClient(http, url), RawClient(http, url)
            await open_one.initialize()
            await idle_one.initialize()
            async with open_one.listening():
                while touched.get(open_one.session_id, 0) < 3:
                    await asyncio.sleep(0.01)
            assert idle_one.session_id not in touched


async def test_a_session_that_expires_ends_its_streams(http: httpx2.AsyncClient) -> None:
    ended = asyncio.Event()
    hooks = SessionHooks(
        ended=lambda event: None if "mcp-worker" in event.session.tags else ended.set()
    )
    manager = StoredSessionManager.from_url(
        make_server(),
        "memory://",
        config=ManagerConfig(idle=None, age=None, sweep_interval=0.05),
        hooks=hooks,
    )
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        await client.initialize()
        async with client.listening() as events:
            await manager.sessions.store.modify_session(
                client.session_id,
                lambda session: session.model_copy(update={"expires_at": datetime.now(UTC)}),
            )
            assert await read_all(events) == []
        await ended.wait()
        session = await manager.sessions.get_session(client.session_id)
        assert session.state is SessionState.TIMED_OUT
        assert (await client.post("ping", {})).status_code == 404


@pytest.mark.parametrize("kind", ["starlette", "fastapi", "mounted"])
async def test_serves_a_lowlevel_server_in_each_framework(kind: str) -> None:
    manager = StoredSessionManager.from_url(make_lowlevel(), "memory://")
    app: ASGIApp = app_of(manager)
    path = ""
    if kind == "fastapi":
        app = FastAPI(
            routes=[Route("/mcp", endpoint=manager.asgi_app)], lifespan=lambda _: manager.run()
        )
    elif kind == "mounted":
        mount = Mount("/mcp", app=manager.handle_request)
        app = Starlette(routes=[mount], lifespan=lambda _: manager.run())
        path = "/"
    async with (
        serving(app) as url,
        Client(streamable_http_client(f"{url}{path}"), mode="legacy") as client,
    ):
        result = await client.call_tool("say", {"text": kind})
        assert result.content[0].text == kind  # type: ignore[union-attr]


async def test_an_event_store_alone_serves_the_sdks_transport(store: AtomicSessionStore) -> None:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    server = make_server()
    theirs = StreamableHTTPSessionManager(
        server._lowlevel_server, event_store=SessionEventStore(store, "all"), retry_interval=0
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await theirs.handle_request(scope, receive, send)

    mounted = Starlette(routes=[Mount("/mcp", app=app)], lifespan=lambda _: theirs.run())
    async with (
        serving(mounted) as url,
        Client(streamable_http_client(f"{url}/"), mode="legacy") as client,
    ):
        result = await client.call_tool("close_first", {})
        assert result.content[0].text == "closed"  # type: ignore[union-attr]


def test_what_cannot_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="store URL"):
        StoredSessionManager.from_url(make_server(), "nothing")
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    with pytest.raises(RuntimeError, match="while the manager runs"):
        _ = manager.sessions


async def test_a_manager_runs_once_and_its_store_is_closed() -> None:
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    async with manager.run():
        store = manager.sessions.store
        with pytest.raises(SessionNotFound):
            await store.get_session("none")
    assert not store.is_open
    with pytest.raises(RuntimeError, match="once"):
        async with manager.run():
            raise AssertionError("it runs twice")


async def test_a_transport_that_ends_does_not_forget_its_successor(
    http: httpx2.AsyncClient,
) -> None:
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    async with serving(app_of(manager)) as url:
        client, another = RawClient(http, url), RawClient(http, url)
        await client.initialize()
        await another.initialize()
        earlier = manager._transports[another.session_id]
        await manager._discard_session(client.session_id, earlier)
        assert client.session_id in manager._transports
        assert (await client.post("ping", {})).status_code == 200


async def test_the_priming_event_of_a_client_that_came_back_names_the_calls_owner(
    http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """So a client that comes back twice learns, too, that the worker of its call is gone."""
    gate = tmp_path / "gate"
    gate.write_text("0")
    async with ActorSessionStore() as store:
        one, other = (StoredSessionManager(make_server(), store) for _ in range(2))
        async with serving(app_of(one)) as url, serving(app_of(other)) as other_url:
            client = RawClient(http, url)
            await client.initialize()
            async with client.calling("steps", number=1, gate=str(gate)) as events:
                first = await anext(events)
            client.url = other_url
            async with client.listening(after=first.id) as events:
                second = await anext(events)
            assert second.id != first.id
            session = other._transports[client.session_id]._session
            assert session is not None
            owners = [await session.events.find(each.id) for each in (first, second)]
            names = {session.owner_of(each) for each in owners if each is not None}
            assert len(names) == 1
            assert None not in names
            gate.write_text("2")


async def test_a_call_cannot_close_its_stream_before_the_priming_event_is_sent(
    http: httpx2.AsyncClient,
) -> None:
    manager = StoredSessionManager.from_url(make_server(), "memory://")
    async with serving(app_of(manager)) as url:
        client = RawClient(http, url)
        await client.initialize()
        transport = manager._transports[client.session_id]
        writer, reader = anyio.create_memory_object_stream[dict[str, Any]](1)
        transport._sse_stream_writers["7"] = writer
        await transport._mint_priming_event("7", "2025-11-25")
        transport.close_sse_stream("7")
        await writer.send({})
        transport._unprimed.clear()  # as when it was sent
        transport.close_sse_stream("7")
        with pytest.raises(anyio.ClosedResourceError):
            await writer.send({})
        reader.close()


async def test_a_call_whose_transport_ends_is_answered_while_its_worker_runs(
    http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.write_text("0")
    async with ActorSessionStore() as store:
        one, other = (StoredSessionManager(make_server(), store) for _ in range(2))
        async with serving(app_of(one)) as url, serving(app_of(other)) as other_url:
            client = RawClient(http, url)
            await client.initialize()
            async with client.calling("steps", number=1, gate=str(gate)) as events:
                priming = await anext(events)
            client.url = other_url
            async with client.listening(after=priming.id) as events:
                await anext(events)
                ended = one._transports[client.session_id]
                await one._discard_session(client.session_id, ended)
                assert said(await read_all(events)) == ["the server that ran the call is gone"]
