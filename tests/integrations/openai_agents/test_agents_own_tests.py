"""The SDK's own tests of its sessions in files, sync and async, with ours on each backend."""

from __future__ import annotations

import pytest

from tests.integrations.peers import fetch_source, run_peer_tests

TESTS = (
    "tests/memory/test_session.py",
    "tests/memory/test_session_limit.py",
    "tests/extensions/memory/test_async_sqlite_session.py",
)


@pytest.mark.any_loop
def test_the_sdks_own_tests_pass(store_url: str) -> None:
    """With `Runner.run`, `run_sync` and `run_streamed`; all of them with our session."""
    source = fetch_source("openai-agents", has=TESTS[0])
    outcome = run_peer_tests(
        source,
        TESTS,
        plugin="openai_agents.agents_plugin",
        environment={"AGENTS_STORE": store_url},
    )
    print(f"{store_url.partition(':')[0]}: {outcome}")
    assert not outcome.failed, outcome.output
    assert len(outcome.passed) >= 68, outcome.output
