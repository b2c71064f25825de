"""`sessionkeeper tail` prints the last messages of a session or of all, and those to come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..printing import styled
from ..recording.analysis import Call, CallOutcome, CallTracker
from ..values.errors import SessionNotFound, short_id
from ..values.message import Frame
from ..values.session import Session
from .call_text import ARROW_STYLES, OUTCOME_STYLES, describe_outcome, style_call
from .console import print_line
from .following import SessionFollower
from .frame_text import ARROWS, frame_fields
from .messages import read_messages
from .screen import Screen, join
from .stores import AsJson, StoreUrl, find_session, open_store, run_command
from .summaries import STDERR

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["tail"]

_LOOK_BACK = 1_000
"""Frames that are read to know the requests that the first answers belong to."""
_NARROW = 60
_COLOURS = ("cyan", "blue", "magenta", "green", "yellow", "bright_cyan", "bright_blue")


def tail(
    store: StoreUrl,
    session: Annotated[
        str | None,
        typer.Argument(
            help="Session id, unique prefix, last or last~2; without it, all sessions.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Also print new messages, of new sessions as well."),
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Number of existing frames to print first.")
    ] = 10,
    as_json: AsJson = False,
) -> int:
    """Print the last messages of a session or of all, one per line; -f also prints new ones.

    An answer comes with its call, the time it took, and what became of it. -f shows what any
    process writes. It ends with the session, if one is named. Exit code 1 if it does not exist.
    """
    if session is None:
        return run_command(_tail_all(store, lines, follow=follow, as_json=as_json))
    return run_command(_tail(store, session, lines, follow=follow, as_json=as_json))


async def _tail(url: str, asked: str, count: int, *, follow: bool, as_json: bool) -> int:
    printer = _Printer(as_json=as_json, of_all=False)
    async with open_store(url) as store:
        session = await find_session(store, asked)
        frames = await store.read_frames(session.id, limit=count, newest=True) if count else []
        after = frames[-1].seq if frames else session.last_seq
        await printer.look_back(store, session, frames[0].seq if frames else after + 1)
        for frame in frames:
            printer.print(session, frame)
        if follow:
            async with store.watch_frames(session.id, after=after) as watcher:
                async for frame in watcher:
                    printer.print(session, frame)
            printer.end(session)
    return 0


async def _tail_all(url: str, count: int, *, follow: bool, as_json: bool) -> int:
    printer = _Printer(as_json=as_json, of_all=True)
    async with open_store(url) as store:
        follower = SessionFollower(store)
        for session, frame in await follower.read_last(count):
            await printer.look_back(store, session, frame.seq)
            printer.print(session, frame)
        if follow:
            async for step in follower.follow():
                if step.frames:
                    await printer.look_back(store, step.session, step.frames[0].seq)
                for frame in step.frames:
                    printer.print(step.session, frame)
                if step.session.state.is_terminal and not step.more:
                    printer.end(step.session)
    return 0


class _Printer:
    """Prints frames, each in one write: a reader of the pipe waits for it."""

    def __init__(self, *, as_json: bool, of_all: bool) -> None:
        self._screen = Screen()
        self._as_json = as_json
        self._of_all = of_all
        self._trackers: dict[tuple[str, str], tuple[CallTracker, int]] = {}
        """With the first frame that is printed."""

    async def look_back(self, store: AtomicSessionStore, session: Session, seq: int) -> None:
        """Read frames before this one, unless the session is known."""
        if self._as_json or _key(session) in self._trackers:
            return
        tracker = CallTracker(session.id)
        self._trackers[_key(session)] = tracker, seq
        if seq <= 1:
            return
        try:
            frames = await store.read_frames(
                session.id,
                before=seq,
                limit=_LOOK_BACK,
                newest=True,
                incarnation=session.incarnation,
            )
        except SessionNotFound:  # deleted meanwhile
            return
        for frame in frames:
            tracker.feed(frame)

    def print(self, session: Session, frame: Frame) -> None:
        """Print a frame, a line for each message. Raises `OSError`."""
        if self._as_json:
            whose = {"session_id": session.id} if self._of_all else {}
            print_line(json.dumps({**whose, **frame_fields(frame)}))
            return
        context = frame.envelope.context
        time = f" {context.timestamp:%H:%M:%S}" if self._is_wide else ""
        arrow = styled(ARROWS[context.direction], ARROW_STYLES[context.direction])
        if context.stream == STDERR:
            arrow = styled("!", "dim")
        tracker, _ = self._trackers[_key(session)]
        for message in read_messages(frame, tracker):
            place = styled(f"{frame.seq}{time}", "dim")
            self._print_line(session, join(place, " ", arrow, " ", message.describe()))

    def end(self, session: Session) -> None:
        """Print the calls that were printed and have no answer, as the session has ended.

        Raises `OSError`.
        """
        if _key(session) not in self._trackers:
            return
        tracker, first = self._trackers.pop(_key(session))
        for call in tracker.finish():
            if call.request_seq >= first and call.outcome is not CallOutcome.CANCELLED:
                self._print_line(session, _describe_end(call))

    @property
    def _is_wide(self) -> bool:
        return self._screen.width is None or self._screen.width >= _NARROW

    def _print_line(self, session: Session, line: Text) -> None:
        if self._of_all:
            colour = _COLOURS[crc32(session.id.encode()) % len(_COLOURS)]
            line = join(styled(short_id(session.id), colour), " ", line)
        self._screen.print(self._screen.fit(line))
        self._screen.flush()


def _describe_end(call: Call) -> Text:
    outcome = styled(describe_outcome(call), OUTCOME_STYLES[call.outcome])
    seq = styled(f"{call.request_seq}", "dim")
    return join(seq, " ✗ ", style_call(call.method, call.name), "  ", outcome)


def _key(session: Session) -> tuple[str, str]:
    return session.id, session.incarnation
