"""`sessionkeeper restore BACKUP STORE` replaces a store in a file with a backup."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Annotated

import typer

from ..stores.config import PostgresBackend, SQLiteBackend
from ..stores.restore import RestoreReport, restore_backup
from .console import complain, print_line
from .file_kinds import FileKind, refuse_other_file
from .progress import progress
from .stores import BAD_INPUT, AsJson, StoreUrl, parse_store, run_command

__all__ = ["restore"]

_PAGE = 8192
"""Bytes in a page of a store's file."""


def restore(
    backup: Annotated[
        str,
        typer.Argument(help="File written by `SQLiteSessionStore.backup`.", show_default=False),
    ],
    store: StoreUrl,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing store.")] = False,
    as_json: AsJson = False,
) -> int:
    """Replace a store in a file with a copy of a backup.

    No process may have the store open. The backup is checked first, and stays. If the command
    fails or is killed, the old store or the new one is complete. A log that does not belong to the
    old file is moved aside, not removed.
    """
    return run_command(_restore(backup, store, force=force, as_json=as_json))


async def _restore(backup: str, url: str, *, force: bool, as_json: bool) -> int:
    path = _path(url, create=True)
    # Another URL is refused without being shown: it may have a password.
    source = _path(backup) if "://" in backup or backup.startswith("sqlite:") else backup
    refuse_other_file(source, FileKind.STORE, hint="BACKUP")
    with progress("restoring", max(1, os.stat(source).st_size // _PAGE)) as advance:
        copied = 0

        def on_progress(done: int, _: int) -> None:
            nonlocal copied
            advance(done - copied)
            copied = done

        try:
            report = await restore_backup(source, path, replace=force, on_progress=on_progress)
        except FileExistsError as error:
            complain(f"{error.filename}: the store exists; --force replaces it")
            return BAD_INPUT
    if as_json:
        print_line(json.dumps({"restored": path, **dataclasses.asdict(report)}))
    else:
        _print_report(path, report)
    return 0


def _path(url: str, *, create: bool = False) -> str:
    backend = parse_store(url, create=create)
    if isinstance(backend, PostgresBackend):
        raise typer.BadParameter(
            "PostgreSQL has its own tools: pg_dump and pg_restore with --schema, see"
            " docs/postgres.md; use `copy` to bring sessions from another store",
            param_hint="the store",
        )
    if not isinstance(backend, SQLiteBackend):
        raise typer.BadParameter(
            "only a store in a file can be restored: sqlite:///tape.db; use `copy` for others",
            param_hint="the store",
        )
    return backend.path


def _print_report(path: str, report: RestoreReport) -> None:
    for kept in report.set_aside:
        complain(f"a log that did not belong to the old file was moved aside: {kept}")
    complain(f"{report.sessions} sessions with {report.frames} frames restored to {path}")
