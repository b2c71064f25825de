"""What an operation asks of the server, before it is known how often that must be sent."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from ..client.call import Script, Word, is_status
from ..keys import Bucket

__all__ = ["OPEN", "Request", "Plan"]

R = TypeVar("R")

OPEN = object()
"""There is no answer yet."""


class Request:
    """One script or command for one bucket; a write is given a number and then sent once."""

    __slots__ = (
        "answer",
        "arguments",
        "behind",
        "bucket",
        "deadline",
        "fenced",
        "keys",
        "maybe_applied",
        "more",
        "number",
        "script",
        "since",
        "stale",
        "tries",
        "write",
    )

    def __init__(
        self,
        bucket: Bucket,
        script: Script | None,
        keys: Sequence[str] | None,
        arguments: Sequence[Word],
        *,
        write: bool = False,
    ) -> None:
        self.answer: Any = OPEN
        """What was answered, or the error its caller is to be told."""
        self.bucket = bucket
        self.script = script
        self.keys = keys
        """Of sessions and logs; those of the bucket come before them. None where the arguments are
        the whole command."""
        self.arguments = arguments
        self.write = write
        self.tries = 0
        """How often it was sent, or would have been, without an answer."""
        self.since = self.deadline = 0.0
        """When its caller asked, and when that one is to be told that there is no answer."""
        self.number = 0
        """Of the operation among its writer's to this bucket; 0 until it is sent."""
        self.maybe_applied = False
        """Whether it was sent and nobody knows yet what became of it."""
        self.fenced = False
        """Whether it was refused because its epoch is over: it had no effect."""
        self.more = False
        """Whether sessions whose time has passed were taken away, and more of them come first."""

        self.behind: Sequence[Request] = ()
        """Writes of the same round that are to be applied first; for a write at most one."""
        self.stale = False
        """Whether it read before one of those was applied, and is to read again."""

    @property
    def changed(self) -> bool:
        """Whether it was applied."""
        return self.write and is_status(self.answer, b"OK")

    @property
    def early(self) -> bool:
        """Whether a write it is behind has yet to come: later in this round, or in the next."""
        return any(
            before.answer is OPEN
            or is_status(before.answer, b"MOVED")
            or is_status(before.answer, b"BEHIND")
            for before in self.behind
        )

    def __repr__(self) -> str:
        return f"<Ask {self.script.name if self.script else self.arguments[0]!r}>"


Plan: TypeAlias = Generator[list[Request], list[Any], R]
"""The steps of one operation: yields what is to be asked at once, is sent the answers in order."""
