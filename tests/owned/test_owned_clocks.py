"""Whose clock measures a third party's sessions: the owner's steady one, as far as it saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup


async def ended(setup: StoreSetup, **past: float) -> list[str]:
    """Whom a sweep ends."""
    return [session.id for session in await setup.store.expire_sessions(**past)]  # type: ignore[arg-type]  # limit too


async def test_activity_elsewhere_keeps_a_session_alive(setup: StoreSetup) -> None:
    """Another process's frame counts from its arrival, though the owner did not append it."""
    await setup.create(*"ab")
    setup.wait(8)
    await setup.elsewhere.add_frame(note())
    setup.wait(4)
    assert await ended(setup, idle=10) == ["b"]
    setup.wait(6)
    assert await ended(setup, idle=10) == ["a"]


async def test_a_restart_does_not_reset_the_age_of_sessions(setup: StoreSetup) -> None:
    """Changes before the owner are dated by the inner store's times."""
    await setup.create(*"ab")
    setup.wait(6)
    await setup.store.add_frame(note())
    await setup.turn("b")
    setup.wait(6)
    setup.steady = 3.0  # another process: its steady clock began anew
    await setup.store.aclose()
    async with setup.owner() as setup.store:
        assert await setup.store.purge_sessions(ended_for=6.5) == 0
        assert await setup.store.purge_sessions(ended_for=6) == 1
        assert await ended(setup, idle=6.5, age=12.5) == []
        assert await ended(setup, idle=6) == ["a"]


@pytest.mark.parametrize("jump", [-1e6, 1e6])
async def test_a_wall_clock_that_jumps_ends_nothing_early(setup: StoreSetup, jump: float) -> None:
    """Operations through the owner are measured by the steady clock."""
    await setup.create(*"abc")
    await setup.turn("c")
    setup.wait(5)
    await setup.store.add_frame(note(1, "a"))
    setup.wall += jump
    assert await ended(setup, idle=5.5, age=5.5) == []
    setup.wait(4)
    assert await ended(setup, idle=9) == ["b"]
    assert await setup.store.purge_sessions(ended_for=9.5) == 0
    assert await setup.store.purge_sessions(ended_for=9) == 1
    setup.wait(10)
    assert await ended(setup, idle=10) == ["a"]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_ages_use_the_clock_of_the_owner_not_of_the_store(
    setup: StoreSetup, skew: float
) -> None:
    """Sessions created, used, changed and ended through the owner use its steady clock."""
    setup.skew = skew
    await setup.create(*"abcde")
    await setup.create("x", state="failed")
    setup.wait(5)
    await setup.store.add_frame(note(1, "a"))
    await setup.store.delete_frames("b")
    await setup.turn("c", "active")
    await setup.turn("d")
    setup.wait(5)
    assert await setup.store.purge_sessions(ended_for=10.5) == 0
    assert await setup.store.purge_sessions(ended_for=10) == 1  # x
    assert await ended(setup, idle=10.5, age=10.5) == []
    assert await ended(setup, idle=10) == ["e"]
    assert await setup.store.purge_sessions(ended_for=5.5) == 0
    assert await setup.store.purge_sessions(ended_for=5) == 1  # d
    setup.wait(5)
    assert await ended(setup, idle=10) == ["a", "b", "c"]


async def test_activity_in_the_future_counts_as_activity_now(setup: StoreSetup) -> None:
    """If the inner store's clock is ahead, changes made elsewhere date from their first sight."""
    setup.skew = 3600.0
    await setup.elsewhere.create_session(new_session("a"))
    await setup.elsewhere.create_session(new_session("b", state="closed"))
    assert await ended(setup, idle=1, age=1) == []
    setup.wait(10)
    assert await setup.store.purge_sessions(ended_for=10) == 1
    assert await ended(setup, idle=10, age=11) == ["a"]
