"""`sessionkeeper lint` finds what looks like a secret in a store, and was not taken out."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from ..printing import styled
from ..recording.analysis.every_session import every_session
from ..recording.analysis.walking import read_log
from ..values.errors import SessionNotFound, short_id
from .console import complain, interruptible, print_line
from .progress import progress_bar
from .quantities import format_counted, format_size
from .screen import Screen
from .stats import OptionalSession
from .stores import NOTHING, AsJson, StoreUrl, find_session, open_store, run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..recording.redaction import Finding
    from ..values.session import Session

__all__ = ["lint"]

_SHOWN = 20
"""Ranges of frames in a command to copy."""


def lint(store: StoreUrl, session: OptionalSession = None, as_json: AsJson = False) -> int:
    """Look for secrets that were recorded: tokens, keys and passwords.

    Each line is a session, a frame, the kind of secret, and the member that holds it, never the
    secret itself. What belongs to a session as a whole, as the server's command, has no frame. At
    the end it says how to take the frames' content out, and what to give to record --redact.

    Exit code 0 if nothing is found, 1 if anything is.
    """
    return run_command(_lint(store, session, as_json=as_json))


async def _lint(url: str, asked: str | None, *, as_json: bool) -> int:
    from ..recording.redaction.lint import find_in_frame, find_in_session

    report = _Report(as_json=as_json)
    async with open_store(url) as store:
        sessions = None if asked is None else [await find_session(store, asked)]
        frames = (await store.statistics()).frames if sessions is None else sessions[0].frame_count
        with progress_bar("looking for secrets", frames) as bar:
            report.on_output = bar.stop  # what is printed now could not be told from the bar
            async for session in every_session(store, sessions):
                report.begin(session)
                report.add(None, find_in_session(session))
                deliveries: set[object] = set()
                try:
                    async for page in read_log(store, session):
                        for frame in page:
                            with interruptible():
                                found = find_in_frame(frame, deliveries)
                            report.add(frame.seq, found, len(frame.envelope.message))
                        bar.advance(len(page))
                except SessionNotFound:  # deleted meanwhile
                    continue
    report.finish(url)
    return NOTHING if report.kinds else 0


class _Report:
    """Prints what was found, and what to do about it."""

    def __init__(self, *, as_json: bool) -> None:
        self.kinds: Counter[str] = Counter()
        self.on_output: Callable[[], object] = lambda: None
        self._as_json = as_json
        self._screen = Screen()
        self._sessions = self._frames = self._bytes = 0
        self._session: Session | None = None
        self._rules: set[str] = set()
        self._found: dict[str, list[int]] = {}

    def begin(self, session: Session) -> None:
        """Begin with the next session."""
        self._session = session
        self._sessions += 1

    def add(self, seq: int | None, found: list[Finding], size: int = 0) -> None:
        """Print what was found in a frame of `size` bytes, or in the session itself."""
        self._frames += seq is not None
        self._bytes += size
        if not found or self._session is None:
            return
        self.on_output()
        if seq is not None:
            self._found.setdefault(self._session.id, []).append(seq)
        for each in found:
            self.kinds[each.kind] += 1
            self._rules.add(each.rule)
            self._print(self._session, seq, each)
        self._screen.flush()

    def _print(self, session: Session, seq: int | None, found: Finding) -> None:
        if self._as_json:
            print_line(json.dumps({"session": session.id, "seq": seq, **found._asdict()}))
            return
        place = found.path or f"byte {found.position:,}"
        frame = "session" if seq is None else f"frame {seq}"
        line = f"{short_id(session.id)}  {frame:<10}  {found.kind:<18}  {place}"
        self._screen.print(self._screen.fit(styled(line)))

    def finish(self, url: str) -> None:
        """Say how much was looked at, how to take it out, and how it had not come in."""
        looked = (
            f"looked at {format_counted(self._sessions, 'session')},"
            f" {format_counted(self._frames, 'frame')}, {format_size(self._bytes)}"
        )
        if not self.kinds:
            complain(f"{looked}: no secret found")
            return
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.kinds.items()))
        complain(f"{looked}: {kinds}")
        store = "STORE" if "@" in url else shlex.quote(url)  # it may have a password
        for session_id, seqs in list(self._found.items())[:_SHOWN]:
            session = shlex.quote(short_id(session_id).rstrip("…"))
            complain(
                "to take out the content of these frames: sessionkeeper rm --frames"
                f" {_ranges(seqs)} {store} {'-- ' if session.startswith('-') else ''}{session}"
            )
        rules = " ".join(f"--redact {rule}" for rule in sorted(self._rules))
        complain(f"to store none the next time: sessionkeeper record {rules}")


def _ranges(seqs: list[int]) -> str:
    """Write ascending numbers as `3,7-9`."""
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)
