"""Every order of a small program once, drawn evenly; and how many there are at least.

A run is a path in the tree of choices. Each path is run once, so when nothing is open all orders
were run. The next path is drawn by the steps that are left, so that a part of all orders is spread
evenly, and does not fill one corner as a depth-first search would.

Partial-order reduction: asyncio's own callbacks at the end of a task change nothing that a step of
another task can see. So they run at once, and not at every place among the other steps: a
persistent set of one (Godefroid, *Partial-Order Methods for the Verification of Concurrent
Systems*, 1996). What the steps of tasks read and write cannot be seen from here, so all their
orders are run. A dynamic reduction (Flanagan and Godefroid, POPL 2005) would have to know it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeAlias

from .lanes import AnyTask, Ready, find_commuting, heads
from .remaining_steps import RemainingSteps

if TYPE_CHECKING:
    from .strategies import Schedule

__all__ = ["OrderTree"]


class _Path:
    """The choices of a run."""

    __slots__ = ("choices", "last_branch")

    def __init__(self) -> None:
        self.choices: list[int] = []
        self.last_branch = -1
        """The last place where there was more than one to choose from."""


class _Node:
    """A moment of a run. Until a second path leads through it, only the first one is kept."""

    __slots__ = ("children", "known", "options")

    def __init__(self, known: _Path) -> None:
        self.known: _Path | None = known
        self.options: list[int] = []
        self.children: dict[int, _Subtree] = {}

    def expand(self, options: list[int], depth: int) -> None:
        """Learn what there is to choose from, when a second path comes here."""
        if self.known is not None:
            self.options = options
            self.children[self.known.choices[depth]] = _subtree(self.known, depth + 1)
            self.known = None

    def is_done(self, choice: int) -> bool:
        """Whether all orders with this choice were run."""
        return self.children.get(choice, self) is None


_Subtree: TypeAlias = "_Node | None"
"""None if all orders in it were run."""


def _subtree(path: _Path, depth: int) -> _Subtree:
    """Return the tree from a depth on that has this one path."""
    return _Node(path) if path.last_branch >= depth else None


class OrderTree:
    """The orders of one scenario that were run, and the choices that are open."""

    def __init__(self, seed: int, cancellations: int = 0) -> None:
        self.remaining = RemainingSteps()
        self.cancellations = cancellations
        self.rng = Random(f"systematic {seed}")  # noqa: S311  # reproducible is the point
        self.estimate = 0.0
        """How many orders there are, by the run that says most. Exact if each lane has a fixed
        number of steps and all are ready from the beginning."""
        self.root: _Subtree | None = None
        self.runs = 0
        self.open = 0
        """Choices that no run has taken."""

    @property
    def complete(self) -> bool:
        """Whether every order was run."""
        return self.runs > 0 and self.root is None

    @property
    def at_least(self) -> int:
        """How many orders there are at least: each open choice leads to another one."""
        return self.runs + self.open

    def schedule(self, first: int, *, default: bool) -> Schedule:
        """Yield the orders from the number `first` on; the first of all is asyncio's, if asked."""
        number = first
        while not self.complete:
            walk = _Walk(self, default=default and number == first)
            try:
                yield number, walk.pick
            finally:  # the last run counts as well
                walk.finish()
            number += 1


class _Walk:
    """One run: along what is known to an open choice, and on from there."""

    def __init__(self, tree: OrderTree, *, default: bool) -> None:
        self._tree = tree
        self._default = default
        self._node = tree.root
        self._way: list[tuple[_Node, int]] = []
        """The nodes that were passed, with the choice made there."""
        self._path = _Path()
        self._opened = 0
        self._cancelled = 0
        self._chance = 1.0
        tree.remaining.begin()

    def pick(self, ready: Ready, cancellable: list[AnyTask]) -> int:
        """Choose as the explorer asks."""
        options = possible = self._options(ready, cancellable)
        node = self._node
        if node is None:
            self._opened += len(options) - 1
        else:
            node.expand(options, len(self._path.choices))
            possible = [each for each in options if not node.is_done(each)]
            # None is left if the scenario depends on more than the order.
            possible = possible or options
        choice = possible[0] if self._default else self._draw(ready, possible)
        if node is not None:
            self._way.append((node, choice))
            self._node = node.children.get(choice)
        if len(options) > 1:
            self._path.last_branch = len(self._path.choices)
        self._path.choices.append(choice)
        if choice < 0:
            self._cancelled += 1
        else:
            self._tree.remaining.take(ready[choice].lane)
        return choice

    def finish(self) -> None:
        """Put the run into the tree, if there was one."""
        if not self._path.choices:
            return
        tree, way = self._tree, self._way
        tree.runs += 1
        if tree.runs > 1:  # the first knew nothing of the lanes
            tree.estimate = max(tree.estimate, 1 / self._chance)
        # One of the open choices was taken, except by the first run.
        tree.open = max(0, tree.open + self._opened - (1 if way else 0))
        done = _subtree(self._path, len(way))
        while way:
            node, choice = way.pop()
            node.children[choice] = done
            if done is not None or not all(map(node.is_done, node.options)):
                return
        tree.root = done

    def _options(self, ready: Ready, cancellable: list[AnyTask]) -> list[int]:
        places = heads(ready)
        commuting = find_commuting(ready, places)
        if commuting is not None:
            return [commuting]
        if self._cancelled < self._tree.cancellations:
            places += [-n for n, task in enumerate(cancellable, 1) if not task.done()]
        return places

    def _draw(self, ready: Ready, places: list[int]) -> int:
        choice, chance = self._tree.remaining.draw(ready, places, self._tree.rng)
        self._chance *= chance
        return choice
