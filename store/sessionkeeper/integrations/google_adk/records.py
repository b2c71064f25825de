"""The records of a store that belong to ADK: made, found and changed, each in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
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

from .documents import Entry, dropped_logs, forget_dropped, shared_state, update_shared
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

    async def shared(
        self, home: Session, app: str, user: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the state of an application and of a user.

        Each is of one moment: what lives in the home, of the moment of that record.
        """
        of_app, of_user = await asyncio.gather(
            *(
                self._shared(home, scope, names)
                for scope, names in ((Scope.APP, (app,)), (Scope.USER, (app, user)))
            )
        )
        return shared_state(of_app, Scope.APP), shared_state(of_user, Scope.USER, user)

    async def _shared(
        self, home: Session, scope: Scope, names: tuple[str, ...]
    ) -> Mapping[str, Any] | None:
        if self.places.shares_home(scope):
            return home.metadata
        record = await self.find(scope, *names)
        return None if record is None else record.metadata

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

    async def frames(
        self, home: Session, entry: Entry, *, after: int = 0, newest: int | None = None
    ) -> list[Frame]:
        """Return the frames of a session up to its last event, or the newest ones of them.

        Raises `SessionNotFound`, also if the home was deleted and made again since it was read.
        """
        read = partial(
            self.store.read_frames,
            home.id,
            before=entry.last + 1,
            stream=None if self.places.has_own_logs else entry.log,
            incarnation=home.incarnation,
        )
        if newest is not None:
            return await read(after=after, limit=newest, newest=True)
        found: list[Frame] = []
        while after < entry.last:
            page = await read(after=after, limit=MOST_A_PAGE)
            found += page
            if len(page) < MOST_A_PAGE:
                break
            after = page[-1].seq
        return found

    async def clear_dropped(self, home: Session) -> None:
        """Remove the events of the sessions that were dropped from a home, a part a step."""
        for log in dropped_logs(home.metadata):
            try:
                await self._remove_log(home, log)
            except SessionNotFound:
                return  # the home was deleted meanwhile, with all that was in it

            def change(record: Session, log: str = log) -> Session:
                return with_document(record, forget_dropped(record.metadata, log))

            await self.store.modify_session(home.id, change)

    async def _remove_log(self, home: Session, log: str) -> None:
        after = 0
        # Of this home alone: another one with its id has other events at the same numbers.
        while frames := await self.store.read_frames(
            home.id, after=after, limit=MOST_A_PAGE, stream=log, incarnation=home.incarnation
        ):
            after = frames[-1].seq
            await self._remove(home, [frame.seq for frame in frames])

    async def _remove(self, home: Session, seqs: Sequence[int]) -> None:
        """Remove frames, in one step if the store's limits allow it."""
        try:
            await self.store.remove_frames(home.id, seqs, incarnation=home.incarnation)
        except LimitExceeded as error:
            for first in range(0, len(seqs), error.maximum):
                part = seqs[first : first + error.maximum]
                await self.store.remove_frames(home.id, part, incarnation=home.incarnation)

    def _checked(self, record: Session) -> Session:
        home = record.metadata.get("home")
        if home != self.places.home.value:
            raise ValueError(f"what is stored has home={home!r}, not {self.places.home.value!r}")
        return record


def with_document(record: Session, document: Mapping[str, Any]) -> Session:
    """Return a record with another document."""
    return record.model_copy(update={"metadata": document})
