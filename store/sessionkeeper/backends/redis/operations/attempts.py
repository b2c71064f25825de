"""Running a caller's function here, on what the server holds.

Its result is taken only if the session is still the one the function saw; if not, the server says
what is there now, and the function runs again. Several functions for one session in one batch each
start from what the one before made of it, so all of them are taken in one round trip.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any

from soleowner import CallerError

from ....atomic import Change
from ....commands.change import run_change
from ....errors import SequenceConflict, SessionClosed
from ....session import STORE_FIELDS, Session
from ....states import SessionState
from ..ask import Ask, Plan
from ..call import Word
from ..codec import Stored, read_session, session_words
from ..guesses import Guess
from ..setting import Setting
from .asking import OK, fetch, refuse
from .sessions import note_change

__all__ = ["Attempts"]


class Attempts:
    """One change of one session, tried until it meets the session it was made for."""

    def __init__(
        self, setting: Setting, session_id: str, change: Change, context: Context, scope: str
    ) -> None:
        self._setting = setting
        self._id = session_id
        self._name = setting.place(session_id)[1]
        self._change = change
        self._context = context
        self._scope = scope
        self.current: Session
        """What the function saw last."""

    def run(
        self,
        store: Callable[[list[Word]], Ask],
        leave: Callable[[str], Ask] | None = None,
        *,
        live: bool = False,
        expected: int | None = None,
    ) -> Plan[Any]:
        """Ask to `store` what the function makes of the session, until that is taken.

        Where the function changes nothing, `leave` asks what else is to be done with the session
        it saw; without it the answer is None. A `live` session is needed, with an `expected` end
        of its log, before the function has a say.
        """
        guesses = self._setting.guesses
        known: Guess | None = None
        believe = True
        while True:
            start = guesses.newer(known, self._id) if believe else known
            if start is None or (self._scope and start.session.principal != self._scope):
                known, believe = (yield from self._look()), False
                continue
            self.current = start.session
            if start is known:
                self._check(start.session, live, expected)
            try:
                with self._setting.owner():
                    changed = run_change(self._change, self._context, start.session)
            except CallerError:
                if start is known:
                    raise
                changed = None
            if changed is None and start is not known:
                # Made of a guess alone: nobody is told before the server has said it was right.
                guesses.forget(self._id)
                known, believe = (yield from self._look()), False
                continue
            seen = f"{start.number}:{start.version}"
            if changed is not None:
                words = session_words(self._name, f"v:{seen}", changed)
                guesses.note(_after(start, changed), len(words[9]) + len(words[10]))
                ask = store(words)
            elif leave is not None:
                ask = leave(seen)
            else:
                return None
            (answer,) = yield [ask]
            if answer[0] == OK:
                return answer
            guesses.forget(self._id)
            if answer[0] != b"MOVED":
                refuse(answer, self._id, changed)
            known, believe = self._guess(answer[1]), True

    def taken(self, before: bytes, row: Stored) -> Session:
        """Return the session as it was stored, and let those hear of it who should."""
        guess = self._guess(row)
        self._setting.guesses.note(guess, len(row[8]) + len(row[9] or b""))
        note_change(self._setting, guess.session, SessionState(before.decode()), self._context)
        return guess.session

    def _look(self) -> Plan[Guess]:
        row = yield from fetch(self._setting, self._id, self._scope)
        return self._guess(row)

    def _guess(self, row: Stored) -> Guess:
        return Guess(read_session(self._id, row), int(row[0]), int(row[2]))

    def _check(self, session: Session, live: bool, expected: int | None) -> None:
        if live and session.ended_at is not None:
            raise SessionClosed(self._id, session.state)
        if expected is not None and expected != session.last_seq:
            raise SequenceConflict(self._id, expected=expected, current=session.last_seq)


def _after(start: Guess, changed: Session) -> Guess:
    kept = {name: getattr(start.session, name) for name in STORE_FIELDS}
    return Guess(Session.trusted(changed.__dict__ | kept), start.number, start.version + 1)
