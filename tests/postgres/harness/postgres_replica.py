"""A standby that streams from a primary, and takes its place when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from itertools import count

from postgres_server import PostgresServer, until

__all__ = ["StreamingReplica", "url_of_all"]

_NUMBERS = count(1)


class StreamingReplica(PostgresServer):
    """A copy of a running primary, made by `pg_basebackup`; it answers what only reads.

    Synchronous: from the first `start()` on, the primary acknowledges a commit when this replica
    has it on its disk as well, and waits while there is none. It has no TLS.
    """

    def __init__(
        self,
        primary: PostgresServer,
        settings: Mapping[str, object] | None = None,
        *,
        synchronous: bool = False,
    ) -> None:
        self.primary = primary
        self.synchronous = synchronous
        self.name = f"replica_{next(_NUMBERS)}"
        """How the primary knows it."""
        folder = primary.folders.empty()
        primary.folders.run(
            str(primary.binaries / "pg_basebackup"),
            f"--pgdata={folder / 'data'}",
            f"--host={primary.folder}",
            f"--port={primary.port}",
            "--username=postgres",
            "--checkpoint=fast",
            "--no-sync",
        )
        super().__init__(primary.folders, settings, folder=folder)
        self.settings["primary_conninfo"] = (
            f"host={primary.folder} port={primary.port} user=postgres application_name={self.name}"
        )
        self._write("standby.signal", "")

    def start(self) -> None:
        """Start it; before it was promoted or detached, wait until it streams."""
        super().start()
        if not self.is_standby or not self.settings["primary_conninfo"]:
            return
        until(lambda: self._state() is not None, f"{self} streams")
        if self.synchronous:
            self.primary.configure(synchronous_standby_names=self.name)
            until(lambda: self._state() == "sync", f"{self} is synchronous")
            # Another process tells those that commit, and it may have had no turn yet.
            until(self._holds_up_a_commit, f"commits wait for {self}")

    @property
    def is_standby(self) -> bool:
        """Whether it follows, and only reads."""
        return self.rows("SELECT pg_is_in_recovery()") == [(True,)]

    def catch_up(self) -> None:
        """Wait until all that the primary has written until now can be read here."""
        [[position]] = self.primary.rows("SELECT pg_current_wal_flush_lsn()::text")
        question = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)"
        until(lambda: self.rows(question, position) == [(True,)], f"{self} catches up")

    def detach(self) -> None:
        """Receive nothing more: what the primary acknowledges from now on is not here."""
        self.configure(primary_conninfo="")
        receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
        until(lambda: self.rows(receivers) == [(0,)], f"{self} receives nothing")

    def promote(self) -> None:
        """Make it a primary. The old one is not touched: end it first, or there are two."""
        assert self.rows("SELECT pg_promote(true, 300)") == [(True,)]

    def _holds_up_a_commit(self) -> bool:
        """Whether a commit of the primary waits while this replica stands still."""
        statement = "SELECT pg_logical_emit_message(true, '', '')"
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = $1"
        commit = threading.Thread(target=self.primary.rows, args=(statement,))
        self.freeze()
        try:
            commit.start()
            until(
                lambda: not commit.is_alive() or self.primary.rows(waiting, statement),
                "a commit waits or is answered",
            )
            return commit.is_alive()
        finally:
            self.thaw()
            commit.join()

    def _state(self) -> str | None:
        found = self.primary.rows(
            "SELECT sync_state FROM pg_stat_replication "
            "WHERE application_name = $1 AND state = 'streaming'",
            self.name,
        )
        return found[0][0] if found else None


def url_of_all(*servers: PostgresServer, session_attributes: str = "read-write") -> str:
    """One URL that names several servers; a client takes the first that has these attributes."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://postgres@{hosts}/postgres?target_session_attrs={session_attributes}"
