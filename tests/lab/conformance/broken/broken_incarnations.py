"""Stores that are wrong in what tells a session from an earlier one of its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sessionkeeper import Frame, FrameWatcher, PlainSessionStore, Session
from sessionkeeper.interface.arguments import checked_incarnation
from sessionkeeper.operations.frame_commands import ReadFrames, TrimFrames
from sessionkeeper.stores.facade import CommandStore
from sessionkeeper.stores.principal import PrincipalStore

from tests.lab.conformance.broken.breaking import breaking

_KEPT = "00000000000000aa"


def having(session: Session, incarnation: str) -> Session:
    """The session with another incarnation."""
    return session.model_copy(update={"incarnation": incarnation})


class IncarnationOfTheId(PlainSessionStore):
    """Keeps it over delete and create: it says which id it is, and not which session."""

    async def create_session(self, session: Session, /) -> Session:
        created = await super().create_session(session)
        row = self._tables.find(session.id)
        assert row is not None
        row.incarnation = _KEPT
        return having(created, _KEPT)


class IncarnationOfTheRevision(PlainSessionStore):
    """Makes a new one with every change."""

    async def update_session(self, session: Session, /) -> Session:
        updated = await super().update_session(session)
        row = self._tables.find(session.id)
        assert row is not None
        row.incarnation = f"{updated.revision:016x}"
        return having(updated, row.incarnation)


class IncarnationOfTheCaller(PlainSessionStore):
    """Takes it from the change, as if it were a field of the caller."""

    async def modify_session(self, session_id: str, change: Any, /) -> Session:
        made: list[Session] = []

        def note(session: Session) -> Session:
            made.append(change(session))
            return made[-1]

        changed = await super().modify_session(session_id, note)
        row = self._tables.find(session_id)
        assert row is not None
        row.incarnation = made[-1].incarnation
        return having(changed, row.incarnation)


class NewForTheOneThatIsThere(PlainSessionStore):
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        found, created = await super().get_or_create_session(session)
        return having(found, f"{found.revision + found.last_seq + (not created):016x}"), created


class ReadsAnyIncarnation(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, incarnation: str | None = None, **options: Any
    ) -> list[Frame]:
        return await super().read_frames(session_id, **options)


class WatchesAnyIncarnation(PlainSessionStore):
    def watch_frames(
        self, session_id: str, /, *, incarnation: str | None = None, **options: Any
    ) -> FrameWatcher:
        return super().watch_frames(session_id, **options)


class TrimsAnyIncarnation(PlainSessionStore):
    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        checked_incarnation(incarnation)
        return await super().trim_frames(session_id, up_to=up_to)


class TrimsAnythingNamed(PlainSessionStore):
    """Says what is missing before it says what is wrong."""

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        return await self._run(TrimFrames(session_id, up_to, incarnation))


class RemovesOfAnyIncarnation(PlainSessionStore):
    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        checked_incarnation(incarnation)
        return await super().remove_frames(session_id, seqs)


class ChecksTheNumbersFirst(PlainSessionStore):
    """Tells of numbers what it should not know: another session is meant."""

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        wanted = [*seqs]
        session = await self.get_session(session_id)
        if any(seq > session.last_seq for seq in wanted):
            raise ValueError("no such number")
        return await super().remove_frames(session_id, wanted, incarnation=incarnation)


class LooksAtAnything(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, incarnation: str | None = None, **options: Any
    ) -> list[Frame]:
        if incarnation is None:
            return await super().read_frames(session_id, **options)
        await self._run(ReadFrames(session_id, 0, None, 1, newest=False, incarnation=incarnation))
        return await super().read_frames(session_id, **options)


class ToldByIncarnationView(PrincipalStore):
    """Answers the right incarnation of a foreign session with nothing instead of an error."""

    def __init__(self, store: CommandStore, principal: str) -> None:
        super().__init__(store, principal)
        self.whole = store

    async def read_frames(
        self, session_id: str, /, *, incarnation: str | None = None, **options: Any
    ) -> list[Frame]:
        if incarnation == (await self.whole.get_session(session_id)).incarnation:
            return []
        return await super().read_frames(session_id, incarnation=incarnation, **options)


class TellsByIncarnation(PlainSessionStore):
    def for_principal(self, principal: str, /) -> PrincipalStore:
        return ToldByIncarnationView(self, principal)


TestIncarnationOfTheId = breaking(
    IncarnationOfTheId, "test_each_session_of_an_id_has_its_own_incarnation"
)

TestIncarnationOfTheRevision = breaking(
    IncarnationOfTheRevision, "test_an_incarnation_stays_while_its_session_exists"
)

TestIncarnationOfTheCaller = breaking(
    IncarnationOfTheCaller, "test_a_change_cannot_set_an_incarnation"
)

TestNewForTheOneThatIsThere = breaking(
    NewForTheOneThatIsThere, "test_a_session_that_was_there_keeps_its_incarnation"
)

TestReadsAnyIncarnation = breaking(ReadsAnyIncarnation, "test_another_incarnation_is_not_read")

TestWatchesAnyIncarnation = breaking(
    WatchesAnyIncarnation, "test_another_incarnation_is_not_watched"
)

TestTrimsAnyIncarnation = breaking(TrimsAnyIncarnation, "test_another_incarnation_is_not_trimmed")

TestTrimsAnythingNamed = breaking(TrimsAnythingNamed, "test_another_incarnation_is_not_trimmed")

TestRemovesOfAnyIncarnation = breaking(
    RemovesOfAnyIncarnation, "test_another_incarnation_keeps_its_content"
)

TestChecksTheNumbersFirst = breaking(
    ChecksTheNumbersFirst, "test_another_incarnation_keeps_its_content"
)

TestLooksAtAnything = breaking(
    LooksAtAnything, "test_what_is_no_incarnation_is_refused_at_the_call"
)

TestTellsByIncarnation = breaking(
    TellsByIncarnation,
    "test_an_incarnation_of_another_principals_session_reveals_nothing",
)
