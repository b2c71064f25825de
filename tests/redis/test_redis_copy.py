"""`sessionkeeper copy` from files to servers and clusters, and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_contents import filled, held, sent
from redis_fleet import Fleet
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, SQLiteSessionStore, StorageFactory
from sessionkeeper.cli.app import run
from sessionkeeper.transfer import copy_sessions

PREFIXES = count(1)


def go(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end; the command line makes a loop of its own."""
    return asyncio.run(work)


@pytest.fixture
def url(server: RedisServer) -> str:
    """A store nobody has made yet."""
    return f"{server.url}?prefix=copy-{next(PREFIXES)}"


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
    assert "120 sessions with 1438 frames are equal on both sides" in capsys.readouterr().err
    expected = go(held(first))
    assert go(held(url)) == expected == go(held(last))
    assert list(go(held(url))) == list(expected)


def test_a_copy_survives_a_killed_server(
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
            RedisSessionStore(server.url, prefix="copy", patience=3) as store,
        ):
            with pytest.raises(Exception, match=r"127\.0\.0\.1"):
                await copy_sessions(file, store, on_session=kill)
        return seen

    assert 24 <= go(cut()) < 60
    server.start()
    assert run(["copy", source, url]) == 0
    assert "60 sessions with 1198 frames are equal on both sides" in capsys.readouterr().err
    assert go(held(url)) == go(held(source))


def test_other_content_is_named_by_its_short_id_and_unchanged(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; the rest comes over."""
    source = f"sqlite:///{tmp_path}/a.db"
    go(filled(source))
    assert run(["copy", source, url]) == 0

    async def change() -> None:
        async with await StorageFactory.create(url) as store:
            await store.add_frame(sent("id-0", 99))
            await store.delete_session("id-2")

    go(change())
    before = go(held(url))
    assert run(["copy", source, url]) == 1
    said = capsys.readouterr().err
    assert "not copied: session id-0: its log at the target" in said
    after = go(held(url))
    assert after.pop("id-2") == go(held(source))["id-2"]
    before.pop("id-2", None)
    assert after == before


def test_a_cluster_is_copied_to_and_looked_into(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It spans all buckets; the reported promise is that of the weakest node."""
    source = f"sqlite:///{tmp_path}/a.db"
    nodes = cluster.url.replace("redis:", "redis+cluster:")
    url = f"{nodes}?prefix=copy-{next(PREFIXES)}"
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


@pytest.mark.parametrize("engine", ["redis"], indirect=True)  # the other was built without TLS
def test_a_server_with_tls_is_copied_to(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rediss://` with its options and a prefix; without its authority there is no way in."""
    source = f"sqlite:///{tmp_path}/a.db"
    go(filled(source))
    url = f"{fleet.start_with_tls().url}&prefix=tls"
    assert run(["copy", source, url]) == 0
    assert go(held(url)) == go(held(source))
    capsys.readouterr()
    bare = url.partition("?")[0].replace("://", "://user:hunter2@")
    assert run(["ls", bare]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "hunter2" not in said
