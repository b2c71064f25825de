"""Salvages the intact records of an export that is torn, padded or glued, and names the damages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from ..values.errors import short_id
from .damage import Damage, DamageKind, describe_missing, describe_numbers
from .export_format import MalformedLine, StoredSession, check_header, read_frame, read_head
from .line_reader import SourceLine
from .partial_session import PartialSession
from .read_export import too_long
from .strict_json import NotJson, read_objects

__all__ = ["salvage_sessions"]

_RECORD = re.compile(rb'\{"(?:format|session|seq|end)":')
"""The beginning of a record; inside a record it can only be a member of its metadata."""
_PIECES = 10_000
"""Maximum number of records that are searched in one line."""


def salvage_sessions(lines: Iterator[SourceLine], /) -> Iterator[StoredSession | Damage]:
    """Yield the sessions of a damaged export, and its damages in between.

    A session that has lost frames has the remaining ones, in order; `missing` names the others, and
    the session has the tag `SALVAGED`. Raises `NotText`.
    """
    yield from _Salvage().run(lines)


class _Salvage:
    def __init__(self) -> None:
        self._open: PartialSession | None = None
        self._found: list[StoredSession | Damage] = []
        self._at = SourceLine(1, 0, 0, b"", 0)
        self._records = self._sessions = 0
        self._lost_frames: tuple[SourceLine, int, int, int] | None = None
        """Frames without a session: where they begin, the first and the last number, how many."""
        self._ended = False

    def run(self, lines: Iterator[SourceLine]) -> Iterator[StoredSession | Damage]:
        for self._at in lines:
            self._read(self._at)
            yield from self._take()
        self._close_session()
        if not self._ended:
            after = SourceLine(self._at.number + 1, self._at.offset + self._at.size, 0, b"", 0)
            text = "the export ends here without its last line"
            self._note(DamageKind.NO_END, text, after)
        yield from self._take()

    def _take(self) -> list[StoredSession | Damage]:
        found, self._found = self._found, []
        return found

    def _note(self, kind: DamageKind, text: str, at: SourceLine | None = None) -> None:
        at = self._at if at is None else at
        self._found.append(Damage(at.number, at.offset, kind, text))

    def _read(self, line: SourceLine) -> None:
        text = line.text
        if text is None:
            self._note(DamageKind.TOO_LONG, too_long(line))
            return
        if b"\0" in text:
            self._note(DamageKind.NUL_BYTES, f"{text.count(0)} NUL bytes")
            text = text.strip(b"\0")
        if not text.strip():
            return
        try:
            records = read_objects(text)
        except NotJson as error:
            if _RECORD.search(text, 1) is None:
                self._note(DamageKind.NOT_EXPORTED, f"not a whole record: {error}")
                return
            records = self._pieces(text)
        else:
            if len(records) > 1:
                self._note(
                    DamageKind.GLUED, f"{len(records)} records on one line, all of them whole"
                )
        for record in records:
            self._take_record(record)

    def _pieces(self, text: bytes) -> list[dict[str, Any]]:
        """Return the records of a line that has at least one incomplete record."""
        starts = [match.start() for match in _RECORD.finditer(text)][:_PIECES]
        parts = [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]
        records: list[dict[str, Any]] = []
        torn = 0
        for piece in parts:
            if not piece.strip(b"\0 \t\r"):
                continue
            try:
                records += read_objects(piece)
            except NotJson:
                torn += 1
        pieces = "1 piece that is" if torn == 1 else f"{torn} pieces that are"
        self._note(
            DamageKind.NOT_EXPORTED,
            f"{pieces} no whole record, beside {len(records)} whole on the same line",
        )
        return records

    def _take_record(self, record: dict[str, Any]) -> None:
        first, self._records = not self._records, self._records + 1
        if "format" in record:
            self._take_header(record, first=first)
            return
        if first:
            self._note(DamageKind.NO_HEADER, "the export begins here without its first line")
        if "end" in record:
            self._take_end(record)
        elif "seq" in record:
            self._take_frame(record)
        else:
            self._take_session(record)

    def _take_header(self, record: dict[str, Any], *, first: bool) -> None:
        try:
            check_header(record)
        except MalformedLine as error:
            self._note(DamageKind.WRONG_RECORD, str(error))
            return
        if not first:
            self._close_session()
            if not self._ended:
                self._note(DamageKind.NO_END, "another export begins here before the end of one")
            self._sessions = 0
        self._ended = False

    def _take_end(self, record: dict[str, Any]) -> None:
        self._close_session()
        self._ended = True
        end = record["end"]
        count = cast("dict[str, object]", end).get("sessions") if isinstance(end, dict) else None
        if type(count) is not int or count < 0:
            self._note(DamageKind.WRONG_RECORD, "the number of sessions is expected at the end")
        elif count > self._sessions:
            missing = f"{count - self._sessions} of {count} sessions are missing"
            self._note(DamageKind.MISSING_SESSIONS, missing)

    def _take_session(self, record: dict[str, Any]) -> None:
        self._close_session()
        self._ended = False
        try:
            head = read_head(record)
        except MalformedLine as error:
            self._note(DamageKind.WRONG_RECORD, str(error))
            return
        self._open = PartialSession(head, self._at)

    def _take_frame(self, record: dict[str, Any]) -> None:
        seq, session = record["seq"], self._open
        if type(seq) is not int:
            self._note(DamageKind.WRONG_RECORD, "a frame without a number")
            return
        if session is None or not session.may_have(seq):
            self._lose(seq)
            return
        try:
            envelope = read_frame(session.head.session.id, record)
        except MalformedLine as error:
            self._note(DamageKind.WRONG_RECORD, f"frame {seq}: {error}")
            return
        if seq in session.frames:
            if session.frames[seq] != envelope:
                # The line of its session is missing; the same holds for the frames after it.
                self._close_session()
                self._lose(seq)
                return
            self._note(DamageKind.OUT_OF_ORDER, f"frame {seq} is there twice")
        elif seq < session.highest:
            self._note(DamageKind.OUT_OF_ORDER, f"frame {seq} comes after frame {session.highest}")
        session.add(seq, envelope)

    def _lose(self, seq: int) -> None:
        if self._lost_frames is None:
            self._lost_frames = (self._at, seq, seq, 1)
            return
        at, first, last, count = self._lost_frames
        self._lost_frames = (at, min(first, seq), max(last, seq), count + 1)

    def _close_session(self) -> None:
        if self._lost_frames is not None:
            at, first, last, count = self._lost_frames
            self._lost_frames = None
            numbers = describe_numbers((first, last))
            self._note(
                DamageKind.NO_SESSION,
                f"{count} frames ({numbers}) belong to a session whose line is missing or wrong",
                at,
            )
        session, self._open = self._open, None
        if session is None:
            return
        self._sessions += 1
        stored = session.stored()
        if stored.missing:
            name = short_id(stored.session.id)
            self._note(
                DamageKind.MISSING_FRAMES,
                f"session {name}: {describe_missing(stored.missing)}",
                session.at,
            )
        self._found.append(stored)
