"""A batch as one transaction on the server.

It locks the store, shared where it only changes sessions and logs that are there; then the rows of
its sessions, in one order. The rules are applied, all that changed is written with one statement as
a rule, and after the commit callers are answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from soleowner import Command, Post, Transactions

from ...interface.listeners import Listeners
from ...operations.counters import CounterValues
from ...values.errors import OutcomeUnknown, StoreClosed, StoreUnavailable
from .address import PostgresAddress
from .codec import DamagedRow
from .connection import GivenUp, PostgresConnection
from .counters import sum_values
from .errors import (
    WrongServer,
    is_lost,
    is_refused_statement,
    is_storage_error,
    must_repeat,
    refusal,
)
from .looking_up import session_ids
from .notices import channel_name
from .opening import OpenedSchema, open_schema
from .outcome import BatchId, confirm, end_idle, new_writer_id, was_committed
from .resolve import Resolve
from .schema import STORE_LOCK, lock_key
from .server_clock import ServerClock
from .tables import PostgresTables
from .wakeups import PostgresWakeups
from .write_statement import WriterRow, write_batch
from .writer_rows import fold_rows

__all__ = ["PostgresWriter"]

R = TypeVar("R")

SHARED_BYTES = 8 * 1024 * 1024
"""Bytes of messages that a batch may add while others write, so that `max_total_bytes` holds."""
_PAUSE = 0.05
"""Seconds before a batch is tried again."""
_LOCKING = 32
"""Batches that lock their rows first, after one found a row that somebody else had changed."""


class _Repeat(Exception):
    """The batch has no effect, and must be applied again."""


class _RowsChanged(_Repeat):
    """Rows that the batch took as they were kept may have changed: it must lock them first."""


class _CommitLost(Exception):
    """Nobody knows whether the batch was committed."""


class PostgresWriter(Transactions[PostgresTables]):
    """Applies batches as transactions on one connection, which it makes again when it is lost.

    A batch that has no effect for a reason that passes is applied again for `patience` seconds:
    nobody was told anything.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        tables: PostgresTables,
        address: PostgresAddress,
        *,
        patience: float,
        must_exist: bool,
        server_clock: ServerClock | None,
        wakeups: PostgresWakeups,
        listeners: Listeners,
    ) -> None:
        self._connection = connection
        self._tables = tables
        tables.frames.before_writing = self._lock_rows
        self._address = address
        self._patience = patience
        self._must_exist = must_exist
        self._clock = server_clock
        self._wakeups = wakeups
        self._listeners = listeners
        self.generation = 0
        """How often it connected: a reader that connected before may read another server."""
        self._opened: OpenedSchema | None = None
        self._begin_writer()
        self._since = 0.0  # when the batch was first tried
        self._is_repeated = False
        self._commits_alone = False
        self._is_near_limit = False
        self._has_store = False
        self._trusts_rows = False
        self._locking = 0  # how many batches more lock their rows first
        self._sent: BatchId | None = None  # whose COMMIT was sent last

    def _begin_writer(self) -> None:
        self.writer_id = new_writer_id()
        self._batch = 0
        self._counted = CounterValues()

    @property
    def opened(self) -> OpenedSchema:
        """What was found at the last connecting. Raises `StoreClosed` before the first one."""
        if self._opened is None:
            raise StoreClosed
        return self._opened

    # What the thread calls.

    def open(self, post: Post, /) -> None:
        """Connect and check the server. Raises `StoreUnavailable`."""
        try:
            self._connect()
            fold_rows(self._connection)
        except BaseException as error:
            self._connection.drop()
            self._connection.close()
            if isinstance(error, GivenUp):
                raise StoreClosed from None
            if not isinstance(error, Exception):
                raise
            raise refusal(error) or error from None

    def begin(self, commands: Sequence[Command[PostgresTables, Any]], /) -> None:
        """Begin a transaction, lock the store and the sessions of the commands, and read them."""
        if not self._is_repeated:
            self._since, self._commits_alone = time.monotonic(), False
        self._is_repeated = False
        if not self._connection.is_open:
            self._connect()
        self._has_store = self._commits_alone or self._is_near_limit or not self._batch
        if not self._has_store:
            weight = sum(getattr(each, "weight", 0) for each in commands)
            is_wide = any(getattr(each, "store_wide", True) for each in commands)
            self._has_store = is_wide or weight > SHARED_BYTES
        for each in commands:
            if isinstance(each, Resolve):
                end_idle(self._connection, each.batch)
        ids = set(session_ids(commands))
        self._trusts_rows = self._may_trust_rows(commands) and (
            self._tables.rows_of_batch.take_kept(ids)
        )
        if self._trusts_rows:
            # The rules are applied while the server locks.
            self._connection.send_ahead(self._begin_shared)
            self._tables.begin_counting(CounterValues())
            return
        # In one round trip; and what the next statement sees is not older than the lock.
        self._connection.execute(self._begin_alone if self._has_store else self._begin_shared)
        if self._has_store:
            found = self._connection.fetch("SELECT version, last_number FROM meta")
            if not found:  # somebody emptied the table
                raise DamagedRow("the row of meta")
            version, self._tables.last_number = found[0]
            self._check_version(version)
        else:
            self._tables.begin_counting(CounterValues())
        self._tables.prefetch(ids)

    def _may_trust_rows(self, commands: Sequence[Command[PostgresTables, Any]]) -> bool:
        """Whether rows may be used as they were kept, and be checked when they are written."""
        if self._has_store:
            return False
        if self._locking:
            self._locking -= 1
            return False
        # The statement that checks rows writes their logs only.
        return all(
            getattr(each, "adds", False) and getattr(each, "change", None) is None
            for each in commands
        )

    def apply(self, command: Command[PostgresTables, R], /) -> R:
        """Apply one command."""
        return command.apply(self._tables)

    def commit(self) -> Callable[[], None] | None:
        """Write and commit; return the function that notifies watchers and listeners."""
        tables = self._tables
        if self._trusts_rows and not tables.rows_of_batch.are_all_changed:
            raise _RowsChanged  # what was refused may be refused for a row that is no more
        if not tables.changed:
            self._connection.execute("ROLLBACK")
            tables.committed(None)
            return None
        self._sent = None
        xmin, xid, counted = self._write()
        batch = BatchId(self.writer_id, self._batch + 1, xid)
        self._commit(batch)
        self._batch, self._counted = batch.batch, counted
        events, announced = tables.events, tables.announced
        tables.committed(xmin)
        return partial(self._tell, events, announced) if events or announced else None

    def rollback(self) -> None:
        """Undo the batch; if that fails, drop the connection, which does it."""
        self._connection.roll_back()
        self._tables.forget()

    def repeats(self, error: Exception, /) -> bool:
        """Whether the batch is applied again: its reason passes, and there is time left."""
        may_be_stale = self._trusts_rows and not isinstance(error, GivenUp)
        is_repeated = isinstance(error, _Repeat) or must_repeat(error)
        if not may_be_stale and not is_repeated and not is_lost(error):
            return False
        # Once more it meets nobody, so no patience is needed.
        is_ours = not is_storage_error(error) and (may_be_stale or not self._commits_alone)
        waited = time.monotonic() - self._since
        is_late = waited > self._patience and not (is_ours and self._connection.is_open)
        if self._connection.interrupted or is_late:
            return False
        if may_be_stale and not is_lost(error):
            self._locking = _LOCKING
        elif is_repeated:
            self._commits_alone = True  # so that it meets nobody again
        else:
            self._connection.drop()
            time.sleep(_PAUSE)
        self._is_repeated = True
        return True

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Return what each caller is told; None for a bug."""
        if isinstance(error, _CommitLost):
            operation_id = str(error)
            return lambda: OutcomeUnknown(operation_id)
        is_repeated = isinstance(error, _Repeat)
        if isinstance(error, GivenUp) or (is_repeated and self._connection.interrupted):
            return StoreClosed
        if is_repeated:
            reason = str(error) or "other processes changed the same sessions for too long"
            return lambda: StoreUnavailable(reason)
        found = refusal(error)
        return None if found is None else partial(StoreUnavailable, found.reason)

    def tidy(self) -> float | None:
        """Delete some frames that have a tombstone, or ask for the server's time."""
        self._is_repeated = False  # all callers may have given up between two attempts
        if not self._connection.is_open:
            return None
        try:
            if self._tables.frames.has_tombstones:
                self._tables.frames.collect()
                return 0.0
            if self._clock is not None and self._clock.is_due:
                self._clock.measure(self._ask_time)
        except Exception as error:
            if refusal(error) is None and not isinstance(error, GivenUp):
                raise
            self._connection.drop()
        return 60.0 if self._clock is not None else None

    def close(self) -> None:
        """Add what this writer counted to what all have, and close the connection."""
        if self._batch and self._connection.is_open and not self._connection.interrupted:
            try:
                fold_rows(self._connection, self.writer_id)
            except Exception:
                self._connection.drop()  # the row is added up later
        self._connection.close()

    def interrupt(self) -> None:
        """Stop waiting for the server, unless it commits."""
        self._connection.interrupt()

    def lost(self) -> Exception:
        """The outcome of the batch is not known."""
        return OutcomeUnknown("" if self._sent is None else str(self._sent))

    # What they are made of.

    def _connect(self) -> None:
        self._connection.connect()
        try:
            self._check()
        except BaseException:
            self._connection.drop()  # a server that was not accepted is not used
            raise

    def _check(self) -> None:
        self._tables.forget()  # it may be another server
        self._opened = self._connection.run(
            open_schema(
                self._connection.protocol,
                self._address.schema,
                must_exist=self._must_exist or self._opened is not None,
            )
        )
        self.generation += 1
        lock = f"({STORE_LOCK}, {lock_key(self._address.schema)})"
        # Not READ WRITE: an administrator may have made the server read-only.
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock"
        self._begin_alone = f"{begin}{lock}"
        self._begin_shared = f"{begin}_shared{lock}"
        self._channel = channel_name(self._address.schema)
        if self._clock is not None:
            self._clock.measure(self._ask_time)

    def _lock_rows(self) -> None:
        """Lock rows that were taken as they were kept: whoever locked them may want its frames."""
        if self._trusts_rows:
            if not self._tables.rows_of_batch.lock_kept():
                raise _RowsChanged
            self._trusts_rows = False

    def _check_version(self, version: int | None) -> None:
        """Let a newer library's tables be: a new connection finds out what is there now."""
        if version != self.opened.version:
            self._connection.drop()
            raise WrongServer("another version of this library changed the tables", lasting=False)

    def _ask_time(self) -> float:
        found = self._connection.fetch("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(found[0][0])

    def _write(self) -> tuple[int, int, CounterValues]:
        """Write what the batch changed; return its transaction, in both forms, and the counters."""
        tables = self._tables
        delta = tables.counted()
        counted = sum_values((self._counted, delta))
        written = write_batch(
            self._connection,
            tables,
            WriterRow(self.writer_id, self._batch, counted),
            channel=self._channel,
            are_kept=self._trusts_rows,
        )
        if written is not None:
            self._check_version(written.version)
        if written is None:  # the row was not used for long, and added to others
            self._begin_writer()
            raise _Repeat
        if not written.is_whole:
            raise _RowsChanged
        room = tables.limits.max_total_bytes - written.total_bytes - delta.bytes
        # All others may be adding as much at this moment.
        self._is_near_limit = room < (written.writers + 1) * SHARED_BYTES
        if self._is_near_limit and not self._has_store:
            raise _Repeat
        return written.xmin, written.xid, counted

    def _commit(self, batch: BatchId) -> None:
        self._connection.warnings.clear()
        self._trusts_rows = False  # the server has checked them
        self._sent = batch
        try:
            tag = self._connection.execute("COMMIT", must_finish=True)
        except Exception as error:
            if self._connection.is_open and is_refused_statement(error):
                raise  # the server said that it is not committed
            self._settle(batch)
        else:
            if tag == "ROLLBACK":
                raise _Repeat
            if tag != "COMMIT":  # what is this?
                self._settle(batch)
            elif self._connection.warnings:
                # It is committed here, but the wait for a standby was cancelled.
                self._begin_writer()
                raise _CommitLost(batch)

    def _settle(self, batch: BatchId) -> None:
        """Find out whether a batch was committed. Raises `_Repeat` if not, or `_CommitLost`."""
        until = time.monotonic() + self._patience
        committed: bool | None = None
        while committed is None and not self._connection.interrupted:
            try:
                self._connection.connect()
                committed = was_committed(self._connection, batch, until=until, is_recent=True)
                if committed and not confirm(self._connection, batch):
                    committed = None
                break
            except Exception as error:
                committed = None
                if not is_storage_error(error) or time.monotonic() >= until:
                    break
                self._connection.drop()
                time.sleep(_PAUSE)
        self._connection.drop()  # the next batch checks the server before it uses it
        if committed:
            return
        if committed is None:
            self._begin_writer()  # the row stays as it is, for `resolve`
            raise _CommitLost(batch)
        raise _Repeat("the connection was lost before the commit: it has no effect")

    def _tell(self, events: list[Any], announced: set[str]) -> None:
        for event, context in events:
            self._listeners.tell(event, context)
        for session_id in announced:
            self._wakeups.notify(session_id)
