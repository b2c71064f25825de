"""What a process does that is to be killed, and what it says: known to it and to who kills it.

Call by call, each client appends frames whose texts say which they are. Not before a call is
answered does the process write a line about it, in one piece, so that a line is there or is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from sessionkeeper.values.message import MessageEnvelope

from ..clients import note

__all__ = ["BATCH", "CLIENTS", "SESSION", "Ack", "frames_of", "parse_ack", "texts_of"]

SESSION = "a"
BATCH = 8
CLIENTS = (1, BATCH, BATCH)
"""How many frames a client appends in one call."""


@dataclass(frozen=True, slots=True)
class Ack:
    """A call that was answered: which one of which client, and the number of its first frame."""

    client: int
    call: int
    first: int

    def line(self) -> bytes:
        """Return what is written of it."""
        return b"%d %d %d\n" % (self.client, self.call, self.first)


def parse_ack(line: str, /) -> Ack:
    """Return what a line says. Raises `ValueError`."""
    client, call, first = map(int, line.split())
    return Ack(client, call, first)


def texts_of(client: int, call: int, /) -> list[str]:
    """Return what the frames of a call say."""
    return [f"{client}-{call}-{part}" for part in range(CLIENTS[client])]


def frames_of(client: int, call: int, /) -> list[MessageEnvelope]:
    """Return the frames of a call."""
    return [note(SESSION, text) for text in texts_of(client, call)]
