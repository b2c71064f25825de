"""The process that runs a design of the user's own, cell after cell.

Its standard streams lead nowhere; messages go to a pipe that only this module knows.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import msgspec

from ..cells import explore_cell
from ..compare import available_loops
from ..kills import KILLS, kill_cell
from ..loading import find_design
from ..misbehaviour import describe_error, picture_of_end
from ..results import Cell, CellVerdict
from ..workloads import WORKLOADS
from .protocol import Finished, Importing, Loaded, Message, Refused, Running, Stuck, Task
from .watchdog import Watchdog

__all__ = ["main"]


class _Reporter:
    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._write = os.write

    def send(self, message: Message) -> None:
        line = msgspec.json.encode(message) + b"\n"
        with self._lock:
            while line:
                line = line[self._write(self._pipe, line) :]


def main() -> None:
    """Do the task that the first argument describes. Ends the process."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that compares decides
    reporter = _Reporter(task.pipe)
    module = task.name.partition(":")[0]
    watchdog = Watchdog(task.timeout, module, lambda how: reporter.send(Stuck(how)))
    reporter.send(Importing())
    watchdog.stage = "importing it"
    watchdog.start()
    try:
        _run(task, reporter, watchdog)
    except BaseException as error:
        reporter.send(Stuck(describe_error(error)))
    finally:
        # Threads of the user's may never end.
        os._exit(0)


def _run(task: Task, reporter: _Reporter, watchdog: Watchdog) -> None:
    sys.path[:] = task.path
    try:
        design = find_design(task.name)
    except ValueError as error:
        reporter.send(Refused(str(error)))
        return
    reporter.send(Loaded(design.summary))
    watchdog.stage = ""
    loops = {name: each for name, each in available_loops().items() if name in task.loops}
    for column in task.columns:

        def on_run(column: str = column) -> None:
            watchdog.alive()
            reporter.send(Running(column))

        on_run()
        try:
            if column == KILLS[0]:
                cell = kill_cell(design, kills=task.seeds, on_run=on_run)
            else:
                workload = WORKLOADS[column]
                cell = explore_cell(design, workload, seeds=task.seeds, loops=loops, on_run=on_run)
        except BaseException as error:
            how = describe_error(error)
            picture = picture_of_end(how)
            reporter.send(Finished(Cell(column, CellVerdict.BROKEN, 1, "ended", picture, note=how)))
            if not isinstance(error, Exception):
                return  # what it left behind would disturb the next cell
            continue
        reporter.send(Finished(cell))
