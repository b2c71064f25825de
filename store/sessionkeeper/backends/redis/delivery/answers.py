"""What an answer says of each request of its call."""

from __future__ import annotations

from collections.abc import Sequence

from ....values.errors import OutcomeUnknown
from ..client.call import Answer, Call, DeliveryStatus, Refused, is_status
from ..client.refusals import error_for, is_misplaced, is_partial, is_transient
from ..client.servers import Servers
from .request import Request
from .writer_log import WriterLog

__all__ = ["Answers"]

MORE = b"MORE"


class Answers:
    """Notes answers on requests, and remembers why a server refused."""

    def __init__(self, servers: Servers, writer_log: WriterLog) -> None:
        self._servers = servers
        self._writer_log = writer_log
        self.refused: Refused | None = None
        """The last refusal in this attempt."""

    def is_transient(self, answer: Answer) -> bool:
        """Whether a server refused for the moment only. The reason is kept, in case it lasts."""
        if not isinstance(answer, Refused) or not is_transient(answer):
            return False
        self.refused = answer
        return True

    def note(self, call: Call, requests: Sequence[Request], answer: Answer) -> None:
        """Note the answer to a call for these requests."""
        if call.script is not None and call.script.many and self._has_several(answer):
            for request, each in zip(requests, answer, strict=True):
                self._note_one(request, each)
        else:
            for request in requests:
                self._note_one(request, answer)

    def _has_several(self, answer: Answer) -> bool:
        """Whether this is a list of answers, one to each operation of the call."""
        return not (
            isinstance(answer, DeliveryStatus | Refused)
            or self._writer_log.is_fenced(answer)
            or is_status(answer, MORE)
        )

    def _note_one(self, request: Request, answer: Answer) -> None:
        if type(answer) is DeliveryStatus:
            # What was not sent has no effect. A read can be sent again in any case.
            request.maybe_applied = request.write and answer is DeliveryStatus.NO_REPLY
            return
        request.maybe_applied = False
        request.fenced = self._writer_log.is_fenced(answer)
        if type(answer) is Refused:
            if is_partial(answer):
                # A write was applied in part and must not be sent again. A read may be.
                if request.write:
                    request.answer = OutcomeUnknown()
                elif not is_misplaced(answer):
                    request.answer = error_for(self._servers.name, answer)
            elif not self.is_transient(answer):
                request.answer = error_for(self._servers.name, answer)
        elif request.fenced:
            self._writer_log.forget(request.bucket)
        elif is_status(answer, MORE):
            request.more = True
        else:
            request.answer = answer
