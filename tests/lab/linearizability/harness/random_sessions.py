"""Random histories of a session store, and the store in so few lines that they are seen right.

Revisions are told in tens. One that nobody was told may be any number between, so there is room
for all of them: the contract says that they grow, not by how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from msgspec.structs import replace
from random_values import same, some_values
from sessionlab import Operation, Outcome

__all__ = ["random_sessions", "sessions"]

IDS = ("a", "b", "c")
TOLD = range(10, 80, 10)


def caller(mark: Any) -> tuple[Any, ...]:
    """A caller's fields that differ by one value, which stands where metadata stand."""
    return ("stdio", "active", None, None, None, None, (None, None, None), (), mark, None)


def report(id: str, mark: Any, revision: Any, frames: int = 0) -> tuple[Any, ...]:
    """A snapshot."""
    return (id, caller(mark), revision, frames, frames, 1.5, 1.5, None)


def frame(id: str, text: Any) -> tuple[Any, ...]:
    """A frame whose text is any value."""
    return (id, "client-to-server", text, "{}")


def random_sessions(random: Random) -> list[Operation]:
    """Up to six operations of three clients on three sessions. Their answers are right for the
    moments at which they are taken to happen, but for lies in some of them.
    """
    times: list[tuple[int, int, int, int]] = []
    free = [0, 0, 0]
    for _ in range(random.randint(2, 6)):
        client = random.randrange(3)
        call = free[client] + random.randint(0, 2)
        returned = call + random.randint(0, 7)
        free[client] = returned + random.randint(0, 1)
        times.append((random.randint(call, returned), client, call, returned))
    few, store = some_values(random), _Store()
    operations = [
        _asked(random, few, store, client, call, returned)
        for _, client, call, returned in sorted(times)
    ]
    if random.random() < 0.6:
        index = random.randrange(len(operations))
        operations[index] = _lie(random, few, operations[index])
    random.shuffle(operations)
    return operations


class _Store:
    """Sessions by id: (caller's fields, revision, frames)."""

    def __init__(self) -> None:
        self.high = 0
        self.table: dict[str, Any] = {}

    def put(self, id: str, fields: Any, frames: Any) -> None:
        self.high += 10
        self.table[id] = (fields, self.high, frames)


def _asked(
    random: Random, few: Sequence[Any], store: _Store, client: int, call: int, returned: int
) -> Operation:
    there = random.choice([*store.table, random.choice(IDS)])
    held: Any = store.table.get(there)
    mark = random.choice(few)
    before = None if held is None else _shown(there, *held)
    outcome = Outcome.UNKNOWN if random.random() < 0.2 else Outcome.OK
    name = random.choice(_LATER if held else ("create_session", "get_or_create_session"))
    argument: Any = there
    result: Any = None
    if before is None:
        store.put(there, caller(mark), ())
        argument, result = report(there, mark, 0), _shown(there, *store.table[there])
        if name == "get_or_create_session":
            result = (result, True)
    elif name == "get_session":
        result = before
    elif name == "get_or_create_session":
        argument, result = report(there, mark, 0), (before, False)
    elif name in ("update_session", "modify_session"):
        argument = (there, caller(mark), *before[2:])
        if name == "modify_session":
            argument = (there, (before, caller(mark)))
        store.put(there, caller(mark), held[2])
        result = _shown(there, *store.table[there])
    elif name == "look":
        name, argument, result = "modify_session", (there, (before, None)), before
    elif name == "delete_session":
        del store.table[there]
    elif name == "add_frame":
        argument = frame(there, mark)
        store.table[there] = (*held[:2], (*held[2], argument))
        result = len(held[2]) + 1
    elif name == "get_frames":
        result = held[2]
    elif name == "count_frames":
        result = len(held[2])
    elif name == "add_frames":
        store.put(there, caller(mark), held[2])
        argument = (there, (), None, (before, caller(mark)))
        result = (len(held[2]) + 1, len(held[2]) + 1)
    elif name == "list_sessions":
        argument, result = None, tuple(_shown(each, *store.table[each]) for each in store.table)
    else:
        name, outcome = "update_session", Outcome.FAILED
        argument = (there, caller(mark), random.choice(TOLD), *before[3:])
        result = ("RevisionConflict", there, argument[2], before[2])
    return Operation(
        client=client,
        name=name,
        argument=argument,
        result=None if outcome is Outcome.UNKNOWN else result,
        call=call,
        returned=random.choice((returned, None)) if outcome is Outcome.UNKNOWN else returned,
        outcome=outcome,
    )


_LATER = (
    *("get_session", "get_session", "get_or_create_session", "look", "conflict"),
    *("update_session", "modify_session", "modify_session", "add_frames", "delete_session"),
    *("add_frame", "get_frames", "count_frames", "list_sessions"),
)


def _lie(random: Random, few: Sequence[Any], operation: Operation) -> Operation:
    """An operation with a changed answer or a changed argument."""

    def other(value: Any) -> Any:
        if isinstance(value, tuple) and value:
            place = random.randrange(len(value))
            return (*value[:place], other(value[place]), *value[place + 1 :])
        if type(value) is int:
            # No number between those told: which it may be, only the checker has to know.
            less = value + 1 if value < 5 else value - 10
            return random.choice((*TOLD, value, float(value), value == 1, less))
        return random.choice((value, random.choice(few)))

    result: Any = operation.result
    if isinstance(result, tuple) and len(result) == 8:
        place = random.choice((1, 2, 2, 2))
        lie = other(result[place]) if place == 2 else caller(random.choice(few))
        result = (*result[:place], lie, *result[place + 1 :])
    elif operation.name == "get_frames" and result:
        first: Any = result[0]
        result = (frame(first[0], random.choice(few)),)
    elif operation.outcome is Outcome.FAILED:
        result = (*result[:3], random.choice(TOLD))
    elif type(result) is int:
        result = other(result)
    return replace(operation, result=result)


def sessions(state: Any, operation: Operation) -> Iterator[Any]:
    """The store: (last revision given, {id: (caller, revision, frames)} as pairs)."""
    high, pairs = state or (0, ())
    table: dict[str, Any] = dict(pairs)
    for grown, left in _steps(high, table, operation):
        yield (grown, tuple(left.items()))


def _steps(high: int, table: dict[str, Any], operation: Operation) -> Iterator[Any]:
    name: str = operation.name
    argument: Any = operation.argument
    result: Any = operation.result
    known: Any = result if operation.outcome is Outcome.OK else None
    if name == "list_sessions":
        if known is None or same(known, tuple(_shown(each, *table[each]) for each in table)):
            yield high, table
        return
    which: Any = argument[0] if isinstance(argument, tuple) else argument
    held = table.get(which)
    if name in ("create_session", "get_or_create_session"):
        if held is None:
            new = argument[1]
            if name == "get_or_create_session" and known is not None:
                if known[1] is not True:
                    return
                known = known[0]
            yield from _written(high, table, which, (new, ()), known)
        elif name == "get_or_create_session":
            fits = known is None or (known[1] is False and same(known[0], _shown(which, *held)))
            if fits:
                yield high, table
        return
    if held is None:
        return
    fields, revision, frames = held
    if name == "delete_session":
        yield high, {each: table[each] for each in table if each != which}
    elif name == "get_session":
        if known is None or same(known, _shown(which, *held)):
            yield high, table
    elif name == "add_frame":
        if known is None or same(known, len(frames) + 1):
            yield high, table | {which: (fields, revision, (*frames, argument))}
    elif name == "get_frames":
        if known is None or same(known, frames):
            yield high, table
    elif name == "count_frames":
        if known is None or same(known, len(frames)):
            yield high, table
    elif operation.outcome is Outcome.FAILED:
        if not same(argument[2], revision) and same(result[3], revision):
            yield high, table
    elif name == "update_session":
        if same(argument[2], revision):
            yield from _written(high, table, which, (argument[1], frames), known)
    else:
        given, new = argument[-1]
        told = name == "modify_session"
        if not same(given, _shown(which, *held)):
            return
        if known is not None and not told and not same(known, (len(frames) + 1, len(frames) + 1)):
            return
        if new is not None:
            yield from _written(high, table, which, (new, frames), known if told else None)
        elif known is None or not told or same(known, given):
            yield high, table


def _written(
    high: int, table: dict[str, Any], id: str, new: tuple[Any, Any], known: Any
) -> Iterator[Any]:
    """A write with a revision above all before; the one that was told, or any."""
    told = TOLD if known is None else (known[2],)
    numbers = [*told] if known is not None else _any_above(high)
    for number in numbers:
        entry = (new[0], number, new[1])
        if (
            type(number) is int
            and number > high
            and (known is None or same(known, _shown(id, *entry)))
        ):
            yield number, {**{each: table[each] for each in table}, id: entry}


def _any_above(high: int) -> list[int]:
    """The next number, which nobody was told, and those that somebody may have been told."""
    return [high + 1, *(number for number in TOLD if number > high + 1)]


def _shown(id: str, fields: Any, revision: int, frames: Any) -> tuple[Any, ...]:
    return (id, fields, revision, len(frames), len(frames), 1.5, 1.5, None)
