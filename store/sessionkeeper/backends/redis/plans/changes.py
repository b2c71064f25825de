"""The operations with a caller's function as plans, named as their commands."""

from __future__ import annotations

from typing import Any

from ....interface.atomic_store import Change
from ....operations import AddFrames, ModifySession
from ....values.errors import SequenceConflict
from ....values.session import Session
from ..client.call import Word
from ..context import PlanContext
from ..delivery.request import Plan, Request
from .append import Append
from .optimistic_change import OptimisticChange
from .requests import checked
from .sessions import UPDATE

__all__ = ["add_frames", "modify_session"]


def modify_session(plan_context: PlanContext, command: ModifySession, scope: str) -> Plan[Session]:
    session_id = command.session_id
    attempts = OptimisticChange(plan_context, session_id, command.change, command.context, scope)

    def store(words: list[Word]) -> Request:
        bucket, name = plan_context.place(session_id)
        fixed = (plan_context.now, scope, plan_context.limits.max_metadata_bytes)
        return Request(bucket, UPDATE, (bucket.session + name,), (*fixed, *words), write=True)

    answer = yield from attempts.run(store)
    return attempts.current if answer is None else attempts.taken(answer[1], answer[2])


def add_frames(plan_context: PlanContext, command: AddFrames, scope: str) -> Plan[range]:
    session_id, records = command.session_id, command.records
    expected = command.expected_last_seq
    append = Append(plan_context, session_id, records, command.weight, expected, scope)
    if (error := append.too_much()) is not None:
        yield from append.refuse(error)
    try:
        if command.change is None:
            (answer,) = yield [append.request()]
        else:
            answer = yield from _append_changed(append, command, command.change)
        last: int = checked(answer, session_id)[1]
    except SequenceConflict as conflict:
        if expected is None or expected == conflict.expected:
            raise
        # A script counts to 2⁵³ only, and was asked for that.
        raise SequenceConflict(session_id, expected=expected, current=conflict.current) from None
    if plan_context.wakeups:
        plan_context.wakeups.notify(session_id)
    return range(last - len(records) + 1, last + 1)


def _append_changed(append: Append, command: AddFrames, change: Change) -> Plan[Any]:
    attempts = OptimisticChange(
        append.plan_context, append.session_id, change, command.context, append.scope
    )
    answer = yield from attempts.run(
        append.ask_with_change,
        append.request,
        frames=len(append.records),
        look=append.look,
        may_fit=append.may_fit,
    )
    if len(answer) > 2:
        attempts.taken(answer[2], answer[3])
    return answer
