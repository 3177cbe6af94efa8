"""What the engine remembers from tick to tick. Frozen: every decision returns the next memory beside its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from observer import actions
from observer.domain.alert import PendingAlert
from observer.domain.decision import LedgerEntry
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.incident import Incident, Phase
from observer.domain.suspect import Culprit
from observer.engine.detect.state import DetectorState

LEDGER_SECONDS = 86_400.0
"""How long an act stays in the budget ledger, and a closed incident in memory."""

LABEL_LAG = 120.0
"""Seconds until a label that was written shows in the series, at most: two slow scrapes."""

IN_PROGRESS = frozenset(
    {Phase.DRAINING, Phase.EXPERIMENT, Phase.DRAINED, Phase.READMITTED, Phase.EVICTING, Phase.VERIFYING}
)
"""Phases in which something was done to the workload and is not finished."""

DRAIN_PHASES = frozenset({Phase.DRAINING, Phase.EXPERIMENT, Phase.DRAINED})
"""Phases in which the pod carries our label."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    What an incident is measured against, kept beside it and lost with the process (then the incident's own figures do).

    Attributes:
        requests, bad: the callers' counts towards the service while it was only suspected; unreached: those of the
            errors that reached nobody.
        peer_requests, peer_errors, peer_slow: the peers' own counts in that time; ``peer_slow`` by cut.
        serving: other replicas that served when the pod was drained; desired: replicas asked for then; -1 = not known.
        peak: the highest healthy rate of one peer known then, requests a second; 0 = not known.
        seen: instant of the newest callers' counts of the experiment, Unix seconds.
        labelled: the drain label was seen on the pod after we wrote it.
        scrapes: the pod's two newest scrape instants, older first.
        own_requests, own_expected: the drained pod's requests against its usual share, since the last tick in which
            it still had traffic.
        lately, lately_bad: the culprit's own counts since it was suspected: its rate now, while the evidence's
            figures reach back to an onset that is only estimated.
        dispersion: overdispersion of the evidence, at least 1.
        peers_since: the peers' requests, errors and bad ones (as the incident counts) since the eviction.
        callers_since: the callers' requests and bad ones since then.
        base, low: evidence score when the pod was readmitted, and the lowest the detector said since (-1 = nothing
            yet): what it gains over ``low`` is new and comes on top of ``base``, also when the detector began anew.
    """

    requests: float = 0.0
    bad: float = 0.0
    unreached: float = 0.0
    peer_requests: float = 0.0
    peer_errors: float = 0.0
    peer_slow: tuple[float, ...] = ()
    serving: int = -1
    desired: int = -1
    peak: float = 0.0
    seen: float = 0.0
    labelled: bool = False
    scrapes: tuple[float, float] = (0.0, 0.0)
    own_requests: float = 0.0
    own_expected: float = 0.0
    lately: float = 0.0
    lately_bad: float = 0.0
    dispersion: float = 1.0
    base: float = 0.0
    low: float = -1.0
    peers_since: tuple[float, float, float] = (0.0, 0.0, 0.0)
    callers_since: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """
    Attributes:
        detector: the detectors' own state, opaque here.
        incidents: by id, open ones and those closed in the last day.
        baselines: by incident id, for open incidents.
        ledger: acts of the last day, oldest first.
        cleared: pods that a drain experiment cleared, with the instant until which they stay cleared.
        not_before: incident id to the instant before which nothing is tried again (the API server said "later").
        told: ``(subject, kind)`` to verdict and reasons as last recorded: only a change is recorded.
        peaks: per service, the highest healthy rate of one pod by hour: ``((hour, requests a second), ...)``.
        resting: culprits whose incident was closed while they were still suspected, with the lowest evidence seen
            since: only new evidence opens another incident.
        label_writes: pods whose labels we changed, and when; their series may change names for two scrapes.
        looking: alerts that are being looked into, by id.
        watch, recheck: services to ask the metric source more about in the next tick.
        complete: the last tick saw enough to act on. last_complete: its instant. completed: how many there were.
        at: instant of the last tick. term: fencing number then.
        blind: why the last tick could not see, empty when it could.
    """

    detector: DetectorState = field(default_factory=DetectorState.empty)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    ledger: tuple[LedgerEntry, ...] = ()
    cleared: Mapping[PodRef, float] = field(default_factory=dict)
    not_before: Mapping[str, float] = field(default_factory=dict)
    published: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    peaks: Mapping[ServiceRef, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    resting: Mapping[Culprit, float] = field(default_factory=dict)
    label_writes: Mapping[PodRef, float] = field(default_factory=dict)
    looking: Mapping[str, PendingAlert] = field(default_factory=dict)
    watch: frozenset[ServiceRef] = frozenset()
    recheck: frozenset[ServiceRef] = frozenset()
    complete: bool = False
    last_complete: float = 0.0
    completed: int = 0
    ticks: int = 0
    at: float = 0.0
    term: int = 0
    blind: str = ""

    @classmethod
    def restore(
        cls, incidents: Iterable[Incident], ledger: Iterable[LedgerEntry], detector: DetectorState | None = None
    ) -> Memory:
        """
        Memory after a restart or a change of leader: what the journal kept.

        Detectors begin anew with a baseline, unless ``detector`` holds those of one who watched all the time.
        """
        return cls(
            detector=detector or DetectorState.empty(),
            incidents={incident.id: incident for incident in incidents},
            ledger=tuple(sorted(ledger, key=lambda entry: (entry.at, entry.action_id))),
        )

    def open_incidents(self) -> tuple[Incident, ...]:
        """Open incidents, oldest first."""
        return tuple(
            sorted((i for i in self.incidents.values() if i.phase is not Phase.CLOSED), key=lambda i: (i.opened, i.id))
        )

    def peak(self, service: ServiceRef) -> float:
        """Highest healthy rate of one pod of the service that we saw in the last day; 0 = none."""
        return max((rate for _, rate in self.peaks.get(service, ())), default=0.0)

    def with_peak(self, service: ServiceRef, hour: int, rate: float) -> tuple[tuple[int, float], ...]:
        """The service's hourly peaks after one more observation; hours older than a day are dropped."""
        hourly = {at: peak for at, peak in self.peaks.get(service, ()) if at > hour - 24}
        hourly[hour] = max(hourly.get(hour, 0.0), rate)
        return tuple(sorted(hourly.items()))

    def pruned(self, at: float) -> Memory:
        """Without what is older than its use."""
        old = at - LEDGER_SECONDS
        incidents = {k: i for k, i in self.incidents.items() if i.phase is not Phase.CLOSED or i.closed >= old}
        return replace(
            self,
            incidents=incidents,
            baselines={k: b for k, b in self.baselines.items() if k in incidents and not incidents[k].closed},
            ledger=tuple(entry for entry in self.ledger if entry.at >= old),
            cleared={pod: until for pod, until in self.cleared.items() if until > at},
            not_before={k: until for k, until in self.not_before.items() if until > at},
            label_writes={pod: when for pod, when in self.label_writes.items() if when >= at - 3600.0},
        )


def undisturbed(ledger: Iterable[LedgerEntry], since: float) -> bool:
    """
    Nobody drained or restored since then (Unix seconds), so that whoever only watched has seen what was there.

    A label that another wrote may have renamed series and silenced a pod without the watcher knowing why; it shows up
    to two scrapes later.
    """
    return not any(entry.at >= since - LABEL_LAG and actions.labels(entry.action_kind) for entry in ledger)
