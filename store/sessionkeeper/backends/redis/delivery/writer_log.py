"""The writer's side of the ledger: numbers, epochs, and what the server said of lost writes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

from ....values.errors import OutcomeUnknown
from ..client.call import Call, Script, Word, is_status
from ..keys import Bucket, Keys
from ..scripts import script, with_ttl
from .request import Request

__all__ = ["WriterLog", "OperationId", "keys_of"]

FENCE = script("fence")
_FENCED, _OK, _NEW = b"FENCED", b"OK", b"NEW"
_TOGETHER = 16
"""Operations in one call: a server serves nobody else meanwhile."""
_LARGE = 256 * 1024
"""Bytes in one call of several operations."""
_RENEWED = 0.25
"""After which part of its window a ledger is given all of it again."""
_NUMBER = re.compile("[0-9]{1,15}")
_WRITER = re.compile(r"[0-9a-f]{16}")


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
        if len(rest) != 3 or not all(_NUMBER.fullmatch(part) for part in rest):
            raise ValueError("not an operation's id")
        ring, bucket, number = map(int, rest)
        if not _WRITER.fullmatch(writer) or ring < 1 or bucket >= buckets or number < 1:
            raise ValueError("not an operation's id")
        return writer, ring, bucket, number


class WriterLog:
    """One writer among all that share a server.

    Its answers are kept in a ring of `ring` places a bucket, each for `window` seconds at least. No
    more than `ring` writes to one bucket may be under way at a time.
    """

    def __init__(self, keys: Keys, *, ring: int, window: float, ttl: int | None = None) -> None:
        self.writer = secrets.token_hex(8)
        self._keys = keys
        self._ring = ring
        self._ttl = ttl
        self._window = window
        self._next: dict[Bucket, int] = {}
        """By bucket: the number of the next write. A sweep is one to each: counted together, a few
        sweeps would go round the ring."""
        self._epochs: dict[Bucket, tuple[str, float]] = {}
        """By bucket: the epoch, and when it was taken or renewed."""
        self._found: dict[tuple[Bucket, int], Sequence[Any]] = {}
        self._fixed: dict[Bucket, tuple[str, ...]] = {}
        self._begun: set[Bucket] = set()
        self.lost = False
        """Whether a server has forgotten the ledger, by the end of its window or with all else."""

    def calls(self, requests: Sequence[Request]) -> list[tuple[Call, list[Request]]]:
        """Make the calls for asks, in their order; neighbours share one where their script can.

        A write gets its number, and the same again when it is sent again.
        """
        calls: list[tuple[Call, list[Request]]] = []
        group: list[Request] = []
        size = 0
        for request in requests:
            script = request.script
            if script is None or not script.many:
                self._close(group, calls)
                calls.append((self._one(request), [request]))
                continue
            more = _size(request)
            if group and (
                group[0].bucket is not request.bucket
                or len(group) == _TOGETHER
                or size + more > _LARGE
            ):
                self._close(group, calls)
            size = more + (size if group else 0)
            group.append(request)
        self._close(group, calls)
        return calls

    def _close(self, group: list[Request], calls: list[tuple[Call, list[Request]]]) -> None:
        if group:
            calls.append((self._several(group), [*group]))
            group.clear()

    def _one(self, request: Request) -> Call:
        script, bucket = request.script, request.bucket
        if request.keys is None or script is None:
            return Call(bucket.number, request.arguments, script, reads=not request.write)
        script = self._of_this_store(script)
        fixed = self._fixed.get(bucket) or self._fix(bucket)
        words: list[Word] = [
            "EVALSHA",
            script.digest,
            len(fixed) + len(request.keys),
            *fixed,
            *request.keys,
        ]
        if request.write:
            words += (self._epochs[bucket][0], *self._number(request))
        words += request.arguments
        if request.write:
            words.append(self._after(request))
        return Call(bucket.number, words, script, reads=not request.write)

    def _several(self, requests: Sequence[Request]) -> Call:
        script, bucket = requests[0].script, requests[0].bucket
        assert script is not None  # noqa: S101 - for the type checker
        script = self._of_this_store(script)
        fixed = self._fixed.get(bucket) or self._fix(bucket)
        words: list[Word] = ["EVALSHA", script.digest, len(fixed) + 2 * len(requests), *fixed]
        for request in requests:
            words += request.keys or ()
        shared = script.shared
        # The time is that of the first: they are one step of the server.
        words += (self._epochs[bucket][0], *requests[0].arguments[:shared])
        for request in requests:
            words += (*self._number(request), self._after(request))
            words += request.arguments[shared:]
        return Call(bucket.number, words, script)

    def _of_this_store(self, script: Script) -> Script:
        return script if self._ttl is None else with_ttl(script, self._ttl)

    def _number(self, request: Request) -> tuple[int, int]:
        if not request.number:
            request.number = self._next.get(request.bucket, 1)
            self._next[request.bucket] = request.number + 1
        return request.number, request.number % self._ring

    def _after(self, request: Request) -> Word:
        """Say which write must have been applied before: its number and its place, or nothing."""
        if not request.behind:
            return ""
        number = request.behind[0].number
        return f"{number}:{number % self._ring}"

    def fences(self, requests: Sequence[Request]) -> list[tuple[Bucket, list[Request], Call]]:
        """Make the calls by which epochs are taken, where these asks need one.

        That is a bucket never written to, one whose ledger would soon be forgotten, and one with
        writes of which nobody knows what became of them.
        """
        now = time.monotonic()
        lost: dict[Bucket, list[Request]] = {}
        for request in requests:
            if not request.write:
                continue
            held = self._epochs.get(request.bucket)
            if request.maybe_applied:
                lost.setdefault(request.bucket, []).append(request)
            elif held is None or now - held[1] > self._window * _RENEWED:
                lost.setdefault(request.bucket, [])
        return [(each, which, self._fence(each, which, now)) for each, which in lost.items()]

    def take(self, bucket: Bucket, requests: Sequence[Request], answer: Any) -> bool:
        """Note what a fence answered of these lost asks; say whether it holds."""
        new = is_status(answer, _NEW)
        if not new and not is_status(answer, _OK):
            self._epochs.pop(bucket, None)
            return False
        self.lost = self.lost or (new and bucket in self._begun)
        self._begun.add(bucket)
        for request, found in zip(requests, answer[1:], strict=True):
            self._found[bucket, request.number] = found
        return True

    def resolved(self, request: Request) -> tuple[bool, Any]:
        """Say whether a lost write is settled, and what its answer or error is; if not, send it."""
        found = self._found.pop((request.bucket, request.number))
        if found[0] == 1:
            return True, found[1]
        if found[0] == 0:
            return False, None
        return True, OutcomeUnknown(self.operation_id(request))

    def fenced(self, answer: Any) -> bool:
        """Whether this says that the writer needs a new epoch; nothing was applied then."""
        return is_status(answer, _FENCED)

    def forget(self, bucket: Bucket) -> None:
        """Take a new epoch before the next write to a bucket."""
        self._epochs.pop(bucket, None)

    def operation_id(self, request: Request) -> OperationId:
        """Name what an ask stands for."""
        return OperationId.of(self.writer, self._ring, request.bucket.number, request.number)

    def _fence(self, bucket: Bucket, lost: Sequence[Request], now: float) -> Call:
        epoch = secrets.token_hex(8)
        self._epochs[bucket] = (epoch, now)
        fixed = self._fixed.get(bucket) or self._fix(bucket)
        # From the last write before the next fence as well.
        kept = round(self._window * 1000 * (1 + _RENEWED))
        places = [
            part for request in lost for part in (request.number, request.number % self._ring)
        ]
        words: list[Word] = ["EVALSHA", FENCE.digest, len(fixed), *fixed]
        words += (epoch, kept, self._next.get(bucket, 1), *places)
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


def _size(request: Request) -> int:
    """Bytes an append carries, as its arguments say."""
    size = request.arguments[8]
    return size if isinstance(size, int) else 0
