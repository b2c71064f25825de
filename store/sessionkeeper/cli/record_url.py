"""Reads what `record` is told about a server on HTTP, before anything heavy is imported."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

from .console import complain
from .quantities import parse_duration
from .record_options import RecordOptions
from .stores import BAD_INPUT

__all__ = ["record_url"]

_EXTRA = frozenset({"starlette", "uvicorn", "httpx2", "httpcore2", "h11"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def record_url(
    options: RecordOptions,
    *,
    listen: str,
    allow_remote: bool,
    session_by: str | None,
    idle: str,
    ca: str | None,
) -> int:
    """Record a server on HTTP, and return the exit code. Raises `typer.BadParameter`."""
    if len(options.command) != 1:
        raise typer.BadParameter("give one URL and nothing after it", param_hint="COMMAND")
    if options.stderr:
        raise typer.BadParameter(
            "the standard error of a server on HTTP is not here", param_hint="--stderr"
        )
    if session_by is not None and _HEADER.fullmatch(session_by) is None:
        raise typer.BadParameter("give the name of a header", param_hint="--session-by")
    pause = parse_duration(idle, option="--idle")
    if not timedelta(0) < pause <= timedelta(days=365):
        raise typer.BadParameter("give more than 0s and at most 365d", param_hint="--idle")
    try:
        from ..recording.http.addresses import ListenAddress
        from .record_http import HttpOptions, run_http_recorder
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        complain("recording a server on HTTP is not installed: pip install 'sessionkeeper[http]'")
        return BAD_INPUT
    try:
        address = ListenAddress.parse(listen)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None
    http = HttpOptions(address, allow_remote, session_by, pause.total_seconds(), ca)
    try:
        return run_http_recorder(options, http)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="the URL") from None
