"""What was asked of a store under faults, and whether what is there agrees with the answers."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from zlib import crc32

from sessionkeeper import Frame, MessageEnvelope, MessageKind

__all__ = [
    "STREAMS",
    "Findings",
    "Operation",
    "Outcome",
    "SessionRecord",
    "label_of",
    "note",
    "read_count",
]

STREAMS = ("left", "right")
_SHOWN = 20


def note(session_id: str, label: str) -> MessageEnvelope:
    """A message that tells itself from all others by its label; two of three are in a stream."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [label]}
    stream = (*STREAMS, None)[crc32(label.encode()) % 3]
    return MessageEnvelope.of(session_id, message, direction="client-to-server", stream=stream)


def label_of(frame: Frame) -> str:
    """The label of what a frame holds; none if that was removed."""
    if frame.envelope.kind is MessageKind.REMOVED:
        return ""
    return str(json.loads(frame.envelope.message)["params"][0])


class Outcome(Enum):
    """What the caller was told."""

    APPLIED = "applied"
    READ = "read"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(eq=False, slots=True)
class Operation:
    """One write, as its caller saw it; times are of the machine's steady clock."""

    session: str
    labels: tuple[str, ...]
    """Of the frames it appends, in their order; none for one that only counts."""
    counts: bool
    """Whether it adds one to the number in the session's metadata."""
    begun: float = 0.0
    ended: float = math.inf
    """When it was answered as applied: of no other is it known that it takes no effect later."""
    outcome: Outcome = Outcome.UNKNOWN
    seqs: tuple[int, ...] = ()
    """Of those frames, as it was answered."""
    operation_id: str = ""
    removes: tuple[int, str] | None = None
    """The number and the label of a frame whose content it removes: nobody else removes it."""
    resolved: bool | None = None
    """What `resolve` said of an unknown outcome; None: nobody can tell."""

    @property
    def applied(self) -> bool | None:
        """Whether the store said that it was applied; None: it did not say."""
        return self.resolved if self.outcome is Outcome.UNKNOWN else self.outcome is Outcome.APPLIED


@dataclass
class Findings:
    """What a store must not do, by kind, and some of it in words."""

    counted: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, kind: str, what: str) -> None:
        """Note one."""
        self.counted[kind] += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(f"{kind}: {what}")


class SessionRecord:
    """What one session must hold: it is compared with the session when nothing is under way."""

    def __init__(self, session_id: str, findings: Findings) -> None:
        self.session_id = session_id
        self.checked = 0
        """The number of the last frame that was compared."""
        self.answered = 0
        """The highest number of a frame that a caller was told."""
        self._count = 0
        self._findings = findings
        self._operations: list[Operation] = []

    def asked(self, operation: Operation) -> None:
        """Note one that is about to be asked."""
        self._operations.append(operation)

    def told(self, operation: Operation) -> None:
        """Note that its caller was answered."""
        if operation.seqs:
            self.answered = max(self.answered, operation.seqs[-1])

    def unresolved(self) -> list[Operation]:
        """Those of which `resolve` can be asked."""
        return [
            each
            for each in self._operations
            if each.outcome is Outcome.UNKNOWN and each.operation_id and each.resolved is None
        ]

    def check_stream(self, stream: str, frames: Sequence[Frame], found: Sequence[Frame]) -> None:
        """Compare what a stream has after `checked` with all the frames there."""
        expected = [each for each in frames if each.envelope.context.stream == stream]
        if [*found] != expected:
            what = f"{stream} of {self.session_id} has {len(found)} frames, not {len(expected)}"
            self._findings.add("lost", what)

    def check(self, frames: Sequence[Frame], count: int) -> None:
        """Compare with the frames after `checked`, and with the number in the metadata."""
        add = self._findings.add
        numbers = [frame.seq for frame in frames]
        if numbers != [*range(self.checked + 1, self.checked + 1 + len(frames))]:
            add("lost", f"{self.session_id} has a gap in its numbers after {self.checked}")
        labels = {frame.seq: label_of(frame) for frame in frames}
        for operation in self._operations:
            self._compare_removal(operation, labels)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for seq, label in labels.items():
            places[label].append(seq)
        for label, where in places.items():
            if len(where) > 1:
                add("doubled", f"{label} is in {self.session_id} at {where}")
        for operation in self._operations:
            self._compare(operation, labels, places)
        self._look_for_strangers(places)
        self._look_at_the_order(places)
        self._compare_counts(count)
        self.checked = numbers[-1] if numbers else self.checked
        self._operations = []

    def _compare_removal(self, operation: Operation, labels: dict[int, str]) -> None:
        """Say what was removed as well, and have the frame have its label again."""
        if operation.removes is None:
            return
        add, (seq, label) = self._findings.add, operation.removes
        removed, what = labels.get(seq) == "", f"the removal of {label} at {seq}"
        if operation.applied and not removed:
            add("lost", f"{what}: answered as applied, and it is there")
        if operation.applied is False and removed:
            add("untrue", f"{what}: {operation.outcome.value}, not applied, and it is removed")
        if removed:
            labels[seq] = label

    def _compare(
        self, operation: Operation, labels: dict[int, str], places: dict[str, list[int]]
    ) -> None:
        add, what = self._findings.add, f"{operation.labels} in {self.session_id}"
        there = [label in places for label in operation.labels]
        if not there:
            return
        if any(there) and not all(there):
            add("torn", f"{what}: some of its frames are there")
        elif operation.applied and not any(there):
            add("lost", f"{what}: answered {operation.seqs or operation.outcome}, and not there")
        elif operation.applied is False and any(there):
            add("untrue", f"{what}: {operation.outcome.value}, not applied, and it is there")
        elif operation.outcome is Outcome.APPLIED:
            found = [labels.get(seq) for seq in operation.seqs]
            if found != [*operation.labels]:
                add("crossed", f"{what}: answered {operation.seqs}, where {found} is")
        if operation.applied is None:
            # Nobody was told: its frames tell, and with them the count must agree.
            operation.resolved = all(there)
        if all(there):
            first = [places[label][0] for label in operation.labels]
            if first != [*range(first[0], first[0] + len(first))]:
                add("misordered", f"{what}: at {first}")

    def _look_for_strangers(self, places: Iterable[str]) -> None:
        known = {label for each in self._operations for label in each.labels}
        for label in places:
            if label in known:
                continue
            mine = label.split("|")[0] == self.session_id
            # A label of an earlier round was settled then: it was sent again, or came too late.
            kind = "doubled" if mine else "crossed"
            self._findings.add(kind, f"{label} came into {self.session_id} unasked")

    def _look_at_the_order(self, places: dict[str, list[int]]) -> None:
        """Who was answered before another asked comes before it."""
        placed = [
            (places[each.labels[0]][0], each)
            for each in self._operations
            if each.labels and each.labels[0] in places
        ]
        latest = -math.inf
        for seq, operation in sorted(placed, key=lambda pair: pair[0]):
            if operation.ended < latest:
                what = f"{operation.labels} is at {seq}, behind what was asked after its answer"
                self._findings.add("misordered", what)
            latest = max(latest, operation.begun)

    def _compare_counts(self, count: int) -> None:
        least = self._count + sum(each.counts and each.applied is True for each in self._operations)
        untold = sum(each.counts and each.applied is None for each in self._operations)
        if count < least:
            what = f"{self.session_id} counts {count}, {least} changes were acknowledged"
            self._findings.add("lost", what)
        if count > least + untold:
            what = f"{self.session_id} counts {count}, {least + untold} changes at most were made"
            self._findings.add("doubled", what)
        self._count = count


def read_count(metadata: Any) -> int:
    """The number in a session's metadata."""
    return int(metadata.get("n", 0))
