"""What the detectors remember from tick to tick, and what they must know of acts that are in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from observer.domain.counts import BoolArray, CounterFrame, FloatArray, IntArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.engine.detect.bins import BinState
from observer.engine.detect.callers import CallerState
from observer.engine.detect.comparison_groups import ComparisonGroups, carried, explained
from observer.engine.detect.counters import CounterState, taken
from observer.engine.detect.last_minute import Minute
from observer.engine.detect.overdispersion import Dispersion
from observer.engine.detect.peer_test import Evidence
from observer.engine.detect.unreached import Losses


@dataclass(frozen=True, slots=True, eq=False)
class OpenActions:
    """
    Attributes:
        drained: pods that are out of their callers' balancing now. Their evidence is frozen and kept while they have
            no traffic: silence is not health.
        label_writes: pods whose labels we changed, and when (Unix seconds). A scrape configuration that maps pod
            labels makes new series of it: where the source cannot tell, two scrapes after a write are a baseline.
        cleared: pods that an experiment cleared, and until when.
        services: services with an open incident: always watched.
    """

    drained: frozenset[PodRef] = frozenset()
    label_writes: Mapping[PodRef, float] = field(default_factory=dict)
    cleared: Mapping[PodRef, float] = field(default_factory=dict)
    services: frozenset[ServiceRef] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One symptom's bins, evidence and overdispersion; errors have one stream, latency one a cut point."""

    bins: BinState
    evidence: Evidence
    dispersion: Dispersion

    @classmethod
    def empty(cls, columns: int, streams: int, effect_sizes: int) -> Track:
        return cls(BinState.empty(columns), Evidence.empty(0, streams, effect_sizes), Dispersion.empty(0, streams))

    def carried(self, take: IntArray, services: IntArray, new: ComparisonGroups, old: ComparisonGroups) -> Track:
        """In a new order of pods."""
        pods, groups, _ = new.size
        judged = take[: pods + groups]
        judged = np.where(judged < len(old.refs) + len(old.groups), judged, -1)
        return Track(
            self.bins.carried(take[:pods], services), self.evidence.carried(take), self.dispersion.carried(judged, pods)
        )

    def overdispersion(self, comparison: ComparisonGroups, cap: float) -> FloatArray:
        """The overdispersion by pod and group row as it stands, shape (rows, X)."""
        return self.dispersion.factor(comparison, self.evidence.recent[: len(self.dispersion.excess)], cap)

    def bereft(self, comparison: ComparisonGroups, gone: BoolArray) -> Track:
        """Without what was gathered against groups for the sake of pods that are gone, shape (N, 1)."""
        return replace(self, evidence=self.evidence.cleared(explained(comparison, self.evidence.own_bad, gone)))

    def blinded(self) -> Track:
        return replace(self, bins=self.bins.forgotten())


@dataclass(frozen=True, slots=True, eq=False)
class DetectorState:
    """
    Frozen; every tick makes the next one. Arrays are in the order of ``comparison``.

    Attributes:
        cuts: latency cut points of the frames, milliseconds; tested: which of them the latency test looks at.
        at, last_at: instants of the last tick with counters and of the one before.
        last_complete: instant of the last tick that was complete.
        shares: shape (N, cuts + 1), recent requests by latency, fading from bin to bin.
        past: shape (N, T), the history test of pairs.
        usual: shape (S, 2), requests and errors of quiet times, fading over ten minutes.
        left: shape (S, 2), what left the last minute in this tick.
        null: shape (S,), highest error rate in each service's history, NaN = unknown.
        since: when each suppression began, by service and reason.
        silent: since when a pod's sidecar has been silent. losses: calls that got lost before and since.
        watched: services under watch, with the instant until which.
        disagreed: when servers behind one address last contradicted each other, and how.
    """

    comparison: ComparisonGroups = field(default_factory=ComparisonGroups)
    cuts: tuple[float, ...] = ()
    tested: tuple[int, ...] = ()
    effect_sizes: tuple[float, ...] = ()
    at: float = 0.0
    last_at: float = 0.0
    last_complete: float = 0.0
    counters: CounterState = field(default_factory=lambda: CounterState.empty(0))
    errors: Track = field(default_factory=lambda: Track.empty(2, 1, 1))
    latency: Track = field(default_factory=lambda: Track.empty(1, 0, 1))
    shares: FloatArray = field(default_factory=lambda: np.zeros((0, 1)))
    past: FloatArray = field(default_factory=lambda: np.zeros((0, 1)))
    usual: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    left: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    null: FloatArray = field(default_factory=lambda: np.zeros(0))
    minute: Minute = field(default_factory=Minute.empty)
    callers: CallerState = field(default_factory=CallerState)
    since: Mapping[tuple[ServiceRef, Reason], float] = field(default_factory=dict)
    silent: Mapping[PodRef, float] = field(default_factory=dict)
    losses: Mapping[PodRef, Losses] = field(default_factory=dict)
    watched: Mapping[ServiceRef, float] = field(default_factory=dict)
    disagreed: tuple[float, str] = (0.0, "")

    @classmethod
    def empty(cls) -> DetectorState:
        """Before the first tick."""
        return cls()

    def shaped(self, frame: CounterFrame, settings: EngineSettings) -> DetectorState:
        """Itself, or a new beginning when cut points or effect sizes are others than before."""
        effect_sizes = settings.detection.effect_sizes
        tested = judged_cuts(frame.cuts, settings.impact.latency_excess_ms)
        if self.at and (self.cuts, self.tested, self.effect_sizes) == (frame.cuts, tested, effect_sizes):
            return self
        columns = frame.requests.shape[1] + frame.buckets.shape[1]
        return DetectorState(
            cuts=frame.cuts,
            tested=tested,
            effect_sizes=effect_sizes,
            counters=CounterState.empty(columns),
            errors=Track.empty(2, 1, len(effect_sizes)),
            latency=Track.empty(len(frame.cuts) + 1, len(tested), len(effect_sizes)),
            shares=np.zeros((0, len(frame.cuts) + 1)),
            past=np.zeros((0, len(effect_sizes))),
            last_complete=self.last_complete,
        )

    def seated(self, comparison: ComparisonGroups, at: float) -> DetectorState:
        """In a new order of pods."""
        old = self.comparison
        if comparison is old:
            return self
        if comparison.position is old.position:
            return replace(self, comparison=comparison)
        take = carried(comparison, old)
        pods = len(comparison.refs)
        services = _services(comparison, old)
        gone = ~np.isin(np.arange(len(old.refs)), take[:pods])[:, None]
        return replace(
            self,
            comparison=comparison,
            counters=self.counters.carried(take[:pods], comparison, old, at, self.last_complete),
            errors=self.errors.bereft(old, gone).carried(take, services, comparison, old),
            latency=self.latency.bereft(old, gone).carried(take, services, comparison, old),
            shares=taken(self.shares, take[:pods], 0.0),
            past=taken(self.past, take[:pods], 0.0),
            usual=taken(self.usual, services, 0.0),
            minute=self.minute.carried(take[:pods]),
        )

    def blinded(self) -> DetectorState:
        """After a stretch without sight: what was gathered stays, the next scrape of every pod is a baseline."""
        return replace(
            self, counters=self.counters.forgotten(), errors=self.errors.blinded(), latency=self.latency.blinded()
        )


def _services(new: ComparisonGroups, old: ComparisonGroups) -> IntArray:
    old_rows = {service: i for i, service in enumerate(old.services)}
    return np.array([old_rows.get(service, -1) for service in new.services], dtype=np.int64)


def judged_cuts(cuts: tuple[float, ...], hurts: float) -> tuple[int, ...]:
    """
    Which cuts the latency test looks at: those of at least half the delay that ``hurts`` (milliseconds), else the last
    one. Far below it peers differ for good and harmless reasons.
    """
    return tuple(i for i, cut in enumerate(cuts) if cut >= 0.5 * hurts) or tuple(range(len(cuts)))[-1:]
