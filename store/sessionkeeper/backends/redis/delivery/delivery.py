"""Delivers requests exactly once, or reports an unknown outcome.

Every write carries an epoch and a sequence number. Its script refuses any epoch but the writer's
current one, and stores its answer in the writer log in the same step. After a lost answer the
writer begins a new epoch, and learns of each open write whether it was applied. If it was not, it
never will be, however late it leaves some socket, so it can be sent again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....values.errors import OutcomeUnknown, StoreUnavailable
from ..client.call import Answer, Call, DeliveryStatus, Refused, is_status
from ..client.refusals import (
    describe_failure,
    error_for,
    error_for_wait,
    is_not_run,
)
from ..client.servers import Servers
from ..keys import Bucket, Keys
from ..layout import Layout
from .answers import Answers
from .flight import Flight
from .patience import Patience
from .replication import ReplicationRequirement
from .request import OPEN, Request
from .writer_log import WriterLog

__all__ = ["Delivery"]

OK, MORE = b"OK", b"MORE"


class Delivery:
    """Everything between a store and its servers. One task uses it at a time.

    `patience` is how many seconds a caller waits for servers that are away, from its request to its
    answer. With 0 there is one attempt, in which they may be silent for `silence` seconds.
    """

    def __init__(
        self,
        servers: Servers,
        writer_log: WriterLog,
        keys: Keys,
        layout: Layout,
        *,
        patience: float,
        silence: float,
        replication: ReplicationRequirement,
    ) -> None:
        self._servers = servers
        self._writer_log = writer_log
        self._layout = layout
        self._layout_call = layout.call(keys)
        self._patience = Patience(patience, silence)
        self._replication = replication
        self._wait_command = replication.command()
        self._answers = Answers(servers, writer_log)
        self._until = 0.0

    @property
    def waited(self) -> float:
        """Seconds spent waiting for replicas and files in total. Patience does not include them."""
        return self._patience.waited

    async def check_replication(self, buckets: Sequence[Bucket], /) -> None:
        """Check that the servers can wait as required. Raises `StoreUnavailable`.

        Otherwise every write would be applied and its outcome unknown.
        """
        probe = self._replication.probe()
        if probe is None:
            return
        for answer in await self._servers.exchange([Call(each.number, probe) for each in buckets]):
            if isinstance(answer, Refused):
                raise error_for_wait(self._servers.name, answer)
            if isinstance(answer, DeliveryStatus):
                raise StoreUnavailable(
                    self._servers.last_error or f"{self._servers.name} does not answer"
                )

    async def attempt(self, requests: Sequence[Request], /) -> None:
        """Send the open requests once, and note the answers that came.

        A cancellation leaves `maybe_applied` on the requests whose outcome is not known.
        """
        self._until = self._patience.begin_attempt(requests)
        self._answers.refused = None
        await self._refuse_writes(requests)
        await self._send_once(requests)
        fenced = [request for request in requests if request.fenced]
        if fenced:
            # Somebody resolved an earlier write, or the log was forgotten. The server works, so
            # this does not use up patience.
            await self._send_once(fenced)
        while more := [request for request in requests if request.more]:
            for request in more:
                request.more = False
            await self._send_once(more)
        # Reads that came before a write that was asked earlier: at once, if the write came since.
        stale = [request for request in requests if request.stale and not request.is_early]
        if stale:
            await self._send_once(stale)

    @property
    def goes_alone(self) -> bool:
        """Whether something follows each write, so that nothing can go beside it."""
        return self._wait_command is not None

    def may_send_beside(self, bucket: Bucket, other: Bucket, /, *, write: bool) -> bool:
        """Whether requests need nothing before them, so that they can go beside others.

        They may share a flight with requests for the `other` bucket.
        """
        if write and (self._writer_log.lost or not self._writer_log.has_epoch(bucket)):
            return False
        servers, number = self._servers, bucket.number
        if not servers.is_located(number) or servers.is_suspected(number):
            return False
        return bucket is other or servers.find_node(number) == servers.find_node(other.number)

    def is_late(self, since: float, waited: float) -> bool:
        """Whether the patience of a caller is over, as in `set_deadline`."""
        return self._patience.is_late(since, waited)

    def send_beside(self, requests: Sequence[Request], /) -> Flight:
        """Send requests for one node that `may_send_beside` others.

        When the `waiter` of the flight is done, `land` notes its answers. Until then writes are
        `maybe_applied`. No epoch may begin before all flights have landed.
        """
        until = self._patience.begin_attempt(requests)
        self._answers.refused = None
        calls = self._writer_log.calls(requests)
        for request in requests:
            request.maybe_applied = request.write
        return Flight(calls, self._servers.send([call for call, _ in calls], until))

    def land(self, flight: Flight, /) -> list[Request]:
        """Note the answers to a flight. Returns the requests that failed: for them `pause` is due.

        Others without an answer can be sent again at once. Raises `TypeError`, for arguments that
        cannot be sent.
        """
        flight.pipeline.waiter.result()
        answers = self._servers.collect([call for call, _ in flight.calls], flight.pipeline)
        failed: list[Request] = []
        for (call, group), answer in zip(flight.calls, answers, strict=True):
            self._answers.note(call, group, answer)
            if not is_not_run(answer):
                failed += [
                    request
                    for request in group
                    if request.answer is OPEN and not request.fenced and not request.more
                ]
        return failed

    async def _refuse_writes(self, requests: Sequence[Request]) -> None:
        """Answer new writes to a node whose policy may drop what they write."""
        writes = [each for each in requests if each.write and not each.maybe_applied]
        buckets = {each.bucket.number for each in writes}
        refusals = await self._servers.refusals(buckets, self._until)
        for request in writes if refusals else ():
            if request.bucket.number in refusals:
                reason = refusals[request.bucket.number]
                request.answer = StoreUnavailable(f"{self._servers.name}: {reason}")

    async def _send_once(self, requests: Sequence[Request]) -> None:
        if await self._fence(requests) and await self._is_laid_out(requests):
            lost = [request for request in requests if request.maybe_applied]
            missed = [request for request in requests if not self._is_settled(request)]
            await self._replicate(lost)
            await self._send(missed)

    async def pause(self, requests: Sequence[Request], /) -> None:
        """Wait before the next attempt. A request whose patience is over gets its error instead."""
        now = self._patience.now()
        due = await self._patience.pause(requests)
        for request in due:
            if request.maybe_applied:
                # If it still arrives, it does so before the next write and never after it.
                self._writer_log.forget(request.bucket)
                request.answer = OutcomeUnknown(self._writer_log.operation_id(request))
            else:
                request.answer = StoreUnavailable(self._reason(), waited=now - request.since)

    def set_deadline(self, request: Request, since: float, waited: float) -> None:
        """Let a request end with the patience of its caller.

        The caller asked at `since`, when the replication wait was `waited` seconds in total.
        """
        request.since = since
        request.deadline = self._patience.deadline(since, waited)

    def end_outage(self) -> None:
        """Note that everything was answered: the next failure begins a new outage."""
        self._patience.end_outage()

    def _reason(self) -> str:
        name, refused = self._servers.name, self._answers.refused
        if refused is not None:
            return f"{name} {describe_failure(refused)}"
        return self._servers.last_error or f"{name} does not answer"

    async def _fence(self, requests: Sequence[Request]) -> bool:
        """Begin new epochs where requests need them. Returns whether all of them hold."""
        fences = self._writer_log.fences(requests)
        if not fences:
            return True
        hold = True
        answers = await self._exchange([call for _, _, call in fences])
        for (bucket, lost, _), answer in zip(fences, answers, strict=True):
            if not self._writer_log.accept(bucket, lost, answer):
                hold = False
                if self._answers.is_transient(answer):
                    continue
                if isinstance(answer, Refused):
                    for request in requests:
                        if request.bucket is bucket and request.write and not request.maybe_applied:
                            request.answer = error_for(self._servers.name, answer)
        return hold

    async def _is_laid_out(self, requests: Sequence[Request]) -> bool:
        """Restore the layout if a server lost all data. Returns whether the layout is certain.

        Somebody else may have made the store again meanwhile, in another layout. This store would
        then write where the others do not look, so its writes are refused.
        """
        if not self._writer_log.lost or not any(request.write for request in requests):
            return True
        (answer,) = await self._exchange([self._layout_call])
        if isinstance(answer, DeliveryStatus) or self._answers.is_transient(answer):
            return False
        self._writer_log.lost = isinstance(answer, Refused) or not self._layout.matches(answer)
        for request in requests if self._writer_log.lost else ():
            if request.write and not request.maybe_applied:
                request.answer = (
                    error_for(self._servers.name, answer)
                    if isinstance(answer, Refused)
                    else StoreUnavailable(
                        f"{self._servers.name}: the store was made again there, in another layout"
                    )
                )
        return True

    def _is_settled(self, request: Request) -> bool:
        """Whether a request has an answer; a lost write may have one in the writer log."""
        if request.maybe_applied:
            request.maybe_applied = False
            request.answer = self._writer_log.resolve(request)
        return request.answer is not OPEN

    async def _send(self, requests: Sequence[Request]) -> None:
        if self._patience.now() >= self._until:
            for request in requests:
                request.stale = False
            return  # the time is over: what is sent now would be lost
        calls = self._writer_log.calls(requests)
        for request in requests:
            request.maybe_applied = request.write
            request.fenced = request.more = request.stale = False
        answers = await self._exchange([call for call, _ in calls])
        for (call, group), answer in zip(calls, answers, strict=True):
            self._answers.note(call, group, answer)
        for request in requests:
            if (
                request.behind
                and not request.write
                and request.answer is not OPEN
                and request.is_early
            ):
                request.answer, request.stale = OPEN, True
        await self._replicate(requests)

    async def _replicate(self, requests: Sequence[Request]) -> None:
        """Wait until applied writes have reached replicas and files; the others become unknown.

        `WAIT` counts what its own connection wrote. So it follows the writes, some of which may
        have been sent twice, and counts only on the connection that carried the last of them. It is
        sent once for each connection: while a replica is away, each takes its whole time-out, one
        after another.
        """
        command = self._wait_command
        if command is None:
            return
        generation = self._servers.generation
        written: dict[int, tuple[Bucket, list[Request]]] = {}
        for request in requests:
            if request.write and is_status(request.answer, OK):
                _, group = written.setdefault(
                    generation(request.bucket.number), (request.bucket, [])
                )
                group.append(request)
        calls = [Call(bucket.number, command) for bucket, _ in written.values()]
        if not calls:
            return
        begun = self._patience.now()
        answers = await self._servers.exchange(calls, self._until + self._replication.timeout)
        self._patience.waited += self._patience.now() - begun
        for (before, (_, group)), answer in zip(written.items(), answers, strict=True):
            satisfied = self._replication.is_satisfied_by(answer)
            for request in group:
                if not satisfied or generation(request.bucket.number) != before:
                    request.answer = OutcomeUnknown(self._writer_log.operation_id(request))

    async def _exchange(self, calls: Sequence[Call]) -> list[Answer]:
        return await self._servers.exchange(calls, self._until)
