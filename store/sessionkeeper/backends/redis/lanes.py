"""The nodes of a cluster side by side: what one does not answer holds up nobody else.

Commands on sessions of one node are taken in the order of asking, batch by batch. A command on
several nodes has a lane of its own: it comes after all that was asked before it. What is asked
after it waits only if it names sessions, and for a bucket of those: that order is promised.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from soleowner import OwnerCrashed, Reply, fail

from ...operations.command import StoreCommand
from ...values.errors import StoreClosed
from ...values.ids import is_session_id
from .opening import Resources
from .order import sessions_of
from .plans.resolve import Resolve
from .rounds import Entry, Rounds

__all__ = ["Lanes"]

Refuse = Callable[[Reply, BaseException], None]


class Lane:
    """What was asked of one node, or of several at once."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.queue: list[tuple[Entry, int | None, dict[Lane, int]]] = []
        """With the bucket of each, and what has to be finished in other lanes before it."""
        self.current: list[Entry] = []
        self.handed = self.finished = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def entries(self) -> list[Entry]:
        """All that may not be answered yet."""
        return [*self.current, *(entry for entry, _, _ in self.queue)]


class Lanes:
    """Hands commands out, and knows how many are under way."""

    def __init__(self, resources: Resources, refuse: Refuse) -> None:
        self._resources = resources
        self._refuse = refuse
        self._lanes: dict[object, Lane] = {}
        self._wide = self._new_lane()
        self._places: dict[int, Lane] = {}
        """Where commands of a bucket are under way: those that follow go there, whoever has it."""
        self._counts: Counter[int] = Counter()
        self._batches: dict[int, int] = {}
        """By bucket: the last command on sessions of several nodes, which those wait for that are
        asked of it later: as the wide lane counts."""
        self._changed = asyncio.Event()
        self._crash: BaseException | None = None

    @property
    def _left(self) -> int:
        return sum(lane.handed - lane.finished for lane in self._all())

    def hand_out(self, entries: Sequence[Entry]) -> None:
        """Give each command to the lane of its sessions. Raises what crashed a lane."""
        if self._crash is not None:
            raise self._crash
        touched: set[Lane] = set()
        for entry in entries:
            bucket = self._bucket_of(entry[0])
            lane = self._wide if bucket is None else self._lane_of(bucket)
            before: dict[Lane, int] = {}
            if bucket is None:
                before = {each: each.handed for each in self._lanes.values() if each.entries}
                for number in self._buckets_of(entry[0]):
                    self._batches[number] = self._wide.handed + 1
            elif self._batches.get(bucket, 0) > self._wide.finished:
                before = {self._wide: self._batches[bucket]}
            command, reply, since, _ = entry
            lane.queue.append(
                ((command, reply, since, lane.rounds.delivery.waited), bucket, before)
            )
            lane.handed += 1
            touched.add(lane)
        for lane in touched:
            if lane.task is None:
                lane.task = asyncio.get_running_loop().create_task(
                    self._work(lane), name="sessionkeeper lane"
                )

    async def until_left(self, maximum: int) -> None:
        """Wait until so few are under way. Raises what crashed a lane."""
        while self._left > maximum and self._crash is None:
            self._changed.clear()
            await self._changed.wait()
        if self._crash is not None:
            raise self._crash

    def holds(self, reply: Reply) -> bool:
        """Whether the command of this reply was handed out and is not answered."""
        return any(entry[1] is reply for lane in self._all() for entry in lane.entries)

    async def aclose(self) -> None:
        """Stop: what was sent is unknown, the rest had no effect."""
        tasks = [lane.task for lane in self._all() if lane.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _all(self) -> list[Lane]:
        return [self._wide, *self._lanes.values()]

    def _new_lane(self) -> Lane:
        return Lane(Rounds(self._resources, self._resources.new_delivery(), self._refuse))

    def _lane_of(self, bucket: int) -> Lane:
        lane = self._places.get(bucket)
        if lane is None:
            home = self._resources.servers.home(bucket)
            lane = self._lanes.get(home)
            if lane is None:
                lane = self._lanes[home] = self._new_lane()
            self._places[bucket] = lane
        self._counts[bucket] += 1
        return lane

    def _bucket_of(self, command: StoreCommand[Any]) -> int | None:
        keys = self._resources.plan_context.keys
        if isinstance(command, Resolve):
            number = command.operation_id.split(".")[2:3]
            known = number and number[0].isdecimal() and len(number[0]) < 6
            return int(number[0]) % len(keys.buckets) if known else 0
        if sessions_of(command) is None:
            return None
        buckets = self._buckets_of(command)
        return None if len(buckets) > 1 else next(iter(buckets), 0)

    def _buckets_of(self, command: StoreCommand[Any]) -> set[int]:
        """Return the buckets of the sessions a command names."""
        bucket_of = self._resources.plan_context.keys.bucket_of
        sessions = sessions_of(command) or ()
        return {bucket_of(each).number for each in sessions if is_session_id(each)}

    async def _work(self, lane: Lane) -> None:
        try:
            while lane.queue:
                taken = self._take(lane)
                await self._until_finished(taken[0][2])
                await lane.rounds.run(lane.current)
                self._finish(lane, taken)
        except asyncio.CancelledError:
            self._answer(lane, StoreClosed)
            raise
        except BaseException as crash:  # a bug: the owner raises it, at the latest when next asked
            self._crash = crash
            closed = OwnerCrashed(crash)
            for each in self._all():
                self._answer(each, lambda: _closed_by(closed))
        finally:
            lane.task = None
            self._changed.set()

    def _take(self, lane: Lane) -> list[tuple[Entry, int | None, dict[Lane, int]]]:
        """Take what may go together: whoever waits for more would hold up the others."""
        first = lane.queue[0][2]
        count = next((n for n, each in enumerate(lane.queue) if each[2] != first), len(lane.queue))
        taken, lane.queue = lane.queue[:count], lane.queue[count:]
        lane.current = [entry for entry, _, _ in taken]
        return taken

    async def _until_finished(self, before: dict[Lane, int]) -> None:
        for lane, number in before.items():
            while lane.finished < number:
                self._changed.clear()
                await self._changed.wait()

    def _finish(
        self, lane: Lane, taken: Sequence[tuple[Entry, int | None, dict[Lane, int]]]
    ) -> None:
        lane.current = []
        lane.finished += len(taken)
        for _, bucket, _ in taken:
            if bucket is not None:
                self._counts[bucket] -= 1
                if not self._counts[bucket]:
                    del self._counts[bucket], self._places[bucket]
        self._changed.set()

    @staticmethod
    def _answer(lane: Lane, error: Callable[[], Exception]) -> None:
        for entry in lane.entries:
            fail(entry[1], error())


def _closed_by(cause: OwnerCrashed) -> StoreClosed:
    closed = StoreClosed()
    closed.__cause__ = cause
    return closed
