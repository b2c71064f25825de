"""What the commands on a store have in common: opening it, finding a session, failing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import ValidationError

from ..interface.atomic_store import AtomicSessionStore
from ..stores.config import (
    MemoryBackend,
    RedisBackend,
    SQLiteBackend,
    StorageBackend,
    backend_from_url,
)
from ..stores.factory import StorageFactory
from ..values.errors import BackendNotImplemented, InvalidSessionId, SessionError, SessionNotFound
from ..values.query import SessionQuery
from ..values.session import Session
from .console import INTERRUPTED, complain, run_on_loop

__all__ = [
    "BAD_INPUT",
    "NOTHING",
    "STORES",
    "AsJson",
    "SessionId",
    "StoreUrl",
    "configured",
    "find",
    "noted",
    "opened",
    "printable",
    "run_command",
    "said",
]

NOTHING, BAD_INPUT = 1, 2
_PAGE = 1_000
_LEAVING = 0.5
"""Seconds."""
STORES = (
    "sqlite:///tape.db, redis://host:6379/0?prefix=name, rediss:// for TLS,"
    " redis+cluster:// or rediss+cluster:// for a cluster"
)

StoreUrl: TypeAlias = Annotated[
    str, typer.Argument(help=f"Which store: {STORES}.", show_default=False)
]
SessionId: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="A session's id, or how it alone begins; after -- if that is a -.",
        show_default=False,
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


@asynccontextmanager
async def opened(url: str, *, made: bool = False) -> AsyncGenerator[AtomicSessionStore]:
    """Open the store of a URL; one that is not there is only `made` where that is asked for.

    Raises `typer.BadParameter`, `StoreUnavailable`.
    """
    backend = configured(url, made=made)
    try:
        store = await StorageFactory.create(backend)
    except (BackendNotImplemented, ValueError) as error:
        message = said(error) if isinstance(error, ValueError) else str(error)
        raise typer.BadParameter(message, param_hint="the store") from None
    async with store:
        try:
            yield store
        except asyncio.CancelledError:
            # Ctrl-C. What a silent server owes an answer to, or another process a lock, is not
            # waited for much longer.
            await store.aclose(timeout=_LEAVING)
            raise


def said(error: ValueError) -> str:
    """Say what is wrong with a configuration, without the value: it may be a secret."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def configured(url: str, *, made: bool = False) -> StorageBackend:
    """Read which store a URL means, one that others can look into. Raises `typer.BadParameter`."""
    try:
        backend = backend_from_url(url)
    except ValueError as error:
        raise typer.BadParameter(said(error), param_hint="the store") from None
    if isinstance(backend, MemoryBackend):
        raise typer.BadParameter(
            "memory:// ends with its program, nobody can look into it from here;"
            " name a file: sqlite:///tape.db",
            param_hint="the store",
        )
    if isinstance(backend, SQLiteBackend) and not made and _is_missing(backend.path):
        raise typer.BadParameter(f"there is no file {backend.path}", param_hint="the store")
    if isinstance(backend, RedisBackend):
        return backend.model_copy(update={"must_exist": not made})
    return backend


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # opening it says what is wrong
    return False


async def find(store: AtomicSessionStore, asked: str) -> Session:
    """Return the session of this id, or the only one whose id begins so.

    Raises `SessionNotFound`, `typer.BadParameter` when several begin so.
    """
    asked = asked.removesuffix("…")
    try:
        return await store.get_session(asked)
    except (SessionNotFound, InvalidSessionId):
        pass
    found: list[Session] = []
    cursor: str | None = None
    while asked:
        page = await store.find_sessions(SessionQuery(), cursor=cursor, limit=_PAGE)
        found += [each for each in page.sessions if each.id.startswith(asked)]
        cursor = page.cursor
        if cursor is None:
            break
    if not found:
        raise SessionNotFound(asked)
    if len(found) > 1:
        raise typer.BadParameter(f"{len(found)} ids begin so; give more of it", param_hint="the id")
    return found[0]


def run_command(main: Coroutine[Any, Any, int]) -> int:
    """Run a command and return its exit code: one line on stderr for what went wrong."""
    try:
        code = run_on_loop(main)
        sys.stdout.flush()
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        complain(noted("interrupted", error))
        _drop_output()
        return INTERRUPTED
    except SessionNotFound as error:
        complain(noted(str(error), error))
        return NOTHING
    except SessionError as error:
        complain(noted(str(error), error))
        return BAD_INPUT
    except BrokenPipeError:  # nobody reads on, as in `ls | head`
        _give_up_output()
        return NOTHING
    except OSError as error:
        complain(f"{error.filename or 'output'}: {error.strerror or error}")
        _give_up_output()
        return BAD_INPUT
    return code


def noted(text: str, error: BaseException) -> str:
    """Add what was noted of the error on its way: what could not be undone, say."""
    notes: list[str] = []
    each: BaseException | None = error
    while each is not None:
        notes += getattr(each, "__notes__", ())
        each = each.__context__
    return f"{text}; {'; '.join(notes)}" if notes else text


def _give_up_output() -> None:
    """Drop what stdout does not take: the interpreter must not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    with suppress(OSError):  # it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Escape what a terminal would obey instead of showing: a tape holds what strangers said."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
