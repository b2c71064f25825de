"""The services of a manager beside its store: requests, rates, hooks, the sweeper."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import Context

from ..interface.atomic_store import AtomicSessionStore
from ..values.clock import Clock
from ..values.errors import LimitExceeded
from ..values.message_context import MessageContext
from .config import ManagerConfig
from .dispatcher import HookDispatcher
from .event_subscriber import EventSubscriber
from .exchanges import Exchange, RecordOutcome, begin_all
from .handshakes import Handshakes
from .hooks import SessionHooks
from .meaning import Part
from .owners import Owners
from .pending import TrackedRequest
from .rate_limiter import RateLimiter, RateToken
from .requests import RequestTracker
from .shutdown import ShutdownReport, shut_down
from .statistics import ManagerStatistics
from .sweeper import Sleep, Sweeper, SweepStep

__all__ = ["Services"]

logger = logging.getLogger("sessionkeeper")

_EVERYTHING = 1_000_000


class Services:
    """Made with its manager, begun when that is open, ended when it closes."""

    def __init__(
        self, config: ManagerConfig, hooks: SessionHooks, clock: Clock, sleep: Sleep
    ) -> None:
        self._config = config
        self.tracks = config.track_requests
        self._hooks = hooks
        self._clock = clock
        self._sleep = sleep
        self.dispatcher = HookDispatcher(
            hooks, timeout=config.hook_timeout, maximum=config.max_events
        )
        self.requests = RequestTracker(
            clock.steady,
            timeout=config.request_timeout,
            max_per_session=config.max_pending_per_session,
            max_pending=config.max_pending,
            timed_out=self._tell_timed_out,
        )
        self.rates: RateLimiter | None = None
        if config.rate_limit is not None:
            self.rates = RateLimiter(clock.steady, rate=config.rate_limit, burst=config.rate_burst)
        self.owners = Owners()
        self.handshakes = Handshakes()
        self._follower = EventSubscriber(
            self.requests,
            self.rates,
            self.owners,
            self.handshakes,
            hooks=hooks,
            dispatcher=self.dispatcher,
        )
        self._sweeper: Sweeper = self._make_sweeper(None)
        self._unsubscribe: Callable[[], None] = _do_nothing

    def begin(self, store: AtomicSessionStore) -> None:
        """Follow a store and start working.

        Raises `NotImplementedError` when there are hooks and the store cannot tell of its events.
        """
        try:
            self._unsubscribe = store.subscribe(self._follower)
        except NotImplementedError:
            if self._hooks:
                raise
            logger.warning("the store tells of no events: its sessions' ends are not followed")
        self._sweeper = self._make_sweeper(store)
        self._sweeper.start()
        self.dispatcher.start()

    def exchange(
        self, context: MessageContext, parts: Sequence[Part]
    ) -> tuple[Exchange | None, RateToken | None]:
        """Begin the exchanges of a frame, or refuse it, before it is sent; a batch takes one token.

        Raises `RateLimited`, `LimitExceeded`; then nothing is taken.
        """
        token = None if self.rates is None else self.rates.take(context.session_id)
        if not self.tracks:
            return None, token
        keep = self._hooks.request_timed_out is not None
        try:
            return begin_all(self.requests, context, [part[0] for part in parts], keep=keep), token
        except BaseException:
            if token is not None:
                token.settle(kept=False)
            raise

    def exchange_late(self, context: MessageContext, parts: Sequence[Part]) -> None:
        """Begin the exchanges of a frame that is in its log already; at a limit, it has none."""
        try:
            exchange, token = self.exchange(context, parts)
        except LimitExceeded:
            return
        if token is not None:
            token.settle(kept=True)
        if exchange is not None:
            exchange.settle(RecordOutcome.RECORDED)

    async def end(
        self, store: AtomicSessionStore, *, closes_store: bool, timeout: float | None
    ) -> ShutdownReport:
        """Stop everything, and return what was left."""
        return await shut_down(
            store,
            self.requests,
            self._sweeper,
            self.dispatcher,
            unsubscribe=self._unsubscribe,
            closes_store=closes_store,
            timeout=timeout,
        )

    async def statistics(self, store: AtomicSessionStore) -> ManagerStatistics:
        """Collect the statistics of all services."""
        return ManagerStatistics(
            store=await store.statistics(),
            requests=self.requests.statistics(),
            hooks=self.dispatcher.statistics(),
            sweeper=self._sweeper.statistics(),
            rate_limited=0 if self.rates is None else self.rates.refused,
            log_failures=self._follower.log_failures,
        )

    def _make_sweeper(self, store: AtomicSessionStore | None) -> Sweeper:
        steps: list[SweepStep] = [] if store is None else self._steps(store)
        return Sweeper(
            steps,
            interval=self._config.sweep_interval,
            clock=self._clock.steady,
            sleep=self._sleep,
        )

    def _steps(self, store: AtomicSessionStore) -> list[SweepStep]:
        config, rates = self._config, self.rates
        steps: list[SweepStep] = []

        async def expire() -> int:
            limit = config.sweep_batch
            return len(await store.expire_sessions(idle=config.idle, age=config.age, limit=limit))

        async def purge() -> int:
            return await store.purge_sessions(ended_for=config.retention, limit=config.sweep_batch)

        async def time_out() -> int:
            return self.requests.expire()

        async def forget_rates() -> int:
            return 0 if rates is None else rates.forget_full(config.sweep_batch)

        # Without idle and age, too: a session may have an `expires_at` of its own.
        steps.append(SweepStep("expire", expire, batch=config.sweep_batch))
        if config.retention is not None:
            steps.append(SweepStep("purge", purge, batch=config.sweep_batch))
        if self.tracks and config.request_timeout is not None:
            steps.append(SweepStep("time-out", time_out, batch=_EVERYTHING))
        if rates is not None:
            steps.append(SweepStep("forget-rates", forget_rates, batch=config.sweep_batch))
        return steps

    def _tell_timed_out(self, waiting: TrackedRequest) -> None:
        if self._hooks.request_timed_out is not None:
            context = Context() if waiting.context is None else waiting.context
            self.dispatcher.offer(("request_timed_out",), waiting.request, context)


def _do_nothing() -> None:
    pass
