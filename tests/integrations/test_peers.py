"""The harness that runs the tests of peers: it counts what passed, failed and was skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from .peers import fetch_source, run_peer_tests

TESTS = """
import pytest

def test_that_passes(): assert pytest.from_plugin == "seen"
def test_that_fails(): assert False
@pytest.mark.skip
def test_that_is_skipped(): ...
"""


def test_each_outcome_is_counted_and_the_plugin_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_of_a_peer.py").write_text(TESTS)
    (tmp_path / "a_plugin.py").write_text("import pytest\npytest.from_plugin = 'seen'\n")
    monkeypatch.setattr("tests.integrations.peers.HERE", tmp_path)
    outcome = run_peer_tests(tmp_path, ["test_of_a_peer.py"], plugin="a_plugin")
    assert outcome.passed == ["test_of_a_peer::test_that_passes"], outcome.output
    assert outcome.failed == ["test_of_a_peer::test_that_fails"]
    assert outcome.skipped == ["test_of_a_peer::test_that_is_skipped"]
    assert str(outcome).endswith("failed: test_of_a_peer::test_that_fails")


def test_tests_that_cannot_be_had_are_skipped_by_name() -> None:
    with pytest.raises(pytest.skip.Exception, match="no-such-peer is not installed"):
        fetch_source("no-such-peer", has="tests")
