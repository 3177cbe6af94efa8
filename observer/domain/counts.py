"""Counters as the metric source read them at one instant. Cumulative; increments are the engine's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from observer.domain.ids import ServiceRef

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class RequestClass(IntEnum):
    """Column of ``CounterFrame.requests``."""

    OK = 0
    ERROR = 1
    EXCLUDED = 2


@dataclass(frozen=True, slots=True, eq=False)
class CounterFrame:
    """
    Cumulative counters of every pod at one instant, as the pod's own sidecar reported them.

    Attributes:
        at: the instant that was asked, Unix seconds; one for all queries of a tick.
        pods: ``(namespace, pod)`` of each row; unique, in any order that is stable while the set is the same.
        requests: shape (N, 3), cumulative requests by ``RequestClass``; NaN in a whole row = no such series.
        cuts: the latency cut points, milliseconds, ascending; the same for all pods.
        buckets: shape (N, len(cuts) + 1), cumulative requests at most as slow as each cut; the last column counts
            all (``+Inf``); NaN row = no latency series.
        scraped: shape (N,), time of the target's last scrape, Unix seconds; 0 = the target is down, NaN = no target.
        targets: shape (N,), number of scrape targets that carry the pod's name (2 while a target is being renamed).
        outward: shape (N,), rows that hold what the pod's proxy called instead of what it answered, as gateways count;
            empty when there is none. They say something of gateways only.
        marks: shape (N,), a number for the labels of the pod's targets, which changes when they do; 0 = no target,
            empty = the source cannot tell.
    """

    at: float
    pods: tuple[tuple[str, str], ...]
    requests: FloatArray
    cuts: tuple[float, ...]
    buckets: FloatArray
    scraped: FloatArray
    targets: IntArray
    outward: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    marks: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class CallerCounts:
    """
    Cumulative counts of one caller pod towards one service, as the caller's sidecar reported them.

    Attributes:
        ok, error, excluded: requests by class.
        unreached: the part of ``error`` that never reached a pod (flags UF, UH, UC, URX, UT; no response code).
        buckets: cumulative requests at most as slow as each cut of the frame, the last entry counts all; empty when
            no latency series was found.
    """

    ok: float
    error: float
    excluded: float
    unreached: float
    buckets: tuple[float, ...] = ()

    @property
    def calls(self) -> float:
        """All of them, whatever came of them."""
        return self.ok + self.error + self.excluded

    @property
    def lost(self) -> float:
        """Those that never got an answer: not reached, given up by the caller, or refused on the way."""
        return self.unreached + self.excluded


@dataclass(frozen=True, slots=True, eq=False)
class CallerFrame:
    """
    The callers' view of the watched services (suspected, drained, or with a silent sibling) at one instant.

    ``rows`` is keyed by ``(caller namespace, caller pod, service)``. A service that was watched and has no row had no
    caller with traffic. ``scraped`` is keyed by the caller pod as in ``CounterFrame``.
    """

    at: float
    watched: frozenset[ServiceRef]
    cuts: tuple[float, ...]
    rows: Mapping[tuple[str, str, ServiceRef], CallerCounts]


@dataclass(frozen=True, slots=True, eq=False)
class SeriesHistory:
    """
    One pod's counters by caller workload over the last minutes, asked again for suspects and their siblings.

    Attributes:
        pod: ``(namespace, pod)``.
        caller: the calling workload as ``namespace/workload``, for a gateway the called service as
            ``to namespace/service``, or ``unknown``.
        times: shape (T,), Unix seconds, ascending.
        requests: shape (T, 3), cumulative by ``RequestClass``; NaN where the series did not exist.
        bounds: upper bounds of every latency bucket the pod exports, milliseconds, ascending, without ``+Inf``.
        buckets: shape (T, len(bounds) + 1), cumulative requests at most as slow; the last column counts all. No columns
            when no latency series was found, NaN where a series did not exist.
        flags: the errors of ``requests`` by response flags as the mesh spells them (``-`` = an answer of the pod
            itself), shape (T,) each, cumulative.
    """

    pod: tuple[str, str]
    caller: str
    times: FloatArray
    requests: FloatArray
    bounds: tuple[float, ...] = ()
    buckets: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    flags: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceBaseline:
    """
    What was usual for a service before: from the history of the metric source, not from the hot path.

    Attributes:
        requests, errors: events in the look-back (at most one day), disturbed stretches included.
        q99_error_rate: 99th percentile of the error rate over the look-back's minutes, 0..1.
        peak_rate: the highest rate that one pod of the service served healthily, requests a second.
        since, until: the look-back, Unix seconds.
    """

    service: ServiceRef
    requests: float
    errors: float
    q99_error_rate: float
    peak_rate: float
    since: float
    until: float
