"""Violations outside any contract: a wrong type, an unknown error, an end of the process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Mapping
from functools import cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .. import AnomalyKind, RecordingStore
from ..sessions.recorded_call import RecordedCall
from .loading import NotAStore
from .results import Picture

__all__ = [
    "UNEXPECTED_ANSWER",
    "UNEXPECTED_ERROR",
    "CheckedRecording",
    "WrongAnswer",
    "describe_error",
    "picture_of_end",
]

UNEXPECTED_ERROR = "unexpected error"
"""Not an anomaly of a history: the store raised an error that its contract does not allow."""
UNEXPECTED_ANSWER = "unexpected answer"
"""Not an anomaly of a history: the store returned a value of a wrong type."""
UNEXPECTED_END = "unexpected end"
"""Not an anomaly of a history: the store ended its process."""

_NO_CALLS = ("open", "aclose", "__aenter__", "__aexit__")

R = TypeVar("R")


class WrongAnswer(Exception):
    """A call returned a value of a wrong type; the text says what it did."""


class CheckedRecording(RecordingStore):
    """A recording that checks the type of every answer. Raises `WrongAnswer`."""

    async def _run(self, call: RecordedCall, reply: Awaitable[R]) -> R:
        if not inspect.isawaitable(reply):
            reply = cast("Awaitable[R]", _refuse(call.name, reply))
        return await super()._run(call, _checked(call.name, reply))


async def _refuse(method: str, reply: object) -> object:
    raise WrongAnswer(f"{method} returned {_a(reply)} where an awaitable is promised")


async def _checked(method: str, reply: Awaitable[R]) -> R:
    try:
        answer = await reply
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise WrongAnswer(f"{method} raised CancelledError, and nobody had cancelled") from None
        raise
    promised = _promised().get(method)
    if promised is not None:
        wrong = _difference(answer, promised)
        if wrong is not None:
            raise WrongAnswer(f"{method} returned {wrong} where {_name(promised)} is promised")
    return answer


@cache
def _promised() -> Mapping[str, Any]:
    """Return the declared return type of each method."""
    methods = {name: getattr(AtomicSessionStore, name) for name in dir(AtomicSessionStore)}
    return {
        name: get_type_hints(method)["return"]
        for name, method in methods.items()
        if inspect.iscoroutinefunction(method) and name not in _NO_CALLS
    }


def _difference(value: object, promised: Any) -> str | None:
    """Describe a value that is not of a type; return None if it is."""
    origin, arguments = get_origin(promised) or promised, get_args(promised)
    # A boolean is an int in Python, but not a number to a caller.
    if not isinstance(value, origin) or (origin is int and isinstance(value, bool)):
        return _a(value)
    if origin is list:
        strangers = (_difference(each, arguments[0]) for each in cast("list[object]", value))
        found = next((each for each in strangers if each is not None), None)
        return None if found is None else f"a list with {found}"
    if origin is tuple:
        parts = cast("tuple[object, ...]", value)
        if len(parts) != len(arguments):
            return f"a tuple of {len(parts)}"
        for part, of in zip(parts, arguments, strict=True):
            found = _difference(part, of)
            if found is not None:
                return f"a tuple with {found}"
    return None


def _a(value: object) -> str:
    name = type(value).__name__
    if value is None:
        return "None"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _name(promised: Any) -> str:
    if promised is NoneType:
        return "None"
    arguments = get_args(promised)
    name = str(getattr(get_origin(promised) or promised, "__name__", promised))
    return f"{name}[{', '.join(map(_name, arguments))}]" if arguments else name


def describe_error(error: BaseException) -> str:
    """Describe what a store did, to follow its name; the text of an error may be a secret."""
    if isinstance(error, NotAStore):
        return "did not make a SessionStore"
    return str(error) if isinstance(error, WrongAnswer) else f"raised {type(error).__name__}"


def picture_of_end(how: str, *, expected: str = "") -> Picture:
    """Return the picture of a run that left no history."""
    hangs = "hung for" in how or "blocked the loop" in how
    anomaly = UNEXPECTED_ERROR if how.startswith("raised") else UNEXPECTED_END
    return Picture(
        anomaly=AnomalyKind.HANG.value if hangs else anomaly,
        why=f"the store {how}",
        expected=expected,
        state="",
        bars=(),
        token=None,
        deviations=None,
        interleaving="",
        operations=0,
    )
