"""Searches for an order that agrees with real time and that the model accepts (Wing & Gong).

Sources: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993); Lowe, "Testing for
linearizability" (2017), which remembers configurations. A configuration is the first operation that
is not placed yet, a mask of later ones that are placed, *relative to it*, the operations of unknown
outcome that were used, and the state. Three rules keep the search small, and none loses an order:

- A possible read is placed at once: an order that works with it later works with it here, too. A
  write that changes nothing *here* is not, because it may change something later.
- Operations of unknown outcome are used right before an operation that needs them. Of equal ones,
  the one called first is used first. Several in a row are used when fewer led nowhere in the whole
  search: there are exponentially many ways.
- A configuration that failed with some unknown operations used also fails with more of them used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar, cast

from ..history.operation import Operation, Outcome
from ..models.model import Model
from ..time_limit import UNLIMITED, TimeLimit
from .transitions import IMPOSSIBLE, Transitions
from .unknown_outcomes import Order, UnknownOutcomes
from .verdict import Verdict

__all__ = ["Search", "find_end"]

S = TypeVar("S", bound=Hashable)

Choice: TypeAlias = tuple[int, int, int, Order, int, int]

_FOREVER = 1 << 62
_UNKNOWN_FIRST = -1
"""Stands for an operation of unknown outcome that is placed before the next one, -2 for two, …"""


class Search(Generic[S]):
    """The search through one partition; it can be interrupted and continued.

    It begins in any of `starts`, by default the model's first state. `after` maps an index in
    `operations` to another one that must come before it: an order that does not follow from times.
    """

    def __init__(
        self,
        model: Model[S],
        operations: Sequence[Operation],
        *,
        starts: Sequence[S] | None = None,
        after: Mapping[int, int] | None = None,
        limit: TimeLimit = UNLIMITED,
    ) -> None:
        self._model = model
        self._limit = limit
        self.part = operations
        indexes = sorted(range(len(operations)), key=lambda i: operations[i].call)
        definite = [i for i in indexes if operations[i].outcome is not Outcome.UNKNOWN]
        unknown = [i for i in indexes if operations[i].outcome is Outcome.UNKNOWN]
        # Operations of unknown outcome come last: they need no place and never end.
        self.operations = [operations[i] for i in definite + unknown]
        self.definite = len(definite)
        self._call = [operation.call for operation in self.operations]
        self._return = [find_end(operation) for operation in self.operations]
        self._reads = [model.is_read(operation) for operation in limit.watch(self.operations)]
        self._after: list[int] | None = None
        if after:
            place = {i: position for position, i in enumerate(definite)}
            self._after = [place.get(after.get(i, -1), -1) for i in definite]
        self._transitions = Transitions(model, self.operations, self.definite, limit)
        self._unknown = UnknownOutcomes(self._transitions, self.operations, self.definite, limit)
        self._cost = 0
        self._seen: set[tuple[int, int, int]] = set()
        self._failed: dict[tuple[int, int, int], list[int]] = {}
        self._choices: list[Choice] = []
        self._later: deque[Choice] = deque()
        self._verdict: Verdict | None = None if definite else Verdict.OK
        self._best: Order = None
        self._best_count = -1
        self._dead_end = (0, 0, 0)
        begin = [
            self._transitions.number(state)
            for state in ([model.init()] if starts is None else starts)
        ]
        self._now: tuple[int, int, int, int, Order] = (0, 0, 0, begin[0], None)
        self._begin = begin[1:]

    @property
    def configurations(self) -> int:
        """The number of configurations in memory."""
        return sum(map(len, (self._seen, self._failed, self._choices, self._later)))

    def order(self) -> list[tuple[Operation, S]]:
        """Return the longest valid order found, each operation with the state after it."""
        found: list[tuple[Operation, S]] = []
        node = self._best
        while node is not None:
            node, index, state = cast("tuple[Order, int, int]", node)
            found.append((self.operations[index], self._transitions.states[state]))
        found.reverse()
        return found

    @property
    def stuck_at(self) -> int:
        """The number of the first operation without a place in this order."""
        return self._dead_end[0]

    def state(self, number: int | None = None) -> S:
        """Return a state by its number; without one, the state that this order leads to."""
        return self._transitions.states[self._dead_end[2] if number is None else number]

    def seen(self) -> Iterable[tuple[int, int, int]]:
        """Return the visited configurations: first open operation, mask, number of the state.

        A configuration before a read also stands for the one after it.
        """
        return self._failed if len(self.operations) > self.definite else self._seen

    def writes(self, index: int) -> bool:
        """Whether an operation may change the state."""
        return not self._reads[index]

    def blocked(self) -> list[Operation]:
        """Return the operations that had to come next and cannot, in order of their ends."""
        first, mask, _ = self._dead_end
        return [self.operations[i] for i in self._waiting(first, mask)[0]]

    def run(self, steps: int) -> Verdict | None:  # noqa: PLR0912, PLR0915 - the hot loop
        """Search for about `steps` steps; return None if there is no verdict yet.

        Raises `TooManyStates`, `OutOfTime`.
        """
        if self._verdict is not None:
            return self._verdict
        calls, returns, chain = self._call, self._return, self._after
        tables, step = self._transitions.tables, self._transitions.step
        seen, choices, total = self._seen, self._choices, self.definite
        reads, spend = self._reads, self._limit.spend
        unknown = len(self.operations) > total
        node: Order
        first, mask, used, state, node = self._now
        fresh, placed = True, 0
        while steps > 0:
            steps -= 1
            dead = fresh and (
                self._already_tried(first, mask, used, state)
                if unknown
                else (first, mask, state) in seen
            )
            if not dead:
                if fresh and not unknown:
                    seen.add((first, mask, state))
                found: list[tuple[int, int, int]] = []
                bound = _FOREVER
                rest, i, chosen = mask, first, -1
                while True:
                    if not rest & 1:
                        if calls[i] > bound:
                            break
                        end = returns[i]
                        bound = min(bound, end)
                        if chain is None or self._is_free(chain[i], first, mask):
                            following = tables[i].get(state)
                            if following is None:
                                following = step(i, state)
                            if following == state and reads[i]:
                                chosen = i
                                break
                            if following != IMPOSSIBLE:
                                found.append((end, i, following))
                    rest >>= 1
                    i += 1
                    if i == total:
                        break
                # Of many that are open at once, a step looks at all.
                spend(i - first + 1)
                if chosen >= 0:
                    fresh = False
                    node = cast("Order", (node, chosen, state))
                    placed = chosen
                else:
                    fresh = True
                    if unknown:
                        choices.append((first, mask, used, node, _UNKNOWN_FIRST, state))
                    if not found:
                        dead = True
                    else:
                        if len(found) > 1:
                            # Try the operation that returns first.
                            found.sort(reverse=True)
                            choices.extend(
                                (first, mask, used, node, index, following)
                                for _, index, following in found[:-1]
                            )
                        _, placed, state = found[-1]
                        if state < IMPOSSIBLE:
                            state = self._spread(first, mask, used, node, placed, state)
                        node = cast("Order", (node, placed, state))
            if dead:
                self._note(first, mask, node, state)
                choice = self._next_choice()
                steps, self._cost = steps - self._cost, 0
                if choice is None:
                    if self._begin:
                        first, mask, used, state, node = 0, 0, 0, self._begin.pop(), None
                        fresh = True
                        continue
                    self._verdict = Verdict.ILLEGAL
                    return self._verdict
                first, mask, used, node, placed, state = choice
                if state < IMPOSSIBLE:
                    state = self._spread(first, mask, used, node, placed, state)
                node = cast("Order", (node, placed, state))
                fresh = True
            if placed != first:
                mask |= 1 << (placed - first)
                continue
            first += 1
            mask >>= 1
            while mask & 1:
                first += 1
                mask >>= 1
            if first == total:
                self._best = node
                self._verdict = Verdict.OK
                return self._verdict
        self._now = (first, mask, used, state, node)
        return None

    def _spread(  # noqa: PLR0917 - a configuration
        self, first: int, mask: int, used: int, node: Order, placed: int, several: int
    ) -> int:
        """Return one of several next states, and keep the others for later."""
        states = self._transitions.several(several)
        self._choices.extend((first, mask, used, node, placed, state) for state in states[1:])
        return states[0]

    def _already_tried(self, first: int, mask: int, used: int, state: int) -> bool:
        """Whether this failed with a subset of the unknown operations used; remember it if not."""
        key = (first, mask, state)
        tried = self._failed.get(key)
        if tried is None:
            self._failed[key] = [used]
            return False
        if any(before & ~used == 0 for before in tried):
            return True
        tried[:] = [before for before in tried if used & ~before]
        tried.append(used)
        return False

    def _next_choice(self) -> Choice | None:
        """Take the latest choice; unknown operations are tried when nothing else is left."""
        while self._choices or self._later:
            choice = self._choices.pop() if self._choices else self._later.popleft()
            first, mask, used, node, placed, state = choice
            if placed >= 0:
                return choice
            waiting, bound = self._waiting(first, mask)
            found, cost = self._unknown.before(waiting, bound, used, state, node, -placed)
            self._cost += cost
            self._choices.extend(
                (first, mask, now, way, index, following)
                for now, way, index, following in reversed(found)
            )
            if cost:
                self._later.append((first, mask, used, node, placed - 1, state))
        return None

    def _waiting(self, first: int, mask: int) -> tuple[list[int], int]:
        """Return the operations that may come next by their times, and when one has to."""
        bound = _FOREVER
        found: list[int] = []
        for i in range(first, self.definite):
            if self._call[i] > bound:
                break
            if not mask >> (i - first) & 1:
                bound = min(bound, self._return[i])
                if self._after is None or self._is_free(self._after[i], first, mask):
                    found.append(i)
        return sorted(found, key=lambda i: self._return[i]), bound

    def _note(self, first: int, mask: int, node: Order, state: int) -> None:
        """Keep the longest order, for the counterexample."""
        count = first + mask.bit_count()
        if count > self._best_count:
            self._best_count, self._best = count, node
            self._dead_end = (first, mask, state)

    @staticmethod
    def _is_free(before: int, first: int, mask: int) -> bool:
        return before < first or mask >> (before - first) & 1 == 1


def find_end(operation: Operation) -> int:
    """Return when an operation certainly had taken effect; never, for an unknown outcome."""
    known = operation.outcome is not Outcome.UNKNOWN and operation.returned is not None
    return operation.returned if known else _FOREVER  # type: ignore[return-value]  # not None here
