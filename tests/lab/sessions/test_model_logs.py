"""Logs as numbers: equal logs are one number, and parts of long ones are found."""

from __future__ import annotations

from random import Random

import pytest
from sessionlab.sessions.model.logs import EMPTY, LogTree


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 511, 512, 3000])
def test_a_prefix_of_a_log_is_the_log_it_once_was(length: int) -> None:
    """Whatever steps are taken over milestones."""
    tree, logs = LogTree(), [EMPTY]
    for n in range(length):
        logs.append(tree.append(logs[-1], n, (str(n),)))
    random = Random(length)
    for _ in range(200):
        wanted = random.randint(0, length)
        assert tree.prefix(logs[length], length, wanted) == logs[wanted]
        last = [(str(n),) for n in range(max(0, wanted - 3), wanted)]
        assert tree.ends_with(logs[wanted], last)
        assert not tree.ends_with(logs[wanted], [*last, ("other",)])


def test_equal_logs_are_one_number() -> None:
    """However often they are made; different ones are different."""
    tree = LogTree()
    one = tree.append(EMPTY, 0, ("a",))
    assert tree.append(EMPTY, 0, ("a",)) == one
    assert tree.append(EMPTY, 0, ("b",)) != one
    assert not tree.ends_with(one, [("a",), ("a",)])
