"""A store of a user's own may do anything: the comparison says what, ends, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessionkeeper import PlainSessionStore, Session, SessionQuery
from sessionlab.designs import (
    COLUMNS,
    CellVerdict,
    Design,
    Row,
    WrongAnswer,
    compare,
    load_own,
    unexpected,
)
from sessionlab.designs.misbehaviour import CheckedRecording
from sessionlab.designs.own import compare_own
from sessionlab.designs.own.process import OwnProcess, end_all
from sessionlab.designs.own.protocol import Ended, Task
from sessionlab.designs.own.watchdog import describe_stuck

from tests.conftest import LoopFactory

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
SESSION = Session.new(transport_type="stdio", id="id")

MODULE = """
import asyncio, os, signal, subprocess, sys, threading, time
from pathlib import Path
from sessionkeeper import PlainSessionStore


class Base(PlainSessionStore):
    def __init__(self, limits=None):
        super().__init__(limits=limits)


def doing(name, **methods):
    globals()[name] = type(name, (Base,), methods)


def answering(method, value):
    async def answer(self, *_, **__):
        return value
    doing(f"{method}_{type(value).__name__}", **{method: answer})


def raising(error, method="create_session"):
    async def refuse(self, *_, **__):
        raise error("a secret")
    doing(f"Raises{error.__name__}", **{method: refuse})


class Odd(BaseException):
    pass


answering("create_session", None)
answering("add_frame", "one")
answering("get_frames", [object()])
for error in (SystemExit, KeyboardInterrupt, GeneratorExit, Odd, asyncio.CancelledError):
    raising(error)


class ExitsHard(Base):
    async def add_frame(self, e, /):
        os._exit(3)


class EndsQuietly(Base):
    async def add_frame(self, e, /):
        os._exit(0)


class Segfaults(Base):
    async def add_frame(self, e, /):
        os.kill(os.getpid(), signal.SIGSEGV)


class NoCoroutines(Base):
    def create_session(self, session, /):
        return session


class OtherSignature(Base):
    async def create_session(self):
        return None


class Floods(Base):
    async def create_session(self, session, /):
        os.write(1, b"\\x1b[31m" * 10_000)
        os.write(2, b"\\x1b[31m" * 10_000)
        print("flood" * 1_000)
        return await super().create_session(session)


class StartsThreads(Base):
    async def create_session(self, session, /):
        threading.Thread(target=time.sleep, args=(10**6,)).start()
        return await super().create_session(session)


class BlocksAtOnce(Base):
    def __init__(self, limits=None):
        self.sleep()

    def sleep(self):
        time.sleep(10**6)


class LeavesProcesses(Base):
    def __init__(self, limits=None):
        for session in (False, True):
            child = subprocess.Popen(["sleep", "1000000"], start_new_session=session)
            with open("pids", "a") as pids:
                pids.write(f"{child.pid}\\n")
        with open("pids", "a") as pids:
            pids.write(f"{os.getpid()}\\n")
        os._exit(0)


class ClosesEverything(Base):
    def __init__(self, limits=None):
        os.closerange(0, 1_000)
        time.sleep(10**6)


class WritesEverywhere(Base):
    def __init__(self, limits=None):
        for number in range(3, 100):
            try:
                os.write(number, b"{}\\nnonsense\\n")
            except OSError:
                pass
        super().__init__(limits=limits)


class CannotBeClosed(Base):
    async def aclose(self, *, timeout=None):
        await asyncio.get_running_loop().create_future()


class EvilTypes(Base):
    async def get_session(self, session_id, /):
        class Meta(type):
            def __instancecheck__(cls, other):
                raise SystemExit(0)
        return Meta("Evil", (), {"__class__": property(lambda self: 1 / 0)})()


def makes_none():
    return None
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of these stores, and what it left behind is ended."""
    (tmp_path / "hostile_stores.py").write_text(MODULE)
    for name, text in {
        "fails_at_import": "1 / 0",
        "leaves_at_import": "raise SystemExit(0)",
        "dies_at_import": "import os; os._exit(7)",
        "hangs_at_import": "import time; time.sleep(10**6)",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield "hostile_stores"
    assert "hostile_stores" not in sys.modules, "it is never imported here"
    end_all()


def compared(name: str, *columns: str, timeout: float = 60.0) -> Row:
    """Compare one store in a few columns, in few orders: how it ends depends on no order."""
    steps: list[str] = []
    design = Design(name, lambda _: PlainSessionStore(), "", None, isolated=True)
    row = compare_own(
        design, columns, seeds=2, loops=["asyncio"], timeout=timeout, progress=steps.append
    )
    assert [cell.workload for cell in row.cells] == list(columns)
    assert steps == [f"{name}: {column}" for column in columns]
    return row


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("create_session_NoneType", "create_session returned None where Session is promised"),
        pytest.param(
            "add_frame_str",
            "add_frame returned a str where int is promised",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "get_frames_list",
            "a list with an object where list[MessageEnvelope] is promised",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "NoCoroutines",
            "create_session returned a Session where an awaitable is promised",
            marks=pytest.mark.long,
        ),
        pytest.param("OtherSignature", "raised TypeError", marks=pytest.mark.long),
        ("RaisesSystemExit", "raised SystemExit"),
        pytest.param("RaisesKeyboardInterrupt", "raised KeyboardInterrupt", marks=pytest.mark.long),
        pytest.param("RaisesGeneratorExit", "raised GeneratorExit", marks=pytest.mark.long),
        pytest.param("RaisesOdd", "raised Odd", marks=pytest.mark.long),
        ("RaisesCancelledError", "create_session raised CancelledError, and nobody had cancelled"),
        ("ExitsHard", "exited with code 3"),
        pytest.param("EndsQuietly", "exited with code 0", marks=pytest.mark.long),
        ("Segfaults", "was killed by SIGSEGV"),
        ("WritesEverywhere", "wrote into the pipe of the comparison"),
        ("makes_none", "did not make a SessionStore"),
    ],
)
def test_the_table_shows_what_each_store_did(hostile: str, name: str, note: str) -> None:
    """Two broken cells, each with a picture: the second is run although the first one ended it."""
    row = compared(f"{hostile}:{name}", "numbering", "isolation")
    for cell in row.cells:
        assert note in cell.note
        assert cell.verdict is CellVerdict.BROKEN
        assert cell.picture is not None
        assert "secret" not in f"{cell.note} {cell.picture.why}"


def test_a_store_that_ends_its_process_is_not_as_expected(hostile: str) -> None:
    """By the name that the command takes, in all columns: those that it survives hold."""
    done = compare([load_own(f"{hostile}:ExitsHard")], seeds=1, loops=LOOPS)
    [row] = done.rows
    assert [cell.workload for cell in row.cells] == [column for column, _ in COLUMNS]
    verdicts = {cell.workload: cell.verdict for cell in row.cells}
    assert verdicts["updates"] is CellVerdict.HOLDS
    assert f"{row.design}: numbering is broken (exited with code 3)" in unexpected(done)


@pytest.mark.parametrize("name", ["Floods", "StartsThreads"])
def test_what_does_no_harm_is_no_broken_promise(
    hostile: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Output and threads of a store reach nobody."""
    row = compared(f"{hostile}:{name}", "creation")
    assert row.cells[0].verdict is CellVerdict.HOLDS
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["CannotBeClosed", "EvilTypes"])
def test_a_store_that_never_ends_or_lies_about_its_type_is_broken(hostile: str, name: str) -> None:
    """The explorer knows that nothing can happen any more."""
    [cell] = compared(f"{hostile}:{name}", "updates").cells
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None


def test_a_store_that_blocks_is_ended_and_said_to_block(hostile: str) -> None:
    """It is ended after the time limit, with the line; the remaining columns are not run."""
    row = compared(f"{hostile}:BlocksAtOnce", *dict(COLUMNS), timeout=3)
    first, *others = row.cells
    assert first.note.startswith("blocked the loop for 3 s, in sleep, line ")
    assert first.picture is not None
    assert first.picture.anomaly == "hang"
    assert {cell.verdict for cell in others} == {CellVerdict.UNKNOWN}
    assert {cell.note for cell in others} == {"not run, because it hung before"}


def test_a_store_that_closes_every_descriptor_is_ended(hostile: str) -> None:
    """It has no pipe to report on."""
    [cell] = compared(f"{hostile}:ClosesEverything", "updates", timeout=3).cells
    assert cell.note in ("hung for 3 s", "exited with code 1")
    assert cell.verdict is CellVerdict.BROKEN


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fails_at_import:X", "importing it raised ZeroDivisionError"),
        pytest.param(
            "leaves_at_import:X", "importing it raised SystemExit", marks=pytest.mark.long
        ),
        ("dies_at_import:X", "importing it exited with code 7"),
        ("hangs_at_import:X", "importing it blocked the loop for 3 s"),
        ("hostile_stores:Missing", "has no class 'Missing'"),
        ("no_such_module:X", "no module 'no_such_module'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_sentence(
    hostile: str, name: str, reason: str
) -> None:
    """`ValueError`, whatever the module did."""
    assert hostile
    with pytest.raises(ValueError, match=r".") as raised:
        load_own(name, timeout=3 if "hangs" in name else 60)
    assert reason in str(raised.value)


ANSWERS: list[tuple[str, object, str | None]] = [
    ("create_session", None, "None where Session"),
    ("get_session", "text", "a str where Session"),
    ("delete_session", False, "a bool where None"),
    ("list_sessions", 42, "an int where list[Session]"),
    ("list_sessions", (), "a tuple where list[Session]"),
    ("list_sessions", [object()], "a list with an object where list[Session]"),
    ("list_sessions", [SESSION, SESSION], None),
    ("count_sessions", float("nan"), "a float where int"),
    ("count_sessions", True, "a bool where int"),
    ("count_sessions", 3, None),
    ("get_frames", {"a": object()}, "a dict where list[MessageEnvelope]"),
    ("get_sessions_batch", None, "None where list[Session]"),
    ("get_or_create_session", SESSION, "a Session where tuple[Session, bool]"),
    ("get_or_create_session", (SESSION,), "a tuple of 1 where tuple[Session, bool]"),
    ("get_or_create_session", (SESSION, 1), "a tuple with an int where tuple[Session, bool]"),
    ("get_or_create_session", (SESSION, True), None),
    ("touch_session", SESSION, "a Session where None"),
    ("add_frames", [1], "a list where range"),
    ("add_frames", range(1, 2), None),
    ("read_frames", [SESSION], "a list with a Session where list[Frame]"),
    ("find_sessions", [], "a list where SessionPage"),
    ("expire_sessions", None, "None where list[Session]"),
    ("purge_sessions", "1", "a str where int"),
    ("trim_frames", 1.0, "a float where int"),
]


@pytest.mark.parametrize(("method", "value", "wrong"), ANSWERS)
async def test_every_answer_is_checked(method: str, value: object, wrong: str | None) -> None:
    """Lists are checked inside, too; right answers pass."""

    async def answer(*_: object, **__: object) -> object:
        return value

    store = PlainSessionStore()
    setattr(store, method, answer)
    arguments: dict[str, list[object]] = {
        "list_sessions": [],
        "count_sessions": [],
        "modify_session": ["id", lambda each: each],
        "get_sessions_batch": [["id"]],
        "add_frames": ["id", []],
        "find_sessions": [SessionQuery()],
        "expire_sessions": [],
        "purge_sessions": [],
    }
    options = {"up_to": 1} if method == "trim_frames" else {}
    call = getattr(CheckedRecording(store), method)(*arguments.get(method, [SESSION]), **options)
    if wrong is None:
        assert await call == value
        return
    with pytest.raises(WrongAnswer) as raised:
        await call
    assert str(raised.value) == f"{method} returned {wrong} is promised"


@pytest.mark.skipif(sys.platform != "linux", reason="a process is found by /proc")
def test_no_process_is_left(hostile: str, tmp_path: Path) -> None:
    """No process is left, in the store's own group or in another session."""
    compared(f"{hostile}:LeavesProcesses", "updates")
    pids = list(map(int, (tmp_path / "pids").read_text().split()))
    assert len(pids) >= 3
    deadline = time.monotonic() + 300
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.01)


def test_files_of_a_killed_process_are_removed(
    hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its temporary folder goes with it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compared(f"{hostile}:ExitsHard", "numbering")
    assert not list(tmp_path.glob("sessionkeeper-*"))


def test_all_processes_can_be_ended_at_once(hostile: str) -> None:
    """The handler of Ctrl-C does the same."""
    process = OwnProcess(Task(name=f"{hostile}:BlocksAtOnce", pipe=-1, timeout=60))
    process.receive()
    end_all()
    process.end()  # a second time does nothing


def test_a_process_that_is_stopped_has_hung(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot report this itself."""
    monkeypatch.setattr("sessionlab.designs.own.process._GRACE", 0.0)
    assert hostile
    task = Task(name="hangs_at_import:X", pipe=-1, timeout=3)
    with OwnProcess(task) as process:
        process.receive()
        os.kill(process._process.pid, signal.SIGSTOP)
        assert process.receive() == Ended("hung for 3 s", hung=True)


def test_a_loop_that_waits_does_not_block() -> None:
    """The innermost frame decides."""
    found: list[str] = []

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        main = sys._current_frames

        def look() -> None:
            for frame in main().values():
                found.append(describe_stuck(frame, "nowhere", 1))

        await loop.run_in_executor(None, look)

    asyncio.run(wait())
    assert "hung for 1 s" in found
    assert describe_stuck(None, "nowhere", 2) == "hung for 2 s"
    assert describe_stuck(sys._getframe(), __name__, 1.5).startswith(
        "blocked the loop for 1.5 s, in test_a_loop_that_waits_does_not_block, line "
    )


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
