"""Who hears what happens to the sessions of one store object."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context

from ..values.events import Listener, SessionEvent

__all__ = ["Listeners"]

logger = logging.getLogger("sessionkeeper")


class Listeners:
    """Listeners in the order they came; one that raises is reported and hurts nobody."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; return what takes it away again. Raises `TypeError`."""
        if not callable(listener):
            raise TypeError("a listener is a function of an event and a context")

        def hear(event: SessionEvent, context: Context) -> None:
            listener(event, context)

        # A new tuple, so that whoever is being told is told in peace; and a function of its own,
        # so that the same listener may come twice and go once.
        self._listeners = (*self._listeners, hear)

        def forget() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not hear)

        return forget

    def tell(self, event: SessionEvent, context: Context) -> None:
        """Tell everyone. Cannot fail: what a listener raises is its own trouble."""
        for listener in self._listeners:
            try:
                listener(event, context)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                logger.error("a listener raised %s", type(error).__name__)
