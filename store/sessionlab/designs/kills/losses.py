"""Finds what a file lost in a kill, and names the anomaly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ... import AnomalyKind
from .protocol import CLIENTS, Ack, make_texts

__all__ = ["FileContent", "Loss", "find_loss"]


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of the reopened file."""

    texts: tuple[str, ...] | None
    """Texts of all frames in order; None if the session is missing."""
    count: int = 0
    """The frame count that the store reports."""


@dataclass(frozen=True, slots=True)
class Loss:
    """An anomaly with its explanation, and the calls that show it."""

    anomaly: AnomalyKind
    why: str
    calls: tuple[tuple[int, int], ...]
    """Client and call number of each."""


def find_loss(found: FileContent, acks: Sequence[Ack], *, created: bool) -> Loss | None:
    """Compare what was acknowledged with what is there; return None if nothing is wrong."""
    if found.texts is None:
        if not created:
            return None
        why = "the creation of the session was acknowledged, but the session is missing"
        return Loss(AnomalyKind.LOST_WRITE, why, ())
    lost = [ack for ack in acks if not _is_kept(ack, found.texts)]
    if lost:
        calls = tuple((ack.client, ack.call) for ack in lost)
        why = (
            f"{len(acks)} calls were acknowledged before the kill,"
            f" but the frames of {len(lost)} are not at the numbers in their replies"
        )
        return Loss(AnomalyKind.LOST_WRITE, why, calls)
    for call in _torn(found.texts):
        held = sum(text.startswith("{}-{}-".format(*call)) for text in found.texts)
        why = (
            f"one call appended {CLIENTS[call[0]]} frames, but {held} of them are there in sequence"
        )
        return Loss(AnomalyKind.TORN_BATCH, why, (call,))
    if found.count != len(found.texts):
        why = f"{len(found.texts)} frames are there, but the store counts {found.count}"
        return Loss(AnomalyKind.DRIFT, why, ())
    return None


def _is_kept(ack: Ack, texts: Sequence[str]) -> bool:
    place = ack.first - 1
    wanted = make_texts(ack.client, ack.call)
    return list(texts[place : place + len(wanted)]) == wanted


def _torn(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield each call whose frames are not all there in sequence."""
    for call, together in groupby(texts, _parse_call):
        if list(together) != make_texts(*call):
            yield call


def _parse_call(text: str) -> tuple[int, int]:
    client, call, _ = map(int, text.split("-"))
    return client, call
