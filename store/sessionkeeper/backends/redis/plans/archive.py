"""The plan of `archive_session`."""

from __future__ import annotations

from ....operations import ArchiveSession
from ....operations.archive_rules import future_time
from ....values.clock import MAX_CLOCK_DIFFERENCE, moment_micros
from ....values.errors import SequenceConflict
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Argument
from ..codec import decode_session, encode_archived
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..scripts import script
from .replies import ChangedSessionReply, read_reply
from .requests import bounded
from .sessions import note_change

__all__ = ["archive_session"]

ARCHIVE = script("archive")


def archive_session(
    plan_context: PlanContext, command: ArchiveSession, scope: str
) -> Plan[Session]:
    wanted = command.session
    bucket, name = plan_context.locate(wanted.id)
    ended = wanted.ended_at
    arguments: tuple[Argument, ...] = (
        plan_context.now,
        *plan_context.session_bounds,
        bounded(command.expected_last_seq),
        moment_micros(wanted.created_at),
        moment_micros(wanted.last_activity),
        "" if ended is None else moment_micros(ended),
        round(MAX_CLOCK_DIFFERENCE * 1e6),
        *encode_archived(name, f"r:{bounded(wanted.revision)}", wanted),
    )
    plan_context.predictions.next_revision(bucket)
    (answer,) = yield [Request(bucket, ARCHIVE, (bucket.session + name,), arguments, write=True)]
    if answer[0] == b"FUTURE":
        raise future_time()
    try:
        reply = read_reply(ChangedSessionReply, answer, wanted.id, wanted)
    except SequenceConflict as conflict:
        # A script counts to 2⁵³ only, so it got that number instead.
        raise SequenceConflict(
            wanted.id, expected=command.expected_last_seq, current=conflict.current
        ) from None
    session = decode_session(wanted.id, reply.row)
    plan_context.predictions.forget(wanted.id)
    plan_context.predictions.note_assigned(bucket, session.revision)
    note_change(plan_context, session, SessionState(reply.state_before.decode()), command.context)
    return session
