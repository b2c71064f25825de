"""Wrong designs of the writer and its neighbours: each fails a trial that ours passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, TypeAlias

import pytest
from postgres_server import PostgresServer
from postgres_trials import (
    FAULTS,
    applied_once,
    closed_early,
    deadlocked,
    filled_up,
    histories,
    nothing,
    own,
    undisturbed,
)
from redis_operations import WRITES
from sessionkeeper import StoreClosed, StoreUnavailable
from sessionkeeper.backends.postgres import locks, rows, tables
from sessionkeeper.backends.postgres.commits import Commits, Repeat, WriterRow
from sessionkeeper.backends.postgres.errors import must_repeat
from sessionkeeper.backends.postgres.outcome import BatchId
from sessionkeeper.backends.postgres.reader import PostgresReader
from sessionkeeper.backends.postgres.write_statement import Written
from sessionkeeper.backends.postgres.writer import PostgresWriter
from sessionkeeper.stores.postgres import PostgresSessionStore

from tests.support.flawed import flawed_module

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

TRIES = 10

Trial: TypeAlias = Callable[[PostgresServer, str, type[PostgresSessionStore]], Awaitable[object]]


def once(name: str, fault: str) -> Trial:
    """One write and one fault."""

    async def trial(server: PostgresServer, url: str, store: type[PostgresSessionStore]) -> None:
        expected = await undisturbed(own(f"{url}_right", name), WRITES[name])
        await applied_once(server, url, name, FAULTS[fault], expected, store_type=store)

    return trial


def busy(stores: int) -> Trial:
    """The clients of some stores."""

    async def trial(server: PostgresServer, url: str, store: type[PostgresSessionStore]) -> None:
        await histories(server, url, nothing, stores=stores, seed=url, store_type=store)

    return trial


async def in_a_deadlock(
    server: PostgresServer, url: str, store: type[PostgresSessionStore]
) -> None:
    await deadlocked(server, url, store_type=store)


async def at_the_limit(server: PostgresServer, url: str, store: type[PostgresSessionStore]) -> None:
    await filled_up(server, url, store_type=store)


async def closing(server: PostgresServer, url: str, store: type[PostgresSessionStore]) -> None:
    await closed_early(server, url, store_type=store)


class AnswersEarly(Commits):
    """Callers are answered before the commit, which comes with the next batch."""

    _is_late = False

    def commit(self, row: WriterRow, xid: int) -> None:
        self._is_late, self.row = True, row

    def begin(self) -> None:
        if self._is_late:
            self._is_late = False
            super().commit(self.row, 1)
        super().begin()


class Blind(Commits):
    """A lost commit is sent again without asking what became of it."""

    def _settle(self, batch: BatchId) -> None:
        self._connection.drop()
        raise Repeat


class Trusting(Commits):
    """A lost commit is taken for done."""

    def _settle(self, batch: BatchId) -> None:
        self._connection.drop()


class CountsEarly(Commits):
    """What a batch counts is counted before its commit, and again when it is repeated."""

    def commit(self, row: WriterRow, xid: int) -> None:
        self.row = self.row._replace(counted=row.counted)
        super().commit(row, xid)


def committing(wrong: type[Commits]) -> type[PostgresWriter]:
    """A writer that is right but for its commits."""

    class Wrong(PostgresWriter):
        _commits_type: ClassVar[type[Commits]] = wrong

    return Wrong


class Yielding(PostgresWriter):
    """What the server refused for others' sake is not applied again."""

    def repeats(self, error: Exception, /) -> bool:
        return not must_repeat(error) and super().repeats(error)


class Impatient(PostgresWriter):
    """Nothing is applied again."""

    def repeats(self, error: Exception, /) -> bool:
        return False


class SharesAll(PostgresWriter):
    """Sessions are made and removed while others do so."""

    def _connect(self) -> None:
        super()._connect()
        self._begin_alone = self._begin_shared


class Careless(PostgresWriter):
    """Near a limit of the whole store others write at the same time."""

    def _write(self, row: WriterRow, added: int) -> Written:
        locks, self._locks = self._locks, replace(self._locks, has_store=True)
        try:
            return super()._write(row, added)
        finally:
            self._locks, self._is_near_limit = locks, False


class Sure(PostgresWriter):
    """Of a commit that is not answered when the store must close it is said that it failed."""

    def lost(self) -> Exception:
        return StoreClosed()


WRITERS: dict[str, tuple[type[PostgresWriter], Trial]] = {
    "answers before the commit": (committing(AnswersEarly), busy(1)),
    "sends a lost commit again": (
        committing(Blind),
        once("add_frame", "the answer to the commit is cut off"),
    ),
    "takes a lost commit for done": (
        committing(Trusting),
        once("add_frame", "the commit is cut off"),
    ),
    "gives up after a deadlock": (Yielding, in_a_deadlock),
    "gives up a lost connection": (Impatient, once("add_frame", "the beginning is cut off")),
    "counts before the commit": (
        committing(CountsEarly),
        once("add_frame", "the commit is cut off"),
    ),
    "shares the store to create": (SharesAll, busy(3)),
    "denies what it had sent when it was closed": (Sure, closing),
    "shares the last room": (Careless, at_the_limit),
}


def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read without locks."""
    assert rows._LOCK.endswith("FOR UPDATE OF logs")
    monkeypatch.setattr(rows, "_LOCK", rows._LOCK.removesuffix("FOR UPDATE OF logs"))


def keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are kept though others wrote them."""
    flawed = flawed_module(monkeypatch, rows, "if row.xmin != xmin:", "if False:")
    monkeypatch.setattr(tables, "RowTable", flawed.RowTable)


def keeping_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields of sessions are kept though others wrote them."""
    right = "if row is None or (row.stored_revision, row.fields_xmin) != (revision, fields_xmin):"
    flawed = flawed_module(monkeypatch, rows, right, "if row is None:")
    monkeypatch.setattr(tables, "RowTable", flawed.RowTable)


def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader keeps the moment of its first batch."""
    monkeypatch.setattr(PostgresReader, "tidy", lambda self: None)


PATCHES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    each.__name__: each for each in (unlocked, keeping, keeping_fields, lasting)
}


async def notices(
    trial: Trial, server: PostgresServer, url: str, store: type[PostgresSessionStore]
) -> bool:
    """Whether a trial fails, sooner or later: at the right moment nobody may have looked."""
    for n in range(TRIES):
        try:
            async with asyncio.timeout(300):
                await trial(server, f"{url}_{n}", store)
        except (AssertionError, StoreUnavailable, ExceptionGroup):
            return True
    return False


@pytest.mark.parametrize("what", WRITERS)
async def test_a_writer_is_noticed_that(
    what: str,
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same trial finds nothing in the real one."""
    wrong, trial = WRITERS[what]
    monkeypatch.setattr(locks, "SHARED_BYTES", 200)

    class WrongStore(PostgresSessionStore):
        _writer_type: ClassVar[type[PostgresWriter]] = wrong

    assert await notices(trial, postgres_server, postgres_url, WrongStore)
    await trial(postgres_server, f"{postgres_url}_ours", PostgresSessionStore)


@pytest.mark.parametrize("what", PATCHES)
async def test_rows_and_moments_are_noticed_that_are(
    what: str,
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the clients of several stores."""
    PATCHES[what](monkeypatch)
    assert await notices(busy(3), postgres_server, postgres_url, PostgresSessionStore)
