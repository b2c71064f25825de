"""What mutants are drawn from, and the tests of each module: likely killers first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A folder of modules."""

    name: str
    folder: str
    tests: tuple[str, ...]
    """Files, folders and classes of tests, asked in this order after those of the module."""
    rest: tuple[str, ...]
    """What is asked about a mutant that has survived those."""
    planted: tuple[str, str, str]
    """A module, a text in it and what takes its place: an obvious fault, which must be killed."""
    first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By module: the tests that are asked first."""

    def tests_of(self, module: str) -> list[str]:
        """Return the tests asked about a module, each once."""
        return [*dict.fromkeys((*self.first.get(module, ()), *self.tests))]


def _files(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names)


def _engine(*names: str) -> tuple[str, ...]:
    return _files("tests/engine", *(f"test_engine_{name}" for name in names))


def _sqlite(*names: str) -> tuple[str, ...]:
    return _files("tests/sqlite", *(f"test_sqlite_{name}" for name in names))


def _redis(*names: str) -> tuple[str, ...]:
    return _files("tests/redis", *(f"test_redis_{name}" for name in names))


def _stores(*names: str) -> tuple[str, ...]:
    return _files("tests/stores", *(f"test_{name}" for name in names))


_KIT = "tests/lab/conformance/test_conformance_own.py"
TARGETS = (
    Target(
        "engine",
        "actors/soleowner",
        tests=("tests/engine",),
        rest=("tests/threads", "tests/manager"),
        planted=("mailbox.py", "batch.append(envelope)", "batch.insert(0, envelope)"),
        first={
            "actor.py": _engine("mailbox", "order", "cancellation", "closing", "crash"),
            "envelope.py": _engine("cancellation", "errors"),
            "fork.py": _engine("fork"),
            "mailbox.py": _engine("mailbox", "backpressure", "order"),
            "pair.py": _engine("pair", "settle"),
            "pending_call.py": _engine("waking", "port_ends"),
            "runner.py": _engine("errors", "misuse"),
            "statistics.py": _engine("observer", "pair"),
            "tasks.py": _engine("cancellation", "lifetime"),
            "thread_runner.py": _engine("threadrunner", "thread_ending", "transactions"),
            "threads.py": _engine("waking", "port", "port_ends", "port_loops"),
            "transactions.py": _engine("transactions"),
        },
    ),
    Target(
        "rules",
        "store/sessionkeeper/operations",
        tests=(f"{_KIT}::TestPlain",),
        rest=("tests/stores", "tests/owned", "tests/values"),
        planted=("frame_rules.py", "row.last_seq += count", "row.last_seq += count + 1"),
        first={
            "archive_rules.py": ("tests/transfer", *_stores("copying")),
            "change.py": _stores("store_change"),
            "counters.py": _stores("op_counters", "store_statistics", "op_counters_load"),
            "frame_commands.py": _stores("op_frame_log", "op_trim", "op_watch"),
            "frame_record.py": _stores("rows", "op_frame_log"),
            "frame_rules.py": _stores("op_policies_frames", "store_limits", "op_trim"),
            "principal_commands.py": _stores("op_principal", "op_principal_table"),
            "session_commands.py": _stores("store_atomic", "store_change", "store_batches"),
            "session_row.py": _stores("rows"),
            "session_rules.py": _stores("op_policies_sessions", "store_limits", "store_atomic"),
            "session_size.py": _stores("store_limits"),
            "sweep_commands.py": _stores("op_expire", "op_purge", "op_find"),
            "sweep_rules.py": _stores("op_expire", "op_purge", "op_find", "op_find_walk"),
        },
    ),
    Target(
        "sqlite",
        "store/sessionkeeper/backends/sqlite",
        tests=(f"{_KIT}::TestSQLite",),
        rest=("tests/sqlite", "tests/durability/test_durable_reopened.py", "tests/stores"),
        planted=("tables.py", "ORDER BY number LIMIT", "ORDER BY number DESC LIMIT"),
        first={
            "checkpoints.py": _sqlite("checkpoints", "upkeep"),
            "codec.py": _sqlite("values", "damaged"),
            "connection.py": _sqlite("file", "faults"),
            "consistency.py": _sqlite("consistency", "damaged"),
            "errors.py": _sqlite("faults", "damaged"),
            "file_identity.py": _sqlite("changed_underneath", "paths"),
            "files.py": _sqlite("paths", "frame_index", "file"),
            "first_sessions.py": _sqlite("as_a_store"),
            "frame_index.py": _sqlite("frame_index", "damaged"),
            "frames.py": _sqlite("as_a_store", "batches", "frame_index"),
            "log_resync.py": _sqlite("changed_underneath"),
            "maintenance.py": _sqlite("upkeep", "checkpoints", "closing"),
            "opening.py": _sqlite("file", "frame_index", "hostile"),
            "raw_connection.py": _sqlite("file", "hostile"),
            "reader.py": _sqlite("readers", "changed_underneath"),
            "restore.py": _sqlite("restore"),
            "schema.py": _sqlite("hostile", "file"),
            "sqlite_version.py": _sqlite("checkpoints"),
            "store_counters.py": _sqlite("as_a_store", "consistency"),
            "tables.py": _sqlite("as_a_store", "batches"),
            "upgrades.py": _sqlite("upgrades"),
            "validation.py": _sqlite("hostile", "damaged"),
            "writer.py": _sqlite("batches", "faults", "upkeep"),
        },
    ),
    Target(
        "delivery",
        "store/sessionkeeper/backends/redis/delivery",
        tests=_redis("exactly_once", "outcomes", "order"),
        rest=_redis(
            *("lost", "flaws", "on_the_way", "cancelling", "deadlines", "away", "refusals"),
            *("server_faults", "replaced", "going_back", "cluster", "silent_node"),
        ),
        planted=("writer_log.py", "return is_status(answer, _FENCED)", "return False"),
        first={
            "replication.py": _redis("writer_log", "outcomes", "away"),
            "writer_log.py": _redis("writer_log"),
        },
    ),
)
