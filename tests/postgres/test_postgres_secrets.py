"""TLS is verified, and a password is nowhere to be seen: neither in errors nor in logs."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from postgres_folders import ServerFolders
from postgres_server import PostgresServer
from redis_certificates import Certificates
from redis_operations import WRITES, add_up, fill
from sessionkeeper import MessageEnvelope, OutcomeUnknown, Session, StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionkeeper.values.statistics import PostgresStatistics

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

PASSWORD = "canary p@ss/wörd:#%'\""


class _ForAnotherName(Certificates):
    """The server's certificate is for a host that it is not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        signed = authority.issue_cert("elsewhere.example")
        signed.private_key_and_cert_chain_pem.write_to_path(str(self.server))


@pytest.fixture(scope="module")
def guarded(
    postgres_folders: ServerFolders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """A server that speaks only TLS, and a role with a password."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    server = PostgresServer(postgres_folders, certificates=certificates)
    server.start()
    server.add_role("keeper", "GRANT CREATE ON DATABASE postgres TO keeper", password=PASSWORD)
    yield server
    server.close()


@pytest.fixture(scope="module")
def misnamed(
    postgres_folders: ServerFolders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """A server that a trusted authority has certified under another name."""
    certificates = _ForAnotherName(tmp_path_factory.mktemp("misnamed"))
    server = PostgresServer(postgres_folders, certificates=certificates)
    server.start()
    yield server
    server.close()


async def refusal(url: str) -> str:
    """The line that says why a store does not open; nothing shows the password."""
    with pytest.raises(StoreUnavailable) as refused:
        await PostgresSessionStore(url).open()
    assert refused.value.reason.isprintable()
    hidden("".join(traceback.format_exception(refused.value)))
    return refused.value.reason


def hidden(*shown: object) -> None:
    """See that no form of the password is in what is shown."""
    for each in shown:
        for form in (str(each), repr(each)):
            assert "canary" not in form
            assert quote(PASSWORD) not in form


async def test_a_store_works_over_verified_tls_with_a_password(
    guarded: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Every kind of write; what the store shows of itself names no secret."""
    caplog.set_level("DEBUG")
    asyncio.get_running_loop().set_debug(True)
    for n, write in enumerate(WRITES.values()):
        url = guarded.url_of("keeper", PASSWORD, schema=f"w{n}")
        async with PostgresSessionStore(url) as store:
            await fill(store)
            await write(store)
            found = await add_up(store)
            assert isinstance(found.server, PostgresStatistics)
            assert found.server.encrypted
            assert not [each for each in found.server.warnings if "ssl" in each]
            hidden(store, found, vars(store), store._writer, store._writer.opened)
    hidden(caplog.text, guarded.log())


async def test_a_wrong_password_or_role_is_refused_without_showing_it(
    guarded: PostgresServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of the environment."""
    caplog.set_level("DEBUG")
    for url in (
        guarded.url_of("keeper", PASSWORD + "canary"),
        guarded.url_of("keeper", "canary"),
        guarded.url_of("keeper"),
        guarded.url_of("canary", PASSWORD).replace("canary@", "nobody@"),
    ):
        monkeypatch.delenv("PGPASSWORD", raising=False)
        if "keeper@" in url:
            monkeypatch.setenv("PGPASSWORD", "canary")
        said = await refusal(url)
        assert "the server refuses the role" in said
    hidden(caplog.text)


async def test_a_password_is_not_shown_when_a_connection_is_lost(
    guarded: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the work, for good."""
    caplog.set_level("DEBUG")
    url = guarded.url_of("keeper", PASSWORD, schema="lost")
    async with PostgresSessionStore(url, patience=2.0) as store:
        await fill(store)
        await asyncio.to_thread(guarded.stop, "immediate")
        told = await asyncio.gather(
            *(write(store) for write in WRITES.values()), return_exceptions=True
        )
        for lost in told:
            assert isinstance(lost, StoreUnavailable | OutcomeUnknown)
            hidden("".join(traceback.format_exception(lost)), lost)
        await asyncio.to_thread(guarded.start)
    hidden(caplog.text)


async def test_an_authority_that_is_not_trusted_is_refused(
    guarded: PostgresServer, tmp_path: Path
) -> None:
    """With every mode that verifies; nothing was sent."""
    other = Certificates(tmp_path)
    for mode in ("require", "verify-ca", "verify-full"):
        url = guarded.url_of("keeper", PASSWORD, sslmode=mode, sslrootcert=str(other.ca))
        assert "the server's certificate is not valid" in await refusal(url)
    # The system does not trust it, either.
    bare = guarded.url_of("keeper", PASSWORD).partition("?")[0]
    assert "the server's certificate is not valid" in await refusal(f"{bare}?sslmode=require")


async def test_a_certificate_of_another_name_is_refused(misnamed: PostgresServer) -> None:
    """Unless the URL says that any name of the authority will do."""
    for mode in ("require", "verify-full"):
        said = await refusal(misnamed.url_of("postgres", sslmode=mode))
        assert "the server's certificate is not valid" in said
    for mode in ("verify-ca", "no-verify"):
        url = misnamed.url_of("postgres", sslmode=mode)
        async with PostgresSessionStore(url) as store:
            found = (await store.statistics()).server
            assert isinstance(found, PostgresStatistics)
            assert found.encrypted


async def test_a_server_without_tls_is_refused_where_it_is_asked_for(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """The password would be sent to whoever answers."""
    for mode in ("require", "verify-ca", "verify-full", "no-verify"):
        said = await refusal(f"{postgres_url}&sslmode={mode}")
        assert "the server does not offer TLS" in said


async def test_messages_are_in_the_log_of_a_server_that_logs_parameters_and_can_be_kept_out(
    own_postgres_server: PostgresServer,
) -> None:
    """With the usual settings nothing is there; the documentation says how to keep it so."""
    server = own_postgres_server
    schemas = ("usual", "all", "short")
    for schema in schemas:
        if schema == "all":
            server.psql("ALTER ROLE postgres SET log_statement = 'all'")
        if schema == "short":
            server.psql("ALTER ROLE postgres SET log_parameter_max_length = 0")
        url = server.url_of("postgres", schema=schema)
        async with PostgresSessionStore(url) as store:
            await store.create_session(Session.new(transport_type="stdio", id=f"id-of-{schema}"))
            message = f'{{"jsonrpc":"2.0","id":1,"method":"{schema}-word"}}'.encode()
            await store.add_frame(
                MessageEnvelope.of(f"id-of-{schema}", message, direction="client-to-server")
            )
    log = server.log()
    assert [f"id-of-{each}" in log for each in schemas] == [False, True, False]
    assert [f"{each}-word".encode().hex() in log for each in schemas] == [False, True, False]
    assert [f"{each}-word" in log for each in schemas] == [False, False, False]
