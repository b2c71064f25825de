"""Cost against size: what grows with its size is told from what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sessionlab.bench import Growth, Point, Spread
from sessionlab.bench import cost as costing
from sessionlab.bench import growth as growing
from sessionlab.bench.dict_lookups import DictLookups
from sessionlab.bench.filled_subject import FilledSubject
from sessionlab.bench.growth import fit_exponent, measure_growth, sizes_up_to
from sessionlab.bench.targets import make_subject, parse_target


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers and batches that a test has time for."""
    monkeypatch.setattr(growing, "_CALLERS", (1, 64))
    monkeypatch.setattr(growing, "_BATCHES", (1, 64))
    monkeypatch.setattr(costing, "_TURNS", 5)
    monkeypatch.setattr(costing, "_MAX", 1_000)


def exponents(growth: Growth, over: str) -> dict[str, float | None]:
    """Of each work."""
    return {curve.what: curve.exponent for curve in growth.curves if curve.over == over}


async def is_found(subject: Callable[[], Any], low: float, high: float) -> bool:
    """Whether one of twenty measurements of `get` has an exponent between the two.

    The machine may have other work during some of them.
    """
    for _ in range(20):
        growth, limitations = await measure_growth(lambda _: subject(), 3_162)
        assert limitations == subject().limitations
        exponent = exponents(growth, "sessions")["get"]
        assert exponent is not None
        if low < exponent < high:
            return True
    return False


async def test_an_operation_on_all_sessions_has_an_exponent_of_one(subjects: Any) -> None:
    """Three times the sessions, three times the cost."""
    assert await is_found(subjects.Linear, 0.7, 1.3)


async def test_what_does_not_has_one_of_nothing(subjects: Any) -> None:
    """The same cost at every size."""
    assert await is_found(subjects.Flat, -0.3, 0.3)


async def test_a_store_grows_in_every_way(tmp_path: Any) -> None:
    """Sessions, frames, callers and batches, each with its works; a sweep, and a list."""
    told: list[str] = []
    target = parse_target("plain")
    growth, limitations = await measure_growth(
        lambda place: make_subject(target, tmp_path, place=place), 1_000, tell=told.append
    )
    works = {over: set(exponents(growth, over)) for over in ("sessions", "frames", "callers")}
    every = {
        "dict lookup",
        "get",
        "touch",
        "append",
        "read",
        "set",
        "modify",
        "create+delete",
        "sweep",
        "list",
    }
    assert works == {
        "sessions": every,
        "frames": {"append", "read"},
        "callers": {"get", "append"},
    }
    assert set(exponents(growth, "batch")) == {"append_many"}
    assert growth.stall_ms > 0
    assert limitations == ("no durability",)
    assert "growing to 1,000 sessions" in told


async def test_a_dict_is_measured_beside_the_store(
    subjects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As large as the store at each size, by the names that it is asked for."""
    seen: list[str] = []
    measure = DictLookups.measure

    def measured(lookups: DictLookups, subject: FilledSubject, *rest: Any, **base: Any) -> Spread:
        seen.append(f"{lookups} beside {subject}")
        return measure(lookups, subject, *rest, **base)

    monkeypatch.setattr(DictLookups, "measure", measured)
    growth, _ = await measure_growth(lambda _: subjects.Flat(), 3_162)
    assert [each.partition(" sessions")[0] for each in seen] == [
        "<DictLookups in 1,000> beside <Filled 1,000",
        "<DictLookups in 3,162> beside <Filled 3,162",
    ]
    (curve,) = (each for each in growth.curves if each.what == "dict lookup")
    assert [point.size for point in curve.points] == [1_000, 3_162]
    assert curve.exponent is not None


async def test_growth_that_is_stopped_keeps_what_it_has(subjects: Any) -> None:
    """What was measured until then."""
    told: list[str] = []
    growth, _ = await measure_growth(
        lambda _: subjects.Flat(),
        10_000,
        tell=told.append,
        stopped=lambda: "get at 1,000 sessions" in told,
    )
    assert set(exponents(growth, "callers")) == {"get"}
    assert [len(curve.points) for curve in growth.curves if curve.over == "sessions"] == [1]


@pytest.mark.parametrize(("skew", "share"), [(0.0, 0.01), (1.0, 0.193)])
async def test_some_sessions_are_asked_for_more_often_than_others(
    subjects: Any, skew: float, share: float
) -> None:
    """Zipf: with exponent 1 the first of a hundred gets a fifth, with 0 a hundredth."""
    async with FilledSubject(subjects.Sound(), small=False, skew=skew) as filled:
        await filled.create(100)
        asked = Counter(filled.keys(10_000, long=False))
    assert asked.total() == 10_000
    assert asked.most_common(1)[0][1] / 10_000 == pytest.approx(share, abs=0.02)


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    """Exact for a power."""
    points = [
        Point(size, Spread(cost, cost, cost))
        for size, cost in ((10, 3.0), (100, 30.0), (1000, 300.0))
    ]
    assert fit_exponent(points) == pytest.approx(1.0)
    assert fit_exponent([Point(n, Spread(5.0, 5.0, 5.0)) for n in (1, 10)]) == pytest.approx(0.0)
    assert fit_exponent(points[:1]) is None


def test_sizes_are_two_a_decade_and_end_where_they_should() -> None:
    """From a thousand."""
    assert sizes_up_to(1_000) == [1_000]
    assert sizes_up_to(100_000) == [1_000, 3_162, 10_000, 31_623, 100_000]
    assert sizes_up_to(50_000) == [1_000, 3_162, 10_000, 31_623, 50_000]
    with pytest.raises(ValueError, match="at least 1,000"):
        sizes_up_to(999)
