"""Errors: one flat tree, values as attributes, the text made in one place (Guarantees 4.3)."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
import sessionkeeper
from sessionkeeper import SessionError, SessionState
from sessionkeeper.values import errors
from sessionkeeper.values.picklable import Picklable

ID = "0123456789abcdef"
ERRORS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("SessionNotFound", (ID,), {}, "no session '01234567…'"),
    ("SessionExists", (ID,), {}, "session '01234567…' exists already"),
    ("SessionClosed", (ID, SessionState.FAILED), {}, "session '01234567…' has ended (failed)"),
    (
        "RevisionConflict",
        (ID,),
        {"expected": 1, "current": 2},
        "session '01234567…' is at revision 2, not 1",
    ),
    (
        "SequenceConflict",
        (ID,),
        {"expected": 1, "current": 2},
        "the log of session '01234567…' ends at 2, not 1",
    ),
    (
        "LogReplaced",
        (ID,),
        {"after": 5},
        "the log of session '01234567…' was replaced: it is not the one that was read up to 5",
    ),
    (
        "InvalidTransition",
        (ID, SessionState.CLOSED, SessionState.ACTIVE),
        {},
        "session '01234567…' cannot go from closed to active",
    ),
    (
        "VersionConflict",
        (),
        {"negotiated": "1", "offered": "2"},
        "another protocol version was negotiated",
    ),
    ("InvalidMessage", ("not JSON",), {}, "invalid message: not JSON"),
    (
        "InvalidSessionId",
        (),
        {},
        "a session id is 1 to 128 visible ASCII characters (0x21-0x7E)",
    ),
    (
        "LimitExceeded",
        ("max_sessions",),
        {"current": 5, "maximum": 4, "field": None},
        "max_sessions exceeded: limit 4, current 5",
    ),
    (
        "RateLimited",
        (5,),
        {"retry_after": 0.25},
        "too many messages: one more in 0.25 s",
    ),
    ("Overloaded", (), {}, "the store's mailbox is full"),
    ("StoreClosed", (), {}, "the store is closed"),
    ("StoreUnavailable", ("the server is gone",), {}, "the server is gone"),
    ("OutcomeUnknown", ("op",), {}, "the outcome of the operation is not known"),
    (
        "BackendNotImplemented",
        ("redis",),
        {},
        "the redis backend is not installed: pip install 'sessionkeeper[redis]'",
    ),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "text"), ERRORS, ids=lambda v: str(v)[:20])
def test_values_travel_as_attributes(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    """Values travel as attributes; the text is made in one place; ids are shortened."""
    cls = getattr(sessionkeeper, name)
    error = cls(*args, **kwargs)
    assert str(error) == text
    if name != "StoreUnavailable":
        named = inspect.signature(cls.__init__).bind(error, *args, **kwargs).arguments
        known = {"limit": "rate_limit", "current": 5, "field": None}
        known = known if name == "RateLimited" else {}
        assert vars(error) == known | {k: v for k, v in named.items() if k != "self"}
    assert cls.__doc__


def test_the_tree_is_flat_with_one_root() -> None:
    """`SessionError`: root, so that one except clause suffices; one reason each.

    A rate is a limit, too, so `RateLimited` is a `LimitExceeded` that says when to come again.
    """
    found = {
        value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and name in errors.__all__
    }
    assert {cls.__name__ for cls in found} == {name for name, *_ in ERRORS} | {"SessionError"}
    limits = (sessionkeeper.LimitExceeded, sessionkeeper.RateLimited)
    assert limits[1].__bases__ == (limits[0],)
    assert limits[0].__subclasses__() == [limits[1]]
    for cls in found - {SessionError, *limits}:
        assert cls.__bases__[0] is SessionError
        # Other wings have their own below some of them.
        assert not [each for each in cls.__subclasses__() if each in found]
    assert SessionError.__bases__ == (Picklable, Exception)
    assert {cls.__name__ for cls in found if issubclass(cls, ValueError)} == {"InvalidSessionId"}


def test_no_text_is_made_elsewhere() -> None:
    """What the library raises of its own is given values, never a sentence."""
    names = {name for name, *_ in ERRORS} - {"InvalidMessage", "StoreUnavailable"}
    source = Path(inspect.getfile(sessionkeeper)).parent
    calls = [
        (path.name, node)
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]
    assert len(calls) > 10
    for where, call in calls:
        for argument in call.args:
            text = isinstance(argument, ast.Constant) and " " in str(argument.value)
            assert not text, where
            assert not isinstance(argument, ast.JoinedStr), where
