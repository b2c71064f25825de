"""SQL for the tests themselves, from any thread, whether or not a loop runs in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

__all__ = ["as_text", "speak"]

_T = TypeVar("_T")


def speak(url: str, sql: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
    """Connect, run one statement, or several without arguments; the rows of a single one.

    Blocks until the server has ended the connection, so that it is not counted afterwards. Raises
    what asyncpg raises.
    """

    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url, timeout=300, command_timeout=300)
        try:
            try:
                return [tuple(row) for row in await connection.fetch(sql, *arguments)]
            except asyncpg.PostgresSyntaxError as error:
                if arguments or "multiple commands" not in str(error):
                    raise
            await connection.execute(sql)
            return []
        finally:
            with suppress(Exception):  # the statement may have ended the server
                await connection.close(timeout=60)

    return _in_thread(ask)


def as_text(rows: Sequence[Sequence[object]]) -> str:
    """A line a row, with | between its values, as `psql -At` prints them."""
    return "\n".join("|".join(_value_text(value) for value in row) for row in rows)


def _value_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def _in_thread(ask: Callable[[], Awaitable[_T]]) -> _T:
    done: list[_T] = []
    failed: list[BaseException] = []

    async def wait() -> _T:
        return await ask()

    def run() -> None:
        try:
            done.append(asyncio.run(wait()))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="postgres-test-speaks")
    thread.start()
    thread.join()
    for error in failed:
        raise error
    return done[0]
