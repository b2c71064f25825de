"""`sessionkeeper grep` finds text in recorded messages."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ..interface.atomic_store import AtomicSessionStore
from ..printing import styled
from ..recording import SearchMatch, SearchPattern
from ..recording.analysis.every_session import every_session
from ..recording.analysis.walking import read_log
from ..values.errors import SessionNotFound, short_id
from ..values.session import Session
from .console import interruptible, print_line
from .frame_text import ARROWS
from .progress import progress_bar
from .quantities import format_moment
from .screen import Screen, join
from .stats import OptionalSession
from .stores import NOTHING, AsJson, StoreUrl, find_session, open_store, run_command

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["grep"]

_BEFORE, _MATCHED, _AFTER = 40, 200, 80
"""Characters that are shown; of the last ones, as many as fit."""


def grep(
    pattern: Annotated[
        str, typer.Argument(help="Text, or with -E a regular expression.", show_default=False)
    ],
    store: StoreUrl,
    session: OptionalSession = None,
    *,
    expression: Annotated[
        bool,
        typer.Option("--regexp", "-E", help="The pattern is a regular expression, as of Python."),
    ] = False,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", "-i", help="Upper and lower case are the same.")
    ] = False,
    count: Annotated[
        bool, typer.Option("--count", "-c", help="Only how many frames match, by session.")
    ] = False,
    list_sessions: Annotated[
        bool, typer.Option("--list", "-l", help="Only the sessions with a frame that matches.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Find text in messages: in their bytes, and in the strings of their JSON without escapes.

    So "é" is found whether it was sent as such or as \\u00e9. With -E, ^ and $ are the ends of a
    string, or of the message. Each frame that matches is one line: session, frame, time, direction,
    method or kind, the place in the message, and the text around the match.

    Exit code 1 if nothing is found.
    """
    if count and list_sessions:
        raise typer.BadParameter("does not go with --count", param_hint="--list")
    make = SearchPattern.of_expression if expression else SearchPattern.of_text
    try:
        wanted = make(pattern, ignore_case=ignore_case)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="the pattern") from None
    printer = _Counts if count else _Sessions if list_sessions else _Lines
    return run_command(_grep(wanted, store, session, printer(Screen(), as_json=as_json)))


async def _grep(pattern: SearchPattern, url: str, asked: str | None, out: _Lines) -> int:
    async with open_store(url) as store:
        if asked is None:
            sessions, frames = None, (await store.statistics()).frames
        else:
            sessions = [await find_session(store, asked)]
            frames = sessions[0].frame_count
        with progress_bar("searching", frames) as bar:
            async for session in every_session(store, sessions):
                out.begin(session)
                found = _search(store, session, pattern, bar.advance)
                async with aclosing(found):
                    async for match in found:
                        if out.prints_matches:
                            bar.stop()  # what is printed now could not be told from the bar
                        if not out.add(match):
                            break
                out.end()
    out.screen.flush()
    return 0 if out.found else NOTHING


async def _search(
    store: AtomicSessionStore,
    session: Session,
    pattern: SearchPattern,
    on_frames: Callable[[int], object],
) -> AsyncGenerator[SearchMatch]:
    """Search as `recording.search` does, but so that Ctrl-C ends an expression that takes long."""
    try:
        containing = pattern.containing
        async for frames in read_log(store, session, containing=containing, on_frames=on_frames):
            for frame in frames:
                with interruptible():
                    match = pattern.find(frame)
                if match is not None:
                    yield match
    except SessionNotFound:  # deleted meanwhile
        return


class _Lines:
    """Prints each match."""

    prints_matches = True

    def __init__(self, screen: Screen, *, as_json: bool) -> None:
        self.screen = screen
        self.as_json = as_json
        self.found: int = 0
        self.session: Session | None = None

    def begin(self, session: Session) -> None:
        """Begin with the next session."""
        self.session = session

    def add(self, match: SearchMatch) -> bool:
        """Take a match; return whether the next one of the session is wanted."""
        self.found += 1
        if self.as_json:
            print_line(json.dumps(msgspec.to_builtins(match)))
        else:
            self.screen.print(self.screen.fit(_line(match)))
            self.screen.flush()
        return True

    def end(self) -> None:
        """End the session."""


class _Counts(_Lines):
    """Prints how many frames of a session match."""

    prints_matches = False
    _before: int = 0

    def add(self, match: SearchMatch) -> bool:
        self.found += 1
        return True

    def end(self) -> None:
        count = self.found - self._before
        self._before = self.found
        if self.session is None or not count:
            return
        if self.as_json:
            print_line(json.dumps({"session_id": self.session.id, "count": count}))
        else:
            self.screen.print(f"{short_id(self.session.id)} {count}")


class _Sessions(_Lines):
    """Prints the sessions in which a frame matches."""

    prints_matches = False

    def add(self, match: SearchMatch) -> bool:
        self.found += 1
        if self.as_json:
            print_line(json.dumps({"session_id": match.session_id}))
        else:
            self.screen.print(short_id(match.session_id))
        return False


def _line(match: SearchMatch) -> Text:
    cut = "…" if len(match.before) > _BEFORE else ""
    more = match.count - 1
    return join(
        styled(f"{short_id(match.session_id)} {match.seq} ", "magenta"),
        styled(f"{format_moment(match.time, exact=True)} ", "dim"),
        styled(f"{ARROWS[match.direction]} {match.method or match.kind} ", "green"),
        styled("" if match.path is None else f"{match.path}: ", "cyan"),
        f"{cut}{match.before[-_BEFORE:]}",
        styled(match.matched[:_MATCHED], "bold red"),
        match.after[:_AFTER],
        styled(f" (and in {more:,} more)" if more else "", "dim"),
    )
