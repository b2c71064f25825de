"""Plans of the operations with a caller's function, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence

from ....interface.atomic_store import Change
from ....operations import AddFrames, ModifySession
from ....values.errors import SequenceConflict
from ....values.session import Session
from ..client.call import Argument
from ..context import PlanContext
from ..delivery.request import Plan, Request
from .append import Append
from .optimistic_change import OptimisticChange
from .replies import ChangedReply, ValueReply, groups, read_list, read_reply
from .sessions import UPDATE

__all__ = ["add_frames", "modify_session"]


def modify_session(plan_context: PlanContext, command: ModifySession, scope: str) -> Plan[Session]:
    session_id = command.session_id
    change = OptimisticChange(plan_context, session_id, command.change, command.context, scope)

    def store(arguments: Sequence[Argument]) -> Request:
        bucket, name = plan_context.locate(session_id)
        fixed = (plan_context.now, scope, *plan_context.session_bounds)
        return Request(bucket, UPDATE, (bucket.session + name,), (*fixed, *arguments), write=True)

    outcome = yield from change.run(store)
    if not outcome.changed:
        return change.current
    ((state_before, row),) = groups(read_list(outcome.answer, session_id), 2)
    return change.note_stored(state_before, row)


def add_frames(plan_context: PlanContext, command: AddFrames, scope: str) -> Plan[range]:
    session_id, records = command.session_id, command.records
    expected = command.expected_last_seq
    append = Append(plan_context, session_id, records, command.weight, expected, scope)
    if (error := append.check_limits()) is not None:
        yield from append.refuse(error)
    try:
        if command.change is None:
            (answer,) = yield [append.request()]
            last: int = read_reply(ValueReply, answer, session_id).value
        else:
            last = yield from _append_with_change(append, command, command.change)
    except SequenceConflict as conflict:
        if expected is None or expected == conflict.expected:
            raise
        # A script counts to 2⁵³ only, so it got that number instead.
        raise SequenceConflict(session_id, expected=expected, current=conflict.current) from None
    if plan_context.wakeups:
        plan_context.wakeups.notify(session_id)
    return range(last - len(records) + 1, last + 1)


def _append_with_change(append: Append, command: AddFrames, function: Change) -> Plan[int]:
    session_id = append.session_id
    change = OptimisticChange(
        append.plan_context, session_id, function, command.context, append.scope
    )
    outcome = yield from change.run(
        append.request_with_change,
        append.request,
        frames=len(append.records),
        odd=append.odd,
        look=append.look,
        may_fit=append.may_fit,
    )
    if not outcome.changed:
        last: int = read_reply(ValueReply, outcome.answer, session_id).value
        return last
    reply = read_reply(ChangedReply, outcome.answer, session_id)
    change.note_stored(reply.state_before, reply.row)
    return reply.last_seq
