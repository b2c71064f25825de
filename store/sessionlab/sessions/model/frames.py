"""The operations on frames. Each returns the states it may lead to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from ...linearizability.history.exact import TRUE
from ...linearizability.history.operation import Plain
from ..layout import EffectData, FrameData
from .logs import LogTree
from .sessions import States, apply_change
from .state import (
    LIVE,
    Entry,
    ModelState,
    find,
    match_incarnation,
    read_options,
    replace_entry,
)
from .streams import Numbered, of_stream

__all__ = ["Frames"]

_ODDITY = '"oddity":'
_GAP = "application/vnd.sessionkeeper.gap+json"
_REMOVED = "application/vnd.sessionkeeper.removed"

# Without the constructor of the named tuple, which would take as long as the rest of an append.
_new_entry: Callable[[tuple[object, ...]], Entry] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # typeshed
    Entry,
)


class Frames:
    """The operations on logs; it has the tree that numbers the logs."""

    def __init__(self) -> None:
        self._tree = LogTree()

    def add(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Append a frame: it gets the next number, if the session has not ended."""
        frame = cast("FrameData", argument)
        entry = find(state, frame[0])
        if entry is None:
            return ()
        id_, caller, revision, created, ended, log, last, dropped, place, below, odd, own = entry
        if caller[1] not in LIVE or (known and result != last + 1):
            return ()
        log = self._tree.append(log, last, frame)
        odd = _with_frame(odd, frame)
        new = _new_entry(
            (
                id_,
                caller,
                revision,
                created,
                ended,
                log,
                last + 1,
                dropped,
                place,
                below,
                odd,
                own,
            )
        )
        return (replace_entry(state, entry, new),)

    def add_several(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Append frames: all or none, with the change of the session in the same step."""
        session_id, frames, expected, effect = cast(
            "tuple[str, tuple[FrameData, ...], int | None, EffectData]", argument
        )
        entry = find(state, session_id)
        if entry is None or entry.caller[1] not in LIVE:
            return ()
        last = entry.last_seq
        if expected not in (None, last) or any(frame[0] != session_id for frame in frames):
            return ()
        if known and result != (last + 1, last + 1 + len(frames)):
            return ()
        states = [self._extended(state, entry, frames)]
        if effect is not None:
            # The contract leaves open whether the change sees the log before or after.
            before = apply_change(state, entry, effect, None)
            after = find(states[0], session_id)
            longer = None if after is None else apply_change(states[0], after, effect, None)
            now = None if before is None else find(before, session_id)
            states = [] if longer is None else [longer]
            if before is not None and now is not None:
                states.append(self._extended(before, now, frames))
        return tuple(dict.fromkeys(states))

    def _extended(
        self, state: ModelState, entry: Entry, frames: tuple[FrameData, ...]
    ) -> ModelState:
        log, last, odd = entry.log, entry.last_seq, entry.odd
        for frame in frames:
            log = self._tree.append(log, last, frame)
            last += 1
            odd = _with_frame(odd, frame)
        return replace_entry(state, entry, entry._replace(log=log, last_seq=last, odd=odd))

    def get(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Return all frames, in order."""
        entry = find(state, cast("str", argument))
        frames = cast("tuple[FrameData, ...]", result)
        if entry is None or len(frames) != entry.last_seq - entry.dropped:
            return ()
        return (state,) if self._tree.ends_with(entry.log, frames) else ()

    def read(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Return at most `limit` frames between two numbers, the first or the newest."""
        given = cast("tuple[Plain, ...]", argument)
        session_id, after, limit, newest = cast("tuple[str, int, int, object]", given[:4])
        options = read_options(given[4:])
        before, reverse = options.get("before"), options.get("reverse")
        found = _find_meant(state, session_id, options)
        if found is None:
            return ()
        state, entry = found
        numbered = cast("tuple[tuple[int, FrameData], ...]", result)
        first, last = max(after, entry.dropped) + 1, entry.last_seq
        if before is not None:
            last = min(last, cast("int", before) - 1)
        if reverse == TRUE:
            numbered = numbered[::-1]
        stream = options.get("stream")
        if stream is not None:
            these = [each for each in self._of_stream(entry, stream) if first <= each[0] <= last]
            part = these[-limit:] if TRUE in (newest, reverse) else these[:limit]
            return (state,) if tuple(part) == numbered else ()
        if TRUE in (newest, reverse):
            first = max(first, last - limit + 1)
        else:
            last = min(last, first + limit - 1)
        if tuple(seq for seq, _ in numbered) != tuple(range(first, last + 1)):
            return ()
        log = self._tree.prefix(entry.log, entry.last_seq, last) if numbered else 0
        return (state,) if self._tree.ends_with(log, [frame for _, frame in numbered]) else ()

    def count(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Return the number of frames, or of those of a stream."""
        if isinstance(argument, tuple):
            session_id, stream = cast("tuple[str, str]", argument)
            entry = find(state, session_id)
            return (state,) if entry and result == len(self._of_stream(entry, stream)) else ()
        entry = find(state, cast("str", argument))
        return (state,) if entry and result == entry.last_seq - entry.dropped else ()

    def _of_stream(self, entry: Entry, stream: object) -> list[Numbered]:
        first = entry.dropped + 1
        frames = self._tree.items(entry.log, entry.last_seq, first)
        numbered = cast("list[Numbered]", [*enumerate(frames, first)])
        return of_stream(numbered, cast("str", stream))

    def delete(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Delete all frames; the numbering continues."""
        entry = find(state, cast("str", argument))
        return _without(state, entry, None if entry is None else entry.last_seq, result, known)

    def trim(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Delete the frames up to a number."""
        given = cast("tuple[Plain, ...]", argument)
        session_id, up_to = cast("tuple[str, int]", given[:2])
        found = _find_meant(state, session_id, read_options(given[2:]))
        return () if found is None else _without(*found, up_to, result, known)

    def remove(self, state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
        """Remove the content of frames; the frames stay, as removed ones, and are counted."""
        given = cast("tuple[Plain, ...]", argument)
        session_id, seqs = cast("tuple[str, tuple[int, ...]]", given[:2])
        found = _find_meant(state, session_id, read_options(given[2:]))
        if found is None:
            return ()
        state, entry = found
        if not all(0 < seq <= entry.last_seq for seq in seqs):
            return ()
        there = {seq for seq in seqs if seq > entry.dropped}
        log, removed = self._tree.with_changes(entry.log, entry.last_seq, there, _without_content)
        if known and result != removed:
            return ()
        return (replace_entry(state, entry, entry._replace(log=log)),)


def _find_meant(
    state: ModelState, session_id: str, options: dict[str, object]
) -> tuple[ModelState, Entry] | None:
    """Return the session of an id, and the state that knows its incarnation if the call named it.

    None if there is none, or one of another incarnation.
    """
    entry = find(state, session_id)
    wanted = options.get("incarnation")
    if entry is None or wanted is None:
        return None if entry is None else (state, entry)
    return match_incarnation(state, entry, cast("str", wanted))


def _with_frame(odd: tuple[int, int], frame: FrameData) -> tuple[int, int]:
    """Return how many odd frames and gaps there are with one frame more."""
    # Nearly all are messages: of those nothing is read.
    if _ODDITY not in frame[3] or (kind := _kind_of(frame[3])) is None:
        return odd
    return odd[0] + (kind != _GAP), odd[1] + (kind == _GAP)


def _kind_of(rest: str) -> str | None:
    """Return the media type of what is no message; None of a message."""
    try:
        fields = msgspec.json.decode(rest, type=dict[str, object])
    except msgspec.MsgspecError:
        return None
    return None if fields.get("oddity") is None else str(fields.get("media_type"))


def _without_content(frame: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is left of a frame: its session, direction, time and stream."""
    try:
        before = msgspec.json.decode(frame[3], type=dict[str, object])
    except msgspec.MsgspecError:
        before = {}
    stream = {"stream": before["stream"]} if "stream" in before else {}
    after: dict[str, object] = {
        "timestamp": before.get("timestamp"),
        "delivery": None,
        "protocol_version": None,
        "metadata": {},
        **stream,
        "media_type": _REMOVED,
        "oddity": None,
    }
    return (frame[0], frame[1], "", msgspec.json.encode(after).decode())


def _without(
    state: ModelState, entry: Entry | None, up_to: int | None, result: Plain, known: bool
) -> States:
    if entry is None or up_to is None:
        return ()
    dropped = max(entry.dropped, min(up_to, entry.last_seq))
    if known and result != dropped - entry.dropped:
        return ()
    return (replace_entry(state, entry, entry._replace(dropped=dropped)),)
