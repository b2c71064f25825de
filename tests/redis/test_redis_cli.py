"""The command line on Redis, as on a file; and copies there and back."""

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
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_server import RedisServer
from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    RedisSessionStore,
    Session,
    SessionState,
    SQLiteSessionStore,
    StorageFactory,
)
from sessionkeeper.cli.app import run
from sessionkeeper.copying import copy_sessions

NOT_KEPT = {"revision", "created_at", "last_activity", "ended_at"}
CLOSED = {"state": SessionState.CLOSED}
PREFIXES = count(1)


def sent(session_id: str, number: int) -> MessageEnvelope:
    """A message that tells which one it is."""
    message = {"jsonrpc": "2.0", "id": number, "method": f"call {number}"}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def fill(store: AtomicSessionStore, sessions: int = 3, frames: int = 5) -> None:
    """Sessions of which the second has ended and the third lost two frames."""
    ids = [f"id-{number}" for number in range(sessions)]
    new = [Session.new(id=each, transport_type="stdio", state="active", tags={"a"}) for each in ids]
    await asyncio.gather(*map(store.create_session, new))
    batches = [[sent(each, number) for number in range(frames)] for each in ids]
    await asyncio.gather(*map(store.add_frames, ids, batches))
    await store.trim_frames("id-2", up_to=2)
    await store.modify_session(
        "id-1", lambda it: Session.model_validate(it.model_dump() | {"state": "closed"})
    )


async def filled(url: str, **size: int) -> None:
    async with await StorageFactory.create(url) as store:
        await fill(store, **size)


async def held(url: str) -> dict[str, Any]:
    """All a store holds but what is each store's own."""
    async with await StorageFactory.create(url) as store:
        return {
            each.id: (
                each.model_dump(exclude=NOT_KEPT),
                await store.read_frames(each.id, limit=10_000),
            )
            for each in await store.list_sessions()
        }


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
def test_where_no_store_is_none_is_made(
    command: list[str], url: str, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, exit code 2, and the server holds what it held."""
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
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == ["4", "5"]
    file = tmp_path / "a.jsonl"
    assert run(["export", stored, "-o", str(file)]) == 0
    again = f"{server.url}?prefix=cli-{next(PREFIXES)}"
    assert run(["import", again, str(file)]) == 0
    assert list(go(held(again))) == ["id-0", "id-1", "id-2"]
    assert run(["purge", again, "--older-than", "0s"]) == 0
    assert list(go(held(again))) == ["id-0", "id-2"]


def test_what_other_processes_write_there_is_recorded_and_followed(stored: str) -> None:
    """`record --store` from one process, `tail -f` in another."""
    program = [sys.executable, "-m", "sessionkeeper"]
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    record = [*program, "record", "--store", stored, "--json", "--", "cat"]
    done = subprocess.run(record, input=message, capture_output=True, check=True, timeout=40)
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
        followed, _ = tail.communicate(timeout=40)
    assert [line[:2] for line in followed.splitlines()] == [b"6 "]
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


async def test_what_a_write_waits_for_is_said(server: RedisServer) -> None:
    """`statistics().server.acknowledged` follows the options."""
    applied = RedisSessionStore(server.url, prefix="waits", wait_replicas=1)
    synced = RedisSessionStore(server.url, prefix="waits", wait_replicas=2, wait_aof=True)
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


def test_a_copy_goes_from_a_file_to_a_server_and_back(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids, fields, frames and their numbers are the same in all three."""
    first, last = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    go(filled(first, sessions=120, frames=12))
    assert run(["copy", first, url, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["sessions"], report["frames"], report["added"]) == (120, 1438, 1438)
    assert run(["copy", url, last]) == 0
    assert "120 sessions with 1438 frames are the same" in capsys.readouterr().err
    expected = go(held(first))
    assert go(held(url)) == expected == go(held(last))
    assert list(go(held(url))) == list(expected)


def test_a_server_killed_in_the_middle_of_a_copy_is_no_harm(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says how to go on; the same command does, and nothing is there twice."""
    source = f"sqlite:///{tmp_path}/a.db"
    go(filled(source, sessions=60, frames=20))
    server = fleet.start(appendonly="yes", appendfsync="always")
    url = f"{server.url}?prefix=copy"

    async def cut() -> int:
        seen = 0

        def kill() -> None:
            nonlocal seen
            seen += 1
            if seen == 24:
                server.kill()

        async with (
            SQLiteSessionStore(tmp_path / "a.db") as file,
            RedisSessionStore(server.url, prefix="copy", patience=0.1) as store,
        ):
            with pytest.raises(Exception, match=r"127\.0\.0\.1"):
                await copy_sessions(file, store, on_session=kill)
        return seen

    assert 24 <= go(cut()) < 60
    server.start()
    assert run(["copy", source, url]) == 0
    assert "60 sessions with 1198 frames are the same" in capsys.readouterr().err
    assert go(held(url)) == go(held(source))


def test_other_content_is_named_by_its_short_id_and_left_alone(
    stored: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; the rest comes over."""
    source = f"sqlite:///{tmp_path}/a.db"
    go(filled(source))

    async def change() -> None:
        async with await StorageFactory.create(stored) as store:
            await store.add_frame(sent("id-0", 99))
            await store.delete_session("id-2")

    go(change())
    before = go(held(stored))
    assert run(["copy", source, stored]) == 1
    said = capsys.readouterr().err
    assert "not copied: session id-0: its log at the target" in said
    after = go(held(stored))
    assert after.pop("id-2") == go(held(source))["id-2"]
    before.pop("id-2", None)
    assert after == before


def test_a_cluster_is_copied_to_and_looked_into(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over all buckets; what one is told of it is the least any node promises."""
    source = f"sqlite:///{tmp_path}/a.db"
    nodes = cluster.url.replace("redis:", "redis+cluster:")
    url = f"{nodes}?prefix=cli-{next(PREFIXES)}"
    go(filled(source, sessions=40))
    assert run(["copy", source, url]) == 0
    assert go(held(url)) == go(held(source))
    capsys.readouterr()
    assert run(["stats", url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sessions"], found["server"]["buckets"]) == (40, 64)
    assert found["server"]["cluster"] is True
    assert run(["ls", f"{nodes}?prefix=nobody"]) == 2
    assert "there is no store 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["ls", "stats", "export", "copy"])
def test_no_password_is_shown(
    command: str, server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, unreachable or misspelt: only host and port are said."""
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


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
