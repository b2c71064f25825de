"""What is sent to a server, and what may come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from typing import Any, TypeAlias

__all__ = ["Answer", "Call", "DeliveryStatus", "Refused", "Script", "Argument", "is_status"]

Argument: TypeAlias = bytes | str | int
"""One part of a command, its name included."""


class Script:
    """A Lua script, known by the digest of its text. It is loaded again where a server lost it.

    The text is read when it is first needed: importing the library reads no script.
    """

    __slots__ = ("_digest", "_read", "_text", "many", "name", "shared")

    def __init__(self, name: str, read: Callable[[], bytes], *, shared: int = 0) -> None:
        self.name = name
        self._read = read
        self._text = b""
        self._digest = ""
        self.many = shared > 0
        """Whether one call does several operations, each with an answer of its own."""
        self.shared = shared
        """How many of the first arguments all operations of such a call share."""

    @property
    def text(self) -> bytes:
        """The source that the server runs."""
        if not self._text:
            self._text = self._read()
        return self._text

    @property
    def digest(self) -> str:
        """Its name on the server. It protects nothing."""
        if not self._digest:
            self._digest = sha1(self.text, usedforsecurity=False).hexdigest()
        return self._digest

    def __repr__(self) -> str:
        return f"<Script {self.name}>"


class Call:
    """One command for the node of a bucket. Its `repr` shows no argument: some are messages."""

    __slots__ = ("bucket", "command", "reads", "script")

    def __init__(
        self,
        bucket: int,
        command: Sequence[Argument],
        script: Script | None = None,
        *,
        reads: bool = False,
    ) -> None:
        self.bucket = bucket
        self.command = command
        """The command with its arguments, as it is sent."""
        self.script = script
        self.reads = reads
        """Whether it changes nothing, so that it can be sent again after its answer."""

    def __repr__(self) -> str:
        return f"<Call {self.script.name if self.script else self.command[0]!r}>"


@dataclass(frozen=True, slots=True)
class Refused:
    """An error the server answered with. The command had no effect."""

    code: str
    """The first word: `OOM`, `NOPERM`, `ERR`…"""
    text: str
    """The server's text. It may quote a command, so it is never shown."""


class DeliveryStatus(Enum):
    """What is known of a call without an answer."""

    NOT_SENT = "not sent"
    """It never left this process: certainly no effect."""
    NO_REPLY = "no reply"
    """It was sent, at least in part, and no answer came."""


Answer: TypeAlias = Any
"""What the server answered, a `Refused`, or a `DeliveryStatus`."""


def is_status(answer: Answer, word: bytes) -> bool:
    """Whether a script answered a list that begins with this word."""
    parts: Any = answer
    return type(answer) is list and bool(parts) and bool(parts[0] == word)
