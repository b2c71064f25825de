"""Limits: at the limit is allowed; above it a call is refused or makes room, in one step."""

from __future__ import annotations

import asyncio
from types import TracebackType

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import LimitExceeded, SessionNotFound
from sessionkeeper.values.limits import FramesFull, SessionsFull, StoreLimits
from sessionkeeper.values.message import MessageEnvelope

from .kit import SEVERAL, AtomicStoreKit
from .promise import demand, needs
from .samples import become, held, new, note, numbers, tagged, turns

__all__ = ["LimitsConformance"]


class Refusing:
    """Expects `LimitExceeded` with that limit and its maximum, and an unchanged store."""

    def __init__(self, store: AtomicSessionStore, limit: str, maximum: int) -> None:
        self.store, self.expected = store, (limit, maximum)

    async def __aenter__(self) -> None:
        self.before = await held(self.store)

    async def __aexit__(
        self, _: object, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        if error is not None and not isinstance(error, LimitExceeded):
            return False
        assert error is not None, f"{self.expected[0]} of {self.expected[1]} was passed in silence"
        assert (error.limit, error.maximum) == self.expected
        assert await held(self.store) == self.before, "an error means: certainly no effect"
        return True


class LimitsConformance(AtomicStoreKit, needs={"limits"}):
    @needs("get_or_create_session")
    async def test_sessions(self) -> None:
        """`max_sessions`: on full, `reject` with `LimitExceeded`; deleting one makes room."""
        async with self.made(limits=StoreLimits(max_sessions=2)) as store:
            await store.create_session(new("a"))
            await store.get_or_create_session(new("b"))
            async with Refusing(store, "max_sessions", 2):
                await store.create_session(new("c"))
            async with Refusing(store, "max_sessions", 2):
                await store.get_or_create_session(new("c"))
            assert (await store.get_or_create_session(new("b")))[1] is False
            await store.delete_session("a")
            await store.create_session(new("c"))

    async def test_frames_per_session(self) -> None:
        """`max_frames_per_session`: frames held now; each session has its own limit."""
        async with self.made(limits=StoreLimits(max_frames_per_session=2)) as store:
            for key in "ab":
                await store.create_session(new(key))
            assert [await store.add_frame(note()) for _ in range(2)] == [1, 2]
            async with Refusing(store, "max_frames_per_session", 2):
                await store.add_frame(note())
            assert await store.add_frame(note(id="b")) == 1
            await store.delete_frames("a")
            assert await store.add_frame(note()) == 3

    @needs(SEVERAL, "add_frames")
    async def test_a_batch_that_does_not_fit_is_refused_whole(self) -> None:
        """All or none: of a batch that exceeds a limit, no frame is stored."""
        limits = StoreLimits(max_frames_per_session=3, max_frames_per_batch=4, max_frame_bytes=100)
        async with self.made(limits=limits) as store:
            await store.create_session(new())
            await store.add_frame(note())
            async with Refusing(store, "max_frames_per_session", 3):
                await store.add_frames("a", [note()] * 3)
            async with Refusing(store, "max_frame_bytes", 100):
                await store.add_frames("a", [note(size=50), note(size=101)])
            async with Refusing(store, "max_frames_per_batch", 4):
                await store.add_frames("a", [note()] * 5)
            assert await store.add_frames("a", [note()] * 2) == range(2, 4)

    async def test_bytes_of_a_frame(self) -> None:
        """`max_frame_bytes`: bytes of one message."""
        async with self.made(limits=StoreLimits(max_frame_bytes=100)) as store:
            await store.create_session(new())
            await store.add_frame(note(size=100))
            async with Refusing(store, "max_frame_bytes", 100):
                await store.add_frame(note(size=101))

    async def test_bytes_of_a_session(self) -> None:
        """`max_session_bytes`: bytes of the messages held now."""
        async with self.made(limits=StoreLimits(max_session_bytes=200)) as store:
            for key in "ab":
                await store.create_session(new(key))
            await store.add_frame(note(size=99))
            async with Refusing(store, "max_session_bytes", 200):
                await store.add_frame(note(size=102))
            await store.add_frame(note(size=101))
            await store.add_frame(note(id="b", size=200))
            await store.delete_frames("a")
            await store.add_frame(note(size=200))

    async def test_bytes_in_all(self) -> None:
        """`max_total_bytes`: bytes of all sessions; deleting one frees its bytes."""
        async with self.made(limits=StoreLimits(max_total_bytes=200)) as store:
            for key in "abc":
                await store.create_session(new(key))
            await store.add_frame(note(id="a", size=120))
            await store.add_frame(note(id="b", size=80))
            async with Refusing(store, "max_total_bytes", 200):
                await store.add_frame(note(id="c"))
            await store.delete_session("a")
            async with Refusing(store, "max_total_bytes", 200):
                await store.add_frame(note(id="c", size=121))
            await store.delete_frames("b")
            await store.add_frame(note(id="c", size=200))

    async def test_depth_of_a_message(self) -> None:
        """`max_json_depth`: levels a message may nest."""

        def nested(levels: int) -> MessageEnvelope:
            inner = "[" * (levels - 1) + "]" * (levels - 1)
            text = f'{{"jsonrpc":"2.0","method":"]]}}[[{{","params":{inner}}}'
            return MessageEnvelope.of("a", text, direction="client-to-server")

        async with self.made(limits=StoreLimits(max_json_depth=5)) as store:
            await store.create_session(new())
            await store.add_frame(nested(5))
            async with Refusing(store, "max_json_depth", 5):
                await store.add_frame(nested(6))

    @needs("modify_session")
    async def test_bytes_of_metadata(self) -> None:
        """`max_metadata_bytes`: metadata, client and server info together, as JSON."""
        async with self.made(limits=StoreLimits(max_metadata_bytes=100)) as store:
            part = {"x": "y" * 42}  # 50 bytes
            created = await store.create_session(new(metadata=part, client_info=part))
            more = {"server_info": {"x": 1}}
            async with Refusing(store, "max_metadata_bytes", 100):
                await store.create_session(new("b", metadata={"x": "y" * 93}))
            async with Refusing(store, "max_metadata_bytes", 100):
                await store.update_session(created.model_copy(update=more))
            async with Refusing(store, "max_metadata_bytes", 100):
                await store.modify_session("a", lambda s: s.model_copy(update=more))

    @needs("modify_session")
    async def test_tags(self) -> None:
        """`max_tags`: tags of a session; `max_metadata_bytes`: the bytes of all of them, too."""
        async with self.made(limits=StoreLimits(max_tags=3, max_metadata_bytes=10)) as store:
            created = await store.create_session(new(tags=["aaa", "bbb", "ccc"]))
            many = {"tags": frozenset("defg")}
            async with Refusing(store, "max_tags", 3):
                await store.create_session(new("b", tags=list("defg")))
            async with Refusing(store, "max_tags", 3):
                await store.update_session(created.model_copy(update=many))
            async with Refusing(store, "max_tags", 3):
                await store.modify_session("a", lambda s: s.model_copy(update=many))
            large = {"tags": frozenset({"é" * 5, "x"})}
            async with Refusing(store, "max_metadata_bytes", 10):
                await store.create_session(new("b", tags=["é" * 5, "x"]))
            async with Refusing(store, "max_metadata_bytes", 10):
                await store.update_session(created.model_copy(update=large))
            await store.update_session(created.model_copy(update={"tags": {"é" * 5}}))

    @needs("update_sessions_batch")
    async def test_a_batch_of_sessions_that_does_not_fit_is_refused_whole(self) -> None:
        """All or none: of a batch with one session that exceeds a limit, none is stored."""
        async with self.made(limits=StoreLimits(max_metadata_bytes=50)) as store:
            demand(store, "batch")
            small, large = [await store.create_session(new(key)) for key in "ab"]
            over = large.model_copy(update={"metadata": {"x": "y" * 50}})
            for batch in ([tagged(small, "x"), over], [over, tagged(small, "x")]):
                async with Refusing(store, "max_metadata_bytes", 50):
                    await store.update_sessions_batch(batch)

    async def test_oldest_frames_make_room(self) -> None:
        """`drop-oldest`: the oldest frames of the log are dropped, and numbering goes on."""
        limits = StoreLimits(max_frames_per_session=3, frames_full=FramesFull.DROP_OLDEST)
        async with self.made(limits=limits) as store:
            for key in "ab":
                await store.create_session(new(key))
            await store.add_frame(note(1, "b"))
            assert [await store.add_frame(note(n)) for n in range(1, 6)] == [1, 2, 3, 4, 5]
            assert numbers(await store.get_frames("a")) == [3, 4, 5]
            assert await store.count_frames("a") == 3
            assert numbers(await store.get_frames("b")) == [1]

    async def test_ended_sessions_make_room(self) -> None:
        """`evict-ended`: the session that ended first makes room; without one, `reject`."""
        limits = StoreLimits(max_sessions=3, sessions_full=SessionsFull.EVICT_ENDED)
        async with self.made(limits=limits) as store:
            for key in "abc":
                await store.create_session(new(key))
            for key in "ca":
                await store.update_session(become("closed")(await store.get_session(key)))
            for key in "de":
                await store.create_session(new(key))
            assert {each.id for each in await store.list_sessions()} == set("bde")
            async with Refusing(store, "max_sessions", 3):
                await store.create_session(new("f"))

    async def test_idle_sessions_make_room(self) -> None:
        """`evict-idle`: when none has ended, the one without activity for longest makes room."""
        limits = StoreLimits(max_sessions=3, sessions_full=SessionsFull.EVICT_IDLE)
        async with self.made(limits=limits) as store:
            for key in "abc":
                await store.create_session(new(key))
            await store.add_frame(note(id="a"))
            await store.create_session(new("d"))
            assert {each.id for each in await store.list_sessions()} == set("acd")
            with_frames = await store.get_session("a")
            await store.update_session(become("closed")(with_frames))
            await store.create_session(new("e"))
            assert {each.id for each in await store.list_sessions()} == set("cde")

    async def test_no_race_passes_a_limit(self) -> None:
        """Enforced where the state lives, in the same step: no race exceeds it."""
        async with self.made(
            limits=StoreLimits(max_sessions=5, max_frames_per_session=7, max_session_bytes=600)
        ) as store:
            demand(store, "operation")

            async def create(n: int) -> bool:
                await turns(n % 3)
                try:
                    await store.create_session(new(f"s{n}"))
                except LimitExceeded:
                    return False
                return True

            assert sum(await asyncio.gather(*map(create, range(32)))) == 5
            assert await store.count_sessions() == len(await store.list_sessions()) == 5
            keys = [each.id for each in await store.list_sessions()]

            async def add(n: int) -> bool:
                await turns(n % 3)
                key = keys[n % 2]
                try:
                    await store.add_frame(note(n, key, size=200 if n % 2 else 0))
                except (LimitExceeded, SessionNotFound):
                    return False
                return True

            told = await asyncio.gather(*map(add, range(32)))
            assert await store.count_frames(keys[0]) == sum(told[::2]) == 7, "frames overshot"
            assert await store.count_frames(keys[1]) == sum(told[1::2]) == 3, "bytes overshot"
