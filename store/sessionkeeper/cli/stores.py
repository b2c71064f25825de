"""The common part of commands on a store: open it, find a session, report errors, exit codes."""

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
from ..printing import printable
from ..stores.config import (
    MemoryBackend,
    PostgresBackend,
    RedisBackend,
    SQLiteBackend,
    StorageBackend,
    backend_from_url,
)
from ..stores.factory import StorageFactory
from ..values.errors import (
    BackendNotImplemented,
    OutcomeUnknown,
    SessionError,
    SessionNotFound,
    StoreUnavailable,
)
from ..values.jsonrpc import MAX_MESSAGE_BYTES
from .console import INTERRUPTED, complain, run_on_loop
from .file_kinds import FileKind, refuse_other_file
from .find_session import find_session
from .frame_limit import take_frames_of

__all__ = [
    "BAD_INPUT",
    "NOTHING",
    "STORES",
    "AsJson",
    "SessionId",
    "StoreUrl",
    "parse_store",
    "find_session",
    "with_notes",
    "open_store",
    "printable",
    "run_command",
    "store_name",
    "describe_error",
]

NOTHING, BAD_INPUT = 1, 2
_CLOSE_TIMEOUT = 0.5
"""Seconds."""
STORES = (
    "sqlite:///tape.db, postgresql://user@host/database?schema=name,"
    " redis://host:6379/0?prefix=name, rediss:// for TLS, redis+cluster:// for a cluster,"
    " unix:///path, redis+sentinel://host:26379/name"
)

StoreUrl: TypeAlias = Annotated[
    str, typer.Argument(help=f"Store URL: {STORES}.", show_default=False)
]
SessionId: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="Session id or unique prefix; last for the newest, last~2 for the third newest;"
        ' put -- before an id that starts with "-".',
        show_default=False,
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@asynccontextmanager
async def open_store(url: str, *, create: bool = False) -> AsyncGenerator[AtomicSessionStore]:
    """Open the store of a URL. It must exist, unless `create`.

    It accepts frames of any size, because they come from another store.

    Raises `typer.BadParameter`, `StoreUnavailable`.
    """
    backend = take_frames_of(MAX_MESSAGE_BYTES, parse_store(url, create=create))
    try:
        store = await StorageFactory.create(backend)
    except (BackendNotImplemented, ValueError) as error:
        message = describe_error(error) if isinstance(error, ValueError) else str(error)
        raise typer.BadParameter(message, param_hint="the store") from None
    except SessionError as error:
        _add_file(error, backend)
        raise
    async with store:
        try:
            yield store
        except asyncio.CancelledError:
            # Ctrl-C: do not wait much longer for a silent server, or for a lock of another process.
            await store.aclose(timeout=_CLOSE_TIMEOUT)
            raise
        except (StoreUnavailable, OutcomeUnknown) as error:
            _add_file(error, backend)
            raise


def _add_file(error: SessionError, backend: StorageBackend) -> None:
    """Add which file an error is about, for `with_notes`."""
    if isinstance(backend, SQLiteBackend):
        error.add_note(f"the store is {backend.path}")


def store_name(url: str) -> str:
    """Return the file of a store, or that it is on a server: its URL may hold a password."""
    backend = backend_from_url(url)
    return backend.path if isinstance(backend, SQLiteBackend) else "the server"


def describe_error(error: ValueError) -> str:
    """Describe an invalid configuration without the value, which may be a secret."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        return f"{'.'.join(map(str, first['loc']))}: {reason}"
    return str(error)


def parse_store(url: str, *, create: bool = False) -> StorageBackend:
    """Parse the URL of a store that outlives its process. Raises `typer.BadParameter`."""
    try:
        backend = backend_from_url(url)
    except ValueError as error:
        raise typer.BadParameter(describe_error(error), param_hint="the store") from None
    if isinstance(backend, MemoryBackend):
        raise typer.BadParameter(
            "memory:// exists only inside the process that created it;"
            " name a file: sqlite:///tape.db",
            param_hint="the store",
        )
    if isinstance(backend, SQLiteBackend):
        refuse_other_file(backend.path, FileKind.STORE, hint="the store")
        if not create and _is_missing(backend.path):
            raise typer.BadParameter(_missing(backend.path), param_hint="the store")
    if isinstance(backend, PostgresBackend | RedisBackend):
        return backend.model_copy(update={"must_exist": not create})
    return backend


def _missing(path: str) -> str:
    rooted = f"/{path}"
    hint = (
        f"; did you mean sqlite:///{rooted}, with four slashes?" if os.path.isfile(rooted) else ""
    )
    return f"the file {path} does not exist{hint}"


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # opening it reports the reason
    return False


def run_command(main: Coroutine[Any, Any, int]) -> int:
    """Run a command and return its exit code. An error prints one line on stderr."""
    try:
        code = run_on_loop(main)
        sys.stdout.flush()
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        complain(with_notes("interrupted", error))
        _drop_output()
        return INTERRUPTED
    except SessionNotFound as error:
        complain(with_notes(str(error), error))
        return NOTHING
    except SessionError as error:
        complain(with_notes(str(error), error))
        return BAD_INPUT
    except BrokenPipeError:  # the reader has exited, as in `ls | head`
        _flush_or_drop_output()
        return NOTHING
    except OSError as error:
        complain(f"{error.filename or 'output'}: {error.strerror or error}")
        _flush_or_drop_output()
        return BAD_INPUT
    return code


def with_notes(text: str, error: BaseException) -> str:
    """Append the notes of an error: for example, what could not be undone."""
    notes: list[str] = []
    each: BaseException | None = error
    while each is not None:
        notes += getattr(each, "__notes__", ())
        each = each.__context__
    return f"{text}; {'; '.join(notes)}" if notes else text


def _flush_or_drop_output() -> None:
    """Flush stdout, or drop its content: the interpreter must not try again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    with suppress(OSError):  # stdout is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
