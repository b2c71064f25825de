"""`sessionkeeper copy FROM TO`: sessions from any store into any other."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from ..transfer import CopyReport, copy_sessions
from ..values.errors import OutcomeUnknown, StoreUnavailable
from .console import INTERRUPTED, complain
from .progress import progress
from .stores import BAD_INPUT, NOTHING, STORES, AsJson, configured, opened, run_command

__all__ = ["copy"]

_GO_ON = "the same command goes on where it was"


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=f"{STORES}.", show_default=False)],
    target: Annotated[
        str,
        typer.Argument(metavar="TO", help="So too; made if it is not there.", show_default=False),
    ],
    as_json: AsJson = False,
) -> int:
    """Copy all sessions of a store into another, and compare both sides whole.

    Ids, states, metadata, frames and their numbers are kept; revisions and the times of creation,
    activity and end are the target's own. Interrupted, it goes on when it is called again; nothing
    is copied twice or overwritten. Exit code 1 when a session is at the target with other content.
    """
    code = run_command(_copy(source, target, as_json=as_json))
    if code == INTERRUPTED:
        complain(_GO_ON)
    return code


async def _copy(source_url: str, target_url: str, *, as_json: bool) -> int:
    configured(target_url, made=True)  # what is wrong with it is said before anything is opened
    async with opened(source_url) as source, opened(target_url, made=True) as target:
        with progress("copying", await source.count_sessions()) as advance:
            try:
                report = await copy_sessions(source, target, on_session=lambda: advance(1))
            except (StoreUnavailable, OutcomeUnknown) as error:
                complain(f"{error}; {_GO_ON}")
                return BAD_INPUT
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(report)))
    else:
        _tell(report)
    return NOTHING if report.differences else 0


def _tell(report: CopyReport) -> None:
    for difference in report.differences:
        complain(f"not copied: {difference}")
    beside = f"; {report.gone} sessions were deleted meanwhile" if report.gone else ""
    complain(
        f"{report.sessions} sessions with {report.frames} frames are the same on both sides,"
        f" {report.added} frames came over now{beside}"
    )
