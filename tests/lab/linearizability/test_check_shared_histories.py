"""Real histories are decided as they were decided elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from sessionlab import Outcome, Verdict, check, find_model, read_history


def test_every_verdict_is_the_known_one(shared_histories: Path) -> None:
    """Two formats, told apart by content; registers and maps; right every time."""
    known = json.loads((shared_histories / "verdicts.json").read_text())["files"]
    wrong: list[str] = []
    for entry in known:
        history = read_history(shared_histories / entry["file"])
        result = check(
            history, find_model(history.header.model), timeout=600, explain_illegal=False
        )
        expected = Verdict.OK if entry["linearizable"] else Verdict.ILLEGAL
        if result.verdict is not expected:
            wrong.append(entry["file"])
    assert known
    assert wrong == []


def test_nothing_is_lost_in_reading(shared_histories: Path) -> None:
    """The numbers of operations, clients, kinds and unknown outcomes are the known ones."""
    for entry in json.loads((shared_histories / "verdicts.json").read_text())["files"]:
        operations = read_history(shared_histories / entry["file"]).operations
        kinds = [operation.name for operation in operations]
        assert len(operations) == entry["operations"]
        assert len({operation.client for operation in operations}) == entry["clients"]
        assert {name: kinds.count(name) for name in set(kinds)} == entry["by_kind"]
        # A read that timed out is a failed one here: it says nothing either way.
        unknown = [
            each
            for each in operations
            if each.outcome is Outcome.UNKNOWN
            or (each.name == "read" and each.outcome is Outcome.FAILED)
        ]
        assert len(unknown) == entry["unknown_outcome"]


def test_every_illegal_one_is_explained(shared_histories: Path) -> None:
    """The counterexample is smaller, and one of its operations cannot come next."""
    for entry in json.loads((shared_histories / "verdicts.json").read_text())["files"]:
        if entry["linearizable"]:
            continue
        history = read_history(shared_histories / entry["file"])
        example = check(history, find_model(history.header.model)).counterexample
        assert example is not None
        assert example.blocked
        assert 0 < len(example.shrunk) <= 12 < len(history.operations)
