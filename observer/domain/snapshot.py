"""Everything one tick may look at, with what could not be seen named as gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.domain.alert import Alert
from observer.domain.cluster import ClusterView
from observer.domain.counts import CallerFrame, CounterFrame, SeriesHistory, ServiceBaseline
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.slo import ObjectiveStatus
from observer.domain.traces import TraceSet


@dataclass(frozen=True, slots=True)
class Gap:
    """
    A source that did not answer fully. Unknown never acts and never counts as a pass.

    ``source`` is ``prometheus``, ``recheck`` (the second question to it, without which nothing is confirmed),
    ``kubernetes``, ``history``, ``control``, ``edges``, ``jaeger`` or ``kiali``; ``reason`` a fixed snake_case word
    (``unreachable``, ``timeout``, ``busy``, ``partial``, ``protocol``, ``denied``, ``redirected``, ``not_synced``,
    ``stale``, ``too_large``, ``replicas_disagree``); ``detail`` is for people.
    """

    source: str
    reason: str
    detail: str = ""


UNREADABLE: Final = "cannot be read"
"""How ``Control.reason`` begins when the kill switch did not answer; a person's begins with who paused."""


@dataclass(frozen=True, slots=True)
class Control:
    """
    May we write at all?

    Attributes:
        paused: the kill switch says so, or could not be read.
        reason: who paused and why, or how reading failed.
        leader: we hold the Lease; ``term`` is its fencing number (0 without one).
    """

    paused: bool
    reason: str
    leader: bool
    term: int

    @property
    def readable(self) -> bool:
        """The kill switch said what it stands at."""
        return not (self.paused and self.reason.startswith(UNREADABLE))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """
    The dated picture that ``engine.decide`` judges.

    Attributes:
        at: the instant of this tick, Unix seconds.
        counters: the pods' own view; None when the metric source failed (then ``gaps`` says why).
        callers: the callers' view of the watched services; None when none is watched or the question failed.
        rechecks: the last minutes again, by caller, for suspects and their siblings; keyed by service.
        baselines: what was usual; absent services have no known history.
        objectives: how each service's objectives stood at their last look; services without one are absent.
        approvals: a person's word for single acts: the plan's hash to the instant until which it counts.
        alerts: that wait for an answer, oldest first.
        traces: of those that are suspected; None when nobody is, no source is configured, or it failed.
        graph: who calls whom, at most a few minutes old; None when no source is configured or it failed.
        edges: the same as the callers' own sidecars counted it in the last minute, while somebody is suspected;
            usual_edges: in the minutes before anybody was; earlier_edges: in a minute that ended some two minutes ago,
            however long somebody is suspected already. None while nobody is, or when the question failed.
    """

    at: float
    counters: CounterFrame | None
    callers: CallerFrame | None
    cluster: ClusterView | None
    control: Control
    gaps: tuple[Gap, ...] = ()
    rechecks: Mapping[ServiceRef, tuple[SeriesHistory, ...]] = field(default_factory=dict)
    baselines: Mapping[ServiceRef, ServiceBaseline] = field(default_factory=dict)
    objectives: Mapping[ServiceRef, tuple[ObjectiveStatus, ...]] = field(default_factory=dict)
    approvals: Mapping[str, float] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    traces: TraceSet | None = None
    graph: CallGraph | None = None
    edges: CallGraph | None = None
    usual_edges: CallGraph | None = None
    earlier_edges: CallGraph | None = None
