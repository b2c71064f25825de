"""`expire_sessions(*, idle, age, limit)`: ends those past their time (Guarantees 11.2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Change,
    InvalidTransition,
    SessionClosed,
    SessionState,
    SessionStatus,
)
from sessionkeeper.backends import activity_order

from tests.support.sessions import FakeClock, fill, new_session, note
from tests.support.stores import DESIGNS, Design, tables_of

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""
all_and_owned = pytest.mark.parametrize("design", [*DESIGNS, "owned"], indirect=True)

Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]

TIMED_OUT = SessionState.TIMED_OUT
ACTIVITY: dict[str, Step] = {
    "add_frame": lambda store: store.add_frame(note()),
    "add_frames": lambda store: store.add_frames("a", [note()]),
    "touch": lambda store: store.touch_session("a"),
    "delete_frames": lambda store: store.delete_frames("a"),
    "modify": lambda store: store.modify_session(
        "a", lambda s: s.model_copy(update={"tags": {"x"}})
    ),
}


async def expired(store: AtomicSessionStore, **past: Any) -> list[str]:
    """Whom a sweep ends."""
    return [session.id for session in await store.expire_sessions(**past)]


async def test_idle_sessions_are_ended(design: Design) -> None:
    """It becomes `timed-out` and is returned as stored; `ended_at` is now, activity as it was."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        created = await store.create_session(new_session(tags={"x"}))
        await fill(store, 2)
        before = clock.moment()
        clock.advance(9.5)
        assert await expired(store, idle=10) == []
        clock.advance(0.5)
        (session,) = await store.expire_sessions(idle=10)
        assert session == await store.get_session("a")
        assert (session.state, session.status) == (TIMED_OUT, SessionStatus.TIMEOUT)
        assert (session.ended_at, session.last_activity) == (clock.moment(), before)
        assert session.revision > created.revision
        assert (session.frame_count, session.tags) == (2, frozenset({"x"}))
        assert len(await store.get_frames("a")) == 2
        counts = (await store.statistics()).sessions
        assert (counts[TIMED_OUT], sum(counts.values())) == (1, 1)


@pytest.mark.parametrize("step", ACTIVITY)
async def test_activity_keeps_a_session_alive(design: Design, step: str) -> None:
    """Touched, appended to, changed: it is not idle; the one beside it is."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in "ab":
            await store.create_session(new_session(key))
        clock.advance(8)
        await ACTIVITY[step](store)
        clock.advance(8)
        assert await expired(store, idle=10) == ["b"]
        clock.advance(2)
        assert await expired(store, idle=10) == ["a"]


@pytest.mark.parametrize("step", ACTIVITY)
async def test_activity_does_not_reset_the_age(design: Design, step: str) -> None:
    """`age` counts from creation."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session())
        clock.advance(8)
        await ACTIVITY[step](store)
        await store.create_session(new_session("b"))
        clock.advance(2)
        assert await expired(store, idle=10) == []
        assert await expired(store, age=10) == ["a"]


async def test_idle_and_age_together(design: Design) -> None:
    """Either suffices; a session that is both is ended once; without either, none of them ends."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in ("old", "both"):
            await store.create_session(new_session(key))
        clock.advance(50)
        for key in ("idle", "fresh"):
            await store.create_session(new_session(key))
        clock.advance(20)
        for key in ("old", "fresh"):
            await store.touch_session(key)
        assert await expired(store) == []
        assert await expired(store, idle=20, age=70) == ["both", "idle", "old"]
        assert await expired(store, idle=20, age=70) == []
        assert (await store.get_session("fresh")).ended_at is None


def expiring(seconds: float | None) -> Change:
    """A change of `expires_at`, in seconds since the clock's beginning; None for none."""
    begin = FakeClock().moment()
    moment = None if seconds is None else begin + timedelta(seconds=seconds)
    return lambda session: session.model_copy(update={"expires_at": moment})


@all_and_owned
async def test_a_session_ends_after_its_expires_at_whatever_its_activity(design: Design) -> None:
    """Not before that moment, and live until a sweep; the others are left alone."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in ("used", "far", "none"):
            await store.create_session(new_session(key))
        await store.modify_session("used", expiring(10))
        await store.modify_session("far", expiring(1e6))
        clock.advance(9.999_999)
        await store.add_frame(note(0, "used"))
        assert await expired(store) == []
        clock.advance(0.000_001)
        await store.add_frame(note(1, "used"))
        assert (await store.get_session("used")).ended_at is None
        (session,) = await store.expire_sessions()
        assert session == await store.get_session("used")
        assert (session.id, session.state) == ("used", TIMED_OUT)
        assert session.expires_at == FakeClock().moment() + timedelta(seconds=10)
        with pytest.raises(SessionClosed):
            await store.add_frame(note(2, "used"))
        clock.advance(1e5)
        assert await expired(store) == []


@all_and_owned
async def test_expires_at_can_be_moved_and_removed(design: Design) -> None:
    """The value of the moment of the sweep counts; an ended session is not revived by another."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key in ("later", "earlier", "never", "closed"):
            await store.create_session(expiring(10)(new_session(key)))
        await store.modify_session("later", expiring(30))
        await store.modify_session("earlier", expiring(5))
        await store.modify_session("never", expiring(None))
        await store.modify_session("closed", lambda s: s.model_copy(update={"state": "closed"}))
        clock.advance(5)
        assert await expired(store) == ["earlier"]
        clock.advance(20)
        assert await expired(store) == []
        for key in ("closed", "earlier"):
            ended = await store.modify_session(key, expiring(1e9))
            assert ended.ended_at is not None
            await store.modify_session(key, expiring(0))
        assert await expired(store) == []
        clock.advance(5)
        assert await expired(store) == ["later"]
        clock.advance(1e9)
        assert await expired(store) == []


@all_and_owned
async def test_those_that_expired_first_go_first(design: Design) -> None:
    """After the idle and the old ones; at most `limit`; of one moment, by id."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for key, seconds in (("d", 3), ("b", 2), ("c", 2), ("a", 1), ("idle", None)):
            await store.create_session(expiring(seconds)(new_session(key)))
        clock.advance(10)
        for key in "abcd":
            await store.modify_session(key, lambda s: s.model_copy(update={"tags": {"x"}}))
        assert await expired(store, idle=10, limit=3) == ["idle", "a", "b"]
        await store.delete_session("c")
        await store.create_session(new_session("c"))
        assert await expired(store, idle=10, limit=3) == ["d"]
        assert await expired(store) == []


async def test_a_change_in_another_zone_is_the_same_moment(design: Design) -> None:
    """It is stored, and shown, in UTC."""
    zone = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2030, 1, 1, 5, 30, 0, 123_457, tzinfo=zone)
    async with design() as store:
        created = await store.create_session(new_session(expires_at=moment))
        assert created.expires_at == moment
        assert str(created.expires_at) == "2030-01-01 00:00:00.123457+00:00"
        assert (await store.get_session("a")).model_dump_json() == created.model_dump_json()


async def test_a_sweep_is_bounded_and_takes_the_longest_idle_first(design: Design) -> None:
    """`limit`, over both kinds together."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        for n in range(6):
            await store.create_session(new_session(f"s{n}"))
            clock.advance(1)
        await store.touch_session("s0")
        assert await expired(store, idle=0, limit=2) == ["s1", "s2"]
        assert await expired(store, idle=2, age=0, limit=3) == ["s3", "s4", "s0"]
        assert await expired(store, age=0, limit=3) == ["s5"]


@pytest.mark.parametrize("state", SessionState)
@owned_too
async def test_ended_sessions_never_expire_again(design: Design, state: SessionState) -> None:
    """Closed, failed and timed-out sessions do not expire; those in every live state do."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        created = await store.create_session(new_session(state=state))
        clock.advance(100)
        assert await expired(store, idle=1, age=1) == ([] if state.is_terminal else ["a"])
        once = await store.get_session("a")
        assert (once == created) is state.is_terminal
        clock.advance(100)
        await store.modify_session("a", lambda s: s.model_copy(update={"tags": {"late"}}))
        clock.advance(100)
        assert await expired(store, idle=1, age=1) == []
        assert (await store.get_session("a")).ended_at == once.ended_at


async def test_an_expired_session_is_closed(design: Design) -> None:
    """`SessionClosed` for frames and touches, and no way back."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session())
        clock.advance(1)
        await store.expire_sessions(idle=1)
        for call in (store.add_frame(note()), store.touch_session("a")):
            with pytest.raises(SessionClosed):
                await call
        with pytest.raises(InvalidTransition):
            await store.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))


@pytest.mark.parametrize("jump", [-1e9, 1e9])
@owned_too
async def test_ages_do_not_depend_on_the_wall_clock(design: Design, jump: float) -> None:
    """A wall clock that jumps ends nobody and spares nobody."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session("a"))
        clock.wall += jump
        await store.create_session(new_session("b"))
        assert await expired(store, idle=10, age=10) == []
        clock.steady += 10
        clock.wall -= jump
        assert await expired(store, idle=10) == ["a", "b"]


class Counted(OrderedDict[str, Any]):
    """An order that counts how often somebody looks at a row in it."""

    looks = 0

    def values(self) -> Iterator[Any]:  # type: ignore[override]  # it is only iterated
        """Row by row."""
        for row in super().values():
            self.looks += 1
            yield row


class CountedBlock(activity_order._Block):
    """A block of the order of activity that counts them for all blocks."""

    total = 0

    def values(self) -> Iterator[Any]:  # type: ignore[override]  # it is only iterated
        """Row by row."""
        for row in super().values():
            CountedBlock.total += 1
            yield row


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_no_full_scan_to_find_the_expired(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three looks for each that expires, and three more an order, however many live."""
    clock = FakeClock()
    monkeypatch.setattr(activity_order, "_Block", CountedBlock)
    async with design(clock=clock.as_clock()) as store:
        for n in range(2_000):
            await store.create_session(new_session(f"s{n}"))
            clock.advance(1)
        tables: Any = tables_of(store)
        old = tables._by_age._rows = Counted(tables._by_age._rows)
        CountedBlock.total = 0
        tables.rows = tables.rows_after = None  # whoever goes through all crashes
        assert await expired(store, idle=2_000.5, age=2_000.5) == []
        assert (CountedBlock.total, old.looks) == (3, 2)
        assert len(await expired(store, idle=1_990, age=1_980, limit=50)) == 21
        assert CountedBlock.total + old.looks <= 3 * (2 + 21 + 2)
