"""The effect of messages on the state of their session (Guarantees 15.1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    MessageEnvelope,
    Session,
    SessionClosed,
    SessionManager,
    SessionNotFound,
    SessionState,
    StoreLimits,
    VersionState,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Wire


async def opened(manager: SessionManager, **fields: object) -> Session:
    """A new session "a"."""
    return await manager.create_session(transport_type="stdio", id="a", **fields)


async def test_a_legacy_handshake_makes_a_session_active(
    manager: SessionManager, wire: Wire
) -> None:
    """`initialize` and its result bring names and versions, `initialized` makes it active."""
    await opened(manager)
    assert await manager.record(wire.initialize()) == 1
    session = await manager.get_session("a")
    assert session.version_state == VersionState(requested=wire.OLD)
    assert session.client_info == wire.CLIENT
    assert session.state is SessionState.INITIALIZING

    assert await manager.record(wire.initialized_result()) == 2
    session = await manager.get_session("a")
    assert session.version_state == VersionState(requested=wire.OLD, negotiated=wire.OLD)
    assert session.server_info == wire.SERVER
    assert session.state is SessionState.INITIALIZING

    assert await manager.record(wire.initialized()) == 3
    session = await manager.get_session("a")
    assert session.state is SessionState.ACTIVE
    assert session.client_info == wire.CLIENT
    assert session.server_info == wire.SERVER
    assert session.last_seq == 3
    assert len(await manager.store.get_frames("a")) == 3


async def test_a_server_may_negotiate_down(manager: SessionManager, wire: Wire) -> None:
    """The server's answer decides the version."""
    await opened(manager)
    await manager.record(wire.initialize("2099-01-01"))
    await manager.record(wire.initialized_result(wire.OLD))
    session = await manager.get_session("a")
    assert session.version_state == VersionState(requested="2099-01-01", negotiated=wire.OLD)


async def test_without_a_handshake_the_first_exchange_opens(
    manager: SessionManager, wire: Wire
) -> None:
    """2026-07-28: version and name in `_meta` of each request, and there is no handshake."""
    await opened(manager)
    await manager.record(wire.modern())
    session = await manager.get_session("a")
    assert session.version_state == VersionState(requested=wire.NEW)
    assert session.client_info == wire.CLIENT
    assert session.state is SessionState.INITIALIZING

    await manager.record(wire.discovered())
    session = await manager.get_session("a")
    assert session.version_state == VersionState(requested=wire.NEW, negotiated=wire.NEW)
    assert session.server_info == wire.SERVER
    assert session.state is SessionState.ACTIVE
    revision = session.revision

    await manager.record(wire.modern("tools/call"))
    await manager.record(wire.discovered({"name": "impostor"}))
    session = await manager.get_session("a")
    assert (session.revision, session.last_seq) == (revision, 4)


async def test_a_client_that_repeats_itself_changes_nothing(
    manager: SessionManager, wire: Wire
) -> None:
    """Each request of 2026-07-28 states the same: the revision stays."""
    await opened(manager)
    await manager.record(wire.modern())
    revision = (await manager.get_session("a")).revision
    await manager.record(wire.modern("tools/list"))
    assert (await manager.get_session("a")).revision == revision
    await manager.record(wire.modern(client={"name": "other"}))
    assert (await manager.get_session("a")).client_info == {"name": "other"}


@pytest.mark.parametrize("kind", ["legacy", "modern"])
async def test_spaces_and_escaped_slashes_are_the_same_message(
    manager: SessionManager, wire: Wire, kind: str
) -> None:
    """Some encoders write a slash as `\\/`, some write spaces: the meaning is the same."""
    await opened(manager)
    modern = [wire.modern(), wire.discovered()]
    legacy = [wire.initialize(), wire.initialized_result(), wire.initialized()]
    for envelope in modern if kind == "modern" else legacy:
        text = json.dumps(json.loads(envelope.message), indent=2).replace("/", "\\/")
        await manager.record(envelope.model_copy(update={"message": text.encode()}))
    session = await manager.get_session("a")
    assert session.state is SessionState.ACTIVE
    assert session.client_info == wire.CLIENT
    assert session.server_info == wire.SERVER
    assert session.version_state.negotiated == (wire.NEW if kind == "modern" else wire.OLD)


def malformed(wire: Wire) -> list[MessageEnvelope]:
    """Handshakes that are none, though each is a valid message."""
    wrong: list[Any] = [None, 5, ["x"], {"a": 1}, "", "x" * 65, True]
    infos: list[Any] = [5, "x", ["x"], {"x": "y" * 10, "deep": json.loads("[" * 110 + "]" * 110)}]
    up = [wire.initialize(version) for version in wrong]
    up += [wire.initialize(client=info) for info in infos]
    up += [wire.modern(version=version) for version in wrong]
    up += [wire.modern(client=info) for info in infos]
    up += [wire.ask(method="initialize"), wire.ask(method="initialize", params=[])]
    odd: list[Any] = [None, 5, "x", "protocolVersion", "initialize", [], {}]
    up += [wire.ask(method="initialize", params=params) for params in odd]
    up += [wire.ask(method="x", params={"_meta": meta}) for meta in odd]
    up += [wire.tell(method="initialized"), wire.tell(method="notifications/initialised")]
    up += [wire.answer(result) for result in odd]
    up += [wire.initialized_result(version) for version in wrong]
    up += [wire.initialized_result(server=info) for info in infos]
    up += [wire.discovered(), wire.discovered(5), wire.discovered(None)]
    for envelope in (wire.initialize(), wire.initialized(), wire.modern()):
        context = envelope.context.model_copy(update={"direction": "server-to-client"})
        up.append(envelope.model_copy(update={"context": context}))
    for envelope in (wire.initialized_result(), wire.discovered()):
        context = envelope.context.model_copy(update={"direction": "client-to-server"})
        up.append(envelope.model_copy(update={"context": context}))
    return up


async def test_a_malformed_handshake_changes_nothing_but_is_recorded(
    manager: SessionManager, wire: Wire
) -> None:
    """A recorder keeps what crossed the wire, however odd; what does not fit changes nothing."""
    before = await opened(manager)
    odd = malformed(wire)
    for n, envelope in enumerate(odd, 1):
        assert await manager.record(envelope) == n
        session = await manager.get_session("a")
        assert session.revision == before.revision, envelope.message
    assert await manager.store.get_frames("a") == odd
    assert (await manager.get_session("a")).state is SessionState.INITIALIZING


@pytest.mark.parametrize("spoken", [VersionState(), VersionState(requested="1", negotiated="1")])
@pytest.mark.parametrize("state", ["active", "shutting-down"])
async def test_a_handshake_out_of_time_changes_nothing(
    manager: SessionManager, wire: Wire, state: str, spoken: VersionState
) -> None:
    """A message that does not fit the session's state changes nothing: no renegotiation."""
    before = await opened(manager, state=state, version_state=spoken)
    for envelope in (
        *(wire.initialize(), wire.initialized_result(), wire.initialized()),
        *(wire.modern(), wire.discovered()),
    ):
        await manager.record(envelope)
    session = await manager.get_session("a")
    assert session.revision == before.revision
    assert session.last_seq == 5


async def test_a_second_version_is_not_taken(manager: SessionManager, wire: Wire) -> None:
    """No renegotiation and no downgrade once negotiated, nor against the transport's header."""
    await opened(manager, version_state=VersionState(transport=wire.OLD))
    await manager.record(wire.initialize())
    await manager.record(wire.initialized_result(wire.NEW))
    assert (await manager.get_session("a")).version_state.negotiated is None
    await manager.record(wire.initialized_result(wire.OLD))
    await manager.record(wire.initialized_result("2024-11-05"))
    await manager.record(wire.initialize("2024-11-05"))
    await manager.record(wire.modern(version=wire.NEW))
    session = await manager.get_session("a")
    assert session.version_state == VersionState(
        requested=wire.OLD, negotiated=wire.OLD, transport=wire.OLD
    )
    assert session.last_seq == 6


async def test_an_ended_or_unknown_session_records_nothing(
    manager: SessionManager, wire: Wire
) -> None:
    """`SessionNotFound`, `SessionClosed`; with a change of state implied or without."""
    for envelope in (wire.initialize(), wire.ask(method="ping")):
        with pytest.raises(SessionNotFound):
            await manager.record(envelope)
    await opened(manager)
    await manager.complete_session("a")
    for envelope in (wire.initialize(), wire.ask(method="ping")):
        with pytest.raises(SessionClosed):
            await manager.record(envelope)
    assert await manager.store.count_frames("a") == 0
    assert (await manager.statistics()).store.counters.frames_added == 0


async def test_the_frame_and_its_change_are_one_step(wire: Wire) -> None:
    """One atomic step: nobody sees the one without the other."""
    seen: list[tuple[int, object]] = []

    async with SessionManager() as manager:
        await opened(manager)
        import asyncio

        async def watch() -> None:
            while len(seen) < 50:
                session = await manager.get_session("a")
                seen.append((session.last_seq, session.version_state.requested))

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        await manager.record(wire.initialize())
        await watching
    assert set(seen) == {(0, None), (1, wire.OLD)}


async def test_a_name_too_large_to_keep_does_not_lose_its_message() -> None:
    """A recorder keeps what crossed the wire: the frame is there, the state says nothing new."""
    limits = StoreLimits(max_metadata_bytes=50)
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store) as manager,
    ):
        session = await manager.create_session(transport_type="stdio")
        params = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "x" * 100}}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        envelope = MessageEnvelope.of(session.id, hello, direction="client-to-server")
        assert await manager.record(envelope) == 1
        assert [each.method for each in await store.get_frames(session.id)] == ["initialize"]
        assert (await manager.get_session(session.id)).client_info is None
