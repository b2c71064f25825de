"""The time limit holds everywhere in reading and checking, in steps and not in seconds.

The clock of these tests advances with each line of Python that is executed, a microsecond a line.
So "late by at most" is a number of lines, the same on every machine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from sessionlab import (
    CheckResult,
    KeyValue,
    Model,
    Operation,
    Outcome,
    Register,
    SessionStoreModel,
    Verdict,
    check,
    grade,
    read_history,
)
from sessionlab.linearizability import time_limit
from sessionlab.linearizability.time_limit import OutOfTime, TimeLimit

MARGIN = 250_000
"""Lines after the limit: `docs/deadlines.md` says 0.5 seconds for it."""


class LineClock:
    """Counts the lines that are executed."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self) -> float:
        return self.lines / 1e6

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        """Count a line of any frame."""
        if event == "line":
            self.lines += 1
        return self.trace


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[LineClock]:
    """Let the checker look at a clock that counts lines."""
    clock = LineClock()
    before = sys.gettrace()
    with monkeypatch.context() as patch:
        patch.setattr(time_limit, "monotonic", clock)
        sys.settrace(clock.trace)
        try:
            yield clock
        finally:
            sys.settrace(before)


def op(name: str, argument: Any = None, result: Any = None, **more: Any) -> Operation:
    """Make an operation from the fields that matter."""
    unknown = more.get("returned", 0) is None
    outcome = Outcome.UNKNOWN if unknown else more.pop("outcome", Outcome.OK)
    return Operation(name=name, argument=argument, result=result, outcome=outcome, **more)


def wide(count: int = 3_000) -> list[Operation]:
    """Everything at once: each step of the search looks at all that is open."""
    random = Random(1)
    writes = [
        op("write", random.randrange(50), client=n, call=n, returned=2 * count)
        for n in range(count)
    ]
    reads = [
        op("read", None, random.randrange(50), client=count + n, call=count + n, returned=3 * count)
        for n in range(count)
    ]
    return [
        *writes,
        *reads,
        op("read", None, "none", client=-1, call=4 * count, returned=5 * count),
    ]


def unknown(count: int = 40) -> list[Operation]:
    """Exponentially many ways to use what has no outcome, within one step of the search."""
    lost = [op("append", ("k", f"{n}"), client=n, call=n, returned=None) for n in range(count)]
    return [*lost, op("get", ("k", None), "none", client=99, call=1_000, returned=1_001)]


def long(count: int = 15_000) -> list[Operation]:
    """One after the other, to be partitioned, ordered and looked through."""
    return [
        op("write", n, client=0, call=2 * n, returned=2 * n + 1)
        if n % 2
        else op("read", None, n - 1 if n else None, client=0, call=2 * n, returned=2 * n + 1)
        for n in range(count)
    ]


def long_and_wrong(count: int = 4_000) -> list[Operation]:
    """Illegal at its end, so there is much to shrink."""
    right = long(count)
    return [*right, op("read", None, "x", client=0, call=3 * count, returned=3 * count + 1)]


def strangers(count: int = 250) -> list[Operation]:
    """Every read of a log contradicts, and is looked for in every other log."""
    found: list[Operation] = []
    for n in range(count):
        call = 4 * n
        frame = f"frame-{n}"
        found.append(op("add_frame", (f"s{n}", frame), 1, client=0, call=call, returned=call + 1))
        texts = tuple(f"other-{n}-{i}" for i in range(40))
        found.append(
            op("get_frames", (f"s{n}",), texts, client=0, call=call + 2, returned=call + 3)
        )
    return found


class Many(Model[int]):
    """Every write may lead to thousands of states."""

    name = "many"

    def init(self) -> int:
        return 0

    def step(self, state: int, operation: Operation, /) -> Iterable[int]:
        return range(state, state + 4_000)

    def key(self, operation: Operation, /) -> tuple[str, ...]:
        return ("k",)

    def is_read(self, operation: Operation, /) -> bool:
        return False

    def describe(self, state: int, /) -> str:
        return f"{state}"

    def explain(self, state: int, operation: Operation, /) -> str:
        return "no"


def at_once(count: int = 30) -> list[Operation]:
    """Writes that all overlap."""
    return [op("w", n, client=n, call=n, returned=1_000) for n in range(count)]


CASES: dict[str, tuple[Callable[[], list[Operation]], Callable[[], Any]]] = {
    "wide": (wide, Register),
    "unknown outcomes": (unknown, KeyValue),
    "long": (long, Register),
    "shrinking": (long_and_wrong, Register),
    "contradictions": (strangers, SessionStoreModel),
    "many next states": (at_once, Many),
}


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_a_check_ends_a_bounded_number_of_steps_after_its_limit(
    case: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the limit falls: partitioning, looking through logs, searching, explaining."""
    make, model = CASES[case]
    operations = make()
    with counted(monkeypatch) as clock:
        result: CheckResult = check(operations, model(), timeout=seconds)
    assert clock.lines <= seconds * 1e6 + MARGIN, (case, clock.lines)
    if result.verdict is Verdict.UNKNOWN:
        assert result.reason == "time limit"
    else:
        assert result.operations == len(operations)


def test_few_of_many_unknown_outcomes_are_tried_before_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two appends explain what was read; the ways to use forty of them would take for ever."""
    *lost, _ = unknown()
    read = op("get", ("k", None), "57", client=99, call=1_000, returned=1_001)
    with counted(monkeypatch):
        result = check([*lost, read], KeyValue(), timeout=1.0)
    assert result.verdict is Verdict.OK


def test_no_time_is_no_verdict() -> None:
    """Even a quick check is UNKNOWN."""
    assert check(long(10), Register(), timeout=0).reason == "time limit"


def test_grading_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """All guarantees have one limit."""
    with counted(monkeypatch) as clock:
        grade(wide(500), Register(), timeout=0.3)
    assert clock.lines <= 300_000 + MARGIN


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_reading_ends_too(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two lines of the file."""
    file = tmp_path / "history.jsonl"
    head = {"format": "sessionkeeper-history", "version": 1, "model": "register"}
    line = {"client": 0, "name": "write", "argument": 1, "call": 0, "return": 1}
    file.write_text("\n".join(map(json.dumps, [head, *[line] * 20_000])))
    with counted(monkeypatch) as clock, pytest.raises(OutOfTime):
        read_history(file, limit=TimeLimit(seconds))
    assert clock.lines <= seconds * 1e6 + MARGIN


def test_a_limit_within_a_limit_is_the_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explanation takes seconds at most, and no longer than is left."""
    now = [0.0]
    monkeypatch.setattr(time_limit, "monotonic", lambda: now[0])
    outer = TimeLimit(10)
    assert outer.within(3).left == 3
    now[0] = 9
    assert outer.within(3).left == 1
    assert TimeLimit(None).within(3).left == 3
    assert TimeLimit(None).left is None
    now[0] = 11
    assert outer.left == 0
    with pytest.raises(OutOfTime):
        outer.look()
