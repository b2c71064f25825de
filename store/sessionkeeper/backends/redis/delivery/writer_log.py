"""The writer's side of its log: sequence numbers, epochs, and the outcomes of lost writes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

from ....values.errors import OutcomeUnknown
from ..client.call import Argument, Call, Script, is_status
from ..keys import Bucket, Keys
from ..scripts import script, with_ttl
from .request import OPEN, Request

__all__ = ["OperationId", "WriterLog", "fixed_keys"]

FENCE = script("fence")
_FENCED, _OK, _NEW = b"FENCED", b"OK", b"NEW"
_TOGETHER = 16
"""Maximum number of operations in one call: a server runs nothing else meanwhile."""
_LARGE = 256 * 1024
"""Maximum bytes in one call of several operations."""
_RENEWED = 0.25
"""The part of its window after which a log is renewed for the whole window."""
_NUMBER = re.compile("[0-9]{1,15}")
_WRITER = re.compile(r"[0-9a-f]{16}")


class OperationId(str):
    """The writer, the bucket and the sequence number of an operation, as in `OutcomeUnknown`."""

    __slots__ = ()

    @classmethod
    def of(cls, writer: str, ring: int, bucket: int, number: int) -> OperationId:
        """Make the id of an operation."""
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
    """The log of one writer among all that share a server.

    The server keeps the writer's answers in a ring of `ring` places for each bucket, each answer
    for at least `window` seconds. At most `ring` writes to one bucket may be outstanding.
    """

    def __init__(self, keys: Keys, *, ring: int, window: float, ttl: int | None = None) -> None:
        self.writer = secrets.token_hex(8)
        self._keys = keys
        self._ring = ring
        self._ttl = ttl
        self._window = window
        self._next: dict[Bucket, int] = {}
        """By bucket: the number of the next write. A sweep writes to every bucket: with one count
        for all, a few sweeps would fill the ring."""
        self._epochs: dict[Bucket, tuple[str, float]] = {}
        """By bucket: the epoch, and when it began or was renewed."""
        self._outcomes: dict[tuple[Bucket, int], Sequence[Any]] = {}
        """By bucket and number: what the server says of a lost write."""
        self._keys_of_bucket: dict[Bucket, tuple[str, ...]] = {}
        self._begun: set[Bucket] = set()
        """Buckets in which this log exists."""
        self.lost = False
        """Whether a server has forgotten the log: its window ended, or the server lost all data."""

    def calls(self, requests: Sequence[Request]) -> list[tuple[Call, list[Request]]]:
        """Make the calls for requests, in their order; neighbours share one if their script can.

        A write keeps its sequence number when it is sent again.
        """
        calls: list[tuple[Call, list[Request]]] = []
        group: list[Request] = []
        size = 0
        for request in requests:
            script = request.script
            if script is None or not script.many:
                self._close_group(group, calls)
                calls.append((self._single_call(request), [request]))
                continue
            if group and (
                group[0].bucket is not request.bucket
                or len(group) == _TOGETHER
                or size + request.weight > _LARGE
            ):
                self._close_group(group, calls)
            size = request.weight + (size if group else 0)
            group.append(request)
        self._close_group(group, calls)
        return calls

    def _close_group(self, group: list[Request], calls: list[tuple[Call, list[Request]]]) -> None:
        if group:
            calls.append((self._shared_call(group), [*group]))
            group.clear()

    def _single_call(self, request: Request) -> Call:
        script, bucket = request.script, request.bucket
        if request.keys is None or script is None:
            return Call(bucket.number, request.arguments, script, reads=not request.write)
        script = self._of_this_store(script)
        fixed = self._keys_of_bucket.get(bucket) or self._make_keys(bucket)
        command: list[Argument] = [
            "EVALSHA",
            script.digest,
            len(fixed) + len(request.keys),
            *fixed,
            *request.keys,
        ]
        if request.write:
            command += (self._epochs[bucket][0], *self._assign_number(request))
        command += request.arguments
        if request.write:
            command.append(self._predecessor(request))
        return Call(bucket.number, command, script, reads=not request.write)

    def _shared_call(self, requests: Sequence[Request]) -> Call:
        script, bucket = requests[0].script, requests[0].bucket
        assert script is not None  # noqa: S101 - for the type checker
        script = self._of_this_store(script)
        fixed = self._keys_of_bucket.get(bucket) or self._make_keys(bucket)
        command: list[Argument] = [
            "EVALSHA",
            script.digest,
            len(fixed) + 2 * len(requests),
            *fixed,
        ]
        for request in requests:
            command += request.keys or ()
        shared = script.shared
        # All have the time of the first: they are one step of the server.
        command += (self._epochs[bucket][0], *requests[0].arguments[:shared])
        for request in requests:
            command += (*self._assign_number(request), self._predecessor(request))
            command += request.arguments[shared:]
        return Call(bucket.number, command, script)

    def _of_this_store(self, script: Script) -> Script:
        return script if self._ttl is None else with_ttl(script, self._ttl)

    def _assign_number(self, request: Request) -> tuple[int, int]:
        if not request.number:
            request.number = self._next.get(request.bucket, 1)
            self._next[request.bucket] = request.number + 1
        return request.number, request.number % self._ring

    def _predecessor(self, request: Request) -> Argument:
        """Name the write that must have been applied before: its number and place, or nothing."""
        if not request.behind:
            return ""
        number = request.behind[0].number
        return f"{number}:{number % self._ring}"

    @property
    def capacity(self) -> int:
        """Maximum number of writes to have out at a time: half of the ring.

        The other half is for those that get another number when they are sent again.
        """
        return max(1, self._ring // 2)

    def has_epoch(self, bucket: Bucket) -> bool:
        """Whether a write to a bucket needs no new epoch, as its log is kept for long enough."""
        held = self._epochs.get(bucket)
        return held is not None and time.monotonic() - held[1] <= self._window * _RENEWED

    def fences(self, requests: Sequence[Request]) -> list[tuple[Bucket, list[Request], Call]]:
        """Make the calls that begin a new epoch in each bucket where these requests need one.

        That is a bucket without an epoch, one whose log would soon be forgotten, and one with
        writes whose outcome is not known.
        """
        now = time.monotonic()
        lost: dict[Bucket, list[Request]] = {}
        for request in requests:
            if not request.write:
                continue
            if request.maybe_applied:
                lost.setdefault(request.bucket, []).append(request)
            elif not self.has_epoch(request.bucket):
                lost.setdefault(request.bucket, [])
        return [(each, which, self._fence(each, which, now)) for each, which in lost.items()]

    def accept(self, bucket: Bucket, requests: Sequence[Request], answer: Any) -> bool:
        """Note the answer to a fence for these lost requests. Returns whether the epoch holds."""
        new = is_status(answer, _NEW)
        if not new and not is_status(answer, _OK):
            self._epochs.pop(bucket, None)
            return False
        self.lost = self.lost or (new and bucket in self._begun)
        self._begun.add(bucket)
        for request, found in zip(requests, answer[1:], strict=True):
            self._outcomes[bucket, request.number] = found
        return True

    def resolve(self, request: Request) -> Any:
        """Return the answer to a lost write, or its error; `OPEN` if it was not applied.

        What was not applied never will be, so it can be sent again.
        """
        match self._outcomes.pop((request.bucket, request.number)):
            case [1, answer]:
                return answer
            case [0]:
                return OPEN
            case _:
                return OutcomeUnknown(self.operation_id(request))

    @staticmethod
    def is_fenced(answer: Any) -> bool:
        """Whether a write was refused because its epoch is over. It had no effect."""
        return is_status(answer, _FENCED)

    def forget(self, bucket: Bucket) -> None:
        """Begin a new epoch before the next write to a bucket."""
        self._epochs.pop(bucket, None)

    def operation_id(self, request: Request) -> OperationId:
        """Return the id of a request's operation."""
        return OperationId.of(self.writer, self._ring, request.bucket.number, request.number)

    def _fence(self, bucket: Bucket, lost: Sequence[Request], now: float) -> Call:
        epoch = secrets.token_hex(8)
        self._epochs[bucket] = (epoch, now)
        fixed = self._keys_of_bucket.get(bucket) or self._make_keys(bucket)
        # The last write before the next fence must be kept for the whole window as well.
        milliseconds = round(self._window * 1000 * (1 + _RENEWED))
        places = [
            part for request in lost for part in (request.number, request.number % self._ring)
        ]
        command: list[Argument] = ["EVALSHA", FENCE.digest, len(fixed), *fixed]
        command += (epoch, milliseconds, self._next.get(bucket, 1), *places)
        return Call(bucket.number, command, FENCE)

    def _make_keys(self, bucket: Bucket) -> tuple[str, ...]:
        fixed = self._keys_of_bucket[bucket] = fixed_keys(bucket, self.writer)
        return fixed


def fixed_keys(bucket: Bucket, writer: str) -> tuple[str, ...]:
    """Return the keys that every script gets, in the order of `keys.lua`."""
    return (
        bucket.writer + writer,
        bucket.meta,
        bucket.order,
        bucket.idle,
        bucket.ages,
        bucket.ended,
        bucket.principals,
        bucket.changes,
    )
