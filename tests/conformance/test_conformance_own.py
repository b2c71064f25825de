"""The project's own stores, held to the contract by the kit that third parties get."""

from __future__ import annotations

from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    LockedSessionStore,
    PlainSessionStore,
    StoreLimits,
)
from sessionkeeper.conformance import AtomicSessionStoreConformance


class TestActor(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return ActorSessionStore(limits=limits, clock=clock)


class TestPlain(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return PlainSessionStore(limits=limits, clock=clock)


class TestLocked(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return LockedSessionStore(limits=limits, clock=clock)
