"""How one gets in: URLs, TLS, users; and that no password is ever to be seen."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
from redis_certificates import Certificates
from redis_fleet import Fleet
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, StoreUnavailable
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Call, DeliveryStatus, Script
from sessionkeeper.backends.redis.client.connection import Connection
from sessionkeeper.backends.redis.client.single_server import SingleServer

CANARY = "canary p@ss/word:#%"
only_redis = pytest.mark.parametrize("engine", ["redis"], indirect=True)
"""The Valkey of the wheel was built without TLS."""


@asynccontextmanager
async def served(url: str) -> AsyncIterator[SingleServer]:
    servers = SingleServer(RedisAddress.of(url))
    try:
        yield servers
    finally:
        await servers.aclose()


async def refusal_of(url: str) -> StoreUnavailable:
    async with served(url) as servers:
        with pytest.raises(StoreUnavailable) as refused:
            await servers.open()
    return refused.value


def test_a_url_says_where_how_and_how_long() -> None:
    """`redis://`, `rediss://`, and both for a cluster."""
    target = RedisAddress.of("redis://host")
    assert (target.name, target.tls, target.cluster) == ("host:6379", False, False)
    target = RedisAddress.of("rediss+cluster://[::1]:7/?socket_timeout=1.5")
    assert (target.name, target.tls, target.cluster) == ("[::1]:7", True, True)
    assert target.timeout == 1.5
    assert target.at("other", 8).name == "other:8"
    assert target.at("other", 8).tls


@pytest.mark.parametrize(
    ("url", "name", "tls", "cluster"),
    [
        ("valkey://h", "h:6379", False, False),
        ("valkeys://h:1/2", "h:1", True, False),
        ("VALKEY+cluster://h", "h:6379", False, True),
        ("redis://[fe80::1%25eth0]", "[fe80::1%eth0]:6379", False, False),
        ("unix:///run/a%20b.sock?db=3", "unix:/run/a b.sock", False, False),
        ("redis+unix:///s", "unix:/s", False, False),
        ("valkey+socket://u:p@/s", "unix:/s", False, False),
        ("redis+sentinel://h,g:1/m/0", "m of h:26379,g:1", False, False),
        ("rediss+sentinel://u:p@[::1],h/m-1", "m-1 of [::1]:26379,h:26379", True, False),
    ],
)
def test_a_server_a_socket_and_sentinels_have_urls(
    url: str, name: str, tls: bool, cluster: bool
) -> None:
    """`valkey` and `valkeys` mean what `redis` and `rediss` do."""
    target = RedisAddress.of(url)
    assert (target.name, target.tls, target.cluster) == (name, tls, cluster)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://h", "a URL of redis, rediss"),
        ("redis+tls://h", "a URL of redis, rediss"),
        ("redis://h,g", "only sentinels are several"),
        ("redis://h/1?db=2", "two databases"),
        ("redis://h?db=1&db=2", "given twice"),
        ("redis://h?db=one", "number of a database"),
        ("redis://h\n", "not a URL"),
        ("redis://a b", "not a URL"),
        ("redis://::1", "not a URL"),
        ("redis://h?sentinel_password=a", "need redis\\+sentinel"),
        ("unix://h/s", "unix:///path is expected"),
        ("unix:///", "unix:///path is expected"),
        ("unix:///s?ssl_ca_certs=a", "rediss://"),
        ("redis+sentinel://h", "the name of their primary"),
        ("redis+sentinel://h/a b", "not a URL"),
        ("redis+sentinel://h/a%20b", "the name of their primary"),
        ("redis+sentinel://h/m/one", "number of a database"),
        ("redis+sentinel://h,/m", "not a URL"),
        ("redis+sentinel:///m", "with a host"),
        ("redis://", "with a host"),
        ("redis+cluster://h/1", "only database 0"),
        ("redis://h/one", "number of a database"),
        ("redis://h/" + "1" * 5000, "number of a database"),
        ("redis://h?protocol=2", "none of db, "),
        ("redis://h?retry_on_timeout=yes", "none of db, "),
        ("redis://h?prefix=a", "with prefix="),
        ("redis://h?db=-1", "at least 0"),
        ("redis://h:0", "port"),
        ("redis://h#1", "not a URL"),
        ("redis://h?ssl_ca_certs=a", "rediss://"),
        ("rediss://h?socket_timeout=x", "'socket_timeout'"),
        *((f"redis://h?socket_timeout={each}", "above 0") for each in ("0", "-1", "nan", "inf")),
        ("redis://h?socket_connect_timeout=nan", "above 0"),
    ],
)
def test_a_wrong_url_is_refused_without_being_shown(url: str, reason: str) -> None:
    """Options of redis-py that would try again, or speak otherwise, too."""
    secret = url.replace("://", f"://:{quote(CANARY, safe='')}@")
    with pytest.raises(ValueError, match=reason) as refused:
        RedisAddress.of(secret)
    assert "canary" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:canary#@h",
        "redis://user:12#canary@h",
        "redis://user:a?canary@h",
        "redis://user:12?canary@h",
        "redis://user:12?canary=@h",
        "redis://user:a/canary@h",
        "redis://user:a[canary]@h",
        "redis://h:canary",
        "unix://user:a/canary@/s",
        "unix://user:canary/s",
        "redis+sentinel://user:12/canary@h/m",
        "redis+sentinel://user:12/canary@h",
        "redis+sentinel://h,canary:x/m",
        "redis://h?password=a&canary=b",
        "rediss://h?ssl_min_version=canary",
    ],
)
def test_an_unescaped_password_is_not_shown_as_another_part_of_the_url(url: str) -> None:
    """A port, an address, an option, a value: the error says which characters need %."""
    reads: tuple[Callable[[str], object], ...] = (RedisAddress.of, RedisSessionStore)
    for read in reads:
        with pytest.raises(ValueError, match=r"URL|expected") as refused:
            read(url)
        assert "canary" not in "".join(traceback.format_exception(refused.value, limit=0))


async def test_a_user_a_password_and_a_database_are_as_in_the_url(server: RedisServer) -> None:
    """Whatever characters they are made of."""
    url = server.add_user("some:user", CANARY, "~*", "+@all").replace("/0", "/3")
    async with served(url) as servers:
        await servers.open()
        who, client = await servers.exchange(
            [Call(0, ("ACL", "WHOAMI")), Call(0, ("CLIENT", "INFO"))]
        )
        assert who == b"some:user"
        # Nothing of redis-py's own is sent beyond what is needed: no name of a library.
        words = client.decode().split()
        assert {"db=3", "name=sessionkeeper"} <= set(words)
        assert [word for word in words if word.startswith("lib-name=")] in ([], ["lib-name="])


async def test_a_user_needs_few_commands(server: RedisServer, key_prefix: str) -> None:
    """The commands sent besides those of scripts; `CONFIG GET` may be missing."""
    commands = "+hello +client|setname +info +script|load +evalsha +xread +xrevrange"
    url = server.add_user("few", "pass", f"~{key_prefix}*", *commands.split(), "+rpush")
    text = b"return redis.call('RPUSH', KEYS[1], 1)"
    script = Script("push", lambda: text)
    async with served(url) as servers:
        await servers.open()
        words = ("EVALSHA", script.digest, 1, f"{key_prefix}list")
        assert await servers.exchange([Call(0, words, script)]) == [1]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("ssl_cert_reqs=canary", "does not accept an option"),
        ("ssl_ca_certs=/canary.pem", "a file that the URL names"),
    ],
)
async def test_an_option_that_cannot_be_used_is_said_when_connecting(
    option: str, reason: str, proxy: FaultProxy
) -> None:
    """Every call is unsent."""
    url = proxy.url.replace("redis", "rediss", 1) + f"?{option}"
    error = await refusal_of(url)
    assert reason in error.reason
    assert "canary" not in error.reason
    async with served(url) as servers:
        assert await servers.exchange([Call(0, ("PING",))]) == [DeliveryStatus.NOT_SENT]


async def test_no_error_shows_a_password(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in a `repr`, an error with all its causes, nor in the log."""
    caplog.set_level(logging.DEBUG)
    url = server.add_user("canary-user", CANARY, "~*", "+@all")
    wrong = server.url_of("canary-user", "canary-wrong")
    seen: list[str] = []
    async with served(url) as servers:
        await servers.open()
        seen += [repr(servers), repr(RedisAddress.of(url)), servers.name]
        server.say("ACL", "DELUSER", "canary-user")
        await servers.exchange([Call(0, ("PING",))])
        await servers.exchange([Call(0, ("PING",))])
        seen += [repr(servers), servers.last_error]
    for bad in (wrong, url.replace(str(server.port), "1"), url.replace("/0", "/999999")):
        error = await refusal_of(bad)
        seen += [str(error), error.reason, "".join(traceback.format_exception(error))]
    assert any("user or the password" in text for text in seen)
    seen.append(caplog.text)
    assert not [text for text in seen if "canary" in text.replace("canary_", "")]


async def test_a_socket_of_this_host_is_reached(fleet: Fleet) -> None:
    """With user, password and database; without one that is there, the error says where."""
    with TemporaryDirectory() as folder:  # the path of a socket has at most 107 bytes
        path = f"{folder}/a b.sock"
        server = fleet.start(unixsocket=f"'{path}'")
        server.add_user("some", CANARY, "~*", "+@all")
        login = f"some:{quote(CANARY, safe='')}@"
        for url in (f"unix://{login}{quote(path)}?db=3", f"redis+unix://{login}{quote(path)}?db=3"):
            async with served(url) as servers:
                await servers.open()
                (client,) = await servers.exchange([Call(0, ("CLIENT", "INFO"))])
                assert {b"db=3", b"user=some"} <= set(client.split())
                connection = await servers.connect(0, patience=1.0)
                await connection.aclose()
        async with RedisSessionStore(f"unix://{quote(path)}", prefix="s") as store:
            assert await store.count_sessions() == 0
        error = await refusal_of(f"unix://{folder}/other.sock")
        assert error.reason == f"unix:{folder}/other.sock: a file that the URL names does not exist"


async def test_a_server_with_ipv6_alone_is_reached_by_address_and_by_name(fleet: Fleet) -> None:
    """`localhost` has two families, and the server listens to one."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = fleet.start()
    server.configure("bind", "::1")
    for host in ("[::1]", "localhost"):
        async with served(f"redis://{host}:{server.port}") as servers:
            await servers.open()
            assert await servers.exchange([Call(0, ("PING",))]) == [b"PONG"]


@only_redis
async def test_tls_verifies_who_answers(fleet: Fleet, tmp_path: Path) -> None:
    """The authority in the URL, and the name; nobody else's word counts."""
    server = fleet.start_with_tls()
    async with served(server.url) as servers:
        await servers.open()
        assert await servers.exchange([Call(0, ("ECHO", "x" * 300_000))]) == [b"x" * 300_000]
    plain = server.url.partition("?")[0]
    assert "certificate" in (await refusal_of(plain)).reason
    other = tmp_path / "other"
    other.mkdir()
    stranger = quote(str(Certificates(other).ca))
    assert "certificate" in (await refusal_of(f"{plain}?ssl_ca_certs={stranger}")).reason
    # Its certificate is for 127.0.0.1 and localhost.
    elsewhere = server.url.replace("127.0.0.1", "127.0.0.2")
    async with served(elsewhere) as servers:
        assert await servers.exchange([Call(0, ("PING",))]) != [b"PONG"]
    unencrypted = plain.replace("rediss", "redis")
    assert (await refusal_of(unencrypted)).reason


@only_redis
async def test_a_server_may_ask_for_a_certificate_of_ours(fleet: Fleet) -> None:
    """Files named in the URL, as for redis-py."""
    server = fleet.start_with_tls()
    server.configure("tls-auth-clients", "yes")
    assert server.certificates is not None
    await refusal_of(server.url)
    client = quote(str(server.certificates.client))
    async with served(f"{server.url}&ssl_certfile={client}&ssl_keyfile={client}") as servers:
        await servers.open()


@only_redis
async def test_cancelled_and_overlapping_exchanges_are_the_same_in_tls(fleet: Fleet) -> None:
    """Only the transport differs, not the promises."""
    server = fleet.start_with_tls()
    async with served(server.url) as servers:
        calls = [[Call(0, ("ECHO", f"{b}-{n}" * 50)) for n in range(40)] for b in range(5)]
        answers = await asyncio.gather(*map(servers.exchange, calls))
        assert answers == [[f"{b}-{n}".encode() * 50 for n in range(40)] for b in range(5)]
        slow = asyncio.ensure_future(servers.exchange([Call(0, ("DEBUG", "SLEEP", "0.2"))]))
        await asyncio.sleep(0)
        slow.cancel()
        await asyncio.wait([slow])
        assert slow.cancelled()
        assert await servers.exchange([Call(0, ("ECHO", "mine"))]) == [b"mine"]


@only_redis
async def test_a_cancelled_connecting_leaves_no_handshake_to_the_loop(fleet: Fleet) -> None:
    """Cancelled in any turn; a loop that ended then would leave a socket open."""
    address = RedisAddress.of(fleet.start_with_tls().url)
    connected = turns = 0
    while connected < 3:
        connecting = asyncio.ensure_future(Connection.open(address))
        for _ in range(turns):
            await asyncio.sleep(0)
        turns += 1
        connecting.cancel()
        await asyncio.wait([connecting])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"after {turns} turns"
        if not connecting.cancelled():
            await connecting.result().aclose()
            connected += 1
            turns *= 2


async def test_plain_text_to_another_host_is_warned_about_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """0.0.0.0 reaches this host, but not every program treats it as loopback."""
    async with served(server.url) as servers:
        await servers.open()
    assert caplog.text == ""
    async with served(server.url.replace("127.0.0.1", "0.0.0.0")) as servers:
        await servers.open()
        await servers.exchange([Call(0, ("PING",))])
    assert caplog.text.count("plain text") == 1


@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_without_the_extra_the_error_says_which_to_install(missing: str) -> None:
    """Every module of the backend except one can be imported."""
    code = f"""if True:
        import sys
        sys.modules[{missing!r}] = None
        from sessionkeeper.backends.redis import runner, stream_reader, wakeups
        from sessionkeeper.backends.redis.client import address, cluster, single_server
        try:
            address.RedisAddress.of("redis://127.0.0.1:1")
        except Exception as error:
            print(type(error).__name__, error)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("BackendNotImplemented")
    assert "sessionkeeper[redis]" in run.stdout
