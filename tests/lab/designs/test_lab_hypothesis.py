"""Programs that Hypothesis makes: a prefix, branches at once, cancellations, one order of many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sessionlab.designs import CALLS, DESIGNS, Design, DesignRun, Program, ProgramStep, Workload
from sessionlab.explore import ExplorationFailed, explore

BUDGET = 400
"""Programs a right design; the same ones each time."""

steps = st.builds(ProgramStep, st.sampled_from(sorted(CALLS)), st.sampled_from("ab"))
programs = st.builds(
    Program,
    prefix=st.lists(steps, max_size=4).map(lambda later: (ProgramStep("create", "a"), *later)),
    branches=st.lists(
        st.lists(steps, min_size=1, max_size=4).map(tuple), min_size=2, max_size=3
    ).map(tuple),
)


def holds(design: Design, *, programs_tried: int) -> Callable[[], None]:
    """The property: whatever the program, the order and the cancellation, no alarm."""

    @settings(
        max_examples=programs_tried,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(program=programs, seed=st.integers(0, 1_000), cancellations=st.integers(0, 1))
    def no_alarm(program: Program, seed: int, cancellations: int) -> None:
        workload = Workload("generated", "", program.run_clients, cancellations=cancellations)
        design_run = DesignRun(design, workload)
        explore(
            design_run,
            seeds=3,
            first_seed=seed,
            check=design_run.judge,
            cancellations=cancellations,
            cancellable=design_run.cancellable,
            max_steps=2_000,
            shrink=False,
        ).check()

    return no_alarm


@pytest.mark.parametrize("programs_tried", [30, pytest.param(BUDGET, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["actor", "locked", "plain"])
def test_no_generated_program_raises_an_alarm(name: str, programs_tried: int) -> None:
    """A right design is linearizable with any calls, clients and orders."""
    holds(DESIGNS[name], programs_tried=programs_tried)()


@pytest.mark.parametrize(
    "name",
    [
        "read-modify-write",
        pytest.param("check-then-create", marks=pytest.mark.long),
        pytest.param("count-apart", marks=pytest.mark.long),
        pytest.param("batch-one-by-one", marks=pytest.mark.long),
        "bare-set-result",
    ],
)
def test_generated_programs_find_wrong_designs(name: str) -> None:
    """The property can fail: the test above is not trivially true."""
    with pytest.raises(ExplorationFailed) as failed:
        holds(DESIGNS[name], programs_tried=BUDGET)()
    assert isinstance(failed.value.__cause__, AssertionError)
