"""The suite has a worker a core, and a file runs on one of them: its servers are started once."""

from __future__ import annotations

import pytest

RUN: set[str] = set()


@pytest.mark.parametrize("number", range(8))
def test_all_tests_of_a_file_run_in_one_process(
    number: int, request: pytest.FixtureRequest
) -> None:
    own = [item.nodeid for item in request.session.items if item.path == request.path]
    assert set(own[: own.index(request.node.nodeid)]) == RUN
    RUN.add(request.node.nodeid)
