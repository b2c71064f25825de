"""A harness that finds nothing must first show that it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessionlab.explore import explore, replay
from sessionlab.explore.pytest_plugin import Explorer

if TYPE_CHECKING:
    from tests.lab.explore.conftest import Flaw


def test_a_flaw_does_not_show_in_the_default_order(flaw: Flaw) -> None:
    """That is why these flaws live in programs whose tests pass."""
    assert explore(flaw.flawed, strategy="default", seeds=1).ok


def test_each_flaw_is_found_within_200_seeds_and_shown(flaw: Flaw) -> None:
    """Found, shrunk, and told with the token that replays it."""
    done = explore(flaw.flawed, seeds=200, cancellations=flaw.cancellations)
    (failure,) = done.failures
    assert type(failure.error) is flaw.error
    assert failure.repeats
    assert 1 <= failure.deviations <= 4
    report = str(done)
    assert f"{failure.deviations} deviation" in report
    assert failure.token in report
    assert sum(line.startswith("!") for line in report.splitlines()) == failure.deviations
    assert "conftest.py" in report


def test_each_flaw_is_replayed_exactly(flaw: Flaw) -> None:
    """The token alone leads to the same error, with the same words, as often as one likes."""
    (failure,) = explore(flaw.flawed, cancellations=flaw.cancellations).failures
    for _ in range(3):
        with pytest.raises(flaw.error) as raised:
            replay(flaw.flawed, failure.token)
        assert str(raised.value) == str(failure.error)


def test_a_shrunk_failure_needs_each_of_its_deviations(flaw: Flaw) -> None:
    """Without any one of them, nothing fails."""
    (failure,) = explore(flaw.flawed, cancellations=flaw.cancellations).failures
    for place, choice in enumerate(failure.choices):
        if choice:
            before, after = failure.choices[:place], failure.choices[place + 1 :]
            fewer = [*before, *([0] if choice > 0 else []), *after]
            replay(flaw.flawed, "x1:" + ",".join(map(str, fewer)))


@pytest.mark.timeout(1800)  # with `--explore-seeds 100000`
def test_a_right_history_raises_no_alarm(flaw: Flaw, explorer: Explorer) -> None:
    """The same programs without their flaw, in 2,000 schedules each."""
    done = explorer(flaw.right, seeds=2_000, cancellations=flaw.cancellations, strict=True)
    assert done.runs >= 2_000
    assert done.distinct > 5
    assert bool(done.cancelled) == bool(flaw.cancellations)


def test_the_flaws_that_need_one_step_are_found_by_going_through_all(flaw: Flaw) -> None:
    """With so few tasks, all orders with a few deviations can be run."""
    done = explore(
        flaw.flawed,
        strategy="exhaustive",
        deviations=4,
        seeds=50_000,
        cancellations=flaw.cancellations,
        shrink=False,
    )
    (failure,) = done.failures
    assert type(failure.error) is flaw.error
    assert failure.deviations <= 4
