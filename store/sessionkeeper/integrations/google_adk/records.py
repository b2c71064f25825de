"""The records of a store that belong to ADK: made, found and changed, each in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    FrozenDict,
    LimitExceeded,
    Session,
    SessionNotFound,
    SessionQuery,
    SessionState,
    TransportType,
    thaw,
)

from .documents import shared_state, update_shared
from .places import Places, Scope

__all__ = ["Records", "with_document"]

MOST_A_PAGE = 1_000
"""Records, and frames, that one step reads."""


class Records:
    """Reads and writes records."""

    def __init__(self, store: AtomicSessionStore, places: Places, max_shared_bytes: int) -> None:
        self.store = store
        self.places = places
        self._max_shared_bytes = max_shared_bytes

    def new(self, scope: Scope, *names: str) -> Session:
        """Return a record to be created, with an empty document."""
        return Session.new(
            id=self.places.record(scope, *names),
            transport_type=TransportType.IN_PROCESS,
            state=SessionState.ACTIVE,
            tags=self.places.tags(scope, *names),
            metadata={"home": self.places.home.value},
        )

    async def find(self, scope: Scope, *names: str) -> Session | None:
        """Return the record of a scope; None without one. Raises `ValueError` as `ensure`."""
        try:
            return self._checked(await self.store.get_session(self.places.record(scope, *names)))
        except SessionNotFound:
            return None

    async def ensure(self, scope: Scope, *names: str) -> Session:
        """Return the record of a scope, which is created if there is none.

        Raises `ValueError` if it was made for another home.
        """
        record, _ = await self.store.get_or_create_session(self.new(scope, *names))
        return self._checked(record)

    async def make_room(self, scope: Scope, delta: Mapping[str, Any], app: str, user: str) -> None:
        """Make sure that a record can take a change of state in a later step.

        Raises `LimitExceeded` if its state would be larger than `max_shared_bytes`, which is half
        of what a record takes: the other half is for what others write until then.
        """
        record = await self.ensure(scope, app, user)
        after = FrozenDict(update_shared(record.metadata, scope, user, delta))
        size = len(msgspec.json.encode(thaw(after)))
        if size > self._max_shared_bytes:
            raise LimitExceeded("max_shared_bytes", current=size, maximum=self._max_shared_bytes)

    async def change_shared(
        self, scope: Scope, delta: Mapping[str, Any], app: str, user: str
    ) -> None:
        """Set keys of an application or of a user, in one step."""

        def change(record: Session) -> Session:
            return with_document(record, update_shared(record.metadata, scope, user, delta))

        record_id = self.places.record(scope, app, user)
        while True:
            try:
                await self.store.modify_session(record_id, change)
            except SessionNotFound:  # it was deleted since room was made in it
                await self.ensure(scope, app, user)
            else:
                return

    async def shared(self, app: str, user: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the state of an application and of a user, each of one moment."""
        of_app, of_user = await asyncio.gather(
            self.find(Scope.APP, app), self.find(Scope.USER, app, user)
        )
        return (
            shared_state(None if of_app is None else of_app.metadata, Scope.APP),
            shared_state(None if of_user is None else of_user.metadata, Scope.USER, user),
        )

    async def tagged(self, *names: str) -> list[Session]:
        """Return the records of an application or of a user; each page of them is of one moment."""
        query = SessionQuery(tags_all=frozenset({self.places.tag(*names)}))
        found: list[Session] = []
        cursor: str | None = None
        while True:
            page = await self.store.find_sessions(query, cursor=cursor, limit=MOST_A_PAGE)
            found += (self._checked(record) for record in page.sessions)
            if (cursor := page.cursor) is None:
                return found

    async def frames(self, record: Session, *, after: int, up_to: int) -> list[Frame]:
        """Return the frames of a record with numbers in a range.

        Raises `SessionNotFound`, also if the record was deleted and made again since it was read.
        """
        found: list[Frame] = []
        while after < up_to:
            page = await self.store.read_frames(
                record.id,
                after=after,
                before=up_to + 1,
                limit=MOST_A_PAGE,
                incarnation=record.incarnation,
            )
            found += page
            if not page:
                break
            after = page[-1].seq
        return found

    def _checked(self, record: Session) -> Session:
        home = record.metadata.get("home")
        if home != self.places.home.value:
            raise ValueError(f"what is stored has home={home!r}, not {self.places.home.value!r}")
        return record


def with_document(record: Session, document: Mapping[str, Any]) -> Session:
    """Return a record with another document."""
    return record.model_copy(update={"metadata": document})
