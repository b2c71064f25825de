"""The command line on Redis and Valkey, as on a file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis_contents import filled, held, sent
from redis_fleet import Fleet
from redis_rights import few
from redis_server import RedisServer
from sessionkeeper import (
    RedisSessionStore,
    SessionState,
    StorageFactory,
)
from sessionkeeper.cli.app import run

CLOSED = {"state": SessionState.CLOSED}
PREFIXES = count(1)


def go(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end; the command line makes a loop of its own."""
    return asyncio.run(work)


@pytest.fixture
def url(server: RedisServer) -> str:
    """A store nobody has made yet."""
    return f"{server.url}?prefix=cli-{next(PREFIXES)}"


@pytest.fixture
def stored(url: str) -> str:
    """A store with three sessions."""
    go(filled(url))
    return url


def keys_of(server: RedisServer, url: str) -> list[str]:
    """The keys a store has on its server."""
    prefix = url.partition("prefix=")[2]
    keys: list[str] = server.say("KEYS", f"{{{prefix}:*")
    return keys


@pytest.mark.parametrize(
    "command",
    [["ls"], ["show", "id"], ["tail", "id", "-f"], ["stats"], ["export"]],
    ids=lambda command: command[0],
)
def test_a_missing_store_is_not_created(
    command: list[str], url: str, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, the exit code is 2, and the server is unchanged."""
    assert run([command[0], url, *command[1:]]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    prefix = url.partition("prefix=")[2]
    assert said.err == f"sessionkeeper: there is no store {prefix!r} on 127.0.0.1:{server.port}\n"
    assert keys_of(server, url) == []


def test_a_copy_from_a_store_that_is_not_there_makes_no_target(
    url: str, server: RedisServer
) -> None:
    """Neither on a server nor in a file."""
    assert run(["copy", url, "sqlite:///b.db"]) == 2
    assert run(["copy", "sqlite:///b.db", url]) == 2
    assert not Path("b.db").exists()
    assert keys_of(server, url) == []


def test_a_store_on_a_server_is_looked_into_as_a_file_is(
    stored: str, server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ls`, `show`, `tail`, `stats`, `export`, `import` and `purge`."""
    assert run(["ls", stored, "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in listed] == ["id-0", "id-1", "id-2"]
    assert run(["show", stored, "id-2", "--json"]) == 0
    assert [each["seq"] for each in json.loads(capsys.readouterr().out)["frames"]] == [3, 4, 5]
    assert run(["tail", stored, "id-1", "-f", "-n", "2"]) == 0
    shown = [line.split()[::2][:2] for line in capsys.readouterr().out.splitlines()]
    assert shown[:2] == [["4", "→"], ["5", "→"]]
    file = tmp_path / "a.jsonl"
    assert run(["export", stored, "-o", str(file)]) == 0
    again = f"{server.url}?prefix=cli-{next(PREFIXES)}"
    assert run(["import", again, str(file)]) == 0
    assert list(go(held(again))) == ["id-0", "id-1", "id-2"]
    assert run(["purge", again, "--older-than", "0s"]) == 0
    assert list(go(held(again))) == ["id-0", "id-2"]


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)  # processes take long to start
def test_writes_of_other_processes_are_recorded_and_followed(stored: str) -> None:
    """`record --store` from one process, `tail -f` in another."""
    program = [sys.executable, "-m", "sessionkeeper"]
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    record = [*program, "record", "--require-store", "--store", stored, "--json", "--", "cat"]
    done = subprocess.run(record, input=message, capture_output=True, check=True, timeout=300)
    assert done.stdout == message
    recorded = json.loads(done.stderr)["session"]
    assert len(go(held(stored))[recorded][1]) == 2
    command = [*program, "tail", stored, "id-0", "-f", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline().startswith(b"5 ")

        async def end() -> None:
            async with await StorageFactory.create(stored) as store:
                await store.add_frame(sent("id-0", 99))
                await store.modify_session("id-0", lambda it: it.model_copy(update=CLOSED))

        go(end())
        followed, _ = tail.communicate(timeout=300)
    lines = [line.decode().split() for line in followed.splitlines()]
    assert [line[0] for line in lines if "→" in line] == ["6"]
    assert all("✗" in line for line in lines[1:])  # the session ended without their answers
    assert tail.returncode == 0


def test_statistics_say_what_an_acknowledgement_means(
    stored: str, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Product, durability and warnings in words, for readers and for programs."""
    assert run(["stats", stored, "--json"]) == 0
    server = json.loads(capsys.readouterr().out)["server"]
    assert server["product"] == engine.name
    assert (server["buckets"], server["cluster"], server["replicas"]) == (1, False, 0)
    assert server["acknowledged"] == "applied in the primary's memory"
    assert server["durability"] == "nothing"
    assert any("appendonly no" in each for each in server["warnings"])
    assert run(["stats", stored]) == 0
    shown = capsys.readouterr().out
    assert "acknowledged means: applied in the primary's memory\n" in shown
    assert "warning: appendonly no and save empty" in shown


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)  # WAITAOF is not in Redis 7.0
async def test_the_statistics_name_what_a_write_waits_for(fleet: Fleet) -> None:
    """`statistics().server.acknowledged` follows the options."""
    url = fleet.start(appendonly="yes").url
    applied = RedisSessionStore(url, wait_replicas=1)
    synced = RedisSessionStore(url, wait_replicas=2, wait_aof=True)
    said: list[str] = []
    for each in (applied, synced):
        async with each as store:
            found = (await store.statistics()).server
        assert found is not None
        said.append(found.acknowledged)
    assert said == [
        "applied in the primary's memory, applied by one replica",
        "applied in the primary's memory, synced to its append-only file,"
        " synced to that of 2 replicas",
    ]


@pytest.mark.parametrize("command", ["ls", "stats", "export", "copy"])
def test_no_password_is_shown(
    command: str, server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, unreachable or misspelt: the error shows only host and port."""
    place = f"127.0.0.1:{server.port}"
    more = [f"sqlite:///{tmp_path}/b.db"] if command == "copy" else []
    for wrong in (
        f"redis://user:hunter2@{place}",
        "redis://user:hunter2@127.0.0.1:1",
        f"redis://user:hunter2@{place}?prefix=a b",
        f"redis://user:hunter2@{place}?password=hunter2&nonsense=hunter2",
        f"redis://user:hunter2@{place}/hunter2",
    ):
        assert run([command, wrong, *more]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert "hunter2" not in said.err
        assert "validation error" not in said.err  # pydantic's own words are for programmers


def test_a_session_that_cannot_be_created_is_reported_in_one_line(
    server: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """`record`: nobody knows whether it was, and the command was not started."""
    prefix = f"cli-{next(PREFIXES)}"
    url = few(server, prefix, without="+zadd")  # what creates a session is stopped halfway
    assert (
        run(
            [
                "record",
                "--require-store",
                "--store",
                f"{url}?prefix={prefix}",
                "--",
                "echo",
                "started",
            ]
        )
        == 2
    )
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "sessionkeeper: the store: the outcome of the operation is not known;"
        " the server was not started (--require-store)\n"
    )


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
