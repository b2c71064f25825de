"""The listeners of one store object: functions that are called with its events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from threading import Lock

from ..values.events import Listener, SessionEvent

__all__ = ["Listeners"]

logger = logging.getLogger("sessionkeeper")


class Listeners:
    """Listeners in the order they were added. If one raises, the others are still called."""

    __slots__ = ("_changing", "_listeners")

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._changing = Lock()  # a store with a thread of its own is given them by any thread

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; return a function that removes it. Raises `TypeError`."""
        if not callable(listener):
            raise TypeError("a listener is a function of an event and a context")

        def call(event: SessionEvent, context: Context) -> None:
            listener(event, context)

        # A new tuple, because `tell` may be iterating over the old one. A function of its own, so
        # that a listener that was added twice can be removed once.
        with self._changing:
            self._listeners = (*self._listeners, call)

        def remove() -> None:
            with self._changing:
                self._listeners = tuple(each for each in self._listeners if each is not call)

        return remove

    def tell(self, event: SessionEvent, context: Context) -> None:
        """Call all listeners. Never raises: an exception of a listener is logged."""
        for listener in self._listeners:
            try:
                listener(event, context)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                logger.error("a listener raised %s", type(error).__name__)
