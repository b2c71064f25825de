"""The nodes of a cluster side by side: a node that does not answer delays no other node.

Each node has a queue. Commands on sessions of one node run in the order they were asked, batch by
batch. A command on several nodes goes to a queue of its own, and comes after everything that was
asked before it. What is asked after it waits only if it concerns a bucket of the sessions that the
command names: only there is the order promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from soleowner import OwnerCrashed, Reply, fail

from ....operations.command import StoreCommand
from ....values.errors import StoreClosed
from ....values.ids import is_session_id
from ..opening import Resources
from ..plans.resolve import Resolve
from .lane import Entry, Lane
from .schedule import named_sessions

__all__ = ["NodeQueues"]

Refuse = Callable[[Reply, BaseException], None]


@dataclass(slots=True)
class QueuedCommand:
    """A command in a queue."""

    entry: Entry
    predecessors: dict[NodeQueue, int]
    """How many commands of other queues have to be finished before it."""


class NodeQueue:
    """The commands for one node, or for several at once."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.waiting: list[QueuedCommand] = []
        self.taken: list[QueuedCommand] = []
        """Those the lane gets next, once their predecessors are finished."""
        self.added = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def finished(self) -> int:
        """How many of the first commands are finished."""
        return self.added - len(self.waiting) - len(self.taken) - self.lane.unfinished

    @property
    def replies(self) -> list[Reply]:
        """Those of commands that may have no answer yet."""
        queued = [each.entry[1] for each in (*self.taken, *self.waiting)]
        return [*self.lane.replies, *queued]


class NodeQueues:
    """Assigns commands to nodes, and counts those that are not finished."""

    def __init__(self, resources: Resources, refuse: Refuse) -> None:
        self._resources = resources
        self._refuse = refuse
        self._changed = asyncio.Event()
        self._queues: dict[object, NodeQueue] = {}
        self._several_nodes = self._new_queue()
        self._current: dict[int, tuple[NodeQueue, int]] = {}
        """By bucket: the queue of its last command, and the number of that one. Until it is
        finished, later commands go to the same queue, even if the bucket has moved."""
        self._last_shared: dict[int, int] = {}
        """By bucket: the number of the last command on sessions of several nodes, as its queue
        counts. Later commands for the bucket wait for it."""
        self._crash: BaseException | None = None

    @property
    def _unfinished(self) -> int:
        return sum(queue.added - queue.finished for queue in self._all())

    def add(self, entries: Sequence[Entry]) -> None:
        """Queue each command at the node of its sessions. Raises what crashed a queue."""
        self._check()
        touched: set[NodeQueue] = set()
        for command, reply, asked_at, _ in entries:
            bucket = self._find_bucket(command)
            queue = self._several_nodes if bucket is None else self._choose_queue(bucket)
            predecessors: dict[NodeQueue, int] = {}
            if bucket is None:
                predecessors = {
                    each: each.added for each in self._queues.values() if each.finished < each.added
                }
                for number in self._find_buckets(command):
                    self._last_shared[number] = queue.added + 1
            elif self._last_shared.get(bucket, 0) > self._several_nodes.finished:
                predecessors = {self._several_nodes: self._last_shared[bucket]}
            # The replication wait of this queue's own delivery counts, not that of the owner's.
            entry = (command, reply, asked_at, queue.lane.delivery.waited)
            queue.waiting.append(QueuedCommand(entry, predecessors))
            queue.added += 1
            touched.add(queue)
        for queue in touched:
            if queue.task is None:
                queue.task = asyncio.get_running_loop().create_task(
                    self._work(queue), name="sessionkeeper node queue"
                )

    async def until_unfinished(self, maximum: int) -> None:
        """Wait until at most `maximum` commands are not finished. Raises what crashed a queue."""
        self._check()
        while self._unfinished > maximum:
            self._changed.clear()
            await self._changed.wait()
            self._check()

    def holds(self, reply: Reply) -> bool:
        """Whether a queue has the command of this reply, and it has no answer."""
        return any(each is reply for queue in self._all() for each in queue.replies)

    def abandon(self, cause: BaseException) -> None:
        """Answer all commands. What was sent stays unknown; the rest had no effect."""
        closed = StoreClosed()
        if not isinstance(cause, asyncio.CancelledError):
            closed.__cause__ = OwnerCrashed(cause)
        for queue in self._all():
            queue.lane.abandon(cause)
            for reply in queue.replies:
                fail(reply, closed)

    async def aclose(self) -> None:
        """Answer all commands, and stop."""
        self.abandon(asyncio.CancelledError())
        tasks = [queue.task for queue in self._all() if queue.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for queue in self._all():
            await queue.lane.aclose()

    def _check(self) -> None:
        if self._crash is None:
            crashes = (queue.lane.crash for queue in self._all())
            crash = next((each for each in crashes if each is not None), None)
            if crash is None:
                return
            self._end(crash)
        assert self._crash is not None  # noqa: S101 - for the type checker
        raise self._crash

    def _all(self) -> list[NodeQueue]:
        return [self._several_nodes, *self._queues.values()]

    def _new_queue(self) -> NodeQueue:
        return NodeQueue(Lane(self._resources, self._refuse, self._changed.set))

    def _choose_queue(self, bucket: int) -> NodeQueue:
        queue, number = self._current.get(bucket, (None, 0))
        if queue is None or queue.finished >= number:
            node = self._resources.servers.find_node(bucket)
            queue = self._queues.get(node)
            if queue is None:
                queue = self._queues[node] = self._new_queue()
        self._current[bucket] = queue, queue.added + 1
        return queue

    def _find_bucket(self, command: StoreCommand[Any]) -> int | None:
        keys = self._resources.plan_context.keys
        if isinstance(command, Resolve):
            number = command.operation_id.split(".")[2:3]
            known = number and number[0].isdecimal() and len(number[0]) < 6
            return int(number[0]) % len(keys.buckets) if known else 0
        if named_sessions(command) is None:
            return None
        buckets = self._find_buckets(command)
        return None if len(buckets) > 1 else next(iter(buckets), 0)

    def _find_buckets(self, command: StoreCommand[Any]) -> set[int]:
        """Return the buckets of the sessions a command names."""
        find_bucket = self._resources.plan_context.keys.find_bucket
        sessions = named_sessions(command) or ()
        return {find_bucket(each).number for each in sessions if is_session_id(each)}

    async def _work(self, queue: NodeQueue) -> None:
        taken: list[QueuedCommand] = []
        try:
            while queue.waiting:
                self._take(queue)
                await self._until_finished(queue.taken[0].predecessors)
                taken, queue.taken = queue.taken, []
                await queue.lane.run([each.entry for each in taken])
        except asyncio.CancelledError:
            raise
        except BaseException as crash:  # a bug: the owner raises it, at the latest when next asked
            queue.taken = taken
            self._end(crash)
        finally:
            queue.task = None
            self._changed.set()

    @staticmethod
    def _take(queue: NodeQueue) -> None:
        """Take what may run together: a command that waits for more would delay the others."""
        first = queue.waiting[0].predecessors
        different = (n for n, each in enumerate(queue.waiting) if each.predecessors != first)
        count = next(different, len(queue.waiting))
        queue.taken, queue.waiting = queue.waiting[:count], queue.waiting[count:]

    async def _until_finished(self, predecessors: dict[NodeQueue, int]) -> None:
        for queue, number in predecessors.items():
            while queue.finished < number:
                self._changed.clear()
                await self._changed.wait()

    def _end(self, crash: BaseException) -> None:
        """Answer all, now that one queue has crashed."""
        self._crash = crash
        self.abandon(crash)
