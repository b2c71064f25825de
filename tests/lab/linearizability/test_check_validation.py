"""The error for a model that breaks its own rules names the operation."""

from __future__ import annotations

from typing import Any

import pytest
from sessionlab import Operation, Register, Verdict, check

WRITES = [
    Operation(client=n, name="write", argument=n, call=2 * n, returned=2 * n + 3) for n in range(4)
]
IMPOSSIBLE = [*WRITES, Operation(client=9, name="read", result=77, call=20, returned=21)]


class Unhashable(Register):
    def step(self, state: Any, operation: Operation, /) -> Any:
        return [[operation.argument]]


class Beginning(Register):
    def init(self) -> Any:
        return {}


class Cell(list[Any]):
    def __hash__(self) -> int:  # type: ignore[override]  # the mistake that hides the others
        return 1


class Mutating(Register):
    def init(self) -> Any:
        return Cell()

    def step(self, state: Any, operation: Operation, /) -> Any:
        state.append(operation.argument)
        return [state]


@pytest.mark.parametrize(
    ("model", "error", "where"),
    [
        (Unhashable(), TypeError, r"operation 0 \(write by client 0\)"),
        (Beginning(), TypeError, r"init\(\)"),
        (Mutating(), ValueError, r"operation 0 \(write by client 0\)"),
    ],
)
def test_a_model_that_breaks_the_rules_is_reported_with_the_step(
    model: Register, error: type[Exception], where: str
) -> None:
    """A clear error that names the operation; never a wrong verdict."""
    with pytest.raises(error, match=where):
        check(IMPOSSIBLE, model)


def test_a_custom_model_that_keeps_the_rules_is_used() -> None:
    """Only the mistake is refused."""

    class Mine(Register):
        pass

    assert check(WRITES, Mine()).verdict is Verdict.OK
    assert check(IMPOSSIBLE, Mine()).verdict is Verdict.ILLEGAL
