"""`sessionkeeper restore BACKUP STORE`: a backup in the place of a store in a file."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Annotated

import typer

from ..stores.config import SQLiteBackend
from ..stores.restore import RestoreReport, restore_backup
from .console import complain
from .progress import progress
from .stores import BAD_INPUT, AsJson, StoreUrl, configured, run_command

__all__ = ["restore"]

_PAGE = 8192
"""Bytes in a page of a store's file."""


def restore(
    backup: Annotated[
        str,
        typer.Argument(help="A file that `SQLiteSessionStore.backup` made.", show_default=False),
    ],
    store: StoreUrl,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the store that is there.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Put a copy of a backup in the place of a store in a file, which nobody may have open.

    The backup is checked first and stays. Whatever happens meanwhile, the old store or the new one
    is there afterwards, whole. A log that is not the old file's is set aside, not removed.
    """
    return run_command(_restore(backup, store, force=force, as_json=as_json))


async def _restore(backup: str, url: str, *, force: bool, as_json: bool) -> int:
    path = _path(url, made=True)
    source = _path(backup) if backup.startswith("sqlite:") else backup
    with progress("restoring", max(1, os.stat(source).st_size // _PAGE)) as advance:
        copied = 0

        def on_progress(done: int, _: int) -> None:
            nonlocal copied
            advance(done - copied)
            copied = done

        try:
            report = await restore_backup(source, path, replace=force, on_progress=on_progress)
        except FileExistsError as error:
            complain(f"{error.filename}: there is a store already; --force replaces it")
            return BAD_INPUT
    if as_json:
        typer.echo(json.dumps({"restored": path, **dataclasses.asdict(report)}))
    else:
        _tell(path, report)
    return 0


def _path(url: str, *, made: bool = False) -> str:
    backend = configured(url, made=made)
    if not isinstance(backend, SQLiteBackend):
        raise typer.BadParameter(
            "only a store in a file is restored: sqlite:///tape.db; `copy` fills the others",
            param_hint="the store",
        )
    return backend.path


def _tell(path: str, report: RestoreReport) -> None:
    for kept in report.set_aside:
        complain(f"a log that was not the old file's is kept: {kept}")
    complain(f"{report.sessions} sessions with {report.frames} frames are in {path} now")
