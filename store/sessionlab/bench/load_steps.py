"""Chooses the calls of a load before the clock starts, so that choosing is not measured."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from .load import Load, make_message
from .mixes import MIXES
from .subject import Work

__all__ = ["LoadStep", "unsupported_works", "choose_steps"]

_COUNT, _MAX = 16_384, 262_144
"""Bounds of the number of steps, which is the number of sessions: all of a store is used."""


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One call to make."""

    work: Work
    place: int
    """Number of the session."""
    payload: bytes


def unsupported_works(mix: str, offers: Collection[Work], /) -> tuple[Work, ...]:
    """Return the operations of a mix that a subject does not offer; it is run without them."""
    return tuple(work for work in MIXES[mix].shares if work not in offers)


def choose_steps(load: Load, offers: Collection[Work], /, *, seed: int) -> list[LoadStep]:
    """Choose steps from a seed. Raises `ValueError` when no operation of the mix is offered."""
    random = Random(seed)  # noqa: S311 - a load, no secret
    shares = {work: n for work, n in MIXES[load.mix].shares.items() if work in offers}
    if not shares:
        raise ValueError(f"it offers no operation of the mix {load.mix}")
    payloads = {size: make_message(size) for size in load.sizes}
    works = _works(shares, random, max(_COUNT, min(load.sessions, _MAX)))
    heat = list(accumulate(1 / rank**load.skew for rank in range(1, load.sessions + 1)))
    return [
        LoadStep(
            work,
            bisect(heat, random.random() * heat[-1], hi=load.sessions - 1),
            payloads[random.choice(load.sizes)],
        )
        for work in works
    ]


def _works(shares: dict[Work, int], random: Random, count: int) -> list[Work]:
    """Return each operation in proportion to its share, but at least once."""
    whole = sum(shares.values())
    works: list[Work] = []
    for work, share in shares.items():
        works += [work] * max(1, round(count * share / whole))
    random.shuffle(works)
    return works
