"""The writer's side of the ledger: numbers, epochs, and what the server said of lost writes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from ...errors import OutcomeUnknown
from .ask import Ask
from .call import Call, Word
from .keys import Bucket, Keys
from .scripts import script

__all__ = ["Ledger", "OperationId", "keys_of"]

FENCE = script("fence")
_FENCED, _OK = b"FENCED", b"OK"


class OperationId(str):
    """Which writer, in which bucket, the how manyth operation: what `OutcomeUnknown` carries."""

    __slots__ = ()

    @classmethod
    def of(cls, writer: str, ring: int, bucket: int, number: int) -> OperationId:
        """Name an operation."""
        return cls(f"{writer}.{ring}.{bucket}.{number}")

    def parts(self, buckets: int) -> tuple[str, int, int, int]:
        """Return writer, ring, bucket and number. Raises `ValueError`."""
        writer, *rest = self.split(".")
        if len(rest) != 3 or not all(part.isascii() and part.isdigit() for part in rest):
            raise ValueError("not an operation's id")
        ring, bucket, number = map(int, rest)
        if not writer.isalnum() or ring < 1 or bucket >= buckets:
            raise ValueError("not an operation's id")
        return writer, ring, bucket, number


class Ledger:
    """One writer among all that share a server.

    Its answers are kept in a ring of `ring` places for `window` seconds after its last renewal. No
    more than `ring` writes may be under way at a time.
    """

    def __init__(self, keys: Keys, *, ring: int, window: float) -> None:
        self.writer = secrets.token_hex(8)
        self._keys = keys
        self._ring = ring
        self._window = window
        self._numbers = count(1)
        self._next = 1
        self._epochs: dict[Bucket, tuple[str, float]] = {}
        """By bucket: the epoch, and when it was taken or renewed."""
        self._found: dict[int, Sequence[Any]] = {}
        self._fixed: dict[Bucket, tuple[str, ...]] = {}

    def call(self, ask: Ask) -> Call:
        """Make the call for an ask; a write gets its number, and the same again when sent again."""
        script = ask.script
        if ask.keys is None or script is None:
            return Call(ask.bucket.number, ask.arguments, script)
        fixed = self._fixed.get(ask.bucket) or self._fix(ask.bucket)
        words: list[Word] = ["EVALSHA", script.digest, len(fixed) + len(ask.keys), *fixed, *ask.keys]
        if ask.write:
            if not ask.number:
                ask.number = next(self._numbers)
                self._next = ask.number + 1
            epoch, _ = self._epochs[ask.bucket]
            words += (epoch, ask.number, ask.number % self._ring)
        words += ask.arguments
        return Call(ask.bucket.number, words, script)

    def fences(self, asks: Sequence[Ask]) -> list[tuple[Bucket, list[Ask], Call]]:
        """Make the calls by which epochs are taken, where these asks need one.

        That is a bucket never written to, one whose ledger would soon be forgotten, and one with
        writes of which nobody knows what became of them.
        """
        now = time.monotonic()
        lost: dict[Bucket, list[Ask]] = {}
        for ask in asks:
            if not ask.write:
                continue
            held = self._epochs.get(ask.bucket)
            if ask.maybe_applied:
                lost.setdefault(ask.bucket, []).append(ask)
            elif held is None or now - held[1] > self._window / 4:
                lost.setdefault(ask.bucket, [])
        return [(each, which, self._fence(each, which, now)) for each, which in lost.items()]

    def take(self, bucket: Bucket, asks: Sequence[Ask], answer: Any) -> bool:
        """Note what a fence answered of these lost asks; say whether it holds."""
        if type(answer) is not list or answer[0] != _OK:
            self._epochs.pop(bucket, None)
            return False
        for ask, found in zip(asks, answer[1:], strict=True):
            self._found[ask.number] = found
        return True

    def resolved(self, ask: Ask) -> tuple[bool, Any]:
        """Say whether a lost write is settled, and what its answer or error is; if not, send it."""
        found = self._found.pop(ask.number)
        if found[0] == 1:
            return True, found[1]
        if found[0] == 0:
            return False, None
        return True, OutcomeUnknown(self.operation_id(ask))

    def fenced(self, answer: Any) -> bool:
        """Whether this says that the writer needs a new epoch; nothing was applied then."""
        return type(answer) is list and bool(answer) and answer[0] == _FENCED

    def forget(self, bucket: Bucket) -> None:
        """Take a new epoch before the next write to a bucket."""
        self._epochs.pop(bucket, None)

    def operation_id(self, ask: Ask) -> OperationId:
        """Name what an ask stands for."""
        return OperationId.of(self.writer, self._ring, ask.bucket.number, ask.number)

    def _fence(self, bucket: Bucket, lost: Sequence[Ask], now: float) -> Call:
        epoch = secrets.token_hex(8)
        self._epochs[bucket] = (epoch, now)
        fixed = self._fixed.get(bucket) or self._fix(bucket)
        kept = round(self._window * 1000)
        places = [part for ask in lost for part in (ask.number, ask.number % self._ring)]
        words = ("EVALSHA", FENCE.digest, len(fixed), *fixed, epoch, kept, self._next, *places)
        return Call(bucket.number, words, FENCE)

    def _fix(self, bucket: Bucket) -> tuple[str, ...]:
        fixed = self._fixed[bucket] = keys_of(bucket, self.writer)
        return fixed


def keys_of(bucket: Bucket, writer: str) -> tuple[str, ...]:
    """Return the keys every script is given, in the order of `keys.lua`."""
    return (
        bucket.writer + writer,
        bucket.meta,
        bucket.order,
        bucket.idle,
        bucket.ages,
        bucket.ended,
        bucket.principals,
        bucket.news,
    )
