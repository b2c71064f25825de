"""A batch as one transaction on the server.

It locks the store, shared where it only changes sessions and logs that are there; then the rows of
its sessions, in one order. The rules are applied, all that changed is written with one statement as
a rule, and after the commit callers are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any, ClassVar

from soleowner import Command, Post

from ...interface.listeners import Listeners
from ...operations.counters import CounterValues
from ...values.errors import OutcomeUnknown, StoreClosed, StoreUnavailable
from .address import PostgresAddress
from .codec import DamagedRow
from .commits import CommitLost, Commits, Repeat, WriterRow
from .connection import GivenUp, PostgresConnection
from .errors import WrongServer, is_lost, is_storage_error, must_repeat, refusal
from .locks import BatchLocks, is_near, may_trust, needs_store
from .looking_up import session_ids
from .notices import channel_name
from .opening import OpenedSchema, open_schema
from .outcome import end_idle
from .resolve import Resolve
from .schema import STORE_LOCK, VERSION, lock_key
from .server_clock import ServerClock
from .tables import PostgresTables
from .transactions import PostgresTransactions
from .wakeups import PostgresWakeups
from .write_statement import Written, write_batch
from .writer_rows import fold_rows

__all__ = ["PostgresWriter"]

_LOCKING = 32
"""Batches that lock their rows first, after one found a row that somebody else had changed."""


class _RowsChanged(Repeat):
    """Rows that the batch took as they were kept may have changed."""


class _Cause(Enum):
    """Why a batch had no effect, if that passes, and what its next attempt does about it."""

    STALE_ROWS = "it took rows as they were kept: lock them first"
    MET_OTHERS = "others were in its way, or might be: have the store alone"
    LOST_CONNECTION = "the server is away, or another one: connect again"


class PostgresWriter(PostgresTransactions):
    """Applies batches as transactions on one connection, which it makes again when it is lost."""

    _commits_type: ClassVar[type[Commits]] = Commits
    """The class that commits; the tests have wrong ones."""

    def __init__(
        self,
        connection: PostgresConnection,
        tables: PostgresTables,
        address: PostgresAddress,
        *,
        must_exist: bool,
        server_clock: ServerClock | None,
        wakeups: PostgresWakeups,
        listeners: Listeners,
    ) -> None:
        super().__init__(connection, tables)
        tables.frames.before_writing = self._lock_rows
        self._address = address
        self._must_exist = must_exist
        self._clock = server_clock
        self._wakeups = wakeups
        self._listeners = listeners
        self.generation = 0
        """How often it connected: a reader that connected before may read another server."""
        self._opened: OpenedSchema | None = None
        self._commits = self._commits_type(connection)
        self._locks = BatchLocks()
        self._is_near_limit = False  # whether the last batch found little room left
        self._locking = 0  # how many batches more lock their rows first

    @property
    def writer_id(self) -> int:
        """The id of the row that its batches write now."""
        return self._commits.row.id

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
            raise self.not_opened(error) from None

    def begin(self, commands: Sequence[Command[PostgresTables, Any]], /) -> None:
        """Begin a transaction, lock the store and the sessions of the commands, and read them."""
        self._commits.begin()
        if self.begin_attempt():
            self._locks = BatchLocks()
        self._locks.trusts_rows = False
        if not self._connection.is_open:
            self._connect()
        locks, is_first = self._locks, not self._commits.row.batch
        locks.has_store = locks.is_alone or self._is_near_limit or is_first or needs_store(commands)
        for each in commands:
            if isinstance(each, Resolve):
                end_idle(self._connection, each.batch)
        ids = set(session_ids(commands))
        locks.trusts_rows = self._may_trust_rows(commands) and (
            self._tables.rows_of_batch.take_kept(ids)
        )
        if locks.trusts_rows:
            # The rules are applied while the server locks.
            self._connection.send_ahead(self._begin_shared)
            self._tables.begin_counting(CounterValues())
            return
        # In one round trip; and what the next statement sees is not older than the lock.
        self._connection.execute(self._begin_alone if locks.has_store else self._begin_shared)
        if locks.has_store:
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
        if self._locks.has_store:
            return False
        if self._locking:
            self._locking -= 1
            return False
        return may_trust(commands)

    def commit(self) -> Callable[[], None] | None:
        """Write and commit; return the function that notifies watchers and listeners."""
        tables = self._tables
        if self._locks.trusts_rows and not tables.rows_of_batch.are_all_changed:
            raise _RowsChanged  # what was refused may be refused for a row that is no more
        if not tables.changed:
            self._connection.execute("ROLLBACK")
            tables.committed(None)
            return None
        counted = tables.counted()
        row = self._commits.row.after(counted)
        written = self._write(row, counted.bytes)
        self._locks.trusts_rows = False  # the server has checked them
        self._commits.commit(row, written.xid)
        events, announced = tables.events, tables.announced
        tables.committed(written.xmin)
        return partial(self._tell, events, announced) if events or announced else None

    def rollback(self) -> None:
        """Undo the batch; if that fails, drop the connection, which does it."""
        self._connection.roll_back()
        self._tables.forget()

    def repeats(self, error: Exception, /) -> bool:
        """Whether the batch is applied again: its reason passes, and there is time left."""
        cause = self._cause(error)
        if cause is None or self._connection.interrupted:
            return False
        # The next attempt meets nobody and has a server: it is made even when patience is over.
        is_sure = not self._locks.is_alone and not is_storage_error(error)
        if self.is_late and not (is_sure and self._connection.is_open):
            return False
        match cause:
            case _Cause.STALE_ROWS:
                self._locking = _LOCKING
            case _Cause.MET_OTHERS:
                self._locks.is_alone = True
            case _Cause.LOST_CONNECTION:
                self._connection.drop_and_pause()
        self._is_repeated = True
        return True

    def _cause(self, error: Exception) -> _Cause | None:
        """Return why the batch had no effect, if that passes."""
        if is_lost(error):
            return _Cause.LOST_CONNECTION
        if self._locks.trusts_rows and not isinstance(error, GivenUp):
            return _Cause.STALE_ROWS
        if isinstance(error, Repeat) or must_repeat(error):
            return _Cause.MET_OTHERS
        return None

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Return what each caller is told; None for a bug."""
        if isinstance(error, CommitLost):
            return partial(OutcomeUnknown, str(error))
        if not isinstance(error, Repeat):
            return super().refuse(error)
        if self._connection.interrupted:
            return StoreClosed
        reason = str(error) or "other processes changed the same sessions for too long"
        return partial(StoreUnavailable, reason)

    def tidy(self) -> float | None:
        """Delete some frames that have a tombstone, or ask for the server's time."""
        super().tidy()
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
        if (
            self._commits.row.batch
            and self._connection.is_open
            and not self._connection.interrupted
        ):
            try:
                fold_rows(self._connection, self.writer_id)
            except Exception:
                self._connection.drop()  # the row is added up later
        super().close()

    def lost(self) -> Exception:
        """The outcome of the batch is not known."""
        sent = self._commits.sent
        return OutcomeUnknown("" if sent is None else str(sent))

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
        if self._locks.trusts_rows:
            if not self._tables.rows_of_batch.lock_kept():
                raise _RowsChanged
            self._locks.trusts_rows = False

    def _check_version(self, version: int | None) -> None:
        """Let a newer library's tables be: a new connection finds out what is there now."""
        if version != VERSION:
            self._connection.drop()
            raise WrongServer("another version of this library changed the tables", lasting=False)

    def _ask_time(self) -> float:
        found = self._connection.fetch("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(found[0][0])

    def _write(self, row: WriterRow, added: int) -> Written:
        """Write what the batch changed, and the writer's row; it adds so many bytes."""
        tables = self._tables
        written = write_batch(
            self._connection,
            tables,
            row,
            channel=self._channel,
            are_kept=self._locks.trusts_rows,
        )
        if written is None:  # the row was not used for long, and added to others
            self._commits.begin_row()
            raise Repeat
        self._check_version(written.version)
        if not written.is_whole:
            raise _RowsChanged
        room = tables.limits.max_total_bytes - written.total_bytes - added
        self._is_near_limit = is_near(room, written.writers)
        if self._is_near_limit and not self._locks.has_store:
            raise Repeat
        return written

    def _tell(self, events: list[Any], announced: set[str]) -> None:
        for event, context in events:
            self._listeners.tell(event, context)
        for session_id in announced:
            self._wakeups.notify(session_id)
