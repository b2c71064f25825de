"""The SDK's own tests of resumption, of its client and of its server, run against ours."""

from __future__ import annotations

import os

import pytest

from tests.integrations.peers import fetch_source, fetch_tools, run_peer_tests

INTERACTION = "tests/interaction/transports"
FILES = (
    f"{INTERACTION}/test_hosting_resume.py",
    f"{INTERACTION}/test_client_transport_http.py",
    "tests/shared/test_streamable_http.py",
)
# Not the SDK's own settings: they ask for plug-ins that these files do not use.
OPTIONS = ("-p", "no:asyncio", "-o", "addopts=-p anyio", "-o", "log_cli=false")
RUNS = int(os.environ.get("SDK_RUNS", "2"))
"""How often with `--long`; ten in a row were seen to pass."""
TOOLS = ("inline-snapshot", "dirty-equals", "blockbuster")


def run_them(store_url: str) -> None:
    """Run all of them once on one backend."""
    outcome = run_peer_tests(
        fetch_source("mcp", has="tests/shared/test_streamable_http.py"),
        (*OPTIONS, *FILES),
        plugin="mcp.sdk_plugin",
        tools=fetch_tools(*TOOLS),
        environment={"SESSIONKEEPER_STORE": store_url},
    )
    assert not outcome.failed, f"{outcome}\n{outcome.output}"
    assert len(outcome.passed) >= 92, str(outcome)


def test_all_of_them_pass(store_url: str) -> None:
    run_them(store_url)


@pytest.mark.long
@pytest.mark.parametrize("number", range(2, RUNS + 1))
def test_all_of_them_pass_again(store_url: str, number: int) -> None:
    run_them(store_url)
