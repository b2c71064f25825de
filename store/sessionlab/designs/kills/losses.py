"""What a file must hold after a kill, and how it is called when it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ... import AnomalyKind
from .protocol import CLIENTS, Ack, texts_of

__all__ = ["FileContent", "Loss", "find_loss"]


@dataclass(frozen=True, slots=True)
class FileContent:
    """What the file holds when it is opened again."""

    texts: tuple[str, ...] | None
    """Of all frames, in order; None if not even the session is there."""
    count: int = 0
    """How many frames the store says there are."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What is wrong, in words, and the calls that show it."""

    anomaly: AnomalyKind
    why: str
    calls: tuple[tuple[int, int], ...]
    """Client and call of each."""


def find_loss(found: FileContent, acks: Sequence[Ack], *, created: bool) -> Loss | None:
    """Compare what was acknowledged with what is there; None if all is as it must be."""
    if found.texts is None:
        if not created:
            return None
        why = "the session, whose creation was acknowledged, is not there"
        return Loss(AnomalyKind.LOST_WRITE, why, ())
    lost = [ack for ack in acks if not _is_kept(ack, found.texts)]
    if lost:
        calls = tuple((ack.client, ack.call) for ack in lost)
        why = (
            f"of {len(acks)} calls that were answered before the kill,"
            f" {len(lost)} left nothing behind at the numbers they were answered"
        )
        return Loss(AnomalyKind.LOST_WRITE, why, calls)
    for call in _torn(found.texts):
        held = sum(text.startswith("{}-{}-".format(*call)) for text in found.texts)
        why = f"of {CLIENTS[call[0]]} frames appended by one call, {held} are there side by side"
        return Loss(AnomalyKind.TORN_BATCH, why, (call,))
    if found.count != len(found.texts):
        why = f"{len(found.texts)} frames are there, and the store counts {found.count}"
        return Loss(AnomalyKind.DRIFT, why, ())
    return None


def _is_kept(ack: Ack, texts: Sequence[str]) -> bool:
    place = ack.first - 1
    wanted = texts_of(ack.client, ack.call)
    return list(texts[place : place + len(wanted)]) == wanted


def _torn(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Give the calls of which not all frames stand side by side, each once."""
    for call, together in groupby(texts, _call_of):
        if list(together) != texts_of(*call):
            yield call


def _call_of(text: str) -> tuple[int, int]:
    client, call, _ = map(int, text.split("-"))
    return client, call
