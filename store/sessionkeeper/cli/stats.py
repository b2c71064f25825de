"""`sessionkeeper stats` counts: what a store contains, its calls, and what they cost a model."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .console import print_line
from .measurements import measurement_fields, print_measurements
from .progress import progress
from .screen import Screen
from .store_statistics import print_store_statistics, store_fields
from .stores import AsJson, StoreUrl, find_session, open_store, run_command

__all__ = ["OptionalSession", "stats"]

OptionalSession = Annotated[
    str | None,
    typer.Argument(
        help="Session id, unique prefix, last or last~2; without it, all sessions.",
        show_default=False,
    ),
]


def stats(
    store: StoreUrl,
    session: OptionalSession = None,
    *,
    only_store: Annotated[
        bool, typer.Option("--store", help="Only the counters of the store; reads no messages.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Show all tools of each server, not only the costliest.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Count what a store contains, the calls by method and tool, and their cost for a model.

    Of the store: sessions by state, frames and bytes; for a file, its size; for a server, what its
    settings guarantee for an acknowledged write.

    Of the calls: how many, how many errors, the median latency (p50), the latency that 99 % do not
    exceed (p99), and bytes. More than 4,096 calls of a kind have p50 and p99 within 1 %.

    Of each server: what the definitions of its tools and their results put into the context of a
    model, in bytes and in tokens of about 4 bytes; which tools were never called; what is worth a
    look. With a session, only that one is measured, without the counters of the store.
    """
    if session is not None and only_store:
        raise typer.BadParameter("counts no single session", param_hint="--store")
    return run_command(_stats(store, session, only_store=only_store, every=every, as_json=as_json))


async def _stats(
    url: str, asked: str | None, *, only_store: bool, every: bool, as_json: bool
) -> int:
    from ..recording import measure

    fields: dict[str, object] = {}
    screen = Screen()
    async with open_store(url) as store:
        if asked is None:
            sessions = None
            found = await store.statistics()
            frames = found.frames
            fields = store_fields(found)
            if not as_json:
                print_store_statistics(found)
        else:
            session = await find_session(store, asked)
            sessions, frames = [session], session.frame_count
            fields["session"] = session.id
        if not only_store:
            with progress("measuring", frames) as advance:
                measured = await measure(store, sessions, on_frames=advance)
            fields |= measurement_fields(measured)
            if not as_json:
                if asked is None:
                    screen.print()
                print_measurements(screen, measured, every=every)
    if as_json:
        print_line(json.dumps(fields))
    screen.flush()
    return 0
