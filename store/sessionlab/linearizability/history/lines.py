"""Histories as JSON Lines: a header with format and version, then one operation a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from .json_text import decode_line, encode_line
from .operation import FORMAT, VERSION, Header, History, Operation, Outcome, Plain

__all__ = ["history_lines", "read_history_lines"]


class _HeaderLine(Header, frozen=True, kw_only=True):
    format: str
    version: int


class _OperationLine(msgspec.Struct, frozen=True, kw_only=True, rename={"returned": "return"}):
    """An operation whose arrays are still lists."""

    client: int
    name: str
    argument: Any = None
    result: Any = None
    call: int
    returned: int | None
    outcome: Outcome = Outcome.OK


_header = msgspec.json.Decoder(_HeaderLine)
_operation = msgspec.json.Decoder(_OperationLine)


def history_lines(history: History) -> Iterator[str]:
    """Yield the lines of a history, without their ends.

    The format is stable: version 1 is read by every later version of this library.
    """
    head = {"format": FORMAT, "version": VERSION} | msgspec.to_builtins(history.header)
    yield encode_line(head, ())
    for operation in history.operations:
        yield encode_line(operation, (operation.argument, operation.result))


def read_history_lines(lines: Iterable[str], source: str) -> History:
    """Return the history of such lines. Raises `ValueError`, which names file and line."""
    header: Header | None = None
    operations: list[Operation] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if header is None:
                header = _read_header(line)
            else:
                operations.append(_read_operation(line))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            # For text that is no JSON, the decoder reports the position and does not quote it.
            raise ValueError(f"{source}, line {number}: {error}") from None
    if header is None:
        raise ValueError(f"{source}: empty")
    return History(header=header, operations=tuple(sorted(operations, key=lambda each: each.call)))


def _read_header(line: str) -> Header:
    read = decode_line(line, _header)
    if read.format != FORMAT:
        raise ValueError(f"not the header of a {FORMAT}")
    if read.version != VERSION:
        raise ValueError(f"version {read.version} of the format is not known, only {VERSION}")
    return Header(
        model=read.model,
        store=read.store,
        versions=read.versions,
        seed=read.seed,
        faults=read.faults,
        one_counter=read.one_counter,
    )


def _read_operation(line: str) -> Operation:
    read = decode_line(line, _operation)
    if read.returned is None and read.outcome is not Outcome.UNKNOWN:
        raise ValueError(f"an operation that is {read.outcome} has returned at some time")
    if read.returned is not None and read.returned < read.call:
        raise ValueError("an operation returned before it was called")
    return Operation(
        client=read.client,
        name=read.name,
        argument=_plain(read.argument),
        result=_plain(read.result),
        call=read.call,
        returned=read.returned,
        outcome=read.outcome,
    )


def _plain(value: object) -> Plain:
    if isinstance(value, list):
        return tuple(_plain(item) for item in cast("list[object]", value))
    if isinstance(value, dict):
        raise ValueError("an object where a history has arrays")
    return cast("Plain", value)
