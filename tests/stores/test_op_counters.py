"""A store's content and counters equal those of an independent model."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import FramesFull, SessionError, SessionsFull, StoreLimits

from tests.support.sessions import FakeClock, close_session, new_session, note
from tests.support.stores import Design

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore


KEYS = "abcdefg"
PRINCIPALS = (None, "alice", "bob")


class Held:
    """One session in the model."""

    def __init__(self, now: int, who: str | None, over: bool) -> None:
        self.log: list[tuple[int, int]] = []
        self.last, self.active, self.who = 0, now, who
        self.over = now if over else None


class Model:
    """The sessions there should be, by looking at all of them each time."""

    def __init__(self, limits: StoreLimits) -> None:
        self.limits, self.now, self.held, self.count = limits, 0, dict[str, Held](), Counter[str]()

    def create(self, key: str, who: str | None, over: bool) -> None:
        if key in self.held:
            raise KeyError("SessionExists")
        if len(self.held) == self.limits.max_sessions:
            if not (ranked := self.ranked()) or self.limits.sessions_full == "reject":
                raise KeyError("LimitExceeded")
            self.go(ranked[0], "evicted")
        self.held[key] = Held(self.now, who, over)
        self.count["created"] += 1

    def ranked(self) -> list[str]:
        ended = sorted((h.over, k) for k, h in self.held.items() if h.over is not None)
        live = sorted((h.active, k) for k, h in self.held.items() if h.over is None)
        idle = self.limits.sessions_full == "evict-idle"
        return [key for _, key in [*ended, *(live if idle else [])]]

    def go(self, key: str, how: str) -> None:
        self.count[how] += 1
        self.count["removed"] += len(self.held.pop(key).log)

    def live(self, key: str) -> Held:
        if key not in self.held:
            raise KeyError("SessionNotFound")
        if self.held[key].over is not None:
            raise KeyError("SessionClosed")
        return self.held[key]

    def add(self, key: str, sizes: list[int]) -> None:
        row, limits = self.live(key), self.limits
        others = sum(size for h in self.held.values() if h is not row for _, size in h.log)
        for drop in range(len(row.log) + 1 if limits.frames_full == "drop-oldest" else 1):
            left = [size for _, size in row.log[drop:]] + sizes
            if len(left) <= limits.max_frames_per_session and sum(left) <= min(
                limits.max_session_bytes, limits.max_total_bytes - others
            ):
                break
        else:
            raise KeyError("LimitExceeded")
        row.log = row.log[drop:] + [(row.last + n, size) for n, size in enumerate(sizes, 1)]
        row.last += len(sizes)
        row.active = self.now if sizes else row.active
        self.count["added"] += len(sizes)
        self.count["dropped"] += drop

    def remove(self, key: str, up_to: int) -> None:
        left = [entry for entry in self.held[key].log if entry[0] > up_to]
        self.count["removed"] += len(self.held[key].log) - len(left)
        self.held[key].log = left


class Pair:
    """A store and its model, which get the same calls."""

    def __init__(self, store: AtomicSessionStore, limits: StoreLimits, clock: FakeClock) -> None:
        self.store, self.model, self.clock = store, Model(limits), clock
        self.refused = Counter[str]()

    async def step(self, rng: Random) -> None:
        """Do one thing at random to both; they agree on whether it can be done."""
        model, store, key = self.model, self.store, rng.choice(KEYS)
        model.now += 1
        self.clock.advance(1)
        expected = answer = ""
        call: Any
        match rng.choice("ccccaaaaaaaaaaaaatueedfrxpg"):
            case "c":
                who, over = rng.choice(PRINCIPALS), rng.random() < 0.3
                state = "closed" if over else "active"
                call = store.create_session(new_session(key, principal=who, state=state))
                expected = self.told(lambda: model.create(key, who, over))
            case "a":
                notes = [note(10 ** rng.randrange(60), key) for _ in range(rng.randrange(5))]
                sizes = [len(each.message) for each in notes]
                call = store.add_frames(key, notes)
                expected = self.told(lambda: model.add(key, sizes))
            case "t":
                call = store.touch_session(key)
                expected = self.told(lambda: setattr(model.live(key), "active", model.now))
            case "u":
                call = store.modify_session(
                    key, lambda s: s.model_copy(update={"failure": f"{model.now}"})
                )
                expected = self.known(key, lambda: setattr(model.held[key], "active", model.now))
            case "e":
                if key not in model.held or model.held[key].over is not None:
                    return
                call = close_session(store, key)
                model.held[key].over = model.now
            case "d":
                call = store.delete_session(key)
                expected = self.known(key, lambda: model.go(key, "deleted"))
            case "f":
                call = store.delete_frames(key)
                expected = self.known(key, lambda: model.remove(key, 10**9))
                if not expected and model.held[key].over is None:
                    model.held[key].active = model.now
            case "r":
                up_to = rng.randrange(30)
                call = store.trim_frames(key, up_to=up_to)
                expected = self.known(key, lambda: model.remove(key, up_to))
            case "x":
                call = store.expire_sessions(idle=0, limit=1)
                live = [(h.active, k) for k, h in model.held.items() if h.over is None]
                if live:
                    model.held[min(live)[1]].over = model.now
            case "p":
                call = store.purge_sessions(ended_for=0, limit=1)
                ended = [(h.over, k) for k, h in model.held.items() if h.over is not None]
                if ended:
                    model.go(min(ended)[1], "purged")
            case _:
                to = rng.choice(PRINCIPALS)
                call = store.modify_session(key, lambda s: s.model_copy(update={"principal": to}))
                expected = self.known(key, lambda: setattr(model.held[key], "who", to))
                if not expected:
                    model.held[key].active = model.now
        try:
            await call
        except SessionError as error:
            answer = type(error).__name__
            self.refused[answer] += 1
        assert answer == expected

    def told(self, work: Any) -> str:
        """Do it in the model; how it is refused."""
        try:
            work()
        except KeyError as refusal:
            return str(refusal.args[0])
        return ""

    def known(self, key: str, work: Any) -> str:
        """Do it to a session that is there."""
        return self.told(work) if key in self.model.held else "SessionNotFound"

    async def agree(self) -> None:
        """Sessions, logs, principals, and every number."""
        held, count, now = self.model.held, self.model.count, await self.store.statistics()
        stored = await self.store.list_sessions()
        assert [s.id for s in stored] == list(held)
        for session in stored:
            row = held[session.id]
            assert (session.principal, session.last_seq) == (row.who, row.last)
            assert session.state.is_terminal == (row.over is not None)
            frames = await self.store.read_frames(session.id)
            assert [(f.seq, len(f.envelope.message)) for f in frames] == row.log
        for who in ("alice", "bob"):
            own = await self.store.for_principal(who).count_sessions()
            assert own == sum(row.who == who for row in held.values())
        c = now.counters
        assert c is not None
        assert (c.created, c.deleted, c.purged, c.evicted) == tuple(
            count[name] for name in ("created", "deleted", "purged", "evicted")
        )
        assert (c.frames_added, c.frames_removed, c.frames_dropped) == tuple(
            count[name] for name in ("added", "removed", "dropped")
        )
        assert now.frames == sum(len(row.log) for row in held.values())
        assert now.bytes == sum(size for row in held.values() for _, size in row.log)
        assert now.refusals == self.refused


@pytest.mark.parametrize("steps", [300, pytest.param(1_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("sessions", SessionsFull)
@pytest.mark.parametrize("frames", FramesFull)
async def test_counters_agree_with_a_model(
    design: Design, sessions: SessionsFull, frames: FramesFull, steps: int
) -> None:
    """Whatever is done, in whatever order: sessions, frames, principals, counters, refusals."""
    limits = StoreLimits(
        sessions_full=sessions,
        frames_full=frames,
        max_sessions=4,
        max_frames_per_session=7,
        max_session_bytes=500,
        max_total_bytes=1_300,
    )
    rng, clock = Random(f"{sessions} {frames}"), FakeClock()
    async with design(limits=limits, clock=clock.as_clock()) as store:
        pair = Pair(store, limits, clock)
        for _ in range(steps):
            await pair.step(rng)
            await pair.agree()
        count = pair.model.count
        assert min(count[name] for name in ("created", "deleted", "purged", "added")) > 2
        assert (count["evicted"] > 2) == (sessions is not SessionsFull.REJECT)
        assert (count["dropped"] > 2) == (frames is FramesFull.DROP_OLDEST)
        assert min(pair.refused[n] for n in ("SessionNotFound", "SessionExists")) > 2
