"""`sessionkeeper import`: read an export, whole or damaged, into a store."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..transfer.append_frames import BatchSizes
from ..transfer.export_format import MalformedExport, StoredSession
from ..transfer.import_session import UnfinishedSession, first_number, import_session
from ..transfer.line_reader import MAX_LINE_BYTES, NotText, SourceLine, read_lines
from ..transfer.read_export import read_sessions
from ..transfer.salvage import Damage, salvage_sessions
from ..values.errors import (
    OutcomeUnknown,
    SessionError,
    SessionExists,
    StoreClosed,
    StoreUnavailable,
    short_id,
)
from .console import complain, interruptible, print_line
from .file_kinds import FileKind, refuse_other_file
from .progress import progress
from .stores import BAD_INPUT, NOTHING, AsJson, StoreUrl, open_store, run_command, with_notes

__all__ = ["import_sessions"]

_MEBIBYTE = 1024 * 1024
_ENDS = (StoreUnavailable, StoreClosed, OutcomeUnknown)
"""After these the next session cannot be imported either."""
_SHOWN = 100
"""Damages that are told one by one; all of them are counted."""


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


@dataclass(slots=True)
class _Report:
    imported: int = 0
    skipped: int = 0
    partial: int = 0
    """Sessions among the imported that have lost frames."""
    problem: str | None = None
    refused: list[str] = field(default_factory=list[str])
    """Why the store did not take sessions that are whole enough, with --salvage."""
    damages: int = 0
    damage: list[Damage] = field(default_factory=list[Damage])
    """The first ones."""

    @property
    def code(self) -> int:
        """The exit code."""
        if self.problem is not None:
            return BAD_INPUT
        return NOTHING if self.damages or self.refused else 0


async def _import(source: _Input, url: str, *, skip_existing: bool, as_json: bool) -> int:
    report, sizes = _Report(), BatchSizes()
    if source.file != "-":
        refuse_other_file(source.file, FileKind.EXPORT, hint="FILE")
    with _input_stream(source.file) as stream, progress("importing", _size(stream)) as advance:
        async with open_store(url, create=True) as store:
            try:
                async for found in _found(source, _counted(stream, source, advance)):
                    if isinstance(found, Damage):
                        _note(source, report, found, as_json=as_json)
                        continue
                    try:
                        await _import_one(store, found, sizes, report, skip_existing=skip_existing)
                    except (SessionError, ValueError) as error:
                        text = f"line {found.line}: {with_notes(str(error), error)}"
                        if not source.salvage or isinstance(error, _ENDS):
                            report.problem = f"{source.name}: {text}"
                            break
                        report.refused.append(text)
                        if not as_json:
                            complain(f"{source.name}: {text}")
            except (MalformedExport, NotText) as error:
                report.problem = f"{source.name}: {error}"
            except (asyncio.CancelledError, KeyboardInterrupt) as error:
                error.add_note(f"{report.imported} imported before it")
                raise
    _print(report, as_json=as_json)
    return report.code


async def _import_one(
    store: AtomicSessionStore,
    stored: StoredSession,
    sizes: BatchSizes,
    report: _Report,
    *,
    skip_existing: bool,
) -> None:
    try:
        await import_session(store, stored, sizes=sizes)
    except UnfinishedSession:
        raise
    except SessionExists:
        if not skip_existing:
            raise
        report.skipped += 1
        return
    report.imported += 1
    report.partial += bool(stored.missing)
    name, first = short_id(stored.session.id), first_number(stored)
    if stored.missing:
        complain(f"session {name} has lost frames: the others are numbered on from {first}")
    elif stored.trimmed >= first:
        complain(
            f"session {name} had lost its first {stored.trimmed} frames:"
            " the others are renumbered from 1"
        )


def _note(source: _Input, report: _Report, damage: Damage, *, as_json: bool) -> None:
    report.damages += 1
    if len(report.damage) < _SHOWN:
        report.damage.append(damage)
        if not as_json:
            complain(
                f"{source.name}: line {damage.line}, byte {damage.offset}: {damage.text}"
                f" ({damage.kind})"
            )


def _print(report: _Report, *, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(dataclasses.asdict(report)))
        return
    beside = f", {report.skipped} skipped" if report.skipped else ""
    partial = f", {report.partial} of them in part" if report.partial else ""
    places = "1 place" if report.damages == 1 else f"{report.damages} places"
    damages = f"; the file is damaged in {places}" if report.damages else ""
    beside += f", {len(report.refused)} refused" if report.refused else ""
    if report.problem is not None:
        complain(
            f"{report.problem} ({report.imported} imported before it{partial}{beside}{damages})"
        )
    else:
        complain(f"{report.imported} sessions imported{partial}{beside}{damages}")


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


def _counted(
    stream: BinaryIO, source: _Input, advance: Callable[[int], None]
) -> Iterator[SourceLine]:
    for line in read_lines(stream, source.max_line_bytes):
        advance(line.size)
        yield line


def _size(stream: BinaryIO) -> int | None:
    """The bytes of a regular file, for the progress bar."""
    try:
        return os.fstat(stream.fileno()).st_size or None
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
