"""Right and wrong designs of a session store, and the comparison that tells them apart.

Rule: each wrong design has one mistake and shows one known anomaly; a check that finds nothing
must first find these. Read `catalogue` and `wrong/` (the designs), `workloads/` (clients that
test one guarantee), `design_run` and `cells` (running them), `misbehaviour`, `compare`, `results`;
then `kills/`, `own/` (a process for what is not ours), `on_redis/`, `on_postgres/`, `servers` and
`report/`.
"""

from __future__ import annotations

from .catalogue import DESIGNS, RIGHT, WRONG, Design, Flaw, Make
from .cells import LoopFactory, explore_cell, replay_cell, stress_cell
from .compare import (
    COLUMNS,
    DEFAULT_SEEDS,
    available_loops,
    compare,
    unexpected,
)
from .design_run import DesignRun, Undecided, Violation
from .kills import kill_cell
from .loading import find_design
from .misbehaviour import WrongAnswer
from .on_postgres import ON_POSTGRES, PostgresDesigns
from .on_redis import ON_REDIS, RedisDesigns
from .own import load_own
from .pictures import picture_of_component, picture_of_counterexample
from .programs import CALLS, Program, ProgramStep
from .results import Bar, Cell, CellVerdict, Comparison, Picture, Row
from .servers import ServerDesigns, designs_on
from .workloads import WORKLOADS, ClientScript, Workload

__all__ = [
    # designs and workloads
    "COLUMNS",
    "DESIGNS",
    "ON_POSTGRES",
    "ON_REDIS",
    "RIGHT",
    "WORKLOADS",
    "WRONG",
    "Design",
    "PostgresDesigns",
    "RedisDesigns",
    "ServerDesigns",
    "Flaw",
    "Make",
    "ClientScript",
    "Workload",
    "find_design",
    "load_own",
    "designs_on",
    # comparing
    "DEFAULT_SEEDS",
    "LoopFactory",
    "available_loops",
    "compare",
    "explore_cell",
    "kill_cell",
    "replay_cell",
    "stress_cell",
    "unexpected",
    # generated programs, and running one design
    "CALLS",
    "Violation",
    "Program",
    "ProgramStep",
    "DesignRun",
    "Undecided",
    "WrongAnswer",
    # results
    "Bar",
    "Cell",
    "Comparison",
    "Picture",
    "Row",
    "CellVerdict",
    "picture_of_counterexample",
    "picture_of_component",
]
