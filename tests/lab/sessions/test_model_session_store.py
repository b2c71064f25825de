"""The model of the store accepts what the contract allows and nothing else."""
# ruff: noqa: E501 - a table, one case a line

from __future__ import annotations

import json
from typing import Any

import pytest
from sessionlab import Outcome, SessionStoreModel

FAILED, UNKNOWN = Outcome.FAILED, Outcome.UNKNOWN
NO_VERSION = (None, None, None)


def caller(
    state: str = "active", *, n: int = 0, version: Any = NO_VERSION, expires: float | None = None
) -> Any:
    """The caller's fields."""
    expiry = () if expires is None else (expires,)
    return ("stdio", state, None, "me", None, None, version, ("t",), f'{{"n":{n}}}', None, *expiry)


def snap(
    revision: int, *, id: str = "a", frames: int = 0, last: int | None = None, **of: Any
) -> Any:
    """A snapshot."""
    ended = None if of.get("state", "active") in ("initializing", "active") else 9.0
    last = frames if last is None else last
    return (id, caller(**of), revision, frames, last, 1.0, 2.0, ended)


def living(revision: int, incarnation: str = "f00d", **of: Any) -> Any:
    """A snapshot that shows an incarnation."""
    return (*snap(revision, **of), 0, 0, incarnation)


def read_as(incarnation: str, result: Any, *outcome: Outcome) -> Any:
    """A log is read of a session with that incarnation."""
    return ("read_frames", ("a", 0, 9, False, ("incarnation", incarnation)), result, *outcome)


def trim_as(incarnation: str, result: Any, *outcome: Outcome) -> Any:
    """The first frame of a session with that incarnation is trimmed."""
    return ("trim_frames", ("a", 1, ("incarnation", incarnation)), result, *outcome)


def remove_as(incarnation: str, seq: int, result: Any, *outcome: Outcome) -> Any:
    """A frame of a session with that incarnation loses its content."""
    return ("remove_frames", ("a", (seq,), ("incarnation", incarnation)), result, *outcome)


def frame(n: int, id: str = "a") -> Any:
    """A message."""
    return (id, "client-to-server", f'{{"n":{n}}}', "{}")


def in_stream(n: int, stream: str) -> Any:
    """A message of a stream."""
    return (*frame(n)[:3], json.dumps({"metadata": {}, "stream": stream}, separators=(",", ":")))


def odd_frame(n: int, media_type: str = "text/plain") -> Any:
    """Frames that are no message: odd frames, and gaps by their media type."""
    rest = json.dumps(
        {"metadata": {}, "media_type": media_type, "oddity": "not JSON"}, separators=(",", ":")
    )
    return ("a", "client-to-server", f"noise {n}", rest)


def gone(of: Any, *, timestamp: str | None = None) -> Any:
    """What is left of a frame whose content was removed."""
    left: dict[str, Any] = {
        "timestamp": timestamp,
        "delivery": None,
        "protocol_version": None,
        "metadata": {},
    }
    kind = {"media_type": "application/vnd.sessionkeeper.removed", "oddity": None}
    return (*of[:2], "", json.dumps(left | kind, separators=(",", ":")))


@pytest.fixture
def run_clients(lab: Any) -> Any:
    """Whether the model accepts operations one after the other; an operation is
    (name, argument, result) or (name, argument, result, outcome).
    """

    def run_clients(*calls: Any) -> bool:
        model = SessionStoreModel()
        states = {model.init()}
        for number, (name, argument, result, *outcome) in enumerate(calls):
            operation = lab.op(
                name, argument, result, at=(number, number), outcome=(outcome or [Outcome.OK])[0]
            )
            states = {after for state in states for after in model.step(state, operation)}
        return bool(states)

    return run_clients


A = ("create_session", snap(0), snap(1))
B = ("create_session", snap(0, id="b"), snap(2, id="b"))
SOON = ("create_session", snap(0, expires=9.0), snap(1, expires=9.0))
LATE = ("create_session", snap(0, expires=9.5), snap(1, expires=9.5))
CLOSE = ("update_session", snap(1, state="closed"), snap(2, state="closed"))
BORN = ("create_session", snap(0), living(1))
LIFE = "0123456789abcdef"
LIVED = ("create_session", snap(0), living(1, LIFE))
OVER = ("create_session", snap(0, state="closed"), living(1, state="closed"))
CLOSE_1 = ("update_session", snap(1, state="closed"), living(2, frames=1, state="closed"))
GONE = ("delete_session", "a", None)
NO_A = ("SessionNotFound", "a")
ADD_1 = ("add_frame", frame(1), 1)
ADD_2 = ("add_frame", frame(2), 2)
CLOSE_1 = ("update_session", snap(1, state="closed"), snap(2, state="closed", frames=1))
REMOVE_1 = ("remove_frames", ("a", (1,)), 1)
LEFT_1 = gone(frame(1))
ADD_ODD = ("add_frame", odd_frame(1), 1)
ADD_GAP = ("add_frame", odd_frame(2, "application/vnd.sessionkeeper.gap+json"), 2)
NAMED_ODD = ("add_frame", ("a", "client-to-server", "{}", '{"metadata":{"oddity":"x"}}'), 1)
X_1, Y_2, X_3 = in_stream(1, "x"), in_stream(2, "y"), in_stream(3, "x")
STREAMS = (A, ("add_frames", ("a", (X_1, Y_2, X_3, frame(4)), None, None), (1, 5)))
NUMBERED = ((1, frame(1)), (2, frame(2)))
ALL = (None, None, None, None, None, None, None, None, None, None)
ACTIVE = (("active",), *ALL[1:])

RIGHT: dict[str, tuple[Any, ...]] = {
    "get": (A, ("get_session", "a", snap(1))),
    "not there": (("get_session", "a", ("SessionNotFound", "a"), FAILED),),
    "exists": (A, ("create_session", snap(0), ("SessionExists", "a"), FAILED)),
    "odd frames are counted": (A, ADD_ODD, ADD_GAP, ("get_session", "a", (*snap(1, frames=2), 1, 1))),
    "odd frames are counted for good": (A, ADD_ODD, ("delete_frames", "a", 1), ("get_session", "a", (*snap(1, last=1), 1, 0))),
    "odd frames of several": (A, ("add_frames", ("a", (odd_frame(1), frame(2)), None, None), (1, 3)), ("list_sessions", None, ((*snap(1, frames=2), 1, 0),))),
    "incarnation": (BORN, ("update_session", snap(1, n=1), living(2, n=1)), ("get_session", "a", living(2, n=1))),
    "another incarnation": (BORN, GONE, ("create_session", snap(0), living(2, "cafe"))),
    "incarnation seen later": (A, ("get_session", "a", living(1)), ("list_sessions", None, (living(1),))),
    "incarnation not shown": (BORN, ("get_session", "a", snap(1))),
    "read as it is": (BORN, ADD_1, read_as("f00d", NUMBERED[:1])),
    "read shows which": (A, read_as("f00d", ()), ("get_session", "a", living(1))),
    "not read as another": (BORN, read_as("cafe", NO_A, FAILED)),
    "not read as a former": (BORN, GONE, ("create_session", snap(0), snap(2)), read_as("f00d", NO_A, FAILED)),
    "trimmed as it is": (BORN, ADD_1, ADD_2, trim_as("f00d", 1), ("get_frames", "a", (frame(2),))),
    "trimmed shows which": (A, ADD_1, trim_as("f00d", 1), ("get_session", "a", living(1, last=1))),
    "not trimmed as another": (BORN, ADD_1, trim_as("cafe", NO_A, FAILED), ("get_frames", "a", (frame(1),))),
    "perhaps trimmed": (BORN, ADD_1, trim_as("f00d", None, UNKNOWN), ("count_frames", "a", 0)),
    "removed as it is": (BORN, ADD_1, remove_as("f00d", 1, 1), ("get_frames", "a", (LEFT_1,))),
    "removed shows which": (A, ADD_1, remove_as("f00d", 1, 1), ("get_session", "a", living(1, frames=1))),
    "not removed as another": (BORN, ADD_1, remove_as("cafe", 1, NO_A, FAILED), ("get_frames", "a", (frame(1),))),
    "no number as it is": (LIVED, ADD_1, remove_as(LIFE, 2, ("ValueError",), FAILED)),
    "no incarnation of anything": (BORN, ADD_1, remove_as("f00d", 1, ("ValueError",), FAILED)),
    "put a new": (("put_session", snap(0), living(1)), ("list_sessions", None, (living(1),))),
    "put on a live": (BORN, ADD_1, B, ("put_session", snap(0, n=2), living(3, n=2, frames=1)), ("list_sessions", None, (living(3, n=2, frames=1), snap(2, id="b")))),
    "put on an ended": (OVER, B, ("put_session", snap(0), living(3, "cafe")), ("list_sessions", None, (snap(2, id="b"), living(3, "cafe")))),
    "put refused": (BORN, ("put_session", snap(0, state="initializing"), ("InvalidTransition", "a", "active", "initializing"), FAILED), ("get_session", "a", living(1))),
    "put, perhaps": (OVER, ("put_session", snap(0), None, UNKNOWN), ("get_session", "a", living(2, "cafe"))),
    "a message is not odd": (A, NAMED_ODD, ("get_session", "a", snap(1, frames=1))),
    "got": (A, ("get_or_create_session", snap(0, n=3), (snap(1), False))),
    "created": (("get_or_create_session", snap(0), (snap(7), True)),),
    "updated": (A, ("update_session", snap(1, n=1), snap(2, n=1)), ("get_session", "a", snap(2, n=1))),
    "stale": (A, ("update_session", snap(0, n=1), ("RevisionConflict", "a", 0, 1), FAILED)),
    "bad step": (A, CLOSE, ("update_session", snap(2), ("InvalidTransition", "a", "closed", "active"), FAILED)),
    "deleted": (A, ("delete_session", "a", None), ("count_sessions", None, 0)),
    "listed in order": (B, ("create_session", snap(0), snap(3)), ("list_sessions", None, (snap(2, id="b"), snap(3)))),
    "counted": (A, B, ("count_sessions", None, 2)),
    "batch": (A, B, ("get_sessions_batch", ("b", "a"), (snap(2, id="b"), snap(1)))),
    "batch update": (A, B, ("update_sessions_batch", (snap(1, n=1), snap(2, id="b", n=1)), (snap(4, n=1), snap(3, id="b", n=1)))),
    "modified": (A, ("modify_session", ("a", (snap(1), caller(n=1))), snap(2, n=1))),
    "modified not": (A, ("modify_session", ("a", (snap(1), None)), snap(1))),
    "raised": (A, ("modify_session", ("a", (snap(1), None)), ("ChangeRaised",), FAILED), ("get_session", "a", snap(1))),
    "touched": (A, ("touch_session", "a", None)),
    "touch of an ended": (A, CLOSE, ("touch_session", "a", ("SessionClosed", "a", "closed"), FAILED)),
    "frames": (A, ADD_1, ADD_2, ("get_frames", "a", (frame(1), frame(2))), ("count_frames", "a", 2)),
    "a snapshot with frames": (A, ADD_1, ("get_session", "a", snap(1, frames=1))),
    "none of an ended": (A, CLOSE, ("add_frame", frame(1), ("SessionClosed", "a", "closed"), FAILED)),
    "some": (A, ("add_frames", ("a", (frame(1), frame(2)), 0, None), (1, 3))),
    "none": (A, ADD_1, ("add_frames", ("a", (), None, None), (2, 2))),
    "raised beside frames": (A, ADD_1, ("add_frames", ("a", (frame(2),), 1, (snap(1, frames=1), None)), ("ChangeRaised",), FAILED)),
    "moved on": (A, ADD_1, ("add_frames", ("a", (frame(2),), 0, None), ("SequenceConflict", "a", 0, 1), FAILED)),
    "some with a change": (A, ("add_frames", ("a", (frame(1),), None, (snap(1), caller(n=1))), (1, 2)), ("get_session", "a", snap(2, n=1, frames=1))),
    "change after frames": (A, ("add_frames", ("a", (frame(1),), None, (snap(1, frames=1), caller(n=1))), (1, 2))),
    "read": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 10, False), NUMBERED)),
    "read after": (A, ADD_1, ADD_2, ("read_frames", ("a", 1, 10, False), NUMBERED[1:])),
    "read some": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, False), NUMBERED[:1])),
    "read newest": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, True), NUMBERED[1:])),
    "read before": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 9, False, ("before", 2)), NUMBERED[:1])),
    "read backwards": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 9, False, ("reverse", True)), NUMBERED[::-1])),
    "read one backwards": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, False, ("before", 9), ("reverse", True)), NUMBERED[1:])),
    "read a stream": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("stream", "x")), ((1, X_1), (3, X_3)))),
    "read a part of a stream": (*STREAMS, ("read_frames", ("a", 1, 9, False, ("stream", "x")), ((3, X_3),)), ("read_frames", ("a", 0, 1, True, ("stream", "x")), ((3, X_3),)), ("read_frames", ("a", 0, 9, False, ("before", 3), ("stream", "x")), ((1, X_1),))),
    "read a stream backwards": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("reverse", True), ("stream", "x")), ((3, X_3), (1, X_1)))),
    "read no stream": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("stream", "z")), ())),
    "counted a stream": (*STREAMS, ("count_frames", ("a", "x"), 2), ("count_frames", ("a", "z"), 0), ("count_frames", "a", 4)),
    "trimmed a stream": (*STREAMS, ("trim_frames", ("a", 2), 2), ("count_frames", ("a", "x"), 1), ("read_frames", ("a", 0, 9, False, ("stream", "x")), ((3, X_3),))),
    "read beyond": (A, ADD_1, ("read_frames", ("a", 5, 1, False), ())),
    "trimmed": (A, ADD_1, ADD_2, ("trim_frames", ("a", 1), 1), ("read_frames", ("a", 0, 9, False), NUMBERED[1:]), ("get_session", "a", snap(1, frames=1, last=2))),
    "removed": (A, ADD_1, ADD_2, REMOVE_1, ("read_frames", ("a", 0, 9, False), ((1, LEFT_1), NUMBERED[1])), ("get_session", "a", snap(1, frames=2))),
    "removed no number": (("remove_frames", ("a", (0,)), ("ValueError",), FAILED),),
    "removed a number too high": (A, ADD_1, ("remove_frames", ("a", (1, 2)), ("ValueError",), FAILED), ("get_frames", "a", (frame(1),))),
    "removed once": (A, ADD_1, ADD_2, REMOVE_1, ("remove_frames", ("a", (1, 2)), 1), ("get_frames", "a", (LEFT_1, gone(frame(2))))),
    "removed what was trimmed": (A, ADD_1, ADD_2, ("trim_frames", ("a", 1), 1), ("remove_frames", ("a", (1,)), 0), ("get_frames", "a", (frame(2),))),
    "perhaps removed": (A, ADD_1, ("remove_frames", ("a", (1,)), None, UNKNOWN), ("get_frames", "a", (LEFT_1,))),
    "removed of an ended": (A, ADD_1, CLOSE_1, REMOVE_1),
    "removed, then added": (A, ADD_1, REMOVE_1, ADD_2, ("get_frames", "a", (LEFT_1, frame(2)))),
    "cleared": (A, ADD_1, ("delete_frames", "a", 1), ("get_frames", "a", ()), ADD_2),
    "again from 1": (A, ADD_1, ("delete_session", "a", None), ("create_session", snap(0), snap(5)), ADD_1),
    "expired": (A, ("expire_sessions", (1, None, 9), (snap(2, state="timed-out"),))),
    "expired by itself": (SOON, ("expire_sessions", (None, None, 9), (snap(2, state="timed-out", expires=9.0),))),
    "expired by age before that": (LATE, ("expire_sessions", (1, None, 9), (snap(2, state="timed-out", expires=9.5),))),
    "purged": (A, CLOSE, ("purge_sessions", (99.0, None, 9), 1), ("count_sessions", None, 0)),
    "purged too late": (A, CLOSE, ("purge_sessions", (5.0, None, 9), 0), ("count_sessions", None, 1)),
    "found": (A, B, ("find_sessions", (ALL, None, 9), ((snap(1), snap(2, id="b")), None))),
    "found some": (A, CLOSE, ("find_sessions", (ACTIVE, None, 9), ((), None))),
    "found a page": (A, B, ("find_sessions", (ALL, None, 1), ((snap(1),), "1"))),
    "found by activity": (A, B, ("find_sessions", (ALL, None, 9, "last-activity"), ((snap(2, id="b"), snap(1)), None))),
    "found in another order": (A, B, ("find_sessions", (ALL, None, 9, "last-activity"), ((snap(1), snap(2, id="b")), None))),
    "found a page by activity": (A, B, ("find_sessions", (ALL, "5:2", 1, "last-activity"), ((snap(1),), "4:1"))),
    "perhaps updated": (A, ("update_session", snap(1, n=1), None, UNKNOWN), ("get_session", "a", snap(8, n=1)), ("get_session", "a", snap(8, n=1))),
    "perhaps created": (("create_session", snap(0), None, UNKNOWN), ("get_session", "a", snap(4))),
    "perhaps added": (A, ("add_frame", frame(1), None, UNKNOWN), ADD_2),
    "perhaps expired": (A, ("expire_sessions", (1, None, 9), None, UNKNOWN), ("get_session", "a", snap(3, state="timed-out"))),
    "purged by age": (A, CLOSE, ("purge_sessions", (None, 5.0, 9), 1), ("count_sessions", None, 0)),
    "perhaps purged": (A, CLOSE, ("purge_sessions", (99.0, None, 9), None, UNKNOWN), ("count_sessions", None, 0)),
    "told by an update": (("create_session", snap(0), None, UNKNOWN), ("update_session", snap(4, n=1), snap(5, n=1))),
    "agreed": (A, ("update_session", snap(1, version=("1", "1", None)), snap(2, version=("1", "1", None)))),
}  # fmt: skip
AGREED = RIGHT["agreed"]

WRONG: dict[str, tuple[Any, ...]] = {
    "get of another revision": (A, ("get_session", "a", snap(2))),
    "get of other fields": (A, ("get_session", "a", snap(1, n=1))),
    "get of other frames": (A, ADD_1, ("get_session", "a", snap(1))),
    "odd frames not counted": (A, ADD_ODD, ("get_session", "a", snap(1, frames=1))),
    "odd frames counted as gaps": (A, ADD_ODD, ("get_session", "a", (*snap(1, frames=1), 0, 1))),
    "odd frames counted twice": (A, ADD_ODD, ("get_session", "a", (*snap(1, frames=1), 2, 0))),
    "odd frames forgotten": (A, ADD_ODD, ("delete_frames", "a", 1), ("get_session", "a", snap(1, last=1))),
    "a message counted as odd": (A, ADD_1, ("get_session", "a", (*snap(1, frames=1), 1, 0))),
    "get of another creation": (A, ("get_session", "a", (*snap(1)[:5], 1.5, 2.0, None))),
    "ended yet live": (A, ("get_session", "a", (*snap(1)[:7], 3.0))),
    "ended at another time": (A, CLOSE, ("get_session", "a", (*snap(2, state="closed")[:7], 8.0))),
    "found missing": (A, ("get_session", "a", ("SessionNotFound", "a"), FAILED)),
    "created twice": (A, ("create_session", snap(0), snap(2))),
    "exists not": (("create_session", snap(0), ("SessionExists", "a"), FAILED),),
    "created an existing": (A, ("get_or_create_session", snap(0), (snap(2), True))),
    "got a missing": (("get_or_create_session", snap(0), (snap(1), False)),),
    "stale accepted": (A, ("update_session", snap(0, n=1), snap(2, n=1))),
    "stale after creation again": (A, ("delete_session", "a", None), ("create_session", snap(0), snap(2)), ("update_session", snap(1, n=1), snap(3, n=1))),
    "fresh refused": (A, ("update_session", snap(1, n=1), ("RevisionConflict", "a", 1, 1), FAILED)),
    "refused with a wrong revision": (A, ("update_session", snap(0), ("RevisionConflict", "a", 0, 7), FAILED)),
    "revision stays": (A, ("update_session", snap(1, n=1), snap(1, n=1))),
    "revision used again": (A, B, ("update_session", snap(1, n=1), snap(2, n=1))),
    "revision reset": (A, ("delete_session", "a", None), A),
    "put lost the log": (BORN, ADD_1, ("put_session", snap(0, n=2), living(2, n=2))),
    "put gave another incarnation": (BORN, ("put_session", snap(0, n=2), living(2, "cafe", n=2))),
    "put revived": (OVER, ("put_session", snap(0), living(2))),
    "put kept the frames": (BORN, ADD_1, CLOSE_1, ("put_session", snap(0), living(3, "cafe", frames=1))),
    "put kept the place": (OVER, B, ("put_session", snap(0), living(3, "cafe")), ("list_sessions", None, (living(3, "cafe"), snap(2, id="b")))),
    "put went back": (BORN, ("put_session", snap(0, state="initializing"), living(2, state="initializing"))),
    "put other fields": (BORN, ("put_session", snap(0, n=2), living(2, n=3))),
    "put refused without reason": (OVER, ("put_session", snap(0), ("InvalidTransition", "a", "closed", "active"), FAILED)),
    "incarnation used again": (BORN, GONE, ("create_session", snap(0), living(2))),
    "incarnation used after a purge": (("create_session", snap(0, state="closed"), living(1, state="closed")), ("purge_sessions", (None, 0.0, 9), 1), ("create_session", snap(0), living(2))),
    "incarnation changed": (BORN, ("update_session", snap(1, n=1), living(2, "cafe", n=1))),
    "incarnation changed later": (BORN, ("get_session", "a", living(1, "cafe"))),
    "read as another": (BORN, read_as("cafe", ())),
    "read as a former": (BORN, GONE, (*A[:2], snap(2)), read_as("f00d", ())),
    "read showed another": (A, read_as("f00d", ()), ("get_session", "a", living(1, "cafe"))),
    "trimmed as another": (BORN, ADD_1, trim_as("cafe", 1)),
    "trimmed as a former": (BORN, GONE, (*A[:2], snap(2)), ADD_1, trim_as("f00d", 1)),
    "trimmed showed another": (A, ADD_1, trim_as("f00d", 1), ("get_session", "a", living(1, "cafe", last=1))),
    "perhaps trimmed as another": (BORN, ADD_1, trim_as("cafe", None, UNKNOWN)),
    "not trimmed as it is": (BORN, ADD_1, trim_as("f00d", NO_A, FAILED)),
    "removed as another": (BORN, ADD_1, remove_as("cafe", 1, 1)),
    "removed as a former": (BORN, GONE, (*A[:2], snap(2)), ADD_1, remove_as("f00d", 1, 1)),
    "removed showed another": (A, ADD_1, remove_as("f00d", 1, 1), ("get_session", "a", living(1, "cafe", frames=1))),
    "not removed as it is": (BORN, ADD_1, remove_as("f00d", 1, NO_A, FAILED)),
    "no number as another": (LIVED, ADD_1, remove_as(LIFE[::-1], 2, ("ValueError",), FAILED)),
    "no number that was": (LIVED, ADD_1, remove_as(LIFE, 1, ("ValueError",), FAILED)),
    "not read as it is": (BORN, read_as("f00d", NO_A, FAILED)),
    "back from the end": (A, CLOSE, ("update_session", snap(2), snap(3))),
    "good step refused": (A, ("update_session", snap(1, state="closed"), ("InvalidTransition", "a", "active", "closed"), FAILED)),
    "another version": (*AGREED, ("update_session", snap(2, version=("1", "2", None)), snap(3, version=("1", "2", None)))),
    "transport of another version": (A, ("update_session", snap(1, version=("1", "1", "2")), snap(2, version=("1", "1", "2")))),
    "deleted twice": (A, ("delete_session", "a", None), ("delete_session", "a", None)),
    "listed in another order": (A, B, ("list_sessions", None, (snap(2, id="b"), snap(1)))),
    "not all listed": (A, B, ("list_sessions", None, (snap(1),))),
    "miscounted": (A, ("count_sessions", None, 2)),
    "batch in another order": (A, B, ("get_sessions_batch", ("b", "a"), (snap(1), snap(2, id="b")))),
    "half a batch": (A, B, ("update_sessions_batch", (snap(1, n=1), snap(9, id="b")), (snap(3, n=1), snap(4, id="b")))),
    "batch of other fields": (A, ("update_sessions_batch", (snap(1, n=1),), (snap(2, n=2),))),
    "change saw another": (A, ("modify_session", ("a", (snap(9), caller(n=1))), snap(10, n=1))),
    "change not stored": (A, ("modify_session", ("a", (snap(1), caller(n=1))), snap(2))),
    "no change, new revision": (A, ("modify_session", ("a", (snap(1), None)), snap(2))),
    "ok without a run": (A, ("modify_session", ("a", None), snap(1))),
    "raised and stored": (A, ("modify_session", ("a", (snap(1), None)), ("ChangeRaised",), FAILED), ("get_session", "a", snap(2))),
    "raised on an ended": (A, CLOSE, ("add_frames", ("a", (frame(1),), None, (snap(2, state="closed"), None)), ("ChangeRaised",), FAILED)),
    "raised on what moved on": (A, ADD_1, ("add_frames", ("a", (frame(2),), 0, (snap(1, frames=1), None)), ("ChangeRaised",), FAILED)),
    "moved on where it ended": (A, CLOSE, ("add_frames", ("a", (frame(1),), 7, None), ("SequenceConflict", "a", 7, 0), FAILED)),
    "touch of an ended": (A, CLOSE, ("touch_session", "a", None)),
    "closed not": (A, ("touch_session", "a", ("SessionClosed", "a", "closed"), FAILED)),
    "a frame of an ended": (A, CLOSE, ADD_1),
    "a frame of a missing": (ADD_1,),
    "a number left out": (A, ADD_2),
    "a number again": (A, ADD_1, ("add_frame", frame(2), 1)),
    "numbers again after clearing": (A, ADD_1, ("delete_frames", "a", 1), ADD_1),
    "frames in another order": (A, ADD_1, ADD_2, ("get_frames", "a", (frame(2), frame(1)))),
    "a frame less": (A, ADD_1, ADD_2, ("get_frames", "a", (frame(1),))),
    "another's frame": (A, B, ADD_1, ("get_frames", "a", (frame(1, "b"),))),
    "some of another": (A, ("add_frames", ("a", (frame(1, "b"),), None, None), (1, 2))),
    "numbers too many": (A, ("add_frames", ("a", (frame(1),), None, None), (1, 3))),
    "moved on accepted": (A, ADD_1, ("add_frames", ("a", (frame(2),), 0, None), (2, 3))),
    "moved on not": (A, ADD_1, ("add_frames", ("a", (frame(2),), 1, None), ("SequenceConflict", "a", 1, 1), FAILED)),
    "change without frames": (A, ("add_frames", ("a", (frame(1),), None, (snap(1), caller(n=1))), (1, 2)), ("get_session", "a", snap(2, n=1))),
    "frames without change": (A, ("add_frames", ("a", (frame(1),), None, (snap(1), caller(n=1))), (1, 2)), ("get_session", "a", snap(1, frames=1))),
    "read too much": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, False), NUMBERED)),
    "read the oldest as newest": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, True), NUMBERED[:1])),
    "read too far": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 9, False, ("before", 2)), NUMBERED)),
    "read not backwards": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 9, False, ("reverse", True)), NUMBERED)),
    "read the first backwards": (A, ADD_1, ADD_2, ("read_frames", ("a", 0, 1, False, ("reverse", True)), NUMBERED[:1])),
    "read with other numbers": (A, ADD_1, ("read_frames", ("a", 0, 9, False), ((2, frame(1)),))),
    "read another stream": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("stream", "x")), ((2, Y_2),))),
    "read less of a stream": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("stream", "x")), ((1, X_1),))),
    "read a stream with its own numbers": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("stream", "x")), ((1, X_1), (2, X_3)))),
    "read the first of a stream as newest": (*STREAMS, ("read_frames", ("a", 0, 1, True, ("stream", "x")), ((1, X_1),))),
    "read a stream beyond": (*STREAMS, ("read_frames", ("a", 0, 9, False, ("before", 3), ("stream", "x")), ((1, X_1), (3, X_3)))),
    "counted the log as a stream": (*STREAMS, ("count_frames", ("a", "x"), 4)),
    "counted a stream before it was trimmed": (*STREAMS, ("trim_frames", ("a", 2), 2), ("count_frames", ("a", "x"), 2)),
    "read a stream of a missing": (("read_frames", ("a", 0, 9, False, ("stream", "x")), ()),),
    "counted a stream of a missing": (("count_frames", ("a", "x"), 0),),
    "read another message": (A, ADD_1, ("read_frames", ("a", 0, 9, False), ((1, frame(2)),))),
    "trimmed too many": (A, ADD_1, ("trim_frames", ("a", 5), 5)),
    "trimmed are there": (A, ADD_1, ("trim_frames", ("a", 1), 1), ("count_frames", "a", 1)),
    "removed is there": (A, ADD_1, REMOVE_1, ("get_frames", "a", (frame(1),))),
    "removed leaves no number": (A, ADD_1, ADD_2, REMOVE_1, ("get_frames", "a", (frame(2),))),
    "removed is not counted": (A, ADD_1, REMOVE_1, ("count_frames", "a", 0)),
    "removed another": (A, ADD_1, ADD_2, REMOVE_1, ("get_frames", "a", (LEFT_1, gone(frame(2))))),
    "refused a number that was": (A, ADD_1, ("remove_frames", ("a", (1,)), ("ValueError",), FAILED)),
    "refused a number of nobody": (("remove_frames", ("a", (1,)), ("ValueError",), FAILED),),
    "removed too many": (A, ADD_1, ("remove_frames", ("a", (1,)), 2)),
    "removed twice": (A, ADD_1, REMOVE_1, REMOVE_1),
    "removed what never was": (A, ADD_1, ("remove_frames", ("a", (2,)), 1)),
    "removed of nobody": (("remove_frames", ("a", ()), 0),),
    "removed as of another time": (A, ADD_1, REMOVE_1, ("get_frames", "a", (gone(frame(1), timestamp="2027-01-01T00:00:00Z"),))),
    "cleared others": (A, ADD_1, ("delete_frames", "a", 0)),
    "expired an ended": (A, CLOSE, ("expire_sessions", (1, None, 9), (snap(3, state="timed-out"),))),
    "expired too many": (A, ("expire_sessions", (1, None, 0), (snap(2, state="timed-out"),))),
    "expired otherwise": (A, ("expire_sessions", (1, None, 9), (snap(2, state="failed"),))),
    "expired before its moment": (LATE, ("expire_sessions", (None, None, 9), (snap(2, state="timed-out", expires=9.5),))),
    "expired without a moment": (A, ("expire_sessions", (None, None, 9), (snap(2, state="timed-out"),))),
    "lost its moment": (SOON, ("get_session", "a", snap(1))),
    "purged a live one": (A, ("purge_sessions", (99.0, None, 9), 1)),
    "purged too soon": (A, CLOSE, ("purge_sessions", (5.0, None, 9), 1)),
    "purged too many": (A, CLOSE, ("purge_sessions", (99.0, None, 0), 1)),
    "purged are there": (A, CLOSE, ("purge_sessions", (99.0, None, 9), 1), ("count_sessions", None, 1)),
    "not found": (A, B, ("find_sessions", (ALL, None, 9), ((snap(2, id="b"),), None))),
    "found what does not match": (A, CLOSE, ("find_sessions", (ACTIVE, None, 9), ((snap(2, state="closed"),), None))),
    "the page leaves one out": (A, B, ("find_sessions", (ALL, None, 1), ((snap(2, id="b"),), "2"))),
    "found twice": (A, B, ("find_sessions", (ALL, None, 9, "last-activity"), ((snap(1), snap(1)), "5:1"))),
    "one left out by activity": (A, B, ("find_sessions", (ALL, None, 9, "last-activity"), ((snap(1),), None))),
    "found none that is there": (A, ("find_sessions", (ALL, "5:2", 9, "last-activity"), ((snap(2, id="b"),), None))),
    "more than a page by activity": (A, B, ("find_sessions", (ALL, None, 1, "last-activity"), ((snap(1), snap(2, id="b")), None))),
    "more than a page": (A, B, ("find_sessions", (ALL, None, 1), ((snap(1), snap(2, id="b")), None))),
    "a revision below": (A, B, ("update_session", snap(1, n=1), None, UNKNOWN), ("get_session", "a", snap(2, n=1))),
    "two revisions": (A, ("update_session", snap(1, n=1), None, UNKNOWN), ("get_session", "a", snap(8, n=1)), ("get_session", "a", snap(9, n=1))),
}  # fmt: skip


@pytest.mark.parametrize("calls", RIGHT.values(), ids=RIGHT.keys())
def test_histories_that_the_contract_allows_are_accepted(calls: Any, run_clients: Any) -> None:
    """One operation after the other."""
    assert run_clients(*calls)


@pytest.mark.parametrize("calls", WRONG.values(), ids=WRONG.keys())
def test_histories_that_the_contract_forbids_are_refused(calls: Any, run_clients: Any) -> None:
    """The last one is what goes wrong: all before it is accepted."""
    assert run_clients(*calls[:-1])
    assert not run_clients(*calls)


def test_the_sessions_an_operation_touches_are_known(lab: Any) -> None:
    """Components: one session, several, or all."""
    model = SessionStoreModel()

    def key(name: str, argument: Any = None, result: Any = None) -> Any:
        return model.key(lab.op(name, argument, result, at=(0, 1)))

    assert key("get_session", "a") == key("add_frame", frame(1), 1) == ("a",)
    assert key("create_session", snap(0), snap(1)) == ("a",)
    assert key("modify_session", ("a", None), snap(1)) == ("a",)
    assert key("get_sessions_batch", ("b", "a")) == ("b", "a")
    assert key("update_sessions_batch", (snap(1), snap(2, id="b"))) == ("a", "b")
    assert key("expire_sessions", (1, None, 9), (snap(2, state="timed-out"),)) == ("a",)
    for name in ("list_sessions", "count_sessions", "find_sessions", "purge_sessions"):
        assert key(name) is None


def test_nothing_is_shown_of_payloads(lab: Any) -> None:
    """Words without messages, metadata or whole ids."""
    model = SessionStoreModel()
    secret = ("s" * 40, "client-to-server", '{"n":"hunter2"}', "{}")
    created = snap(0, id="s" * 40), snap(1, id="s" * 40)
    operations = [
        lab.op("create_session", *created, at=(0, 1)),
        lab.op("add_frame", secret, 1, at=(2, 3)),
        lab.op("get_frames", "s" * 40, (secret,), at=(4, 5)),
    ]
    state = model.init()
    for operation in operations:
        [state] = model.step(state, operation)
        shown = model.describe(state) + model.explain(state, operation)
        assert "hunter2" not in shown
        assert "s" * 9 not in shown
