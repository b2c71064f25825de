"""`sessionkeeper copy FROM TO` copies all sessions of a store into another."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from ..transfer import CopyReport, copy_sessions
from ..values.errors import OutcomeUnknown, StoreUnavailable
from .console import INTERRUPTED, complain, print_line
from .progress import progress
from .stores import (
    BAD_INPUT,
    NOTHING,
    STORES,
    AsJson,
    open_store,
    parse_store,
    run_command,
    store_name,
)

__all__ = ["copy"]

_GO_ON = "run the same command again to continue"


def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help=f"Store URL: {STORES}.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="Store URL, as for FROM; created if it does not exist.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> int:
    """Copy all sessions of a store into another, and compare the two.

    Ids, states, times, metadata, frames and their numbers are kept; revisions are the target's own.
    After an interruption, run the same command again; it
    copies nothing twice and overwrites nothing. Exit code 1 if a session in TO has other content.
    """
    code = run_command(_copy(source, target, as_json=as_json))
    if code == INTERRUPTED:
        complain(_GO_ON)
    return code


async def _copy(source_url: str, target_url: str, *, as_json: bool) -> int:
    parse_store(target_url, create=True)  # reports a bad URL before anything is opened
    async with open_store(source_url) as source, open_store(target_url, create=True) as target:
        held = await source.statistics()
        with progress("copying", held.frames + sum(held.sessions.values())) as advance:
            try:
                report = await copy_sessions(
                    source, target, on_session=lambda: advance(1), on_frames=advance
                )
            except (StoreUnavailable, OutcomeUnknown) as error:
                complain(
                    f"copying {store_name(source_url)} to {store_name(target_url)}:"
                    f" {error}; {_GO_ON}"
                )
                return BAD_INPUT
    if as_json:
        print_line(json.dumps(dataclasses.asdict(report)))
    else:
        _print_report(report)
    return NOTHING if report.differences else 0


def _print_report(report: CopyReport) -> None:
    for difference in report.differences:
        complain(f"not copied: {difference}")
    deleted = f"; {report.gone} sessions were deleted meanwhile" if report.gone else ""
    complain(
        f"{report.sessions} sessions with {report.frames} frames are equal on both sides;"
        f" {report.added} frames were copied now{deleted}"
    )
