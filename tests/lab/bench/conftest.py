"""Subjects that are bad on purpose, found by the processes that measure them too."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sessionlab.bench import BenchPlan, BenchResult, Load, parse_target, run_benchmark

QUICK = Load(
    mix="conversation",
    callers=8,
    rate=None,
    sessions=20,
    skew=0.8,
    sizes=(100,),
    seconds=0.1,
    warmup=0.02,
    seed=1,
)


@pytest.fixture
def load() -> Load:
    """A tenth of a second."""
    return QUICK


@pytest.fixture(scope="module")
def subjects() -> Iterator[Any]:
    """The module with the subjects, on the path of this process and of those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield importlib.import_module("subjects_on_purpose")
        sys.modules.pop("subjects_on_purpose", None)


@pytest.fixture(scope="module")
def measured(subjects: Any) -> Callable[..., BenchResult]:
    """Run loads on subjects in processes of their own: half a second of start each, so few."""

    def run(*names: str, workers: int = 1, half: bool = False, **changes: Any) -> BenchResult:
        named = [
            f"subjects_on_purpose:{each}" if hasattr(subjects, each) else each for each in names
        ]
        return run_benchmark(
            BenchPlan(
                targets=tuple(map(parse_target, named)),
                loads=(replace(QUICK, **changes),),
                rounds=1,
                loop="asyncio",
                workers=workers,
                half=half,
            )
        )

    return run
