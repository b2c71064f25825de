"""A register with compare-and-set, as in the logs of Jepsen; nil at first."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, TypeAlias, cast

from ..history.exact import exact, format_exact
from ..history.operation import Operation, Outcome
from .model import Model

__all__ = ["Register"]

Value: TypeAlias = Hashable


class Register(Model[Value]):
    """`read` answers the value, `write` sets it, `cas` (from, to) sets it if it is `from`.

    A failed `cas` shows that the value was another one. States are exact forms of values.
    """

    name: ClassVar[str] = "register"

    def init(self) -> Value:
        return None

    def step(self, state: Value, operation: Operation, /) -> tuple[Value, ...]:
        name = operation.name
        if name == "read":
            return (state,) if exact(operation.result) == state else ()
        if name == "write":
            return (cast("Value", exact(operation.argument)),)
        expected, new = cast("tuple[Value, Value]", exact(operation.argument))
        if operation.outcome is Outcome.FAILED:
            return (state,) if state != expected else ()
        return (new,) if state == expected else ()

    def state_key(self, state: Value, /) -> Value:
        return state

    def key(self, operation: Operation, /) -> tuple[str, ...]:
        return ("register",)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.name == "read" or operation.outcome is Outcome.FAILED

    def is_evidence(self, operation: Operation, /) -> bool:
        return operation.outcome is not Outcome.FAILED or operation.name == "cas"

    def check_shape(self, operation: Operation, /) -> None:
        argument, name = operation.argument, operation.name
        if name == "cas":
            fits = isinstance(argument, tuple) and len(argument) == 2
        else:
            fits = name in ("read", "write")
        if not fits:
            raise ValueError("no operation of a register")

    def describe(self, state: Value, /) -> str:
        return f"the register holds {_format_form(state)}"

    def explain(self, state: Value, operation: Operation, /) -> str:
        if operation.name == "read":
            return f"read {_format_value(operation.result)}, but {self.describe(state)}"
        if operation.name == "write":
            return f"write {_format_value(operation.argument)} is always possible"
        expected, new = cast("tuple[Value, Value]", operation.argument)
        did = "failed" if operation.outcome is Outcome.FAILED else "succeeded"
        values = f"{_format_value(expected)} to {_format_value(new)}"
        return f"cas {values} {did}, but {self.describe(state)}"


def _format_value(value: object) -> str:
    return _format_form(exact(value))


def _format_form(form: object) -> str:
    return "nil" if form is None else format_exact(form)
