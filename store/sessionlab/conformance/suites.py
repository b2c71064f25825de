"""The two classes that tests of a backend inherit from."""

from __future__ import annotations

from .appending import AppendingConformance
from .archiving import ArchivingConformance
from .batches import BatchesConformance
from .cancellation import AtomicCancellationConformance, CancellationConformance
from .changes import ChangesConformance
from .closing import ClosingConformance
from .concealment import ConcealmentConformance
from .concurrency import ConcurrencyConformance
from .counting import CountingConformance
from .durability import AtomicDurabilityConformance, DurabilityConformance
from .errors import AtomicErrorsConformance, ErrorsConformance
from .events import EventsConformance
from .expiry import ExpiryConformance
from .finding import FindingConformance
from .frames import FramesConformance
from .histories import AtomicHistoriesConformance, HistoriesConformance
from .immutability import AtomicImmutabilityConformance, ImmutabilityConformance
from .incarnations import IncarnationsConformance
from .limits import LimitsConformance
from .principals import PrincipalsConformance
from .putting import PuttingConformance
from .racing import RacingConformance
from .reading import ReadingConformance
from .refusals import RefusalsConformance
from .removed_frames import RemovedFramesConformance
from .removing import RemovingConformance, TrimmingConformance
from .replaced_logs import ReplacedLogsConformance
from .searching import SearchingConformance
from .sessions import SessionsConformance
from .streams import StreamsConformance
from .sweeping import SweepingConformance
from .waking import WakingConformance
from .watching import WatchingConformance

__all__ = ["AtomicSessionStoreConformance", "SessionStoreConformance"]


class SessionStoreConformance(
    SessionsConformance,
    FramesConformance,
    BatchesConformance,
    ErrorsConformance,
    ImmutabilityConformance,
    ConcurrencyConformance,
    HistoriesConformance,
    CancellationConformance,
    RemovingConformance,
    DurabilityConformance,
):
    """The contract of the ten methods; inherit from it and give it a store.

    A store without a `guarantees` attribute must keep what `SessionStore` says of its methods:
    each operation and each listing atomic, batches one by one.
    """


class AtomicSessionStoreConformance(
    SessionStoreConformance,
    AtomicErrorsConformance,
    AtomicImmutabilityConformance,
    ChangesConformance,
    ArchivingConformance,
    AppendingConformance,
    ReadingConformance,
    SearchingConformance,
    StreamsConformance,
    RacingConformance,
    IncarnationsConformance,
    PuttingConformance,
    AtomicHistoriesConformance,
    AtomicCancellationConformance,
    LimitsConformance,
    ExpiryConformance,
    FindingConformance,
    TrimmingConformance,
    RemovedFramesConformance,
    SweepingConformance,
    WatchingConformance,
    WakingConformance,
    ReplacedLogsConformance,
    PrincipalsConformance,
    ConcealmentConformance,
    EventsConformance,
    CountingConformance,
    ClosingConformance,
    AtomicDurabilityConformance,
    RefusalsConformance,
):
    """The whole contract of an `AtomicSessionStore`, at the level its `guarantees` declare.

    `refuses` names what the store refuses. It must keep everything else.
    """
