"""The facade for threads, held to the contract: each call comes from a thread of its own."""

from __future__ import annotations

from sessionkeeper import ActorSessionStore, AtomicSessionStore, Clock, StoreLimits
from sessionlab.conformance import AtomicSessionStoreConformance

from tests.lab.conformance.threaded_store import ThreadedStore


class TestThreads(AtomicSessionStoreConformance):
    refuses = frozenset({"watch_frames", "subscribe"})

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        store: AtomicSessionStore = ThreadedStore(ActorSessionStore(limits=limits, clock=clock))
        return store
