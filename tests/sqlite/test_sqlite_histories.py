"""One order of all operations explains what the clients of one file saw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sessionkeeper import Session, SessionError, SQLiteSessionStore
from sessionkeeper.backends.sqlite.reader import SQLiteReader
from sessionkeeper.backends.sqlite.row_cache import RowCache
from sessionlab import (
    History,
    Operation,
    RecordingStore,
    SessionStoreModel,
    Verdict,
    check,
    read_history,
)

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses

WORKERS = 3
ROUNDS = 40
TRIES = 20


def counted(session: Session) -> Session:
    """One more."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def eight_clients(file: Path) -> History:
    """What eight clients of one store saw, some of whose calls were cancelled."""
    dice = Random(7)
    store = RecordingStore(SQLiteSessionStore(file, durability="os"))

    def call(n: int) -> Any:
        key = f"s{dice.randrange(3)}"
        calls: list[Any] = [
            lambda: store.get_or_create_session(new_session(key)),
            lambda: store.get_session(key),
            lambda: store.modify_session(key, counted),
            lambda: store.add_frame(note(n, key)),
            lambda: store.add_frames(key, [note(n, key)] * 3, change=counted),
            lambda: store.get_frames(key),
            lambda: store.trim_frames(key, up_to=dice.randrange(9)),
            lambda: store.remove_frames(key, [1, 2]),
            lambda: store.delete_session(key),
            lambda: store.get_sessions_batch([key, "s0"]),
            store.list_sessions,
        ]
        return dice.choice(calls)()

    async def client() -> None:
        for n in range(40):
            task = asyncio.ensure_future(call(n))
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            if dice.random() < 0.1:
                task.cancel()
            await asyncio.wait({task})
            error = None if task.cancelled() else task.exception()
            assert error is None or isinstance(error, SessionError | ValueError), error

    async with store:
        await asyncio.gather(*(client() for _ in range(8)))
    return store.history()


async def test_eight_clients_of_one_store(file: Path) -> None:
    """Batches of callers, some of them cancelled: linearizable by the model."""
    history = await eight_clients(file)
    assert len(history.operations) > 250  # but for those cancelled before they began
    assert check(history, SessionStoreModel(), timeout=600).verdict is Verdict.OK


def keeps_its_moment(reader: SQLiteReader, commands: Sequence[Any]) -> None:
    """Begin once and for all: what others wrote since is not seen."""
    if not reader._tables.frames._connection.in_transaction:
        begin(reader, commands)


def leaves_it_open(reader: SQLiteReader) -> None:
    """Go on within the same transaction."""
    reader._tables.committed()


def keeps_its_rows(cache: RowCache, witness: object) -> None:
    """Use the rows of earlier batches, whoever wrote since."""


begin = SQLiteReader.begin
WRONG: dict[str, list[tuple[type[Any], str, Any]]] = {
    "a reader that keeps its moment": [
        (SQLiteReader, "begin", keeps_its_moment),
        (SQLiteReader, "commit", leaves_it_open),
    ],
    "rows that are kept though others wrote": [(RowCache, "begin", keeps_its_rows)],
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_checker_finds_what_is_wrong_with(
    file: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The same clients would notice a read that misses an answered write."""
    for where, name, instead in WRONG[wrong]:
        monkeypatch.setattr(where, name, instead)
    for n in range(
        TRIES
    ):  # a history in which nobody happened to look at the wrong moment is legal
        history = await eight_clients(file.with_name(f"{n}.db"))
        if check(history, SessionStoreModel(), timeout=600).verdict is Verdict.ILLEGAL:
            return
    pytest.fail("no history shows it")


def recorded_by_processes(processes: WorkerProcesses, folder: Path, *flaw: str) -> list[Operation]:
    """What two clients in each of three processes saw, by the machine's clock."""
    files = [folder / f"history-{n}" for n in range(WORKERS)]
    started = [
        processes.start("record", path, f"w{n}", ROUNDS, *flaw) for n, path in enumerate(files)
    ]
    for process in started:
        processes.hear(process, "ready")
    for process in started:
        processes.tell(process)
    for process in started:
        processes.hear(process, "done")
    operations = [
        msgspec.structs.replace(each, client=100 * n + each.client)
        for n, path in enumerate(files)
        for each in read_history(path).operations
    ]
    return sorted(operations, key=lambda each: each.call)


async def test_clients_of_three_processes_are_one_history(
    file: Path, tmp_path: Path, other_processes: WorkerProcesses
) -> None:
    """Each process notes the machine's clock at call and return: together they are linearizable."""
    for _ in range(TRIES):
        operations = recorded_by_processes(other_processes, tmp_path)
        assert len(operations) == WORKERS * 2 * ROUNDS
        assert check(operations, SessionStoreModel(), timeout=600).verdict is Verdict.OK
        if _turns(operations) > WORKERS:
            return
        file.unlink()
    pytest.fail("the processes never worked side by side")


async def test_processes_that_keep_rows_though_others_wrote_are_found(
    file: Path, tmp_path: Path, other_processes: WorkerProcesses
) -> None:
    """The same clients of three processes would notice it."""
    for _ in range(TRIES):
        operations = recorded_by_processes(other_processes, tmp_path, "unaware")
        if check(operations, SessionStoreModel(), timeout=600).verdict is Verdict.ILLEGAL:
            return
        file.unlink()
    pytest.fail("no history shows it")


def _turns(operations: list[Operation]) -> int:
    """How often another process than before begins."""
    return sum(one.client // 100 != other.client // 100 for one, other in pairwise(operations))
