"""TLS: verified wherever the URL asks for it, and said where it is not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from postgres_folders import ServerFolders
from postgres_opened import opened, refusal
from postgres_server import PostgresServer
from redis_certificates import Certificates
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.tls import ssl_mode, tls_argument

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

UNTRUSTED = "the server's certificate is not valid: "


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For 127.0.0.1 and localhost, of an authority that nobody trusts by itself."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(postgres_folders: ServerFolders, certificates: Certificates) -> Iterator[PostgresServer]:
    """One that takes nothing but TLS."""
    server = PostgresServer(postgres_folders, certificates=certificates)
    server.start()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL"):
        monkeypatch.delenv(name, raising=False)


def url_of(server: PostgresServer, query: str = "", *, host: str = "127.0.0.1") -> str:
    """Its URL with these options alone."""
    bare = server.url.partition("?")[0].replace("127.0.0.1", host)
    return f"{bare}?{query}" if query else bare


@pytest.mark.parametrize(
    "asks",
    ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "sslnegotiation=postgres"],
)
async def test_where_a_url_asks_for_tls_the_certificate_is_verified(
    asks: str, server: PostgresServer, certificates: Certificates
) -> None:
    """Also with `require`, which verifies nothing in libpq, and without a mode."""
    assert (await refusal(url_of(server, asks))).startswith(UNTRUSTED)
    found = await opened(url_of(server, f"{asks}&sslrootcert={certificates.ca}"))
    assert found.info.encrypted
    assert found.info.statistics().encrypted
    assert found.info.warnings == ()


async def test_without_a_file_the_system_decides_whom_to_trust(
    server: PostgresServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `sslrootcert=system` says, too; libpq's own file comes before it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    for query in ("sslmode=require", "sslmode=verify-full", "sslrootcert=system"):
        assert (await opened(url_of(server, query))).info.encrypted
    home = Path.home() / ".postgresql"
    home.mkdir()
    (home / "root.crt").write_bytes(trustme.CA().cert_pem.bytes())
    assert (await refusal(url_of(server, "sslmode=require"))).startswith(UNTRUSTED)
    (home / "root.crt").write_bytes(certificates.ca.read_bytes())
    monkeypatch.delenv("SSL_CERT_FILE")
    assert (await opened(url_of(server, "sslmode=require"))).info.encrypted


async def test_the_name_of_the_server_is_verified(
    postgres_folders: ServerFolders, tmp_path: Path
) -> None:
    """Unless `verify-ca` says that the authority is enough, which is warned of."""
    authority = trustme.CA()
    other = Certificates(tmp_path)
    authority.cert_pem.write_to_path(str(other.ca))
    signed = authority.issue_cert("somewhere.example")
    signed.private_key_and_cert_chain_pem.write_to_path(str(other.server))
    server = PostgresServer(postgres_folders, certificates=other)
    try:
        server.start()
        trust = f"sslrootcert={other.ca}"
        for mode in ("require", "verify-full"):
            said = await refusal(url_of(server, f"sslmode={mode}&{trust}"))
            assert said.startswith(UNTRUSTED)
            assert "127.0.0.1" in said
        assert (await opened(url_of(server, f"sslmode=verify-ca&{trust}"))).info.encrypted
    finally:
        server.close()


async def test_not_to_verify_has_to_be_said(server: PostgresServer) -> None:
    """`no-verify` encrypts; `prefer`, the default without a word of TLS, does so if it can."""
    for query in ("sslmode=no-verify", "sslmode=prefer", ""):
        assert (await opened(url_of(server, query))).info.encrypted
    assert "pg_hba.conf" in await refusal(url_of(server, "sslmode=disable"))


async def test_the_environment_of_libpq_asks_for_tls_too(
    server: PostgresServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`PGSSLMODE`, `PGSSLROOTCERT`; the URL comes before them."""
    monkeypatch.setenv("PGSSLMODE", "require")
    assert (await refusal(url_of(server))).startswith(UNTRUSTED)
    monkeypatch.setenv("PGSSLROOTCERT", str(certificates.ca))
    assert (await opened(url_of(server))).info.encrypted
    monkeypatch.setenv("PGSSLROOTCERT", "/nowhere")
    assert (await opened(url_of(server, f"sslrootcert={certificates.ca}"))).info.encrypted
    monkeypatch.setenv("PGSSLMODE", "nonsense")
    assert "PGSSLMODE" in await refusal(url_of(server))


async def test_a_client_may_show_a_certificate(
    server: PostgresServer, certificates: Certificates
) -> None:
    """Its key may be in the same file; a wrong one is one line, without its path."""
    trust = f"sslrootcert={certificates.ca}"
    own = f"sslcert={certificates.client}&sslkey={certificates.client}"
    assert (await opened(url_of(server, f"{trust}&{own}"))).info.encrypted
    for files in (f"sslcert={certificates.client}&sslkey={certificates.ca}", "sslcert=/nowhere"):
        said = await refusal(url_of(server, f"{trust}&{files}"))
        assert said.startswith("sslcert or sslkey: ")
        assert "/" not in said


async def test_files_that_cannot_be_used(server: PostgresServer, tmp_path: Path) -> None:
    """One line that names the option, and no connection is made."""
    (tmp_path / "empty").write_text("")
    for name in ("sslrootcert", "sslcrl"):
        assert await refusal(url_of(server, f"{name}=/nowhere")) == (
            f"{name}: No such file or directory"
        )
        said = await refusal(url_of(server, f"{name}={tmp_path}/empty"))
        assert said == f"{name}: nothing that fits is in it"


async def test_versions_of_tls_can_be_limited(
    server: PostgresServer, certificates: Certificates
) -> None:
    """The usual lowest is 1.2."""
    trust = f"sslrootcert={certificates.ca}"
    query = f"{trust}&ssl_max_protocol_version=TLSv1.2&ssl_min_protocol_version=TLSv1.2"
    address = PostgresAddress.of(url_of(server, query))
    connection = await address.connect(timeout=60, lock_timeout=60)
    version = await connection.fetchval(
        "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    )
    connection.terminate()
    assert version == "TLSv1.2"
    context = tls_argument({"sslmode": "require"})
    assert isinstance(context, ssl.SSLContext)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("query", "mode", "warning"),
    [
        ("", "prefer", "sslmode=prefer: TLS is used if the server offers it"),
        ("sslmode=allow", "allow", "sslmode=allow: TLS is used if"),
        ("sslmode=disable", "disable", "sslmode=disable: what is sent can be read"),
        ("sslmode=no-verify", "no-verify", "certificate is not verified"),
        ("sslmode=verify-ca", "verify-ca", "any certificate of the authority"),
        ("sslmode=require", "require", None),
        ("sslrootcert=/x", "verify-full", None),
        ("sslmode=verify-full", "verify-full", None),
    ],
)
def test_what_is_not_verified_is_warned_of(query: str, mode: str, warning: str | None) -> None:
    """Not on this machine, where nobody is in between."""
    address = PostgresAddress.of(f"postgresql://somewhere.example/d?{query}")
    assert [warning in each for each in address.warnings if warning] == [True] * bool(warning)
    assert bool(address.warnings) == bool(warning)
    options = dict(each.split("=") for each in query.split("&") if each)
    assert ssl_mode(options) == mode
    for place in ("127.0.0.1", "localhost", "[::1]", "%2Frun"):
        assert PostgresAddress.of(f"postgresql://{place}/d?{query}").warnings == ()
