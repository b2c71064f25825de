"""A map, empty at first, with get, put and append; its keys are independent."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, TypeAlias, cast

from ..history.exact import exact, format_exact
from ..history.operation import Operation, Outcome
from .model import Model

__all__ = ["KeyValue"]

_SHOWN = 40

Value: TypeAlias = Hashable


class KeyValue(Model[Value]):
    """The argument is (key, value); every operation has one key, so the state is its value.

    What was never put is the empty text; only texts are appended, and only to texts. States are
    exact forms of values.
    """

    name: ClassVar[str] = "kv"

    def init(self) -> Value:
        return ""

    def step(self, state: Value, operation: Operation, /) -> tuple[Value, ...]:
        name = operation.name
        if name == "get":
            seen = operation.result
            return (state,) if (seen if type(seen) is str else exact(seen)) == state else ()
        value = cast("tuple[str, Value]", operation.argument)[1]
        if type(value) is not str:
            value = exact(value)
        if name == "put":
            return (value,)
        if isinstance(state, str) and isinstance(value, str):
            return (state + value,)
        return ()

    def state_key(self, state: Value, /) -> Value:
        return state

    def key(self, operation: Operation, /) -> tuple[Hashable, ...]:
        key = cast("tuple[Value, Value]", operation.argument)[0]
        return (key if type(key) is str else exact(key),)

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
        if not isinstance(key, str):
            raise ValueError(f"keys of {name} are texts")
        if name == "append" and not isinstance(value, str):
            raise ValueError("only texts are appended")

    def describe(self, state: Value, /) -> str:
        return f"the value is {_format_value(state)}"

    def explain(self, state: Value, operation: Operation, /) -> str:
        if operation.name == "get":
            return (
                f"get answered {_format_value(exact(operation.result))}, but {self.describe(state)}"
            )
        if operation.name == "append":
            return f"append is possible to a text only, but {self.describe(state)}"
        return "put is always possible"


def _format_value(value: Value) -> str:
    if not isinstance(value, str) or len(value) <= _SHOWN:
        return format_exact(value)
    return f"{len(value)} characters ending in {value[-_SHOWN:]!r}"
