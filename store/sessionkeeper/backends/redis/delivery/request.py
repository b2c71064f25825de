"""One request of a plan, and what is known of its delivery."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from ..client.call import Argument, Script, is_status
from ..keys import Bucket

__all__ = ["OPEN", "Plan", "Request"]

R = TypeVar("R")

OPEN = object()
"""There is no answer yet."""


class Request:
    """One script or command for one bucket. A write has a number and is applied at most once."""

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
        "weight",
        "write",
    )

    def __init__(
        self,
        bucket: Bucket,
        script: Script | None,
        keys: Sequence[str] | None,
        arguments: Sequence[Argument],
        *,
        write: bool = False,
        weight: int = 0,
    ) -> None:
        self.answer: Any = OPEN
        """The answer, or the error for the caller."""
        self.bucket = bucket
        self.script = script
        self.keys = keys
        """Keys of sessions and logs; those of the bucket come before them. None where the arguments
        are the whole command."""
        self.arguments = arguments
        self.write = write
        self.weight = weight
        """Bytes of the messages it carries: they bound what shares a call with it."""
        self.tries = 0
        """Attempts without an answer."""
        self.since = self.deadline = 0.0
        """When its caller asked, and when the caller's patience ends."""
        self.number = 0
        """Sequence number among its writer's writes to this bucket; 0 until it is sent."""
        self.maybe_applied = False
        """Whether it was sent and its outcome is not known yet."""
        self.fenced = False
        """Whether it was refused because its epoch is over. It had no effect."""
        self.more = False
        """Whether the server only removed expired sessions, and the request has to be repeated."""

        self.behind: Sequence[Request] = ()
        """Writes of the same round trip that come before it; at most one for a write."""
        self.stale = False
        """Whether it read before one of those was applied, and has to be sent again."""

    @property
    def changed(self) -> bool:
        """Whether it was applied."""
        return self.write and is_status(self.answer, b"OK")

    @property
    def is_early(self) -> bool:
        """Whether a write before it is not applied yet and will be sent again."""
        return any(
            before.answer is OPEN
            or is_status(before.answer, b"MOVED")
            or is_status(before.answer, b"BEHIND")
            for before in self.behind
        )

    def __repr__(self) -> str:
        return f"<Request {self.script.name if self.script else self.arguments[0]!r}>"


Plan: TypeAlias = Generator[list[Request], list[Any], R]
"""The steps of one operation: yields requests, and is sent their answers in the same order."""
