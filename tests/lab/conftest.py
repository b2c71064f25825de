"""Histories in few words, at random too, and a checker too simple to be wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sessionlab import Operation, Outcome

from tests.support.brute_force import Spec, brute_force

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shared_histories() -> Path:
    """Real histories with known verdicts: never part of the project, their licence is unclear."""
    given = os.environ.get("SESSIONKEEPER_HISTORIES")
    folder = Path(given) if given else ROOT.parent / "shared" / "histories"
    if not (folder / "verdicts.json").is_file():
        pytest.skip(
            "no folder of real histories: not part of the project, as their licence is unclear;"
            " set SESSIONKEEPER_HISTORIES to one with a verdicts.json"
        )
    return folder


def register(state: Any, operation: Operation) -> Iterator[Any]:
    """A compare-and-set register, apart from the model."""
    if operation.name == "read":
        if operation.outcome is Outcome.UNKNOWN or operation.result == state:
            yield state
    elif operation.name == "write":
        yield operation.argument
    else:
        assert isinstance(operation.argument, tuple)
        expected, new = operation.argument
        if (state == expected) is not (operation.outcome is Outcome.FAILED):
            yield state if operation.outcome is Outcome.FAILED else new


def kv(state: Any, operation: Operation) -> Iterator[Any]:
    """A map of strings, apart from the model: a dict as sorted pairs."""
    assert isinstance(operation.argument, tuple)
    key, value = operation.argument
    held = dict(state or ())
    before = held.get(key, "")
    if operation.name == "get":
        if operation.outcome is Outcome.UNKNOWN or operation.result == before:
            yield state
        return
    held[key] = value if operation.name == "put" else before + str(value)
    yield tuple(sorted(held.items()))


SPECS: dict[str, Spec] = {"register": register, "kv": kv}


def random_register(random: Random) -> list[Operation]:
    """Up to seven operations of three clients, with answers that may be right."""
    return _random(random, ("read", "write", "cas"))


def random_kv(random: Random) -> list[Operation]:
    """The same on two keys."""
    return _random(random, ("get", "put", "append"))


def _random(random: Random, names: tuple[str, str, str]) -> list[Operation]:
    operations: list[Operation] = []
    free = [0, 0, 0]
    for _ in range(random.randint(1, 7)):
        client = random.randrange(3)
        # Times are drawn from few numbers: many are equal.
        call = free[client] + random.randint(0, 3)
        returned = call + random.randint(0, 6)
        free[client] = returned + random.randint(0, 1)
        operations.append(_filled(random, random.choice(names), client, call, returned))
    return operations


def _filled(random: Random, name: str, client: int, call: int, returned: int) -> Operation:
    outcome = random.choice((Outcome.OK,) * 6 + (Outcome.FAILED, Outcome.UNKNOWN))
    small = random.randint(0, 2)
    argument: Any = None
    result: Any = None
    if name == "read":
        result = random.choice((None, 0, 1, 2))
    elif name == "write":
        argument = small
    elif name == "cas":
        argument = (small, random.randint(0, 2))
    else:
        letter = "" if name == "get" else random.choice("ab")
        argument = (random.choice("xy"), letter)
        result = random.choice(("", "a", "b", "ab", "ba")) if name == "get" else None
    return Operation(
        client=client,
        name=name,
        argument=argument,
        result=result if outcome is Outcome.OK else None,
        call=call,
        returned=random.choice((returned, None)) if outcome is Outcome.UNKNOWN else returned,
        outcome=outcome,
    )


class Lab:
    """What a test of the checker needs in every second line."""

    specs = SPECS
    brute_force = staticmethod(brute_force)
    random_register = staticmethod(random_register)
    random_kv = staticmethod(random_kv)

    def op(
        self,
        name: str,
        argument: Any = None,
        result: Any = None,
        *,
        at: tuple[int, int | None],
        client: int = 0,
        outcome: Outcome = Outcome.OK,
    ) -> Operation:
        """An operation with a call and a return."""
        return Operation(
            client=client,
            name=name,
            argument=argument,
            result=result,
            call=at[0],
            returned=at[1],
            outcome=outcome,
        )

    def maybe(self, name: str, argument: Any = None, *, call: int, client: int = 9) -> Operation:
        """One whose outcome nobody knows."""
        return self.op(name, argument, at=(call, None), client=client, outcome=Outcome.UNKNOWN)


@pytest.fixture
def lab() -> Lab:
    """Operations in few words, random ones, and the simple checker."""
    return Lab()
