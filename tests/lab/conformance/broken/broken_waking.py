"""Stores whose watchers are not all woken: one that leaves takes others' wake-ups along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sessionkeeper import Change, FrameWatcher, MessageEnvelope, PlainSessionStore, Session
from sessionkeeper.interface.wakeups import StoreWakeups
from sessionlab.conformance.samples import turns

from tests.lab.conformance.broken.breaking import breaking


class Selfish(FrameWatcher):
    """Forgets the wake-ups of its whole session when it leaves."""

    def forget(self) -> None:
        """Take the others' wake-ups along."""
        self._wakeups._wakeups.pop(self._session_id, None)  # type: ignore[attr-defined]  # of the store


class SelfishWhenCancelled(Selfish):
    async def _step(self) -> None:
        try:
            await super()._step()
        except asyncio.CancelledError:
            self.forget()
            raise


class SelfishWhenClosed(Selfish):
    async def aclose(self) -> None:
        await super().aclose()
        self.tidying = asyncio.create_task(self.tidy())

    async def tidy(self) -> None:
        """Tidy up when the others wait again."""
        await turns(5)
        self.forget()


class CancelledTakesAll(PlainSessionStore):
    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        look = super().watch_frames(session_id, after=after, **options)._read_page
        return SelfishWhenCancelled(look, self._wakeups, session_id, after)


class ClosedTakesAll(PlainSessionStore):
    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        look = super().watch_frames(session_id, after=after, **options)._read_page
        return SelfishWhenClosed(look, self._wakeups, session_id, after)


class OneAfterAnother(StoreWakeups):
    """Wakes one watcher, which wakes the next when it has looked; one that left wakes nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: dict[str, list[asyncio.Event]] = {}

    def notify(self, session_id: str) -> None:
        self.pending[session_id] = [*self._wakeups.get(session_id, ())]
        self.wake_next(session_id)

    def wake_next(self, session_id: str) -> None:
        """Wake the next one in line."""
        if self.pending.get(session_id):
            self.pending[session_id].pop(0).set()


class Polite(FrameWatcher):
    async def __anext__(self) -> object:  # type: ignore[override]  # passes on what it returns
        frame = await super().__anext__()
        self._wakeups.wake_next(self._session_id)  # type: ignore[attr-defined]  # as above
        return frame


class OneWakeUp(PlainSessionStore):
    """As a condition that notifies one of its waiters: a cancelled one has the wake-up."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # handed on
        self._wakeups = OneAfterAnother()
        self._tables.connect(self._wakeups.notify, self._listeners)

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        look = super().watch_frames(session_id, after=after, **options)._read_page
        return Polite(look, self._wakeups, session_id, after)


class EverySecond(StoreWakeups):
    def notify(self, session_id: str) -> None:
        wakeups = [*self._wakeups.get(session_id, ())]
        for wakeup in wakeups[:1] + wakeups[1::2]:
            wakeup.set()


class SomeNotWoken(PlainSessionStore):
    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # handed on
        self._wakeups = EverySecond()
        self._tables.connect(self._wakeups.notify, self._listeners)


class Quiet(PlainSessionStore):
    """Ends sessions without a word to those who wait."""

    def _silence(self) -> None:
        self._tables.connect(lambda _: None, self._listeners)

    def _speak(self) -> None:
        self._tables.connect(self._wakeups.notify, self._listeners)

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        self._silence()
        try:
            return await super().expire_sessions(idle=idle, age=age, limit=limit)
        finally:
            self._speak()

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        if not envelopes:
            self._silence()
        try:
            return await super().add_frames(
                session_id, envelopes, expected_last_seq=expected_last_seq, change=change
            )
        finally:
            self._speak()


TestCancelledTakesAll = breaking(
    CancelledTakesAll,
    "test_a_watcher_that_leaves_takes_no_wake_up_along[cancelled]",
    "test_a_watcher_that_leaves_takes_no_wake_up_along[timed out]",
    "test_all_but_one_may_leave",
    patience=0.5,
)
TestClosedTakesAll = breaking(
    ClosedTakesAll,
    "test_a_watcher_that_leaves_takes_no_wake_up_along[closed]",
    "test_all_but_one_may_leave",
    patience=0.5,
)
TestOneWakeUp = breaking(
    OneWakeUp,
    "test_a_watcher_that_leaves_takes_no_wake_up_along[cancelled]",
    "test_a_watcher_that_leaves_takes_no_wake_up_along[timed out]",
    patience=0.5,
)
TestSomeNotWoken = breaking(SomeNotWoken, "test_every_waiting_watcher_is_woken", patience=0.5)
TestQuiet = breaking(
    Quiet,
    "test_every_end_reaches_those_who_wait[expire_sessions]",
    "test_every_end_reaches_those_who_wait[add_frames]",
    patience=0.5,
)
