"""A map of strings, empty at first, with get, put and append; keys do not know each other."""

from __future__ import annotations

from typing import ClassVar, cast

from ..history.operation import Operation, Outcome
from .model import Model

__all__ = ["KeyValue"]

_SHOWN = 40


class KeyValue(Model[str]):
    """The argument is (key, value); every operation has one key, so the state is its value."""

    name: ClassVar[str] = "kv"

    def init(self) -> str:
        return ""

    def step(self, state: str, operation: Operation, /) -> tuple[str, ...]:
        name = operation.name
        if name == "get":
            return (state,) if operation.result == state else ()
        value = cast("tuple[str, str]", operation.argument)[1]
        return (value,) if name == "put" else (state + value,)

    def key(self, operation: Operation, /) -> tuple[str, ...]:
        return (cast("tuple[str, str]", operation.argument)[0],)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.name == "get"

    def is_evidence(self, operation: Operation, /) -> bool:
        return operation.outcome is not Outcome.FAILED

    def check_shape(self, operation: Operation, /) -> None:
        argument, name = operation.argument, operation.name
        fits = name in ("get", "put", "append") and isinstance(argument, tuple)
        if not fits or len(cast("tuple[object, ...]", argument)) != 2:
            raise ValueError("no operation of a map")
        key, value = cast("tuple[object, object]", argument)
        if not isinstance(key, str) or (name != "get" and not isinstance(value, str)):
            raise ValueError(f"keys and values of {name} are texts")

    def describe(self, state: str, /) -> str:
        return f"the value is {_shown(state)}"

    def explain(self, state: str, operation: Operation, /) -> str:
        if operation.name == "get":
            return f"get answered {_shown(str(operation.result))}, but {self.describe(state)}"
        return f"{operation.name} is always possible"


def _shown(value: str) -> str:
    if len(value) <= _SHOWN:
        return repr(value)
    return f"{len(value)} characters ending in {value[-_SHOWN:]!r}"
