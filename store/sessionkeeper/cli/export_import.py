"""`sessionkeeper export` and `import`: write and read sessions of a store."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..transfer.json_lines import (
    MalformedExport,
    StoredSession,
    export_session,
    header_line,
    import_session,
    last_line,
    read_export,
)
from ..values.errors import SessionError, SessionExists, SessionNotFound, short_id
from ..values.query import SessionQuery
from .console import complain, interruptible, print_line
from .file_kinds import FileKind, refuse_other_file
from .progress import progress
from .stores import (
    BAD_INPUT,
    AsJson,
    StoreUrl,
    find_session,
    open_store,
    run_command,
    with_notes,
)

__all__ = ["export_sessions", "import_sessions"]

_PAGE = 1_000


def export_sessions(
    store: StoreUrl,
    session: Annotated[
        list[str] | None, typer.Argument(help="Session ids or unique prefixes.", show_default="all")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to create.", show_default="stdout")
    ] = None,
) -> int:
    """Write sessions with their frames as JSON Lines, for `import`.

    The output contains complete ids and messages. With -o the file must not exist, and only you
    can read it. Exit code 1 if a session does not exist.
    """
    return run_command(_export(store, session or [], output))


def import_sessions(
    store: StoreUrl,
    file: Annotated[str, typer.Argument(help="Output of `export`; - for stdin.")] = "-",
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip ids that already exist.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Import exported sessions into a store, and create the store if it does not exist.

    Ids, states, metadata and the order of frames are kept; creation and end times are new. The
    import stops with exit code 2 at the first malformed line, or id that already exists. The
    sessions before it are imported; the session at fault is not, not even in part.
    """
    return run_command(_import(store, file, skip_existing=skip_existing, as_json=as_json))


async def _export(url: str, asked: list[str], output: Path | None) -> int:
    async with open_store(url) as store:
        wanted = [(await find_session(store, each)).id for each in asked]
        ids = list(dict.fromkeys(wanted)) if asked else [each async for each in _ids(store)]
        written = 0
        with _output_stream(output) as stream, progress("exporting", len(ids)) as advance:
            stream.write(f"{header_line()}\n")
            for session_id in ids:
                try:
                    lines = await export_session(store, session_id)
                except SessionNotFound:  # deleted meanwhile
                    if asked:
                        raise
                    continue
                with interruptible():
                    stream.writelines(f"{line}\n" for line in lines)
                written += 1
                advance(1)
            with interruptible():
                stream.write(f"{last_line(written)}\n")
                stream.flush()
    return 0


async def _import(url: str, file: str, *, skip_existing: bool, as_json: bool) -> int:
    imported = skipped = 0
    problem: str | None = None
    if file != "-":
        refuse_other_file(file, FileKind.EXPORT, hint="FILE")
    with _input_stream(file) as stream:
        async with open_store(url, create=True) as store:
            with progress("importing", None) as advance:
                try:
                    async for stored in _read_sessions(stream):
                        try:
                            await import_session(store, stored)
                        except SessionExists:
                            if not skip_existing:
                                raise
                            skipped += 1
                            continue
                        imported += 1
                        advance(1)
                        if stored.trimmed:
                            complain(
                                f"session {short_id(stored.session.id)} had lost its first"
                                f" {stored.trimmed} frames: the others are renumbered from 1"
                            )
                except (MalformedExport, SessionError) as error:
                    problem = f"{_name(file)}: {with_notes(str(error), error)}"
                except UnicodeDecodeError:
                    problem = f"{_name(file)}: not UTF-8"
    if as_json:
        print_line(json.dumps({"imported": imported, "skipped": skipped, "problem": problem}))
        return 0 if problem is None else BAD_INPUT
    beside = f", {skipped} skipped" if skipped else ""
    if problem is not None:
        complain(f"{problem} ({imported} imported before it{beside})")
        return BAD_INPUT
    complain(f"{imported} sessions imported{beside}")
    return 0


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


async def _read_sessions(stream: TextIO) -> AsyncIterator[StoredSession]:
    sessions = read_export(stream)
    while True:
        await asyncio.sleep(0)  # notices an earlier Ctrl-C
        with interruptible():
            stored = next(sessions, None)
        if stored is None:
            return
        yield stored


async def _ids(store: AtomicSessionStore) -> AsyncIterator[str]:
    cursor: str | None = None
    while True:
        page = await store.find_sessions(SessionQuery(), cursor=cursor, limit=_PAGE)
        for session in page.sessions:
            yield session.id
        cursor = page.cursor
        if cursor is None:
            return


@contextmanager
def _output_stream(output: Path | None) -> Generator[TextIO]:
    """Open the stream to write to; remove the file if writing fails."""
    if output is None:
        yield sys.stdout
        return
    descriptor = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as stream:
            yield stream
    except BaseException:
        output.unlink(missing_ok=True)
        raise


@contextmanager
def _input_stream(file: str) -> Generator[TextIO]:
    if file == "-":
        yield sys.stdin
        return
    with interruptible():  # opening a named pipe blocks until a writer opens it
        stream = open(file, encoding="utf-8")  # noqa: SIM115 - closed below
    with stream:
        yield stream
