"""`sessionkeeper export`: write sessions as JSON Lines, or their calls in a format of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

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
from .export_output import output_stream
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
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to create.", show_default="stdout")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Write the calls as CSV, one row a call.")
    ] = False,
    as_spans: Annotated[
        bool,
        typer.Option("--otel", help="Write the calls as OpenTelemetry spans: lines of OTLP/JSON."),
    ] = False,
    collector: Annotated[
        str | None,
        typer.Option(
            "--otlp", help="Send the spans to a collector: http://127.0.0.1:4318.", metavar="URL"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Write them as one page for the browser, to this file.", metavar="FILE"
        ),
    ] = None,
) -> int:
    """Write sessions with their frames as JSON Lines, for `import`; or their calls, for others.

    The output contains complete ids and messages. With -o the file must not exist, and only you
    can read it. Exit code 1 if a session does not exist.

    --csv, --otel and --otlp write calls, and cannot be imported. In CSV, a text that a spreadsheet
    would take for a formula gets a ' in front. Spans have the names of the semantic conventions for
    MCP, and neither arguments nor results; the headers for a collector are in the variable
    OTEL_EXPORTER_OTLP_HEADERS.

    --html writes the page of `view` with these sessions in it: one file, which needs no server and
    no network, to attach to a bug report. It contains complete messages.
    """
    if sum((as_csv, as_spans, collector is not None)) > 1:
        raise typer.BadParameter("choose one of --csv, --otel and --otlp", param_hint="the format")
    asked = session or []
    if html is not None:
        from .export_html import export_html

        if as_csv or as_spans or collector is not None or output is not None:
            raise typer.BadParameter("it goes with no other format, and no -o", param_hint="--html")
        return run_command(export_html(store, asked, html))
    if as_csv:
        from .export_csv import export_csv

        return run_command(export_csv(store, asked, output))
    if as_spans or collector is not None:
        from .export_spans import export_spans

        return export_spans(store, asked, output, collector)
    return run_command(_export(store, asked, output))


async def _export(url: str, asked: list[str], output: Path | None) -> int:
    async with open_store(url) as store:
        wanted = [(await find_session(store, each)).id for each in asked]
        ids = list(dict.fromkeys(wanted)) if asked else [each async for each in _ids(store)]
        written = 0
        with output_stream(output) as stream, progress("exporting", len(ids)) as advance:
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
