"""`sessionkeeper export`: write sessions of a store as JSON Lines."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..transfer import (
    export_session,
    header_line,
    last_line,
)
from ..values.errors import SessionNotFound
from ..values.query import SessionQuery
from .console import interruptible
from .progress import progress
from .stores import (
    StoreUrl,
    find_session,
    open_store,
    run_command,
)

__all__ = ["export_sessions"]

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
