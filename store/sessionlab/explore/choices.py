"""The choices of a run: a list of small integers. It is the seed, the replay token, and is shrunk.

A choice is the number of entries at the head of the queue that are skipped; tasks among them go to
the end. So 0 is what asyncio would do. -n cancels the n-th cancellable task, and another choice
follows. Counting the choices that are not 0 is delay bounding (Emmi and others, POPL 2011).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

__all__ = ["decode", "deviations", "encode", "trim_zeros"]

_VERSION = "x1:"
_PART = re.compile(r"(-?\d{1,6})(?:\*(\d{1,6}))?")


def trim_zeros(choices: Sequence[int]) -> list[int]:
    """Return the choices without the zeros at the end: past the end, all are 0."""
    end = len(choices)
    while end and not choices[end - 1]:
        end -= 1
    return list(choices[:end])


def deviations(choices: Iterable[int]) -> int:
    """Count what differs from the default order."""
    return sum(1 for choice in choices if choice)


def encode(choices: Sequence[int]) -> str:
    """Write choices as a replay token: `x1:0*3,2,-1` is 0, 0, 0, 2, -1."""
    groups = ((choice, len(list(same))) for choice, same in groupby(trim_zeros(choices)))
    return _VERSION + ",".join(
        f"{choice}*{n}" if n > 2 else ",".join([f"{choice}"] * n) for choice, n in groups
    )


def decode(token: str) -> list[int]:
    """Read a replay token. Raises `ValueError` for anything else."""
    if not token.startswith(_VERSION):
        raise ValueError(f"a replay token begins with {_VERSION!r}")
    choices: list[int] = []
    for part in filter(None, token.removeprefix(_VERSION).split(",")):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError("a replay token is a list of numbers like x1:0*3,2,-1")
        choices += [int(match[1])] * int(match[2] or 1)
        if len(choices) > 1_000_000:
            raise ValueError("a replay token has at most a million choices")
    return choices
