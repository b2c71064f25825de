"""The model of the session store: the meaning of each operation, and the sessions it touches.

Not modelled: times (except that only an archive changes `created_at` and `ended_at`), limits and
evictions, and which sessions have expired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeAlias, cast

from ...linearizability.history.exact import exact
from ...linearizability.history.operation import Header, Operation, Outcome, Plain
from ...linearizability.models.facts import Fact
from ...linearizability.models.model import CounterUse, Model, OrderKey
from ..layout import FrameData, SessionData
from . import sessions, sweeps
from .archive import archive
from .counter import counter_uses, read_stamps
from .facts import read_facts, read_order_key
from .frames import Frames
from .refusals import CHECKED, refuse
from .shapes import check_shape
from .state import ModelState

__all__ = ["SessionStoreModel"]

Meaning: TypeAlias = Callable[[ModelState, Plain, Plain, bool], Iterable[ModelState]]

_READS = frozenset(
    {
        *("get_session", "list_sessions", "count_sessions", "get_frames", "count_frames"),
        *("get_sessions_batch", "read_frames", "find_sessions", "touch_session"),
    }
)
_OF_ALL = frozenset({"list_sessions", "count_sessions", "find_sessions", "purge_sessions"})
_SHOWN = 8


class SessionStoreModel(Model[ModelState]):
    """All methods of `SessionStore` and `AtomicSessionStore` but `watch_frames`, `search_frames`
    and `statistics`.

    A frame that a watcher yields shows only which frame has which number, not a state. Revisions
    are checked according to `Guarantees.one_counter`: with it, later ones are higher in the whole
    store; without it, in each session. The header of a history tells which, unless you do.
    """

    name: ClassVar[str] = "session-store"

    def __init__(self, *, one_counter: bool = True) -> None:
        self._one_counter = one_counter
        frames = Frames()
        self._meanings: dict[str, Meaning] = {
            "create_session": sessions.create,
            "get_session": sessions.get,
            "update_session": sessions.update,
            "delete_session": sessions.delete,
            "list_sessions": sessions.list_all,
            "count_sessions": sessions.count,
            "add_frame": frames.add,
            "get_frames": frames.get,
            "delete_frames": frames.delete,
            "count_frames": frames.count,
            "get_sessions_batch": sessions.get_batch,
            "update_sessions_batch": sessions.update_batch,
            "modify_session": sessions.modify,
            "get_or_create_session": sessions.get_or_create,
            "put_session": sessions.put,
            "touch_session": sessions.touch,
            "archive_session": archive,
            "add_frames": frames.add_several,
            "read_frames": frames.read,
            "trim_frames": frames.trim,
            "remove_frames": frames.remove,
            "find_sessions": sweeps.find_page,
            "expire_sessions": sweeps.expire,
            "purge_sessions": sweeps.purge,
        }

    def init(self) -> ModelState:
        return ModelState(0 if self._one_counter else (), ())

    def for_header(self, header: Header, /) -> SessionStoreModel:
        if header.one_counter or not self._one_counter:
            return self
        return SessionStoreModel(one_counter=False)

    def state_key(self, state: ModelState, /) -> ModelState:
        return state

    def step(self, state: ModelState, operation: Operation, /) -> Iterable[ModelState]:
        outcome = operation.outcome
        if outcome is Outcome.FAILED:
            return refuse(state, operation)
        meaning = self._meanings[operation.name]
        known = outcome is Outcome.OK
        result = operation.result if known else None
        if type(result) is not int:
            result = exact(result)
        return meaning(state, exact(operation.argument), result, known)

    def key(  # noqa: PLR0911 - a table of cases
        self, operation: Operation, /
    ) -> tuple[str, ...] | None:
        name, argument = operation.name, operation.argument
        if name == "add_frame":
            return (cast("FrameData", argument)[0],)
        if name in _OF_ALL:
            return None
        if name == "expire_sessions":
            if operation.outcome is not Outcome.OK:
                return None
            # Only the ended sessions are checked, not that the others did not end.
            return tuple(report[0] for report in cast("tuple[SessionData, ...]", operation.result))
        if name == "get_sessions_batch":
            return cast("tuple[str, ...]", argument)
        if name == "update_sessions_batch":
            return tuple(session[0] for session in cast("tuple[SessionData, ...]", argument))
        if isinstance(argument, str):
            return (argument,)
        return (cast("tuple[str]", argument)[0],)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.outcome is Outcome.FAILED or operation.name in _READS

    def is_evidence(self, operation: Operation, /) -> bool:
        name = operation.name
        if name not in self._meanings:
            return False
        if operation.outcome is Outcome.FAILED:
            refusal = cast("tuple[Plain, ...]", operation.result)[0]
            return refusal in CHECKED or (name, refusal) == ("remove_frames", "ValueError")
        if operation.outcome is Outcome.UNKNOWN:
            # A change that never ran had no effect.
            return name != "modify_session" or _effect(operation) is not None
        # Which sessions an empty sweep skipped, and how long they were idle, is not modelled.
        return name not in ("expire_sessions", "purge_sessions") or bool(operation.result)

    def check_shape(self, operation: Operation, /) -> None:
        check_shape(operation)

    def describe(self, state: ModelState, /) -> str:
        if not state.entries:
            return "no session is there"
        shown = [
            f"{_short(entry.id)} is {entry.caller[1]} at revision "
            f"{entry.revision if entry.revision >= 0 else f'above {-entry.revision - 1}'} with "
            + (
                f"frames {entry.dropped + 1} to {entry.last_seq}"
                if entry.last_seq > entry.dropped
                else "no frames"
            )
            for entry in state.entries[:_SHOWN]
        ]
        more = len(state.entries) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "")

    def explain(self, state: ModelState, operation: Operation, /) -> str:
        return f"{operation.name} answered {_reply(operation)}, but {self.describe(state)}"

    def facts(self, operation: Operation, /) -> Iterable[Fact]:
        return () if operation.outcome is Outcome.FAILED else read_facts(operation)

    def stamps(self, operation: Operation, /) -> tuple[int, ...]:
        return read_stamps(operation) if self._one_counter else ()

    def counter_uses(self, order: Sequence[tuple[Operation, ModelState]], /) -> list[CounterUse]:
        return counter_uses(order) if self._one_counter else []

    def order(self, operation: Operation, /) -> OrderKey | None:
        return read_order_key(operation)


def _effect(operation: Operation) -> Plain:
    return cast("tuple[str, Plain]", operation.argument)[1]


def _short(session_id: str) -> str:
    return repr(session_id if len(session_id) <= _SHOWN else f"{session_id[:_SHOWN]}…")


def _reply(operation: Operation) -> str:
    """Describe a reply, without payloads."""
    result = operation.result
    if operation.outcome is Outcome.FAILED:
        return str(cast("tuple[Plain, ...]", result)[0])
    if isinstance(result, tuple):
        report = result[0] if operation.name == "get_or_create_session" else result
        if isinstance(report, tuple) and len(report) >= 8 and isinstance(report[1], tuple):
            return f"{report[1][1]} at revision {report[2]} with {report[3]} frames"
        if operation.name == "add_frames":
            return f"numbers {result[0]} to {cast('int', result[1]) - 1}"
        return f"{len(result)} of them"
    return "nothing" if result is None else str(result)
