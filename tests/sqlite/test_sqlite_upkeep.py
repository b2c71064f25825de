"""How old sessions are, and what keeps a file in order, while it is used."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sessionkeeper import Clock, SQLiteSessionStore, StoreClosed, StoreUnavailable
from sessionkeeper.backends.sqlite import maintenance, store_counters, writer
from sessionkeeper.backends.sqlite.maintenance import run_aside

from tests.support.sessions import new_session, note
from tests.support.waiting import until

DAY = 86_400.0


class Machine:
    """Its two clocks, and a start that sets the steady one back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady, self.starts = 1_700_000_000.0, 5_000.0, 0
        monkeypatch.setattr(store_counters, "_boot_id", lambda: f"boot {self.starts}")

    def clock(self) -> Clock:
        """What it shows."""
        return Clock(wall=lambda: self.wall, steady=lambda: self.steady)

    def run(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds
        self.steady += seconds

    def restart(self, seconds: float, *, steady: float) -> None:
        """Be off for so long, by a wall clock that may be wrong."""
        self.wall += seconds
        self.starts += 1
        self.steady = steady


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose clocks are set by hand."""
    return Machine(monkeypatch)


async def expires(store: SQLiteSessionStore, idle: float) -> bool:
    """Whether a session idle for so long expires now."""
    return bool(await store.expire_sessions(idle=idle))


async def test_ages_continue_after_a_close(file: Path, machine: Machine) -> None:
    """On a machine that runs, closed or open makes no difference, and no jump of the wall shows."""
    async with SQLiteSessionStore(file, clock=machine.clock()) as store:
        await store.create_session(new_session())
        machine.run(100)
    machine.run(100)
    machine.wall += 30 * DAY
    async with SQLiteSessionStore(file, clock=machine.clock()) as store:
        assert not await expires(store, 201)
        machine.wall -= 60 * DAY
        assert not await expires(store, 201)
        assert await expires(store, 200)


@pytest.mark.parametrize(
    ("off", "counted"), [(500.0, 500.0), (0.0, 0.0), (-9_999.0, 0.0), (400 * DAY, DAY)]
)
@pytest.mark.parametrize("steady", [10.0, 99 * DAY])
async def test_over_a_restart_the_wall_clock_counts_for_at_most_a_day(
    file: Path, machine: Machine, off: float, counted: float, steady: float
) -> None:
    """Nothing else can tell how long it was off; a wrong one makes nobody older than a day."""
    async with SQLiteSessionStore(file, clock=machine.clock()) as store:
        await store.create_session(new_session())
        machine.run(100)
        await store.create_session(new_session("b"))  # a last sign of life, written down
        await store.delete_session("b")
    machine.restart(off, steady=steady)
    async with SQLiteSessionStore(file, clock=machine.clock()) as store:
        machine.run(50)
        assert not await expires(store, counted + 151)
    machine.wall += 99 * DAY  # all who open it since that start agree
    async with SQLiteSessionStore(file, clock=machine.clock()) as store:
        assert not await expires(store, counted + 151)
        assert await expires(store, counted + 149)


async def test_all_processes_agree_on_an_age(file: Path, machine: Machine) -> None:
    """This holds for every reader, whenever it opened the file."""
    async with SQLiteSessionStore(file, clock=machine.clock()) as one:
        await one.create_session(new_session())
        machine.run(60)
        async with SQLiteSessionStore(file, clock=machine.clock()) as other:
            machine.run(40)
            assert not await expires(other, 101)
            await other.touch_session("a")
            machine.run(30)
            assert not await expires(one, 31)
            assert await expires(one, 30)
            assert (await other.get_session("a")).state == "timed-out"


async def test_a_backup_is_one_moment_while_it_is_written_to(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole batches, a prefix of the log, a store like any other; writers go on meanwhile."""
    # So small steps that a copy which began again at each write would never end.
    monkeypatch.setattr(maintenance, "_PAGES", 1)
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n, size=2_000) for n in range(2_000)])
        stop = False

        async def write() -> int:
            written = 0
            while not stop:
                await store.add_frames("a", [note(n) for n in range(7)])
                written += 7
            return written

        writing = asyncio.create_task(write())
        for n in range(5):
            await store.backup(tmp_path / f"copy-{n}.db")
        stop = True
        assert await writing > 0
        total = await store.count_frames("a")
        before = 2_000
        for n in range(5):
            async with SQLiteSessionStore(tmp_path / f"copy-{n}.db") as copy:
                frames = await copy.count_frames("a")
                assert (frames - 2_000) % 7 == 0
                assert before <= frames <= total
                assert await copy.check() == []
                before = frames
        left = {each.name for each in tmp_path.iterdir() if each.suffix in (".new", ".db")}
        assert left == {"store.db", *(f"copy-{n}.db" for n in range(5))}


async def test_a_backup_never_replaces_a_file(file: Path, tmp_path: Path) -> None:
    """An abandoned one leaves nothing behind."""
    other = tmp_path / "other"
    other.write_text("mine")
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        with pytest.raises(FileExistsError):
            await store.backup(other)
        assert other.read_text() == "mine"
        await store.add_frames("a", [note(n, size=4_000) for n in range(8_000)])
        giving_up = asyncio.create_task(store.backup(tmp_path / "copy.db"))
        for _ in until("began"):
            if [*tmp_path.glob("copy.db*")]:
                break
            await asyncio.sleep(0)
        giving_up.cancel()
        with suppress(asyncio.CancelledError):
            await giving_up
        if giving_up.cancelled():
            assert [*tmp_path.glob("copy.db*")] == []
    with pytest.raises(StoreClosed):
        await store.backup(tmp_path / "late.db")


async def test_the_log_does_not_grow_forever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner brings it into the file between batches, also when every frame is small."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 512 * 1024)
    largest = 0
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        for n in range(600):
            await store.add_frame(note(n))
            held = (await store.statistics()).file
            assert held is not None
            largest = max(largest, held.log_bytes)
        assert largest < 2 * 1024 * 1024
        assert (await store.checkpoint()) == 0
        assert (await store.get_session("a")).frame_count == 600


async def test_statistics_tell_of_the_file(file: Path) -> None:
    """Its size, the log's, pages and free pages; batches are the mailbox's."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        before = await store.statistics()
        await store.add_frames("a", [note(size=8_000)] * 20)
        await store.delete_frames("a")
        after = await store.statistics()
        assert before.file is not None
        assert after.file is not None
        assert after.mailbox is not None
        assert before.mailbox is not None
        assert after.mailbox.batches == before.mailbox.batches + 3
        assert (before.file.page_bytes, before.file.free_pages) == (8192, 0)
        assert after.file.pages >= before.file.pages + 20
        assert after.file.free_pages >= 19
        assert after.file.bytes == file.stat().st_size
        assert after.file.log_bytes == Path(f"{file}-wal").stat().st_size


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where one may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount; the injected fault stands for it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """Batches are refused and nothing acknowledged is lost; with room again it goes on."""
    file = small_disk / "store.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        stood = 0
        with suppress(StoreUnavailable):
            while stood < 1_000:
                await store.add_frame(note(size=30_000))
                stood += 1
        assert 5 < stood < 100
        assert await store.count_frames("a") == stood
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await store.add_frame(note(size=30_000))
        assert store.write_failure is None
        ballast.unlink()
        assert await store.add_frame(note(size=3_000)) == stood + 1
    async with SQLiteSessionStore(file) as store:
        assert await store.count_frames("a") == stood + 1
        assert await store.check() == []


async def test_cancelled_maintenance_is_stopped(file: Path) -> None:
    """A check of a large file takes long; a deadline on it holds."""
    begun = threading.Event()

    def endless(connection: sqlite3.Connection, stop: threading.Event) -> None:
        begun.set()
        connection.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        ).fetchone()

    async with SQLiteSessionStore(file) as store:
        working = asyncio.ensure_future(run_aside(str(file), store._files, endless))
        assert await asyncio.to_thread(begun.wait, 300)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):  # or the test would never end
            await working
