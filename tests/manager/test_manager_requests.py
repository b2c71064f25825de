"""Requests and their responses as they are recorded (Guarantees 15.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    MessageKind,
    PendingRequest,
    SessionClosed,
    SessionHooks,
    SessionManager,
    SessionNotFound,
    StoreLimits,
)

UP, DOWN = "client-to-server", "server-to-client"


def message(session: str, direction: str = UP, **members: object) -> MessageEnvelope:
    """A message of a session."""
    return MessageEnvelope.of(session, {"jsonrpc": "2.0", **members}, direction=direction)


def request(session: str, request_id: object, direction: str = UP) -> MessageEnvelope:
    """A request."""
    return message(session, direction, id=request_id, method="tools/call")


def response(session: str, request_id: object, direction: str = DOWN) -> MessageEnvelope:
    """A result."""
    return message(session, direction, id=request_id, result={})


async def opened(manager: SessionManager, *ids: str) -> None:
    """New sessions of these ids."""
    for each in ids:
        await manager.create_session(transport_type="stdio", id=each)


async def numbers(manager: SessionManager) -> dict[str, int]:
    """The counters that are not nought, checked to add up."""
    now = (await manager.statistics()).requests
    settled = now.answered + now.timed_out + now.dropped
    settled += now.superseded + now.withdrawn + now.cancelled
    assert now.started == now.pending + settled
    assert now.latency.count == now.answered - now.ambiguous
    assert now.late <= now.unmatched
    names = [name for name in type(now).__slots__ if name != "latency"]
    return {name: getattr(now, name) for name in names if getattr(now, name)}


async def test_a_response_answers_its_request(manager: SessionManager) -> None:
    """Pending from its record until the response's; results and errors alike."""
    await opened(manager, "a")
    assert await manager.record(request("a", 1)) == 1
    assert await manager.record(request("a", "1")) == 2
    assert [each.request_id for each in manager.pending_requests("a")] == [1, "1"]
    assert manager.pending_requests("a")[0].method == "tools/call"
    error = message("a", DOWN, id="1", error={"code": -1, "message": "no"})
    assert await manager.record(error) == 3
    assert [each.request_id for each in manager.pending_requests()] == [1]
    assert await manager.record(response("a", 1)) == 4
    assert manager.pending_requests() == []
    assert await numbers(manager) == {"started": 2, "answered": 2}


async def test_a_response_to_no_request_is_recorded_and_counted(manager: SessionManager) -> None:
    """Another id, another type of id, the wrong way, another session, an error without an id."""
    await opened(manager, "a", "b")
    await manager.record(request("a", 1))
    odd = [response("a", 2), response("a", "1"), response("a", 1, UP), response("b", 1)]
    odd.append(message("a", DOWN, id=None, error={"code": -32700, "message": "?"}))
    for envelope in odd:
        assert manager.match(envelope) is None
        await manager.record(envelope)
    assert await numbers(manager) == {"started": 1, "pending": 1, "unmatched": 5}


async def test_matching_consumes_nothing(manager: SessionManager) -> None:
    """The request that a response answers; None for other messages."""
    await opened(manager, "a")
    await manager.record(request("a", 7))
    for _ in range(2):
        matched = manager.match(response("a", 7))
        assert matched is not None
        assert (matched.session_id, matched.request_id, matched.direction) == ("a", 7, UP)
    for envelope in (request("a", 7), request("a", 7, DOWN), message("a", method="x")):
        assert manager.match(envelope) is None
    assert len(manager.pending_requests("a")) == 1


async def test_sessions_that_await_an_id(manager: SessionManager) -> None:
    """For a transport that has lost the session; `direction` is the response's."""
    await opened(manager, "a", "b", "c")
    for envelope in (request("a", 1), request("b", 1), request("c", 1, DOWN)):
        await manager.record(envelope)
    assert sorted(manager.sessions_awaiting(1, direction=DOWN)) == ["a", "b"]
    assert manager.sessions_awaiting(1, direction=UP) == ("c",)
    assert manager.sessions_awaiting("1", direction=UP) == ()


@pytest.mark.parametrize("limit", ["max_pending_per_session", "max_pending"])
async def test_racing_callers_never_pass_a_limit(limit: str) -> None:
    """64 at once on a limit of 10: ten requests are recorded, the others have no effect."""
    config = ManagerConfig.model_validate({limit: 10})
    async with SessionManager(config) as manager:
        names = ["a", "b"] if limit == "max_pending" else ["a"]
        await opened(manager, *names)
        results = await asyncio.gather(
            *(manager.record(request(names[n % len(names)], n)) for n in range(64)),
            return_exceptions=True,
        )
        refused = [result for result in results if isinstance(result, LimitExceeded)]
        assert (len(refused), {error.limit for error in refused}) == (54, {limit})
        assert (await manager.statistics()).store.frames == len(manager.pending_requests()) == 10
        await manager.record(response("a", 0))
        await manager.record(request("a", 99))
        assert await numbers(manager) == {"started": 11, "pending": 10, "answered": 1}


async def test_a_refused_request_is_not_pending(manager: SessionManager) -> None:
    """An error means no effect: its place is given back."""
    await opened(manager, "a")
    with pytest.raises(SessionNotFound):
        await manager.record(request("unknown", 1))
    await manager.complete_session("a")
    with pytest.raises(SessionClosed):
        await manager.record(request("a", 1))
    assert manager.pending_requests() == []
    assert await numbers(manager) == {"started": 2, "withdrawn": 2}


async def test_a_refused_response_answers_nothing() -> None:
    """No count without its frame: the request waits on."""
    limits = StoreLimits(max_frames_per_session=1)
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store) as manager,
    ):
        await opened(manager, "a")
        await manager.record(request("a", 1))
        with pytest.raises(LimitExceeded):
            await manager.record(response("a", 1))
        with pytest.raises(LimitExceeded):
            await manager.record(
                message("a", method="notifications/cancelled", params={"requestId": 1})
            )
        assert await numbers(manager) == {"started": 1, "pending": 1}
        await store.delete_frames("a")
        await manager.record(response("a", 1))
        assert await numbers(manager) == {"started": 1, "answered": 1}


async def test_a_cancelled_callers_request_stays_and_times_out() -> None:
    """Its frame may be in the log, so a response may come; if not, its time will be over."""
    time = [0.0]
    clock = Clock(steady=lambda: time[0])
    async with (
        ActorSessionStore() as store,
        SessionManager.with_store(store, clock=clock) as manager,
    ):
        await opened(manager, "a")
        calls = [asyncio.create_task(manager.record(request("a", n))) for n in range(2)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await numbers(manager) == {"started": 2, "pending": 2}
        await manager.record(response("a", 0))
        time[0] += 300.0
        assert await numbers(manager) == {"started": 2, "answered": 1, "timed_out": 1}


async def test_a_cancelled_callers_response_leaves_the_request_waiting() -> None:
    """Nobody can tell whether it is in the log: it counts as not there."""
    async with SessionManager() as manager:
        await opened(manager, "a")
        await manager.record(request("a", 1))
        call = asyncio.create_task(manager.record(response("a", 1)))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await numbers(manager) == {"started": 1, "pending": 1}
        await manager.record(response("a", 1))
        assert await numbers(manager) == {"started": 1, "answered": 1}


@pytest.mark.parametrize("raw", [True, False])
async def test_the_requester_can_cancel(manager: SessionManager, raw: bool) -> None:
    """`notifications/cancelled` of the same side, with the same type of id; never `initialize`."""
    await opened(manager, "a")
    for each in (request("a", 1), request("a", "x", DOWN)):
        await manager.record(each)
    await manager.record(message("a", id=0, method="initialize", params={}))

    def cancel(direction: str, params: object) -> MessageEnvelope:
        envelope = message("a", direction, method="notifications/cancelled", params=params)
        text = envelope.message.replace(b"/", b"\\/") if raw else envelope.message
        return envelope.model_copy(update={"message": text})

    wrong: list[Any] = [{"requestId": "1"}, {"requestId": "x"}, {"requestId": 0}, {}, []]
    wrong += [{"requestId": None}, {"requestId": 1.5}, {"requestId": [1]}, {"requestId": 9}]
    for params in wrong:
        await manager.record(cancel(UP, params))
    assert await numbers(manager) == {"started": 3, "pending": 3}
    await manager.record(cancel(UP, {"requestId": 1, "reason": "enough"}))
    await manager.record(cancel(DOWN, {"requestId": "x"}))
    assert [each.request_id for each in manager.pending_requests()] == [0]
    await manager.record(response("a", 1))
    rest = {"started": 3, "pending": 1, "cancelled": 2}
    assert await numbers(manager) == {**rest, "unmatched": 1, "late": 1}
    await manager.record(response("a", 99))
    assert await numbers(manager) == {**rest, "unmatched": 2, "late": 1}


async def test_one_id_for_every_request(manager: SessionManager) -> None:
    """Clients do that: requests in flight together are counted as ambiguous."""
    await opened(manager, "a")
    for _ in range(3):
        await manager.record(request("a", 1))
    matched = manager.match(response("a", 1))
    assert matched is not None
    assert matched.ambiguous
    await manager.record(response("a", 1))
    rest = {"started": 3, "ambiguous": 1, "answered": 1}
    assert await numbers(manager) == {**rest, "pending": 2}
    cancelled = {"requestId": 1}
    await manager.record(message("a", method="notifications/cancelled", params=cancelled))
    assert await numbers(manager) == {**rest, "pending": 1, "cancelled": 1}
    await manager.record(response("a", 1))
    await manager.record(response("a", 1))
    assert await numbers(manager) == {
        "started": 3,
        "ambiguous": 2,
        "answered": 2,
        "cancelled": 1,
        "unmatched": 1,
        "late": 1,
    }
    await manager.record(request("a", 1))
    await manager.record(response("a", 1))
    assert (await numbers(manager))["ambiguous"] == 2  # nothing of it was in flight any more


async def test_a_response_in_time_counts_however_slow_its_write() -> None:
    """It came at 299.9 s of 300: it counts as answered, and no hook gets a time-out."""
    time, gate = [0.0], asyncio.Event()
    told: list[PendingRequest] = []

    class Slow(ActorSessionStore):
        async def add_frame(self, envelope: MessageEnvelope, /) -> int:
            if envelope.kind is MessageKind.RESULT:
                await gate.wait()
            return await super().add_frame(envelope)

    config = ManagerConfig(request_timeout=300.0, idle=None, age=None, retention=None)
    hooks = SessionHooks(request_timed_out=told.append)
    clock = Clock(steady=lambda: time[0])
    async with (
        Slow() as store,
        SessionManager.with_store(store, config, hooks=hooks, clock=clock) as manager,
    ):
        await opened(manager, "a")
        await manager.record(request("a", 1))
        await manager.record(request("a", 2))
        time[0] = 299.9
        recording = asyncio.create_task(manager.record(response("a", 1)))
        await asyncio.sleep(0)
        time[0] = 301.0
        assert [each.request_id for each in manager.pending_requests()] == [1]
        gate.set()
        await recording
        assert await numbers(manager) == {"started": 2, "answered": 1, "timed_out": 1}
        async with asyncio.timeout(300):
            await manager._services.dispatcher.flush()
    assert [each.request_id for each in told] == [2]


async def test_without_tracking_nothing_is_counted_and_asking_is_an_error() -> None:
    """`track_requests=False`: not an empty list, which would be a lie."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        await opened(manager, "a")
        for envelope in (request("a", 1), response("a", 1), response("a", 2)):
            await manager.record(envelope)
        assert await numbers(manager) == {}
        for ask in (
            manager.pending_requests,
            lambda: manager.match(response("a", 1)),
            lambda: manager.sessions_awaiting(1, direction=UP),
        ):
            with pytest.raises(RuntimeError, match="track_requests"):
                ask()


async def test_nothing_shows_a_pending_requests_secrets(manager: SessionManager) -> None:
    """Its session's id can be a bearer secret, its own id and method are payload."""
    session = await manager.create_session(transport_type="stdio")
    await manager.record(request(session.id, "canary"))
    shown = repr(manager.pending_requests())
    assert not any(secret in shown for secret in (session.id, "canary", "tools"))
