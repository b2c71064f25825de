"""The frames of a log that name a stream, for the operations that ask for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, cast

import msgspec

from ..layout import FrameData

__all__ = ["Numbered", "of_stream"]

Numbered: TypeAlias = "tuple[int, FrameData]"

_STREAM = '"stream":'


def of_stream(frames: Iterable[Numbered], stream: str) -> list[Numbered]:
    """Return the frames of a stream."""
    return [(seq, frame) for seq, frame in frames if _read_stream(frame[3]) == stream]


def _read_stream(rest: str) -> str | None:
    """Return the stream in the rest of a context; None if there is none."""
    # Nearly all frames have none: of those nothing is read.
    if _STREAM not in rest:
        return None
    try:
        fields = msgspec.json.decode(rest, type=dict[str, object])
    except msgspec.MsgspecError:
        return None
    return cast("str | None", fields.get("stream"))
