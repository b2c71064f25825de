"""The k-th call to the file system fails, for every k: refused or unknown, never wrong."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import OutcomeUnknown, StoreClosed, StoreUnavailable
from sessionkeeper.backends.sqlite.ledger import SQLiteLedger

if TYPE_CHECKING:
    from tests.durability.vfs.conftest import Trial

ANSWERS = {
    "read": {StoreUnavailable, OutcomeUnknown},
    "write": {StoreUnavailable, OutcomeUnknown},
    "full": {StoreUnavailable},
    "sync": {StoreUnavailable, OutcomeUnknown},
    "corrupt": {StoreUnavailable},
    "interrupted": {StoreClosed},
    "locked": {StoreUnavailable},
}


LASTING = ("read", "write", "full", "sync", "corrupt")
CASES = [(kind, False) for kind in ANSWERS] + [(kind, True) for kind in LASTING]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "lasting"), CASES)
async def test_every_call_of_the_file_system_fails(trial: Trial, kind: str, lasting: bool) -> None:
    """Once, or from then on; what was said of each step is true, then and when it is reopened."""
    assert await trial.strikes(kind, lasting=lasting) > 3
    assert trial.told <= ANSWERS[kind]
    assert trial.told


async def late(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers before the commit, which comes when the next batch begins."""
    begin, close = SQLiteLedger.begin, SQLiteLedger.close

    def commit(self: Any) -> None:
        self._tables.save()
        self._tables.forget(all=False)

    def first(then: Any) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            if self._connection is not None and self._connection.in_transaction:
                self._execute("COMMIT")
            return then(self, *arguments)

        return method

    monkeypatch.setattr(SQLiteLedger, "commit", commit)
    monkeypatch.setattr(SQLiteLedger, "begin", first(begin))
    monkeypatch.setattr(SQLiteLedger, "close", first(close))
    monkeypatch.setattr(SQLiteLedger, "tidy", lambda self: None)
    await trial.strikes("sync")


async def deaf(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs again when a sync has failed, and is told that all is well."""
    execute = trial.connection.execute

    def again(self: Any, statement: str, values: Any = ()) -> Any:
        try:
            return execute(self, statement, values)
        except sqlite3.Error as error:
            if statement == "COMMIT" and error.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC:
                return None
            raise

    monkeypatch.setattr(trial.connection, "execute", again)
    await trial.strikes("sync")


async def hopeful(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes on after a failure."""
    monkeypatch.setattr(SQLiteLedger, "_stop_writing", lambda self, reason: None)
    await trial.strikes("write")


@pytest.mark.parametrize("flaw", [late, deaf, hopeful])
async def test_the_harness_finds_a_ledger_that_is_wrong(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, flaw: Any
) -> None:
    """One that answers too early, one that hides a failed sync, one that writes on."""
    trial.stride = 1
    with pytest.raises(AssertionError):
        await flaw(trial, monkeypatch)
