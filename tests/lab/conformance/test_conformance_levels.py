"""A level that is declared as `none` relaxes exactly that: honest stores that keep less pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from sessionkeeper import (
    Atomicity,
    AtomicSessionStore,
    Change,
    Clock,
    Guarantees,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionNotFound,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance

FULL = PlainSessionStore.guarantees


class OneByOne(PlainSessionStore):
    """Its batches are as whole as those of a server without transactions."""

    guarantees: ClassVar[Guarantees] = replace(FULL, batch=Atomicity.NONE)

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        updated: list[Session] = []
        for session in sessions:
            await asyncio.sleep(0)
            updated.append(await self.update_session(session))
        return updated


class TornListing(PlainSessionStore):
    """Lists as a cluster does: one shard after the other."""

    guarantees: ClassVar[Guarantees] = replace(FULL, listing=Atomicity.NONE)

    async def list_sessions(self) -> list[Session]:
        found: list[Session] = []
        for session in await super().list_sessions():
            await asyncio.sleep(0)
            try:
                found.append(await self.get_session(session.id))
            except SessionNotFound:
                continue
        return found


class NeedsAnOwner(PlainSessionStore):
    """Awaits between looking and writing, and says so."""

    guarantees: ClassVar[Guarantees] = replace(
        FULL, operation=Atomicity.NONE, batch=Atomicity.NONE, listing=Atomicity.NONE
    )

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        await self.count_sessions()
        await asyncio.sleep(0)
        return await super().add_frame(envelope)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        before = await self.get_session(session_id)
        await asyncio.sleep(0)
        await super().modify_session(session_id, lambda session: session)
        return await super().modify_session(
            session_id, lambda now: change(now if now.revision == before.revision else before)
        )


class TestOneByOne(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return OneByOne(limits=limits, clock=clock)


class TestTornListing(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return TornListing(limits=limits, clock=clock)


class TestNeedsAnOwner(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return NeedsAnOwner(limits=limits, clock=clock)
