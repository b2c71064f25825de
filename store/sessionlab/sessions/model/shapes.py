"""The shapes of arguments and results, to tell a malformed file from a faulty store.

Positions are those of `sessions.layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from ...linearizability.history.operation import Operation, Outcome

__all__ = ["check_shape"]

_Text = str | None
_Versions = tuple[_Text, _Text, _Text]
_CALLER = tuple[str, str, _Text, _Text, _Text, _Text, _Versions, tuple[str, ...], _Text, _Text]


class _Session:
    """A snapshot; at its end there may be counts of odd frames and gaps, and the incarnation."""


class _Caller:
    """The caller's fields of a session; at its end there may be `expires_at`."""


_SESSION = tuple[str, _Caller, int, int, int, float, float, float | None]


def _read_session(value: object) -> _Session:
    if not isinstance(value, tuple | list):
        raise ValueError("a snapshot is expected")
    parts = cast("Sequence[object]", value)
    _convert(parts[:8], _SESSION)
    if len(parts) > 8:
        _convert(parts[8:10], tuple[int, int])
    if len(parts) > 10:
        _convert(parts[10:], tuple[str])
    return _Session()


def _read_caller(value: object) -> _Caller:
    parts = msgspec.convert(value, tuple[object, ...])
    _convert(parts[:10], _CALLER)
    if len(parts) > 10:
        _convert(parts[10:], tuple[float])
    return _Caller()


class _Reading:
    """The argument of `read_frames`: four parts, then options."""


def _read_reading(value: object) -> _Reading:
    parts = msgspec.convert(value, tuple[object, ...])
    msgspec.convert(parts[:4], tuple[str, int, int, bool])
    _check_options(parts[4:], _ReadOptions)
    return _Reading()


def _check_options(parts: tuple[object, ...], shape: type[msgspec.Struct]) -> None:
    options = msgspec.convert(parts, tuple[tuple[str, object], ...])
    msgspec.convert(dict(options), shape)
    if len(dict(options)) < len(options):
        raise ValueError("an option is there twice")


class _ReadOptions(msgspec.Struct, forbid_unknown_fields=True):
    before: int | None = None
    reverse: bool = False
    stream: str | None = None
    incarnation: str | None = None


class _Trimming:
    """The argument of `trim_frames`: two parts, then options."""


def _read_trimming(value: object) -> _Trimming:
    parts = msgspec.convert(value, tuple[object, ...])
    msgspec.convert(parts[:2], tuple[str, int])
    _check_options(parts[2:], _LifeOptions)
    return _Trimming()


class _Removing:
    """The argument of `remove_frames`: two parts, then options."""


def _read_removing(value: object) -> _Removing:
    parts = msgspec.convert(value, tuple[object, ...])
    msgspec.convert(parts[:2], tuple[str, tuple[int, ...]])
    _check_options(parts[2:], _LifeOptions)
    return _Removing()


class _LifeOptions(msgspec.Struct, forbid_unknown_fields=True):
    incarnation: str | None = None


class _Finding:
    """The argument of `find_sessions`: three parts, then another order than `created`."""


def _read_finding(value: object) -> _Finding:
    parts = msgspec.convert(value, tuple[object, ...])
    msgspec.convert(parts[:3], tuple[_Query, _Text, int])
    if len(parts) > 3:
        msgspec.convert(parts[3:], tuple[str])
    return _Finding()


class _Watching:
    """The argument of `watch_frames`: an id and a number, then a stream if it is given."""


def _read_watching(value: object) -> _Watching:
    parts = msgspec.convert(value, tuple[object, ...])
    msgspec.convert(parts[:2], tuple[str, int])
    if len(parts) > 2:
        msgspec.convert(parts[2:], tuple[str])
    return _Watching()


_READERS: dict[type, Callable[[object], object]] = {
    _Session: _read_session,
    _Caller: _read_caller,
    _Reading: _read_reading,
    _Trimming: _read_trimming,
    _Removing: _read_removing,
    _Finding: _read_finding,
    _Watching: _read_watching,
}


def _convert(value: object, shape: object) -> None:
    msgspec.convert(value, shape, dec_hook=lambda kind, part: _READERS[kind](part))


_Frame = tuple[str, str, str, str]
_Numbered = tuple[int, _Frame]
_Effect = tuple[_Session, _Caller | None] | None
_Texts = tuple[str, ...] | None
_Time = float | None
_Query = tuple[_Texts, _Texts, _Texts, _Texts, _Texts, _Text, _Time, _Time, _Time, _Time]

_SHAPES: dict[str, tuple[object, object]] = {
    "create_session": (_Session, _Session),
    "get_session": (str, _Session),
    "update_session": (_Session, _Session),
    "delete_session": (str, None),
    "list_sessions": (None, tuple[_Session, ...]),
    "count_sessions": (None, int),
    "add_frame": (_Frame, int),
    "get_frames": (str, tuple[_Frame, ...]),
    "delete_frames": (str, int),
    "count_frames": (str | tuple[str, str], int),
    "get_sessions_batch": (tuple[str, ...], tuple[_Session, ...]),
    "update_sessions_batch": (tuple[_Session, ...], tuple[_Session, ...]),
    "modify_session": (tuple[str, _Effect], _Session),
    "get_or_create_session": (_Session, tuple[_Session, bool]),
    "put_session": (_Session, _Session),
    "touch_session": (str, None),
    "archive_session": (tuple[str, _Session, int], _Session),
    "add_frames": (tuple[str, tuple[_Frame, ...], int | None, _Effect], tuple[int, int]),
    "read_frames": (_Reading, tuple[_Numbered, ...]),
    "trim_frames": (_Trimming, int),
    "remove_frames": (_Removing, int),
    "find_sessions": (_Finding, tuple[tuple[_Session, ...], _Text]),
    "expire_sessions": (tuple[_Time, _Time, int], tuple[_Session, ...]),
    "purge_sessions": (tuple[_Time, _Time, int], int),
    "watch_frames": (_Watching, _Numbered),
}

_REFUSALS: dict[str, object] = {
    "SessionNotFound": tuple[str, str],
    "SessionExists": tuple[str, str],
    "SessionClosed": tuple[str, str, str],
    "RevisionConflict": tuple[str, str, int, int],
    "SequenceConflict": tuple[str, str, int, int],
    "InvalidTransition": tuple[str, str, str, str],
}


def check_shape(operation: Operation) -> None:
    """Raise `ValueError` unless the operation has the shape of a call on a session store."""
    shapes = _SHAPES.get(operation.name)
    if shapes is None:
        raise ValueError(f"no operation of a session store: {operation.name[:40]}")
    result = operation.result
    try:
        _convert(operation.argument, shapes[0])
        if operation.outcome is Outcome.OK:
            _convert(result, shapes[1])
        elif operation.outcome is Outcome.FAILED:
            name = result[0] if isinstance(result, tuple) and result else None
            shape = _REFUSALS.get(name, tuple[str, ...]) if isinstance(name, str) else tuple[str]
            _convert(result, shape)
    except msgspec.ValidationError as error:
        raise ValueError(f"not the shape of {operation.name}: {error}") from None
