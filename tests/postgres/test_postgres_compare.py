"""The designs of the lab on PostgreSQL: the right ones hold, each wrong one is caught and named."""

from __future__ import annotations

import asyncio
import inspect
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from postgres_binaries import all_binaries, version_of
from postgres_folders import ServerFolders
from postgres_server import PostgresServer, until
from sessionkeeper.cli.app import run
from sessionlab.anomalies.kinds import AnomalyKind
from sessionlab.designs import (
    ON_POSTGRES,
    WORKLOADS,
    CellVerdict,
    Design,
    cells,
    designs_on,
    explore_cell,
    stress_cell,
)
from sessionlab.designs.on_postgres import wrong as shipped
from sessionlab.designs.on_postgres.address import read_address
from sessionlab.designs.on_postgres.client import describe

LOOPS = {"asyncio": asyncio.new_event_loop}
RIGHT, WRONG = ON_POSTGRES[:6], ON_POSTGRES[6:]
SCHEMAS = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'compare%'"
pytestmark = pytest.mark.any_loop


@pytest.fixture
def used(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server on which somebody has something, and has it afterwards."""
    postgres_server.psql("CREATE SCHEMA compare_not_ours")
    yield postgres_server
    left = postgres_server.psql(SCHEMAS)
    postgres_server.psql("DROP SCHEMA compare_not_ours")
    assert left == "1"


@pytest.fixture(scope="module")
def wheel_server(postgres_folders: ServerFolders) -> Iterator[PostgresServer]:
    """The server of the wheel, which is another version than that of most systems."""
    binaries = [each for each in all_binaries() if each.parent.name == "pginstall"]
    folders = ServerFolders(postgres_folders.watchdog, binaries[0])
    server = PostgresServer(folders)
    try:
        server.start()
        yield server
    finally:
        server.close()
        folders.close()


def design(name: str, url: str) -> Design:
    """One of them."""
    return {each.name: each for each in designs_on(url)}[name]


def _take_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no call of a busy machine for one that hangs."""
    monkeypatch.setattr(cells, "_STRESS_TIMEOUT", 300.0)


def catch(wrong: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the anomaly of a wrong design in what one comparison runs of its cell."""
    assert wrong.flaw is not None
    workload = WORKLOADS[wrong.flaw.shown_in]
    if wrong.flaw.anomaly != AnomalyKind.HANG:
        _take_time(monkeypatch)
    cell = explore_cell(wrong, workload, seeds=20, loops=LOOPS)
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None
    assert cell.picture.anomaly == wrong.flaw.anomaly
    assert cell.how == "stress"


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_design_on_postgres_is_caught_by_its_name(
    name: str, used: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each of three comparisons; and nothing is left on the server."""
    for _ in range(3):
        catch(design(name, used.url), monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_design_on_postgres_is_caught_every_time(
    name: str,
    used: PostgresServer,
    wheel_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In each of ten comparisons, on two versions of the server."""
    assert version_of(wheel_server.binaries) >= 16
    for _ in range(10):
        catch(design(name, used.url), monkeypatch)
        catch(design(name, wheel_server.url), monkeypatch)


@pytest.mark.parametrize(
    "runs",
    [2, pytest.param(6, marks=pytest.mark.long)],
)
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("name", RIGHT)
def test_no_alarm_on_a_right_design_on_postgres(
    name: str, workload: str, runs: int, used: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though one transaction is held while others run, and an answer to a COMMIT is lost."""
    _take_time(monkeypatch)
    right = design(name, used.url)
    assert right.right
    cell = stress_cell(right, WORKLOADS[workload], runs=runs, loops=LOOPS, seconds=math.inf)
    assert (cell.verdict, cell.histories, cell.note) == (CellVerdict.HOLDS, runs, "")


@pytest.mark.long
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("name", RIGHT)
def test_no_alarm_on_a_right_design_on_another_version(
    name: str, workload: str, wheel_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on the server of the wheel."""
    _take_time(monkeypatch)
    right = design(name, wheel_server.url)
    cell = stress_cell(right, WORKLOADS[workload], runs=3, loops=LOOPS, seconds=math.inf)
    assert (cell.verdict, cell.note) == (CellVerdict.HOLDS, "")


def test_each_wrong_design_on_postgres_is_short_and_says_what_it_does() -> None:
    """Under 60 lines, and a docstring that begins with the anomaly."""
    folder = Path(inspect.getfile(shipped)).parent
    files = [file for file in folder.glob("*.py") if file.stem != "__init__"]
    assert len(files) == len(WRONG) == len(shipped.__all__)
    assert all(len(file.read_text().splitlines()) < 60 for file in files)
    for each in designs_on("postgresql://h/d"):
        if each.flaw is not None:
            anomaly, colon, _ = each.summary.partition(":")
            assert (anomaly.lower(), colon) == (each.flaw.anomaly.value, ":")


def test_designs_on_postgres_are_compared_if_a_server_is_named(
    used: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """They run beside the others, and each has an expected result."""
    quick = ["--seeds", "8", "--loop", "asyncio"]
    assert run(["compare", "max-plus-one", "--postgres", used.url, *quick]) == 0
    shown = capsys.readouterr().out
    assert "max-plus-one, numbering: duplicate after" in shown
    assert "everything is as expected" in shown


def test_an_interrupted_comparison_leaves_no_schema(used: PostgresServer) -> None:
    """In the middle of a run."""
    program = [sys.executable, "-m", "sessionkeeper", "compare", "serializable"]
    program += ["--postgres", used.url, "--seeds", "100000"]
    with subprocess.Popen(program) as running:
        until(lambda: used.psql(SCHEMAS) != "1", "a run has begun")
        running.send_signal(signal.SIGINT)
        assert running.wait(300) == 130


def test_runs_that_are_given_up_leave_no_schema(
    used: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment, from opening the store to closing it."""
    ours, seconds, verdict = design("postgres", used.url), 0.05, CellVerdict.BROKEN
    while verdict is CellVerdict.BROKEN:
        monkeypatch.setattr(cells, "_STRESS_TIMEOUT", seconds)
        cell = stress_cell(ours, WORKLOADS["updates"], runs=1, loops=LOOPS, seconds=math.inf)
        assert used.psql(SCHEMAS) == "1"
        verdict, seconds = cell.verdict, 1.5 * seconds
        assert seconds < 300, cell
    assert verdict is CellVerdict.HOLDS


def test_a_server_that_goes_away_ends_the_comparison_and_no_design_is_blamed(
    own_postgres_server: PostgresServer,
) -> None:
    """One line, and exit code 2."""
    server = own_postgres_server
    program = [sys.executable, "-m", "sessionkeeper", "compare", "select-for-update"]
    program += ["--postgres", server.url, "--seeds", "100000", "--loop", "asyncio"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        until(lambda: server.psql(SCHEMAS) != "0", "a run has begun")
        server.stop("immediate")
        out, err = running.communicate(timeout=300)
    assert (running.returncode, out) == (2, b"")
    assert err.decode() == f"sessionkeeper: 127.0.0.1:{server.port}: it cannot be reached\n"


def test_a_lost_connection_is_told_as_such_and_not_as_a_refusal() -> None:
    """Though asyncpg gives it a state, as if the server had said it."""
    assert describe(asyncpg.ConnectionDoesNotExistError("canary")) == "it cannot be reached"
    assert describe(asyncpg.CannotConnectNowError("canary")) == "it is starting or stopping"


def test_a_socket_is_an_address_too(used: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq writes it."""
    url = f"postgresql://postgres@/postgres?host={used.folder}&port={used.port}"
    catch(design("max-plus-one", url), monkeypatch)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["serializable"], "serializable needs a server: name one with --postgres"),
        (["--postgres", "postgresql://u:canary@127.0.0.1:1/d"], "127.0.0.1:1: it cannot be"),
        (["--postgres", "postgresql://u:canary@h,i/d"], "on a single server"),
        (["--postgres", "postgresql://u:canary@h/d?sslmode=require"], "without TLS"),
        (["--postgres", "postgresql://u:canary#@h/d"], "not a URL"),
        (["--postgres", "postgresql://u:canary@h:x/d"], "not a URL"),
        (["--postgres", "redis://u:canary@h"], "a postgresql://host/database URL"),
        (["--postgres", "canary"], "a postgresql://host/database URL"),
    ],
)
def test_a_wrong_postgres_server_is_reported_in_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is compared; exit code 2, and no password."""
    assert run(["compare", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert "canary" not in said.err


@pytest.mark.parametrize(
    ("database", "user", "reason"),
    [
        ("nowhere", "postgres", "it has no such database"),
        ("postgres", "nobody_there", "it refuses this user or password"),
    ],
)
def test_a_server_that_refuses_is_reported_in_one_line(
    database: str,
    user: str,
    reason: str,
    postgres_server: PostgresServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its place and the reason, and none of the server's own words."""
    url = f"postgresql://{user}@127.0.0.1:{postgres_server.port}/{database}"
    assert run(["compare", "--postgres", url]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert f"127.0.0.1:{postgres_server.port}: {reason}" in said.err


def test_an_address_shows_no_password() -> None:
    """Nor does its name; a user and a password may come from the options, too."""
    address = read_address("postgresql://h/d?user=u&password=canary")
    assert (address.user, address.password, address.name) == ("u", "canary", "h:5432")
    assert "canary" not in repr(address)
