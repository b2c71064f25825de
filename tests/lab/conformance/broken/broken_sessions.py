"""Stores that break the contract with one caller: values, errors, numbers."""

from __future__ import annotations

import json
from typing import Any

from sessionkeeper import (
    Clock,
    FrozenDict,
    InvalidTransition,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    StoreLimits,
)

from tests.lab.conformance.broken.breaking import breaking


class ReusedNumber(PlainSessionStore):
    async def delete_frames(self, session_id: str, /) -> int:
        removed = await super().delete_frames(session_id)
        row = self._tables.find(session_id)
        assert row is not None
        row.last_seq, row._is_current = 0, False
        return removed


class RevisionReset(PlainSessionStore):
    async def delete_session(self, session_id: str, /) -> None:
        await super().delete_session(session_id)
        self._tables.counters._revision = 0


class CountApart(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self.counts: dict[str, int] = {}

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        key = envelope.context.session_id
        self.counts[key] = self.counts.get(key, 0) + 1
        return seq

    async def count_frames(self, session_id: str, /, **options: Any) -> int:
        await super().count_frames(session_id, **options)
        return self.counts.get(session_id, 0)


class FramesKept(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self.logs: dict[str, list[MessageEnvelope]] = {}

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        self.logs.setdefault(envelope.context.session_id, []).append(envelope)
        return seq

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        await super().get_session(session_id)
        return list(self.logs.get(session_id, []))


class AnyTransition(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        try:
            return await super().update_session(session)
        except InvalidTransition:
            row = self._tables.find(session.id)
            assert row is not None
            row.change(session, self._tables.counters.next_revision())
            raise


class SharedMetadata(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        created = await super().create_session(session)
        fields = {**created.__dict__, "metadata": {**created.metadata, "list": []}}
        return Session.trusted(fields)


class SharedList(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self.lists: dict[str, list[MessageEnvelope]] = {}
        self.read: dict[str, int] = {}

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        found = await super().get_frames(session_id)
        kept = self.lists.setdefault(session_id, found)
        kept += found[self.read.get(session_id, len(found)) :]
        self.read[session_id] = len(found)
        return kept


class ErrorWithEffect(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        try:
            return await super().add_frame(envelope)
        except SessionClosed:
            row = self._tables.find(envelope.context.session_id)
            assert row is not None
            row.last_seq += 1
            row._is_current = False
            raise


class Overwriting(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        try:
            return await super().create_session(session)
        except SessionExists:
            await super().delete_session(session.id)
            await super().create_session(session)
            raise


class WrongError(PlainSessionStore):
    async def get_session(self, session_id: str, /) -> Session:
        try:
            return await super().get_session(session_id)
        except SessionNotFound:
            raise KeyError(session_id) from None


class RepairedId(PlainSessionStore):
    async def get_session(self, session_id: str, /) -> Session:
        return await super().get_session(session_id.strip())


class Rewritten(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        message = json.dumps(json.loads(envelope.message)).encode()
        return await super().add_frame(envelope.model_copy(update={"message": message}))


class Payloads(PlainSessionStore):
    async def get_session(self, session_id: str, /) -> Session:
        try:
            return await super().get_session(session_id)
        except SessionNotFound as error:
            error.args = (f"no session {session_id}",)
            raise


class Trusting(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        created = await super().create_session(session)
        row = self._tables.find(session.id)
        assert row is not None
        row.created_at = session.created_at.timestamp()
        row._is_current = False
        return created.model_copy(update={"created_at": session.created_at})


class ByName(PlainSessionStore):
    async def list_sessions(self) -> list[Session]:
        return sorted(await super().list_sessions(), key=lambda session: session.id)


class LostField(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        lost = {"client_info": FrozenDict({"name": "?"})} if session.client_info else {}
        return await super().create_session(session.model_copy(update=lost))


TestReusedNumber = breaking(ReusedNumber, "test_numbers_are_never_used_again")
TestRevisionReset = breaking(
    RevisionReset, "test_an_old_snapshot_can_never_overwrite_a_new_session"
)
TestCountApart = breaking(CountApart, "test_counts_are_exact")
TestFramesKept = breaking(FramesKept, "test_deleting_takes_the_frames_along")
TestAnyTransition = breaking(AnyTransition, "test_only_allowed_transitions_are_made")
TestSharedMetadata = breaking(SharedMetadata, "test_returned_values_cannot_be_changed")
TestSharedList = breaking(SharedList, "test_lists_are_the_callers_own")
TestErrorWithEffect = breaking(ErrorWithEffect, "test_an_ended_session_takes_no_more_frames")
TestOverwriting = breaking(Overwriting, "test_an_id_that_is_taken_is_refused")
TestWrongError = breaking(WrongError, "test_a_missing_session_is_not_found")
TestRepairedId = breaking(RepairedId, "test_an_ill_formed_id_is_not_just_unknown")
TestRewritten = breaking(Rewritten, "test_messages_come_back_byte_for_byte")
TestPayloads = breaking(Payloads, "test_a_whole_id_is_not_shown")
TestTrusting = breaking(Trusting, "test_the_stores_fields_are_never_the_callers")
TestByName = breaking(ByName, "test_sessions_are_listed_in_order_of_creation")
TestLostField = breaking(LostField, "test_create_answers_the_stored_session")
