"""The record of one call while it runs, and how it becomes an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from types import UnionType
from typing import Any, cast

import msgspec
from sessionkeeper.values.errors import OutcomeUnknown, SessionError
from sessionkeeper.values.message import Frame, MessageEnvelope
from sessionkeeper.values.query import SessionPage, SessionQuery
from sessionkeeper.values.session import Session

from ..linearizability.history.operation import Operation, Outcome, Plain
from .plain_data import (
    caller_data,
    frame_data,
    frames_data,
    numbered_data,
    query_data,
    refusal_data,
    session_data,
    sessions_data,
)
from .split_calls import split_call

__all__ = ["Effect", "RecordedCall", "as_operations"]


class Effect(msgspec.Struct, gc=False):
    """What a change of the caller did in its last run; all None until it has run."""

    given: Session | None = None
    returned: object = None
    """None when the change returned the session that it was given, or raised."""
    error: BaseException | None = None
    """Only until its call ends: a traceback refers to the call, and nothing collects that cycle."""


class RecordedCall(msgspec.Struct, gc=False):
    """One call. The garbage collector does not see it, so it must not be part of a cycle."""

    client: int
    name: str
    arguments: tuple[Any, ...]
    begun: int
    returned: int | None = None
    result: tuple[Any] | None = None
    """The result in a tuple: a call that returned None has ended too."""
    failure: tuple[Outcome, Plain] | None = None
    """The outcome and the refusal of a call that raised."""
    effect: Effect | None = None

    def fail(self, error: BaseException) -> None:
        """Record what an error says of the call, and let go of the error."""
        self.failure = self._describe_failure(error)
        if self.effect is not None:
            self.effect.error = None

    def _describe_failure(self, error: BaseException) -> tuple[Outcome, Plain]:
        effect, no_effect = self.effect, _means_no_effect(error)
        never_ran = effect is not None and effect.given is None
        if self.name == "add_frames" and never_ran and not no_effect:
            # Frames and change are one step: if the change never ran, neither took effect.
            return Outcome.FAILED, ("ChangeNeverRan",)
        if effect is not None and effect.error is error:
            return Outcome.FAILED, ("ChangeRaised",)
        if no_effect:
            return Outcome.FAILED, refusal_data(error)
        # Cancelled, out of time, or a bug in the store: it may have taken effect.
        return Outcome.UNKNOWN, None


_WRONG_USE = (TypeError, ValueError, NotImplementedError)


def as_operations(call: RecordedCall, apart: frozenset[str], sessions: int) -> Iterable[Operation]:
    """Return the operations of a call: one, but for those that the store does not do in one step.

    `apart` names these; no more than `sessions` were ever there.
    """
    name, arguments = call.name, call.arguments
    outcome, result = _read_outcome(call)
    argument = _argument(name, arguments, call.effect) if _is_well_formed(name, arguments) else None
    if argument is None and arguments:
        # Wrong use was refused before the store looked at it.
        return ()
    if name == "watch_frames" and outcome is not Outcome.OK:
        return ()
    whole = Operation(
        client=call.client,
        name=name,
        argument=argument,
        result=result,
        call=call.begun,
        returned=call.returned,
        outcome=outcome,
    )
    return split_call(whole, sessions) if name in apart else (whole,)


def _read_outcome(call: RecordedCall) -> tuple[Outcome, Plain]:
    """Return the outcome, and the reply or the refusal."""
    if call.result is not None:
        return Outcome.OK, _RESULTS[call.name](call.result[0])
    return call.failure or (Outcome.UNKNOWN, None)


def _means_no_effect(error: BaseException) -> bool:
    """Whether an error tells its caller that nothing was done."""
    refused = isinstance(error, SessionError) and not isinstance(error, OutcomeUnknown)
    return refused or isinstance(error, _WRONG_USE)


def _is_well_formed(name: str, arguments: tuple[object, ...]) -> bool:
    if name in _OPTIONS:
        start, kinds = _OPTIONS[name]
        options = cast("tuple[tuple[str, object], ...]", arguments[start:])
        if not all(isinstance(value, kinds) for _, value in options):
            return False
    return all(
        isinstance(argument, kind)
        for argument, kind in zip(arguments, _KINDS.get(name, ()), strict=False)
    )


_OPTIONS: dict[str, tuple[int, type | UnionType]] = {
    "read_frames": (4, str | int),
    "trim_frames": (2, str),
    "remove_frames": (2, str),
}
"""Where the options of a call begin, and of what kind their values are."""

_KINDS: dict[str, tuple[type | UnionType, ...]] = {
    "create_session": (Session,),
    "get_session": (str,),
    "update_session": (Session,),
    "delete_session": (str,),
    "add_frame": (MessageEnvelope,),
    "get_frames": (str,),
    "delete_frames": (str,),
    "count_frames": (str, str),
    "get_sessions_batch": (tuple,),
    "update_sessions_batch": (tuple,),
    "modify_session": (str,),
    "get_or_create_session": (Session,),
    "put_session": (Session,),
    "touch_session": (str,),
    "archive_session": (Session, int),
    "add_frames": (str, tuple),
    "read_frames": (str, int, int, bool, int | None, bool),
    "trim_frames": (str, int),
    "remove_frames": (str, tuple),
    "find_sessions": (SessionQuery,),
    "purge_sessions": (datetime | None,),
    "watch_frames": (str, int, str),
}


def _argument(  # noqa: PLR0911 - a table of cases
    name: str, arguments: tuple[Any, ...], effect: Effect | None
) -> Plain:
    if name in ("create_session", "update_session", "get_or_create_session", "put_session"):
        return session_data(arguments[0])
    if name == "archive_session":
        session, expected = arguments
        return (session.id, session_data(session), expected)
    if name == "add_frame":
        return frame_data(arguments[0])
    if name == "update_sessions_batch":
        return sessions_data(arguments[0])
    if name == "modify_session":
        return (arguments[0], _effect_data(effect))
    if name == "add_frames":
        session_id, envelopes, expected = arguments
        return (session_id, frames_data(envelopes), expected, _effect_data(effect))
    if name == "find_sessions":
        return (query_data(arguments[0]), *arguments[1:])
    if name == "purge_sessions":
        before, span, limit = arguments
        return (None if before is None else before.timestamp(), span, limit)
    if len(arguments) == 1:
        return cast("Plain", arguments[0])
    return arguments or None


def _effect_data(effect: Effect | None) -> Plain:
    if effect is None or effect.given is None:
        return None
    returned = effect.returned
    caller = caller_data(returned) if isinstance(returned, Session) else None
    return (session_data(effect.given), caller)


def _page_data(page: SessionPage) -> Plain:
    return (sessions_data(page.sessions), page.cursor)


def _frame_with_number(frame: Frame) -> Plain:
    return numbered_data([frame])[0]


_RESULTS: dict[str, Callable[[Any], Plain]] = {
    "create_session": session_data,
    "get_session": session_data,
    "update_session": session_data,
    "delete_session": lambda _: None,
    "list_sessions": sessions_data,
    "count_sessions": lambda count: cast("int", count),
    "add_frame": lambda seq: cast("int", seq),
    "get_frames": frames_data,
    "delete_frames": lambda count: cast("int", count),
    "count_frames": lambda count: cast("int", count),
    "get_sessions_batch": sessions_data,
    "update_sessions_batch": sessions_data,
    "modify_session": session_data,
    "get_or_create_session": lambda reply: (session_data(reply[0]), reply[1]),
    "put_session": session_data,
    "touch_session": lambda _: None,
    "archive_session": session_data,
    "add_frames": lambda numbers: (numbers.start, numbers.stop),
    "read_frames": numbered_data,
    "trim_frames": lambda count: cast("int", count),
    "remove_frames": lambda count: cast("int", count),
    "find_sessions": _page_data,
    "expire_sessions": sessions_data,
    "purge_sessions": lambda count: cast("int", count),
    "watch_frames": _frame_with_number,
}
