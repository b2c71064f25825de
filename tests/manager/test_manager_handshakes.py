"""The negotiated version follows from the answer to its own request, despite overlaps."""

from __future__ import annotations

import asyncio
from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    Session,
    SessionManager,
    SessionState,
    SQLiteSessionStore,
    StoreLimits,
    VersionState,
)
from sessionkeeper.manager import handshakes as handshakes_module

if TYPE_CHECKING:
    from tests.manager.conftest import Make

UP, DOWN = "client-to-server", "server-to-client"
OLD, NEW, OTHER = "2025-11-25", "2026-07-28", "2027-01-01"
PREFIX = "io.modelcontextprotocol/"


def message(direction: str, **members: object) -> MessageEnvelope:
    """A message of session "a"."""
    return MessageEnvelope.of("a", {"jsonrpc": "2.0", **members}, direction=direction)


def discover(request_id: object, version: str = NEW, direction: str = UP) -> MessageEnvelope:
    """A request that states its version, as those of 2026-07-28 do."""
    client = {"name": f"client of {version}"}
    meta = {f"{PREFIX}protocolVersion": version, f"{PREFIX}clientInfo": client}
    return message(direction, id=request_id, method="server/discover", params={"_meta": meta})


def initialize(request_id: object, version: str = OLD, direction: str = UP) -> MessageEnvelope:
    """The request that begins a handshake."""
    params = {"protocolVersion": version, "clientInfo": {"name": f"client of {version}"}}
    return message(direction, id=request_id, method="initialize", params=params)


def discovered(request_id: object, direction: str = DOWN) -> MessageEnvelope:
    """The result of a request without a handshake."""
    meta = {f"{PREFIX}serverInfo": {"name": "server"}}
    return message(direction, id=request_id, result={"tools": [], "_meta": meta})


def initialized(request_id: object, version: str = OLD, direction: str = DOWN) -> MessageEnvelope:
    """The result of `initialize`."""
    result = {"protocolVersion": version, "serverInfo": {"name": "server"}}
    return message(direction, id=request_id, result=result)


def refused(request_id: object) -> MessageEnvelope:
    """An error of the server."""
    return message(DOWN, id=request_id, error={"code": -32022, "message": "no"})


async def after(manager: SessionManager, *messages: MessageEnvelope) -> Session:
    """The session once these were recorded."""
    for each in messages:
        await manager.record(each)
    return await manager.get_session("a")


async def opened(manager: SessionManager, **fields: object) -> None:
    """A new session "a"."""
    await manager.create_session(transport_type="stdio", id="a", **fields)


@pytest.fixture(params=["tracked", "recording"])
def config(request: pytest.FixtureRequest) -> ManagerConfig:
    """A manager that tracks requests, and one that does not."""
    return ManagerConfig.recording() if request.param == "recording" else ManagerConfig()


async def test_discover_beside_a_refused_initialize(make: Make, config: ManagerConfig) -> None:
    """The result of `server/discover` settles its version, despite later requests."""
    async with make(config) as manager:
        await opened(manager)
        session = await after(manager, discover(1), initialize(2), discovered(1), refused(2))
        assert session.version_state == VersionState(requested=NEW, negotiated=NEW)
        assert session.client_info == {"name": f"client of {NEW}"}
        assert session.state is SessionState.ACTIVE
        later = await after(manager, discover(3), discovered(3))
        assert later.revision == session.revision


ANSWERS = list(product([True, False], repeat=2))


@pytest.mark.parametrize("asked", list(permutations("di")))
@pytest.mark.parametrize("order", list(permutations("di")))
@pytest.mark.parametrize("accepted", ANSWERS)
async def test_the_first_result_settles_its_own_request(
    asked: tuple[str, ...], order: tuple[str, ...], accepted: tuple[bool, ...]
) -> None:
    """Two requests and their answers in every order, each accepted or refused."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        await opened(manager)
        await after(manager, *(discover(1) if each == "d" else initialize(2) for each in asked))
        expected: str | None = None
        for each, good in zip(order, accepted, strict=True):
            result = discovered(1) if each == "d" else initialized(2)
            session = await after(manager, result if good else refused(1 if each == "d" else 2))
            if good and expected is None:
                expected = NEW if each == "d" else OLD
            assert session.version_state.negotiated == expected
            if expected is not None:
                assert session.version_state.requested == expected
                assert session.client_info == {"name": f"client of {expected}"}


@pytest.mark.parametrize("first", [1, 2])
async def test_of_two_handshakes_the_one_answered_counts(make: Make, first: int) -> None:
    """`initialize` twice with two ids: the answered request decides."""
    async with make() as manager:
        await opened(manager)
        await after(manager, initialize(1, OLD), initialize(2, OTHER))
        version = {1: OLD, 2: OTHER}[first]
        session = await after(manager, initialized(first, version))
        assert session.version_state == VersionState(requested=version, negotiated=version)
        assert session.client_info == {"name": f"client of {version}"}
        other = await after(manager, initialized(3 - first, {1: OLD, 2: OTHER}[3 - first]))
        assert other.revision == session.revision


async def test_one_id_in_both_directions_is_resolved_by_the_result(make: Make) -> None:
    """Only `initialize` is answered with a version, so the results can be told apart."""
    async with make() as manager:
        await opened(manager)
        session = await after(manager, discover(1), initialize(1), refused(1), discovered(1))
        assert session.version_state == VersionState(requested=NEW, negotiated=NEW)


async def test_one_id_for_two_versions_is_ambiguous(make: Make) -> None:
    """Nothing is claimed that was not seen; the next exchange settles it."""
    async with make() as manager:
        await opened(manager)
        session = await after(manager, discover(1, NEW), discover(1, OTHER), discovered(1))
        assert session.version_state == VersionState(requested=OTHER)
        session = await after(manager, discovered(1))
        assert session.version_state.negotiated is None
        session = await after(manager, discover(1, NEW), discovered(1))
        assert session.version_state == VersionState(requested=NEW, negotiated=NEW)


async def test_one_id_for_one_version_is_not(make: Make) -> None:
    """Real clients use one id for all: what all of them offer is settled by any result."""
    async with make() as manager:
        await opened(manager)
        session = await after(manager, *[discover(1)] * 20)
        assert session.version_state.negotiated is None
    async with make() as manager:
        await opened(manager)
        session = await after(manager, *[discover(1)] * 3, discovered(1))
        assert session.version_state.negotiated == NEW


async def test_a_response_to_no_request_settles_nothing(make: Make) -> None:
    """An unknown id, another type, the wrong way, another kind of request, a refused one."""
    async with make() as manager:
        await opened(manager)
        before = await after(
            manager,
            discover(1),
            initialize("x"),
            message(UP, id=5, method="tools/list"),
            discover(6, OTHER, DOWN),
            initialize(7, OTHER, DOWN),
        )
        session = await after(
            manager,
            *(discovered(2), discovered("1"), discovered(1, UP), initialized(2)),
            *(initialized(1), discovered("x"), initialized(5), discovered(5)),
            *(discovered(6), initialized(7), discovered(6, UP), initialized(7, OTHER, UP)),
            *(refused(1), discovered(1), refused("x"), initialized("x")),
        )
        assert session.revision == before.revision
        assert session.version_state == VersionState(requested=OLD)
        session = await after(manager, initialize(9), initialized(9))
        assert session.version_state == VersionState(requested=OLD, negotiated=OLD)


async def test_both_sides_use_the_same_ids(make: Make) -> None:
    """The server's request and the client's response with the id change nothing of it."""
    async with make() as manager:
        await opened(manager)
        session = await after(
            manager,
            discover(1),
            message(DOWN, id=1, method="roots/list"),
            initialize(2),
            message(UP, id=1, result={"roots": [], "protocolVersion": OTHER}),
            message(UP, id=1, error={"code": 1, "message": "no"}),
            discovered(1),
        )
        assert session.version_state == VersionState(requested=NEW, negotiated=NEW)


@pytest.mark.parametrize("answer", [1, 2, 3, "1"])
async def test_after_a_restart_the_log_tells(tmp_path: Path, answer: Any) -> None:
    """Requests recorded by another manager are read from the log."""
    path = tmp_path / "store.db"
    async with SQLiteSessionStore(path) as store, SessionManager.with_store(store) as manager:
        await opened(manager)
        await after(manager, discover(1), initialize(2))
    async with SQLiteSessionStore(path) as store, SessionManager.with_store(store) as manager:
        result = initialized(2) if answer == 2 else discovered(answer)
        session = await after(manager, result)
        expected = {1: NEW, 2: OLD}.get(answer)
        assert session.version_state.negotiated == expected
        assert session.version_state.requested == (expected or OLD)


async def test_two_managers_share_a_session(config: ManagerConfig) -> None:
    """One records the requests, the other their answers, as processes behind one store do."""
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(store, config) as one,
        SessionManager.with_store(store, config) as two,
    ):
        await opened(one)
        await after(one, discover(1), initialize(2))
        session = await after(two, refused(2), discovered(1))
        assert session.version_state == VersionState(requested=NEW, negotiated=NEW)


async def test_messages_are_recorded_in_the_order_of_the_calls() -> None:
    """A message behind a result that is being looked up does not overtake it."""

    class Slow(ActorSessionStore):
        async def read_frames(self, *args: Any, **options: Any) -> Any:
            for _ in range(20):
                await asyncio.sleep(0)
            return await super().read_frames(*args, **options)

    async with Slow() as store:
        async with SessionManager.with_store(store) as manager:
            await opened(manager)
            await after(manager, initialize(2))
        async with SessionManager.with_store(store) as manager:
            told = message(UP, method="notifications/initialized")
            rest = [message(UP, id=n, method="ping") for n in range(5)]
            sent = [initialized(2), told, *rest]
            calls = [asyncio.create_task(manager.record(each)) for each in sent]
            assert await asyncio.gather(*calls) == list(range(2, 9))
            session = await manager.get_session("a")
            assert session.state is SessionState.ACTIVE
            assert session.version_state.negotiated == OLD
            assert (await store.get_frames("a"))[1:] == sent
            assert not manager._services.handshakes._turns


async def test_a_failed_or_cancelled_look_up_delays_nobody() -> None:
    """Nothing was recorded, later messages go on, and a retry works."""

    class Failing(ActorSessionStore):
        broken = True

        async def read_frames(self, *args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            if self.broken:
                raise OSError
            return await super().read_frames(*args, **options)

    async with Failing() as store, SessionManager.with_store(store) as one:
        await opened(one)
        await after(one, discover(1))
        async with SessionManager.with_store(store) as manager:
            sent = [discovered(1), discovered(1), message(UP, id=8, method="ping")]
            calls = [asyncio.create_task(manager.record(each)) for each in sent]
            await asyncio.sleep(0)
            calls[1].cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert list(map(type, results)) == [OSError, asyncio.CancelledError, int]
            assert not manager._services.handshakes._turns
            store.broken = False
            assert (await after(manager, discovered(1))).version_state.negotiated == NEW
            assert await store.count_frames("a") == 3


async def test_a_refused_request_offers_nothing() -> None:
    """It is in no log: its id is free, and its version was never requested."""
    limits = StoreLimits(max_frame_bytes=400)
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store) as manager,
    ):
        await opened(manager)
        await after(manager, discover(1))
        large = initialize(2).message[:-1] + b',"x":"' + b"x" * 400 + b'"}'
        for request_id in (b"1", b"2"):
            with pytest.raises(LimitExceeded):
                await manager.record(
                    MessageEnvelope.of(
                        "a", large.replace(b'"id":2', b'"id":' + request_id), direction=UP
                    )
                )
        session = await after(manager, initialized(2), initialized(1))
        assert session.version_state == VersionState(requested=NEW)
        assert (await after(manager, discovered(1))).version_state.negotiated == NEW


async def test_the_number_of_pending_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is bounded by ids, over all sessions; dropped ones are found in the log."""
    monkeypatch.setattr(handshakes_module, "MOST_KEPT", 50)
    async with SessionManager(ManagerConfig.recording()) as manager:
        kept = manager._services.handshakes
        await opened(manager)
        for n in range(200):
            await manager.record(discover(n, NEW if n == 3 else OTHER))
        for n in range(100):
            await manager.create_session(transport_type="stdio", id=f"s{n}")
            envelope = initialize(n)
            context = envelope.context.model_copy(update={"session_id": f"s{n}"})
            await manager.record(envelope.model_copy(update={"context": context}))
        assert kept._kept == sum(map(len, kept._sessions.values())) == 50
        assert (await after(manager, discovered(3))).version_state.negotiated == NEW
        for n in range(100):
            await manager.delete_session(f"s{n}")
        assert (kept._kept, len(kept._sessions)) == (0, 0)


async def test_an_ordinary_exchange_reads_nothing_from_the_store() -> None:
    """Reads are for what another manager recorded: none while this one has seen it all."""
    reads: list[str] = []

    class Counting(ActorSessionStore):
        async def get_session(self, session_id: str, /) -> Session:
            reads.append("session")
            return await super().get_session(session_id)

        async def read_frames(self, *args: Any, **options: Any) -> Any:
            reads.append("frames")
            return await super().read_frames(*args, **options)

    async with Counting() as store, SessionManager.with_store(store) as manager:
        await opened(manager)
        for n in range(20):
            await manager.record(discover(n))
            await manager.record(discovered(n))
        assert reads == []
        assert manager._services.handshakes._kept == 0
