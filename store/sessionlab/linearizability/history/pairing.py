"""Pairs calls with their ends, for logs that have a line for each."""

from __future__ import annotations

from .integers import read_integer
from .operation import Operation, Outcome, Plain

__all__ = ["Pairing"]


class Pairing:
    """The open call of each client. The time of an event is the number of its line."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: dict[int, tuple[str, Plain, int]] = {}
        self._done: list[Operation] = []

    def malformed(self, line: int, why: str) -> ValueError:
        """Return the error that names file and line."""
        return ValueError(f"{self._source}, line {line}: {why}")

    def number(self, line: int, digits: str) -> int:
        """Return the number of a text. Raises `ValueError` when it is too long to read."""
        try:
            return read_integer(digits)
        except ValueError as error:
            raise self.malformed(line, str(error)) from None

    def call(self, line: int, client: int, name: str, argument: Plain) -> None:
        """Note a call. Raises `ValueError` when the client has one open."""
        if client in self._open:
            raise self.malformed(line, f"process {client} has a call open already")
        self._open[client] = (name, argument, line)

    def end(self, line: int, client: int, name: str, outcome: Outcome, result: Plain) -> None:
        """Note the end of a call. Raises `ValueError` when it does not fit the open one."""
        begun = self._open.pop(client, None)
        if begun is None or begun[0] != name:
            raise self.malformed(line, f"process {client} has no {name} open")
        self._add(client, begun, line, outcome, result)

    def finish(self) -> tuple[Operation, ...]:
        """Return the operations in order of their calls; open ones have an unknown outcome."""
        for client, begun in self._open.items():
            self._add(client, begun, None, Outcome.UNKNOWN, None)
        self._open.clear()
        return tuple(sorted(self._done, key=lambda operation: operation.call))

    def _add(
        self,
        client: int,
        begun: tuple[str, Plain, int],
        line: int | None,
        outcome: Outcome,
        result: Plain,
    ) -> None:
        name, argument, call = begun
        self._done.append(
            Operation(
                client=client,
                name=name,
                argument=argument,
                result=result,
                call=call,
                returned=line,
                outcome=outcome,
            )
        )
