"""URLs of PostgreSQL: what they say, and that a wrong one shows nothing of itself."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import ManagerConfig, PostgresBackend, backend_from_url
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres_url import PostgresUrl, split_postgres_url
from sessionkeeper.stores.store_url import is_plain

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

CANARY = "canary p@ss/word:#%"
READERS: tuple[Callable[[str], Any], ...] = (
    split_postgres_url,
    PostgresAddress.of,
    backend_from_url,
    lambda url: ManagerConfig.model_validate({"backend": {"kind": "postgres", "url": url}}),
)


@pytest.mark.parametrize(
    ("url", "place", "database"),
    [
        ("postgresql://h", "h", None),
        ("postgres://h/d", "h", "d"),
        ("POSTGRESQL://h:1/d", "h:1", "d"),
        ("postgresql://[::1]:7/d%2Fe", "[::1]:7", "d/e"),
        ("postgresql://[fe80::1%25eth0]/", "[fe80::1%eth0]", None),
        ("postgresql://a,b:2,[::1]:3/d", "a,b:2,[::1]:3", "d"),
        ("postgresql:///d?host=/run/postgresql", "unix:/run/postgresql", "d"),
        ("postgresql://%2Frun%2Fpostgresql/d", "unix:/run/postgresql", "d"),
        ("postgresql:///?host=/s&port=7&dbname=d", "unix:/s", "d"),
        ("postgresql:///?host=a,::1&port=7,8&database=d", "a:7,[::1]:8", "d"),
        ("postgresql://a,b?port=7", "a:7,b:7", None),
        ("postgresql://", "the default server", None),
        ("postgresql:///d?port=7", "the default server", "d"),
    ],
)
def test_a_url_names_servers_or_a_socket(url: str, place: str, database: str | None) -> None:
    """One host, several, an address, the folder of a socket, or the environment's."""
    read = split_postgres_url(url)
    assert (read.place, read.database, read.schema) == (place, database, "sessionkeeper")
    assert is_plain(url)
    assert isinstance(backend_from_url(url), PostgresBackend)


def test_a_url_says_who_and_how() -> None:
    """The schema is ours: it is not in what is left of the URL."""
    read = split_postgres_url(
        "postgres://u%40x:p%20%2B@h/d?schema=a_1&sslmode=verify-ca&passfile=/a%20b&connect_timeout=2"
    )
    assert (read.user, read.password, read.schema) == ("u@x", "p +", "a_1")
    assert read.options == {"sslmode": "verify-ca", "passfile": "/a b", "connect_timeout": "2"}
    assert read.dsn.startswith("postgresql://u%40x:p%20%2B@h/d?sslmode=verify-ca&")
    assert "schema" not in read.dsn
    read = split_postgres_url("postgresql://h?user=u&password=p")
    assert (read.user, read.password) == ("u", "p")
    assert repr(read) == "<PostgresUrl with schema sessionkeeper>"


TOO_LONG = "a" * 64
WRONG = [
    ("http://h", "is expected"),
    ("postgresql:h", "two slashes|is expected"),
    ("postgresql+asyncpg://h/d", "is expected"),
    ("postgresql://h\n", "not a URL"),
    ("postgresql://a b", "not a URL"),
    ("postgresql://h/d#x", "not a URL"),
    ("postgresql://h/d/e", "not a URL"),
    ("postgresql://::1/d", "not a URL"),
    ("postgresql://h:0/d", "not a URL"),
    ("postgresql://h:65536/d", "not a URL"),
    ("postgresql://h:1_0/d", "not a URL"),
    ("postgresql://h:١/d", "not a URL"),
    ("postgresql://:5432/d", "not a URL"),
    ("postgresql://a,,b/d", "not a URL"),
    ("postgresql://a,/d", "not a URL"),
    ("postgresql://" + "h," * 40 + "h/d", "at most 32 hosts"),
    ("postgresql://h/" + "d" * 9000, "not a URL"),
    ("postgresql://h/d%00", "NUL"),
    ("postgresql://u%00@h/d", "NUL|not a URL"),
    ("postgresql://h/%ff", "not UTF-8"),
    ("postgresql://h%2Fx/d", "not a URL"),
    ("postgresql://h?host=g", "hosts twice"),
    ("postgresql://h:1?port=2", "ports twice"),
    ("postgresql://a,b?port=1,2,3", "ports twice, or not one"),
    ("postgresql://h?port=x", "not a URL"),
    ("postgresql://h/d?dbname=e", "two databases"),
    ("postgresql://h?dbname=d&database=e", "two databases"),
    ("postgresql://h?sslmode=require&sslmode=disable", "given twice"),
    ("postgresql://h?schema=A", "a schema is"),
    ("postgresql://h?schema=", "a schema is"),
    ("postgresql://h?schema=pg_x", "a schema is"),
    ("postgresql://h?schema=1a", "a schema is"),
    ('postgresql://h?schema=a"b', "a schema is"),
    ("postgresql://h?schema=a.b", "a schema is"),
    ("postgresql://h?schema=a%0A", "a schema is"),
    ("postgresql://h?schema=" + TOO_LONG, "a schema is"),
    ("postgresql://h?schema=a&schema=b", "given twice"),
    ("postgresql://h?sslmode=verify_full", "sslmode in the URL is one of"),
    ("postgresql://h?sslmode=", "sslmode in the URL is one of"),
    ("postgresql://h?target_session_attrs=standby", "is one of any, primary, read-write"),
    ("postgresql://h?sslnegotiation=x", "is one of postgres, direct"),
    ("postgresql://h?ssl_min_protocol_version=SSLv3", "is one of TLSv1.2"),
    ("postgresql://h?options=-csearch_path=x", "the option options of the URL is none of"),
    ("postgresql://h?search_path=x", "the option search_path of the URL is none of"),
    ("postgresql://h?service=x", "the option service of the URL is none of"),
    ("postgresql://h?prefix=x", "the option prefix of the URL is none of"),
    ("postgresql://h?sslmod=require", "the option sslmod of the URL is none of"),
    ("postgresql://h?fsync", "an option of the URL is none of"),
    ("postgresql://h?passfile=a%00b", "NUL"),
    *((f"postgresql://h?connect_timeout={each}", "seconds") for each in ("0", "-1", "nan", "1e3")),
    ("postgresql://h?connect_timeout=3601", "seconds"),
    ("postgresql://h?application_name=", "application_name"),
    ("postgresql://h?application_name=" + TOO_LONG, "application_name"),
    ("postgresql://h?application_name=a%0Ab", "application_name"),
    ("postgresql://h?" + "&".join(f"a{each}=1" for each in range(50)), "not a URL"),
]


@pytest.mark.parametrize(("url", "reason"), WRONG)
def test_a_wrong_url_is_refused_without_being_shown(url: str, reason: str) -> None:
    """Every way to read it says the same, and no error quotes the password."""
    with pytest.raises(ValueError, match=reason):
        split_postgres_url(url)
    assert not is_plain(url)
    if "@" in url or not url.startswith("postgresql://"):
        return
    secret = url.replace("://", f"://user:{quote(CANARY, safe='')}@")
    for read in READERS:
        with pytest.raises(ValueError, match=r".") as refused:
            read(secret)
        assert "canary" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:canary#@h/d",
        "postgresql://user:12#canary@h/d",
        "postgresql://user:a?canary@h/d",
        "postgresql://user:12?canary@h/d",
        "postgresql://user:12?canary=@h/d",
        "postgresql://user:12?x=1&canary=2@h/d",
        "postgresql://user:a/canary@h/d",
        "postgresql://user:12/canary@h",
        "postgresql://user:12/canary?x=y@h",
        "postgresql://user:a[canary]@h/d",
        "postgresql://user:a@canary@h/d",
        "postgresql://h:canary/d",
        "postgresql://h/d?password=a&canary=b",
        "postgresql://h/d?user=u&password=12&canary",
        "postgresql://h/d?sslpassword=a&canary=b",
        "postgresql://h/d?sslmode=canary",
        "postgresql://h/d?schema=canary-1",
        "postgresql://u:%ffcanary@h/d",
        "postgresql://h/d?password=%ffcanary",
    ],
)
def test_an_unescaped_password_is_not_shown_as_another_part_of_the_url(url: str) -> None:
    """A port, a path, an option, a value: none of them is repeated."""
    for read in READERS:
        with pytest.raises(ValueError, match=r".") as refused:
            read(url)
        assert "canary" not in "".join(traceback.format_exception(refused.value))


def test_an_address_shows_no_password() -> None:
    """Neither does the configuration that holds it."""
    url = f"postgresql://user:{quote(CANARY, safe='')}@h:7/d?schema=s"
    address = PostgresAddress.of(url)
    assert repr(address) == "<PostgresAddress h:7 schema s>"
    backend = backend_from_url(url)
    for thing in (address, backend, ManagerConfig.model_validate({"backend": backend})):
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert "canary" not in shown
    assert isinstance(backend, PostgresBackend)
    assert backend.url.get_secret_value() == url


@pytest.mark.parametrize("hosts", ["", "localhost,127.0.0.1", "/run", "localhost,db.example.com"])
def test_another_machine_of_the_environment_is_warned_of(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of the URL, where nothing verifies that it is the right one."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.setenv("PGHOST", hosts)
    for url in ("postgresql:///d", f"postgresql:///d?host={hosts}" if hosts else "postgresql:///d"):
        assert bool(PostgresAddress.of(url).warnings) is ("example" in hosts)


PIECES = (
    *("user", ":", "@", "h", ",", "/", "?", "&", "=", "%", "%00", "%2F", "%ff", "[", "::1", "]"),
    *("schema", "host", "port", "sslmode", "5432", "a", "#", "\0"),
)


@settings(max_examples=3000, deadline=None)
@given(
    st.text("abc12:/?#[]@!$&'()*+,;=%\\\"\0\n\x7f .-_é١\ud800", max_size=40)
    | st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
)
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    """What is accepted can be sent to a server: its parts end nowhere early."""
    url = f"postgresql://{text}"
    try:
        read = split_postgres_url(url)
    except UnicodeError:  # a ValueError that quotes what it could not read
        raise AssertionError from None
    except ValueError as error:
        said = str(error)
        assert len(said) < 600
        assert said.isprintable()
        return
    _check_parts(read)
    PostgresAddress(read)


def _check_parts(read: PostgresUrl) -> None:
    assert len(read.hosts) == len(read.ports) or not read.hosts
    assert all(port is None or 0 < port < 65536 for port in read.ports)
    assert all(each and "\0" not in each for each in read.hosts)
    words = (read.user, read.password, read.database, *read.options.values())
    assert all(word is None or (word and "\0" not in word) for word in words[:3])
    assert all(word is None or "\0" not in word for word in words)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
PORTS = st.integers(1, 65535)
HOSTS = st.sampled_from(["h", "a.example", "10.0.0.1", "[::1]", "%2Frun%2Fpg", "x-1"])


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(HOSTS, PORTS), min_size=1, max_size=3),
    NAMES,
    NAMES,
    NAMES.filter(lambda name: not name.startswith("/")),
)
def test_a_url_is_read_as_asyncpg_reads_it(
    hosts: list[tuple[str, int]], user: str, password: str, database: str
) -> None:
    """Hosts, user, password and database are those of asyncpg's own parser."""
    place = ",".join(f"{host}:{port}" for host, port in hosts)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    url = f"postgresql://{login}@{place}/{quote(database, safe='')}?schema=s&sslmode=disable"
    read = split_postgres_url(url)
    parse: Any = vars(connect_utils)["_parse_connect_dsn_and_args"]
    # Newer ones take more.
    names = dict.fromkeys(inspect.signature(parse).parameters)
    addresses, parsed = parse(**{**names, "dsn": read.dsn})
    assert (parsed.user, parsed.password, parsed.database) == (user, password, database)
    assert (read.user, read.password, read.database) == (user, password, database)
    assert addresses == [
        f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        for host, port in zip(read.hosts, read.ports, strict=True)
    ]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost:5432", "postgresql://localhost:5432"),
        ("localhost:5432/sessions", "postgresql://localhost:5432/sessions"),
        ("postgresql:localhost", "postgresql://localhost"),
        ("postgres//localhost/d", "postgresql://localhost/d"),
        ("postgresql+asyncpg://localhost/d", "postgresql://localhost/d"),
        ("postgres+psycopg2://localhost/d", "postgresql://localhost/d"),
        ("pgsql://localhost/d", "postgresql://localhost/d"),
        ("postgressql://localhost/d", "postgresql://localhost/d"),
        ("postgresql+asyncpg://u:hunter2@localhost/d", "postgresql://HOST:PORT"),
    ],
)
def test_the_url_that_was_meant_is_suggested(given: str, meant: str) -> None:
    """Those of SQLAlchemy too; what may be a password is not repeated."""
    with pytest.raises(ValueError, match="did you mean") as refused:
        backend_from_url(given)
    assert f"did you mean {meant} ?" in str(refused.value)
    assert "hunter2" not in str(refused.value)
