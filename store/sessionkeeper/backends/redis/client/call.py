"""What is sent to a server, and what may come back of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from typing import Any, TypeAlias

__all__ = ["Answer", "Call", "DeliveryStatus", "Refused", "Script", "Word", "is_status"]

Word: TypeAlias = bytes | str | int


class Script:
    """A Lua script by the digest of its text; a server that has lost it is given it again.

    The text is read when it is first needed: importing the library reads no script.
    """

    __slots__ = ("_digest", "_read", "_text", "many", "name", "shared")

    def __init__(self, name: str, read: Callable[[], bytes], *, shared: int = 0) -> None:
        self.name = name
        self._read = read
        self._text = b""
        self._digest = ""
        self.many = shared > 0
        """Whether it does several operations in one call, each with an answer of its own."""
        self.shared = shared
        """Of such a script: how many of an operation's first arguments are the same for all."""

    @property
    def text(self) -> bytes:
        """What the server runs."""
        if not self._text:
            self._text = self._read()
        return self._text

    @property
    def digest(self) -> str:
        """What the server calls it; nothing is protected by it."""
        if not self._digest:
            self._digest = sha1(self.text, usedforsecurity=False).hexdigest()
        return self._digest

    def __repr__(self) -> str:
        return f"<Script {self.name}>"


class Call:
    """One command for the node that holds a bucket; silent about its words, which hold messages."""

    __slots__ = ("bucket", "reads", "script", "words")

    def __init__(
        self,
        bucket: int,
        words: Sequence[Word],
        script: Script | None = None,
        *,
        reads: bool = False,
    ) -> None:
        self.bucket = bucket
        self.words = words
        """The command whole: `EVALSHA`, the digest, the number of keys, keys, arguments."""
        self.script = script
        self.reads = reads
        """Whether it changes nothing, so that it can be asked again although it was answered."""

    def __repr__(self) -> str:
        return f"<Call {self.script.name if self.script else self.words[0]!r}>"


@dataclass(frozen=True, slots=True)
class Refused:
    """An error the server answered with. The command had no effect."""

    code: str
    """The first word: `OOM`, `NOPERM`, `ERR`…"""
    text: str
    """The server's own words. They may quote a command, so they are never shown."""


class DeliveryStatus(Enum):
    """What became of a call nobody answered."""

    NOT_SENT = "unsent"
    """It never left this process: certainly no effect."""
    NO_REPLY = "lost"
    """It was sent, at least in part, and the answer did not come."""


Answer: TypeAlias = Any
"""What the server answered, a `Refused`, or a `DeliveryStatus`."""


def is_status(answer: Answer, word: bytes) -> bool:
    """Whether a script answered a list that begins with this word."""
    words: Any = answer
    return type(answer) is list and bool(words) and bool(words[0] == word)
