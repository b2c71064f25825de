"""Several messages in one step have the effects that they have one after the other."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    FramesFull,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    OutcomeUnknown,
    SessionManager,
    StoreLimits,
)
from sessionkeeper.manager.meaning import may_settle

from tests.manager.test_manager_handshakes import (
    NEW,
    OLD,
    OTHER,
    UP,
    discover,
    discovered,
    initialize,
    initialized,
    message,
    opened,
    refused,
)

PLAIN = message(UP, id=7, method="tools/call", params={})


def random_traffic(choose: random.Random) -> list[MessageEnvelope]:
    """Handshakes that overlap, with few ids, between other messages."""
    ids: list[object] = [0, 1, "1"]
    made: list[MessageEnvelope] = []
    for _ in range(choose.randint(1, 14)):
        request_id, version = choose.choice(ids), choose.choice([OLD, NEW, OTHER])
        made.append(
            choose.choice(
                [
                    discover(request_id, version),
                    initialize(request_id, version),
                    discovered(request_id),
                    initialized(request_id, version),
                    refused(request_id),
                    message(UP, method="notifications/initialized"),
                    message(UP, id=request_id, method="ping"),
                    MessageEnvelope.of("a", b"Starting ...", direction="server-to-client"),
                    MessageEnvelope.of("a", b"[%s]" % initialize(request_id).message, direction=UP),
                ]
            )
        )
    return made


def first_step(
    traffic: list[MessageEnvelope], most: int
) -> tuple[list[MessageEnvelope], list[MessageEnvelope]]:
    """Some messages that go together, and the others."""
    count = 1
    while count < min(most, len(traffic)) and not may_settle(traffic[count]):
        count += 1
    return traffic[:count], traffic[count:]


async def told(manager: SessionManager) -> tuple[object, ...]:
    """What can be seen of session "a"."""
    session = await manager.get_session("a")
    fields = {"state", "failure", "version_state", "client_info", "server_info", "last_seq"}
    frames = await manager.store.get_frames("a")
    return session.model_dump(include=fields), [frame.message for frame in frames]


@pytest.mark.parametrize("seed", range(300))
async def test_the_effects_are_those_of_one_after_the_other(seed: int) -> None:
    """Whatever is put together, and when another process has recorded what came before."""
    choose = random.Random(seed)
    before, traffic = random_traffic(choose), random_traffic(choose)
    async with ActorSessionStore() as one_store, ActorSessionStore() as many_store:
        config = ManagerConfig.recording()
        for store in one_store, many_store:
            async with SessionManager.with_store(store, config) as earlier:
                await opened(earlier)
                for each in before:
                    await earlier.record(each)
        async with (
            SessionManager.with_store(one_store, config) as one,
            SessionManager.with_store(many_store, config) as many,
        ):
            while traffic:
                count = choose.randint(1, 6)
                some, traffic = first_step(traffic, count)
                numbers = await many.record_many("a", some)
                assert [await one.record(each) for each in some] == list(numbers)
                assert await told(one) == await told(many)


async def test_none_is_recorded_if_one_is_refused() -> None:
    """And what was refused is no request that a later result could answer."""
    limits = StoreLimits(max_frame_bytes=1_000)
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        await opened(manager)
        large = message(UP, method="note", params={"text": "x" * 1_000})
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await manager.record_many("a", [initialize(0), PLAIN, large])
        assert await store.get_frames("a") == []
        await manager.record_many("a", [initialized(0)])
        assert (await manager.get_session("a")).version_state.negotiated is None


async def test_a_result_that_may_settle_a_version_begins_a_step() -> None:
    """The offers that it belongs to are those of the messages before it."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        await opened(manager)
        with pytest.raises(ValueError, match="first of its step"):
            await manager.record_many("a", [initialize(0), initialized(0)])
        assert await manager.store.count_frames("a") == 0


async def test_an_envelope_of_another_session_is_refused() -> None:
    """Nothing is recorded in either."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        await opened(manager)
        await manager.create_session(transport_type="stdio", id="b")
        other = MessageEnvelope.of("b", PLAIN.message, direction=UP)
        with pytest.raises(ValueError, match="another session"):
            await manager.record_many("a", [PLAIN, other])
        assert [await manager.store.count_frames(each) for each in "ab"] == [0, 0]
        assert await manager.record_many("a", []) == range(1, 1)


@pytest.mark.parametrize("fields", [{"track_requests": True}, {"rate_limit": 5.0}])
async def test_a_manager_that_judges_each_message_takes_no_several(fields: Any) -> None:
    """Requests and rates count one message after the other."""
    async with SessionManager(ManagerConfig.recording(**fields)) as manager:
        await opened(manager)
        with pytest.raises(NotImplementedError, match="record each"):
            await manager.record_many("a", [PLAIN])
        assert await manager.store.count_frames("a") == 0


async def test_an_unknown_outcome_keeps_the_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request may be in the log, so its result still settles the version."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        await opened(manager)
        add_frames = manager.store.add_frames

        async def lost(*arguments: Any, **named: Any) -> range:
            await add_frames(*arguments, **named)
            raise OutcomeUnknown

        with monkeypatch.context() as patched:
            patched.setattr(manager.store, "add_frames", lost)
            with pytest.raises(OutcomeUnknown):
                await manager.record_many("a", [initialize(0), PLAIN])
        await manager.record_many("a", [initialized(0), PLAIN])
        assert (await manager.get_session("a")).version_state.negotiated == OLD


@pytest.mark.parametrize("refusals", [0, 1, 3])
@pytest.mark.parametrize("requests", [1, 2])
async def test_a_response_that_was_refused_has_answered_nothing(
    refusals: int, requests: int
) -> None:
    """Its request still waits for it, although the log has lost it."""
    limits = StoreLimits(
        max_frame_bytes=1_000, max_frames_per_session=1, frames_full=FramesFull.DROP_OLDEST
    )
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        await opened(manager)
        for _ in range(requests):
            await manager.record(initialize(0))
        await manager.record(PLAIN)
        large = message(UP, method="note", params={"text": "x" * 1_000})
        for _ in range(refusals):
            with pytest.raises(LimitExceeded):
                await manager.record_many("a", [refused(0), initialize(0, OTHER), large])
            with pytest.raises(LimitExceeded):
                await manager.record_many("a", [initialized(0), initialize(0, OTHER), large])
        await manager.record_many("a", [initialized(0)])
        assert (await manager.get_session("a")).version_state.negotiated == OLD
