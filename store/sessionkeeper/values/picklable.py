"""Errors that can be copied and sent to another process."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["Picklable"]


class Picklable:
    """Beside `Exception`, makes an error that can be pickled and copied with all its attributes.

    Python calls the class again with `args`, which fails if `__init__` takes anything else; one
    such error, raised in a worker process, breaks a `ProcessPoolExecutor` for all. As with Python's
    own errors, a copy has no cause, no context and no traceback.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        _, args, *state = cast("tuple[Any, ...]", super().__reduce__())
        return _make_again, (type(self), args), *state


def _make_again(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    error = kind.__new__(kind, *args)
    # Some built-in errors, such as `ImportError`, show the arguments of their `__init__`.
    builtin: Any = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    builtin.__init__(error, *args)
    return error
