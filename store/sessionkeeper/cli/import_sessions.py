"""`sessionkeeper import`: read an export, whole or damaged, into a store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..transfer.append_frames import BatchSizes
from ..transfer.damage import Damage
from ..transfer.export_format import MalformedExport, StoredSession
from ..transfer.import_session import UnfinishedSession, first_number, import_session
from ..transfer.line_reader import MAX_LINE_BYTES, NotText, SourceLine, read_lines
from ..transfer.read_export import read_sessions
from ..transfer.salvage import salvage_sessions
from ..values.errors import (
    OutcomeUnknown,
    SessionError,
    SessionExists,
    StoreClosed,
    StoreUnavailable,
    short_id,
)
from .console import complain, interruptible
from .file_kinds import FileKind, refuse_other_file
from .import_report import ImportReport
from .progress import progress
from .stores import AsJson, StoreUrl, open_store, run_command, with_notes

__all__ = ["import_sessions"]

_MEBIBYTE = 1024 * 1024
_ENDS = (StoreUnavailable, StoreClosed, OutcomeUnknown)
"""After these the next session cannot be imported either."""


def import_sessions(  # noqa: PLR0917 - typer calls it
    store: StoreUrl,
    file: Annotated[str, typer.Argument(help="Output of `export`; - for stdin.")] = "-",
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip ids that already exist.")
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage", help="Import what is whole of a damaged file, and name the rest."
        ),
    ] = False,
    max_line: Annotated[
        int,
        typer.Option("--max-line", min=1, max=4096, help="MiB that a line of the file may have."),
    ] = MAX_LINE_BYTES // _MEBIBYTE,
    as_json: AsJson = False,
) -> int:
    """Import exported sessions into a store, and create the store if it does not exist.

    Ids, states, times, metadata and the order of frames are kept. The import stops with exit code 2
    at the first malformed line, or id that already exists. The sessions before it are imported; the
    session at fault is not, not even in part.

    With --salvage a malformed line does not stop it: each damage is named with its line and offset,
    sessions come with the frames that are left, and the exit code is 1.
    """
    return run_command(
        _import(
            _Input(file, max_line * _MEBIBYTE, salvage=salvage),
            store,
            skip_existing=skip_existing,
            as_json=as_json,
        )
    )


@dataclass(frozen=True, slots=True)
class _Input:
    file: str
    max_line_bytes: int
    salvage: bool

    @property
    def name(self) -> str:
        """The file, as errors name it."""
        return "standard input" if self.file == "-" else self.file


class _Meter:
    """Moves the bar by the bytes of the lines: once when they are read, once when stored."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._read = 0
        """Bytes read since the last session began to be stored."""

    def read(self, line: SourceLine) -> None:
        """Note a line that was read."""
        self._read += line.size
        self._advance(line.size)

    def of_frames(self, count: int) -> Callable[[int], None]:
        """Return what to call with the frames that were stored, of `count` that were read."""
        size, self._read = self._read, 0
        return lambda frames: self._advance(size * frames // max(1, count))


async def _import(source: _Input, url: str, *, skip_existing: bool, as_json: bool) -> int:
    report = ImportReport()
    if source.file != "-":
        refuse_other_file(source.file, FileKind.EXPORT, hint="FILE")
    with _input_stream(source.file) as stream, progress("importing", _steps(stream)) as advance:
        async with open_store(url, create=True) as store:
            work = _Work(store, source, report, _Meter(advance), skip_existing, as_json)
            try:
                await work.run(stream)
            except MalformedExport as error:
                # Without a first line it is not an export.
                hint = "; --salvage brings what is whole" if error.line > 1 else ""
                report.problem = f"{source.name}: {error}{hint}"
            except NotText as error:
                report.problem = f"{source.name}: {error}"
            except (asyncio.CancelledError, KeyboardInterrupt) as error:
                error.add_note(f"{report.imported} imported before it")
                raise
    report.print(as_json=as_json)
    return report.code


@dataclass(frozen=True, slots=True)
class _Work:
    store: AtomicSessionStore
    source: _Input
    report: ImportReport
    meter: _Meter
    skip_existing: bool
    quiet: bool
    sizes: BatchSizes = field(default_factory=BatchSizes)

    async def run(self, stream: BinaryIO) -> None:
        """Import one session after the other, to the end or to a problem."""
        name, report = self.source.name, self.report
        async for found in _found(self.source, self._lines(stream)):
            if isinstance(found, Damage):
                report.note_damage(name, found, quiet=self.quiet)
                continue
            try:
                await self._import_one(found)
            except (SessionError, ValueError) as error:
                text = f"line {found.line}: {with_notes(str(error), error)}"
                if not self.source.salvage or isinstance(error, _ENDS):
                    report.problem = f"{name}: {text}"
                    return
                report.note_refused(name, text, quiet=self.quiet)

    async def _import_one(self, stored: StoredSession) -> None:
        stored_frames = self.meter.of_frames(len(stored.frames))
        try:
            await import_session(self.store, stored, sizes=self.sizes, on_frames=stored_frames)
        except UnfinishedSession:
            raise  # it is not about a session that exists already
        except SessionExists:
            if not self.skip_existing:
                raise
            self.report.skipped += 1
            return
        self.report.imported += 1
        self.report.partial += bool(stored.missing)
        _say_numbers(stored)

    def _lines(self, stream: BinaryIO) -> Iterator[SourceLine]:
        for line in read_lines(stream, self.source.max_line_bytes):
            self.meter.read(line)
            yield line


def _say_numbers(stored: StoredSession) -> None:
    """Print a line if the frames of a session have other numbers than in the file."""
    name, first = short_id(stored.session.id), first_number(stored)
    if stored.missing:
        complain(f"session {name} has lost frames: the others are numbered on from {first}")
    elif stored.trimmed >= first:
        complain(
            f"session {name} had lost its first {stored.trimmed} frames:"
            " the others are renumbered from 1"
        )


async def _found(
    source: _Input, lines: Iterator[SourceLine]
) -> AsyncIterator[StoredSession | Damage]:
    found: Iterator[StoredSession | Damage] = (
        salvage_sessions(lines) if source.salvage else read_sessions(lines)
    )
    while True:
        await asyncio.sleep(0)  # notices an earlier Ctrl-C
        with interruptible():
            each = next(found, None)
        if each is None:
            return
        yield each


def _steps(stream: BinaryIO) -> int | None:
    """The steps of the bar for a regular file: each byte is read and stored."""
    try:
        return 2 * os.fstat(stream.fileno()).st_size or None
    except (OSError, ValueError):
        return None


@contextmanager
def _input_stream(file: str) -> Generator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with interruptible():  # opening a named pipe blocks until a writer opens it
        stream = open(file, "rb")  # noqa: SIM115 - closed below
    with stream:
        yield stream
