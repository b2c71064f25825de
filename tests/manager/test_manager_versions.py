"""Agreeing on a protocol version (Guarantees 15.1; MCP lifecycle, "Version Negotiation")."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    KNOWN_VERSIONS,
    ManagerConfig,
    SessionClosed,
    SessionManager,
    SessionNotFound,
    VersionConflict,
    VersionState,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Make, Wire


async def opened(manager: SessionManager, **fields: object) -> None:
    """A session "a"."""
    await manager.create_session(transport_type="stdio", id="a", **fields)


@pytest.mark.parametrize("requested", KNOWN_VERSIONS)
async def test_a_supported_version_is_taken(manager: SessionManager, requested: str) -> None:
    """It is kept: the session has the requested and the negotiated version."""
    await opened(manager)
    assert await manager.negotiate_version("a", requested) == requested
    state = (await manager.get_session("a")).version_state
    assert (state.requested, state.negotiated) == (requested, requested)


async def test_for_another_the_newest_is_offered(make: Make) -> None:
    """In whatever order the supported ones are named."""
    config = ManagerConfig(supported_versions=("2025-06-18", "2025-11-25", "2024-11-05"))
    async with make(config) as manager:
        await opened(manager)
        assert await manager.negotiate_version("a", "2099-01-01") == "2025-11-25"
        state = (await manager.get_session("a")).version_state
        assert (state.requested, state.negotiated) == ("2099-01-01", "2025-11-25")


async def test_asked_again_the_answer_is_the_same(manager: SessionManager) -> None:
    """Nothing is written: the revision stays."""
    await opened(manager)
    await manager.negotiate_version("a", "2025-06-18")
    before = await manager.get_session("a")
    assert await manager.negotiate_version("a", "2025-06-18") == "2025-06-18"
    assert await manager.get_session("a") == before


async def test_a_settled_request_does_not_change(manager: SessionManager) -> None:
    """`VersionConflict` for another one: no renegotiation and no downgrade."""
    await opened(manager)
    await manager.negotiate_version("a", "2025-11-25")
    before = await manager.get_session("a")
    for other in ("2024-11-05", "2026-07-28", "2099-01-01"):
        with pytest.raises(VersionConflict) as refused:
            await manager.negotiate_version("a", other)
        assert refused.value.negotiated == "2025-11-25"
    assert await manager.get_session("a") == before


async def test_racing_callers_settle_on_one(make: Make) -> None:
    """Of many different requests one decides, the others get an error."""
    async with make() as manager:
        await opened(manager)
        wishes = list(KNOWN_VERSIONS) * 8
        answers = await asyncio.gather(
            *(manager.negotiate_version("a", wish) for wish in wishes), return_exceptions=True
        )
        settled = (await manager.get_session("a")).version_state.negotiated
        for wish, answer in zip(wishes, answers, strict=True):
            if wish == settled:
                assert answer == settled
            else:
                assert isinstance(answer, VersionConflict)


async def test_a_transports_header_must_match(manager: SessionManager) -> None:
    """The version in the header cannot be changed by negotiation."""
    await opened(manager, version_state=VersionState(transport="2025-06-18"))
    with pytest.raises(VersionConflict):
        await manager.negotiate_version("a", "2025-11-25")
    assert await manager.negotiate_version("a", "2025-06-18") == "2025-06-18"


async def test_messages_and_negotiation_agree(manager: SessionManager, wire: Wire) -> None:
    """A handshake that was recorded is settled as well."""
    await opened(manager)
    await manager.record(wire.initialize())
    await manager.record(wire.initialized_result())
    assert await manager.negotiate_version("a", wire.OLD) == wire.OLD
    with pytest.raises(VersionConflict):
        await manager.negotiate_version("a", wire.NEW)


async def test_an_ended_or_unknown_session_agrees_on_nothing(manager: SessionManager) -> None:
    """`SessionNotFound`, `SessionClosed`."""
    with pytest.raises(SessionNotFound):
        await manager.negotiate_version("a", "2025-11-25")
    await opened(manager)
    ended = await manager.complete_session("a")
    with pytest.raises(SessionClosed):
        await manager.negotiate_version("a", "2025-11-25")
    assert await manager.get_session("a") == ended


@pytest.mark.parametrize(
    "wrong",
    [
        *({"supported_versions": value} for value in ((), ("",), ("1", "1"), "2025-11-25", (5,))),
        *({"idle": value} for value in (0, -1, float("nan"), float("inf"), "soon")),
        *({"age": 0}, {"retention": 0}, {"sweep_interval": 0}, {"sweep_interval": None}),
        *({"sweep_batch": 0}, {"sweep_batch": 10_001}, {"request_timeout": 0}),
        *({"max_pending": 0}, {"max_pending_per_session": 0}, {"rate_limit": 0}),
        *({"rate_burst": 0}, {"hook_timeout": 0}, {"max_events": 0}, {"drain_timeout": -1}),
    ],
)
def test_a_configuration_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    """It raises `ValueError` when it is made; `recording` takes the same fields."""
    with pytest.raises(ValueError, match="validation error"):
        ManagerConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="validation error"):
        ManagerConfig.recording(**wrong)


def test_a_recording_configuration_takes_nothing_away() -> None:
    """By default nothing expires, is purged, tracked or limited."""
    config = ManagerConfig.recording(close_timeout=1.0)
    never = (config.idle, config.age, config.retention, config.rate_limit)
    assert never == (None, None, None, None)
    assert (config.track_requests, config.close_timeout) == (False, 1.0)
    assert ManagerConfig.recording(track_requests=True, idle=5).idle == 5
