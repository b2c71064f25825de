"""Random histories of JSON values, and models that are too simple to be wrong about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from sessionlab import Operation, Outcome

from tests.support.brute_force import brute_force

__all__ = ["VALUES", "brute_force", "kv", "random_kv", "random_register", "register", "same"]


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.0, -0.0, 1.0, 1.5, 2**53, 2**53 + 1, float(2**53)),
    *(float("nan"), float("inf"), float("-inf"), "", "1", "true", "\u00e9", "e\u0301", "\ud800"),
    *((), (1,), (True,), (1.0,), (float("nan"),), ("a", (0, False)), ("a", (False, 0))),
)
ALIKE: tuple[tuple[Any, ...], ...] = (
    *((1, True, 1.0), (0, False, 0.0, -0.0), (float("nan"), float("nan"), None)),
    *((2**53, 2**53 + 1, float(2**53)), ("\u00e9", "e\u0301"), ((1,), (True,), (1.0,))),
    (((), 0), ((), False), ((), -0.0), ((), "0")),
)


def same(one: Any, other: Any) -> bool:
    """Whether everybody takes two values for one: they are written alike."""
    return repr(one) == repr(other)


def some_values(random: Random) -> Sequence[Any]:
    """Few values, most often such that Python takes some of them for equal."""
    if random.random() < 0.3:
        return random.sample(VALUES, 2)
    return random.choice(ALIKE)


def register(state: Any, operation: Operation) -> Iterator[Any]:
    """A compare-and-set register."""
    known = operation.outcome is not Outcome.UNKNOWN
    if operation.name == "read":
        if not known or same(operation.result, state):
            yield state
    elif operation.name == "write":
        yield operation.argument
    else:
        pair: Any = operation.argument
        expected, new = pair
        if same(state, expected) is not (operation.outcome is Outcome.FAILED):
            yield state if operation.outcome is Outcome.FAILED else new


def kv(state: Any, operation: Operation) -> Iterator[Any]:
    """A map as pairs of a key and a value; a missing value is the empty text."""
    pair: Any = operation.argument
    key, value = pair
    pairs: tuple[Any, ...] = state or ()
    before = next((item for each, item in pairs if same(each, key)), "")
    others = tuple(pair for pair in pairs if not same(pair[0], key))
    if operation.name == "get":
        if operation.outcome is Outcome.UNKNOWN or same(operation.result, before):
            yield state
    elif operation.name == "put":
        yield (*others, (key, value))
    elif isinstance(before, str) and isinstance(value, str):
        yield (*others, (key, before + value))


def random_register(random: Random) -> list[Operation]:
    """Up to six operations of three clients, with answers that may be right."""
    few = some_values(random)

    def fill(name: str) -> tuple[Any, Any]:
        if name == "read":
            return None, random.choice((*few, None))
        if name == "write":
            return random.choice(few), None
        return (random.choice((*few, None)), random.choice(few)), None

    return timed(random, lambda: random.choice(("read", "read", "write", "cas")), fill)


def random_kv(random: Random) -> list[Operation]:
    """The same with keys that are values, too."""
    few = some_values(random)
    keys = some_values(random)[:2] if random.random() < 0.5 else ("x",)

    def fill(name: str) -> tuple[Any, Any]:
        key = random.choice(keys)
        if name == "get":
            return (key, None), random.choice((*few, ""))
        return (key, random.choice(few)), None

    return timed(random, lambda: random.choice(("get", "get", "put", "put", "append")), fill)


def timed(
    random: Random, name_of: Callable[[], str], fill: Callable[[str], tuple[Any, Any]]
) -> list[Operation]:
    """Operations with times drawn from few numbers: many are equal, many overlap."""
    operations: list[Operation] = []
    free = [0, 0, 0]
    for _ in range(random.randint(2, 6)):
        client = random.randrange(3)
        call = free[client] + random.randint(0, 3)
        returned = call + random.randint(0, 6)
        free[client] = returned + random.randint(0, 1)
        name = name_of()
        argument, result = fill(name)
        outcome = random.choice((Outcome.OK,) * 8 + (Outcome.FAILED, Outcome.UNKNOWN))
        operations.append(
            Operation(
                client=client,
                name=name,
                argument=argument,
                result=result if outcome is Outcome.OK else None,
                call=call,
                returned=random.choice((returned, None))
                if outcome is Outcome.UNKNOWN
                else returned,
                outcome=outcome,
            )
        )
    return operations
