"""Formats arguments and results of calls; payloads and ids are cut short."""

from __future__ import annotations

from typing import TypeGuard, cast

from .. import Operation, Outcome, Plain
from ..sessions.layout import FrameData, SessionData

__all__ = ["describe_argument", "describe_result"]

_ID = 8
_TEXT = 24
_TAIL = 16
_MANY = 4
_OF_SESSION, _OF_CALLER = (8, 10, 11), (10, 11)
"""Numbers of fields, as `sessions/layout` has them."""


def describe_argument(operation: Operation, /) -> str:
    """Format the arguments of a call."""
    argument = operation.argument
    if operation.name == "modify_session":
        session_id, effect = cast("tuple[str, Plain]", argument)
        return f"{_id(session_id)}{_effect(effect)}"
    if operation.name == "add_frames":
        session_id, frames, expected, effect = cast(
            "tuple[str, tuple[FrameData, ...], int | None, Plain]", argument
        )
        after = "" if expected is None else f" after {expected}"
        return f"{_id(session_id)} {_shown(frames)}{after}{_effect(effect)}"
    return "" if argument is None else _shown(argument)


def describe_result(operation: Operation, /) -> str:
    """Format the reply, or the name of the refusal."""
    result = operation.result
    if operation.outcome is Outcome.UNKNOWN:
        return "?"
    if operation.outcome is Outcome.FAILED:
        return _shown(result[0]) if isinstance(result, tuple) and result else "refused"
    if operation.name == "add_frames" and isinstance(result, tuple):
        first, end = cast("tuple[int, int]", result)
        return f"{first} to {end - 1}"
    return "" if result is None else _shown(result)


def _effect(effect: Plain) -> str:
    """Format what a change did to a session."""
    if effect is None:
        return ""
    given, caller = cast("tuple[SessionData, tuple[Plain, ...] | None]", effect)
    after = "itself" if caller is None else _caller(caller)
    return f", revision {given[2]} {_caller(given[1])} → {after}"


def _shown(value: Plain) -> str:
    if isinstance(value, str):
        return _cut(value)
    if not isinstance(value, tuple):
        return str(value)
    if _is_session(value):
        frames = f", {value[3]} frames" if value[3] else ""
        return f"{_id(value[0])} revision {value[2]} {_caller(value[1])}{frames}"
    if _is_frame(value):
        message = value[2]
        return f"{_id(value[0])} {message if len(message) <= _TAIL else f'…{message[-_TAIL:]}'}"
    shown = [_shown(each) for each in value[:_MANY]]
    if len(value) > _MANY:
        shown.append(f"… {len(value)} in all")
    return f"({', '.join(shown)})"


def _is_session(value: tuple[Plain, ...]) -> TypeGuard[SessionData]:
    if len(value) not in _OF_SESSION or not isinstance(value[1], tuple):
        return False
    return len(value[1]) in _OF_CALLER


def _is_frame(value: tuple[Plain, ...]) -> TypeGuard[FrameData]:
    return len(value) == 4 and all(isinstance(each, str) for each in value)


def _caller(caller: tuple[Plain, ...]) -> str:
    metadata = caller[8]
    return f"{caller[1]} {_cut(metadata)}" if isinstance(metadata, str) else str(caller[1])


def _id(session_id: str) -> str:
    return session_id if len(session_id) <= _ID else f"{session_id[:_ID]}…"


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
