"""`sessionkeeper rm --frames` removes the content of frames; their numbers stay."""

from __future__ import annotations

import re
import sys

import typer

from ..values.errors import short_id
from .console import complain
from .quantities import format_counted
from .removal import confirm, tell
from .stores import NOTHING, find_session, open_store

__all__ = ["parse_numbers", "remove_content"]

_RANGE = re.compile(r"\s*([0-9]{1,15})(?:-([0-9]{1,15}))?\s*")
_AT_ONCE = 1_000
"""Numbers that a store takes in one step."""


def parse_numbers(text: str) -> list[range]:
    """Read numbers of frames, as `3,7-9`. Raises `typer.BadParameter`."""
    ranges: list[range] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        first = 0 if found is None else int(found[1])
        last = first if found is None or found[2] is None else int(found[2])
        if not 1 <= first <= last:
            raise typer.BadParameter("give numbers from 1 on, as 3,7-9", param_hint="--frames")
        ranges.append(range(first, last + 1))
    return ranges


async def remove_content(
    url: str, asked: str, numbers: list[range], *, yes: bool, as_json: bool
) -> int:
    """Remove the content of these frames of a session, and print how many lost theirs."""
    async with open_store(url) as store:
        session = await find_session(store, asked)
        last = max(each[-1] for each in numbers)
        if last > session.last_seq:
            raise typer.BadParameter(
                f"the last frame of {short_id(session.id)} is {session.last_seq}",
                param_hint="--frames",
            )
        seqs = sorted({seq for each in numbers for seq in each})
        frames = format_counted(len(seqs), "frame")
        question = f"remove the content of {frames} of {short_id(session.id)}?"
        if not yes and sys.stdin.isatty() and not confirm(question):
            complain("nothing was removed")
            return NOTHING
        removed = 0
        for start in range(0, len(seqs), _AT_ONCE):
            removed += await store.remove_frames(
                session.id, seqs[start : start + _AT_ONCE], incarnation=session.incarnation
            )
    done = f"the content of {format_counted(removed, 'frame')} was removed"
    tell({"removed": removed}, done, as_json=as_json)
    return 0
