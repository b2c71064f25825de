"""Whose clock measures a third party's sessions: the owner's steady one, as far as it saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.owned.conftest import Bench


async def ended(bench: Bench, **past: float) -> list[str]:
    """Whom a sweep ends."""
    return [session.id for session in await bench.store.expire_sessions(**past)]  # type: ignore[arg-type]  # limit too


async def test_activity_elsewhere_keeps_a_session_alive(bench: Bench) -> None:
    """Another process's frame counts from when it came, though the owner was not told."""
    await bench.create(*"ab")
    bench.wait(8)
    await bench.elsewhere.add_frame(bench.note())
    bench.wait(4)
    assert await ended(bench, idle=10) == ["b"]
    bench.wait(6)
    assert await ended(bench, idle=10) == ["a"]


async def test_a_restart_does_not_reset_the_age_of_sessions(bench: Bench) -> None:
    """What was before the owner is dated by the inner store's times."""
    await bench.create(*"ab")
    bench.wait(6)
    await bench.store.add_frame(bench.note())
    await bench.turn("b")
    bench.wait(6)
    bench.steady = 3.0  # another process: its steady clock began anew
    await bench.store.aclose()
    async with bench.owner() as bench.store:
        assert await bench.store.purge_sessions(ended_for=6.5) == 0
        assert await bench.store.purge_sessions(ended_for=6) == 1
        assert await ended(bench, idle=6.5, age=12.5) == []
        assert await ended(bench, idle=6) == ["a"]


@pytest.mark.parametrize("jump", [-1e6, 1e6])
async def test_a_wall_clock_that_jumps_ends_nothing_early(bench: Bench, jump: float) -> None:
    """What went through the owner is measured by the steady clock."""
    await bench.create(*"abc")
    await bench.turn("c")
    bench.wait(5)
    await bench.store.add_frame(bench.note(1, "a"))
    bench.wall += jump
    assert await ended(bench, idle=5.5, age=5.5) == []
    bench.wait(4)
    assert await ended(bench, idle=9) == ["b"]
    assert await bench.store.purge_sessions(ended_for=9.5) == 0
    assert await bench.store.purge_sessions(ended_for=9) == 1
    bench.wait(10)
    assert await ended(bench, idle=10) == ["a"]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_ages_use_the_clock_of_the_owner_not_of_the_store(bench: Bench, skew: float) -> None:
    """What goes through the owner: created, used, changed and ended on its own steady clock."""
    bench.skew = skew
    await bench.create(*"abcde")
    await bench.create("x", state="failed")
    bench.wait(5)
    await bench.store.add_frame(bench.note(1, "a"))
    await bench.store.delete_frames("b")
    await bench.turn("c", "active")
    await bench.turn("d")
    bench.wait(5)
    assert await bench.store.purge_sessions(ended_for=10.5) == 0
    assert await bench.store.purge_sessions(ended_for=10) == 1  # x
    assert await ended(bench, idle=10.5, age=10.5) == []
    assert await ended(bench, idle=10) == ["e"]
    assert await bench.store.purge_sessions(ended_for=5.5) == 0
    assert await bench.store.purge_sessions(ended_for=5) == 1  # d
    bench.wait(5)
    assert await ended(bench, idle=10) == ["a", "b", "c"]


async def test_activity_in_the_future_counts_as_activity_now(bench: Bench) -> None:
    """Where the inner store's clock is ahead, what it shows elsewhere is as old as its sight."""
    bench.skew = 3600.0
    await bench.elsewhere.create_session(bench.session("a"))
    await bench.elsewhere.create_session(bench.session("b", state="closed"))
    assert await ended(bench, idle=1, age=1) == []
    bench.wait(10)
    assert await bench.store.purge_sessions(ended_for=10) == 1
    assert await ended(bench, idle=10, age=11) == ["a"]
