"""ADK's own tests of session services, on each backend.

ADK publishes them in its repository, not in its source distribution: they run where a folder in
`SESSIONKEEPER_PEER_SOURCES` has them.
"""

from __future__ import annotations

import pytest

from tests.integrations.peers import fetch_source, run_peer_tests

TESTS = "tests/unittests/sessions/test_session_service.py"


@pytest.mark.any_loop
def test_adks_own_tests_pass(store_url: str, stale: str, home: str) -> None:
    source = fetch_source("google-adk", has=TESTS)
    # The conftest above asks for settings of models, which have nothing to do with sessions.
    arguments = ("--confcutdir", "tests/unittests/sessions", "-o", "asyncio_mode=auto", TESTS)
    outcome = run_peer_tests(
        source,
        arguments,
        plugin="google_adk.adk_plugin",
        environment={"ADK_STORE": store_url, "ADK_STALE": stale, "ADK_HOME": home},
    )
    print(f"{store_url.partition(':')[0]}, {stale}, {home}: {outcome}")
    assert not outcome.failed, outcome.output
    assert len(outcome.passed) >= 16, outcome.output
