"""The last minutes again: each pod's counters by calling workload, response flags and latency."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from observer.domain.classify import request_class
from observer.domain.counts import BoolArray, FloatArray, IntArray, RequestClass, SeriesHistory
from observer.sources.prometheus.frames import class_labels, is_outward
from observer.sources.prometheus.parse import Track
from observer.sources.prometheus.profiles import MetricProfile
from observer.sources.prometheus.queries import UNKNOWN

NO_FLAGS = "-"


def grid(at: float, seconds: float, step: float) -> FloatArray:
    """Shape (T,): the instants of a range question that ends exactly at ``at``."""
    return at - step * np.arange(int(seconds // step), -1, -1, dtype=np.float64)


def series_history(
    tracks: Iterable[Track], times: FloatArray, pods: frozenset[tuple[str, str]], profile: MetricProfile
) -> tuple[SeriesHistory, ...]:
    """One history for each of ``pods`` and calling workload, sorted by both, on the grid ``times``."""
    by_caller: dict[tuple[tuple[str, str], str], _Sums] = {}
    for track in tracks:
        pod = tuple(track.metric.get(profile.label(role) or "", "") for role in ("namespace", "pod"))
        if pod not in pods:
            continue
        key = ((pod[0], pod[1]), _caller(track, profile))
        sums = by_caller.setdefault(key, _Sums(np.full((len(times), len(RequestClass)), np.nan)))
        rows, values = _placed(track, times)
        if le := track.metric.get(profile.label("le") or "", ""):
            if (bound := _bound(le, profile.unit)) is not None:
                _add(sums.buckets.setdefault(bound, np.full(len(times), np.nan)), rows, values)
            continue
        how = class_labels(track.metric, profile)
        kind = request_class(*how)
        _add(sums.requests[:, kind], rows, values)
        if kind is RequestClass.ERROR:
            _add(sums.flags.setdefault(how[1] or NO_FLAGS, np.full(len(times), np.nan)), rows, values)
    return tuple(
        sums.closed(pod, caller, times)
        for (pod, caller), sums in sorted(by_caller.items(), key=lambda item: item[0])
        if not np.isnan(sums.requests).all()
    )


@dataclass(slots=True)
class _Sums:
    """One pod and caller while it is added up; NaN = no series then."""

    requests: FloatArray
    buckets: dict[float, FloatArray] = field(default_factory=dict)
    flags: dict[str, FloatArray] = field(default_factory=dict)

    def closed(self, pod: tuple[str, str], caller: str, times: FloatArray) -> SeriesHistory:
        """A class or flag without a series has had no request while the pod had any series of this caller."""
        counted: BoolArray = np.any(~np.isnan(self.requests), axis=1)
        requests = np.where(counted[:, None] & np.isnan(self.requests), 0.0, self.requests)
        flags = {flag: np.where(counted & np.isnan(counts), 0.0, counts) for flag, counts in sorted(self.flags.items())}
        if math.inf not in self.buckets:
            return SeriesHistory(pod, caller, times, requests, flags=flags)
        bounds = sorted(self.buckets)
        table = np.stack([self.buckets[bound] for bound in bounds], axis=1)
        return SeriesHistory(pod, caller, times, requests, tuple(bounds[:-1]), table, flags)


def _caller(track: Track, profile: MetricProfile) -> str:
    """Who called; for a gateway, whose callers are outside, whom it called: one sick service convicts it as little."""
    outward = is_outward(track.metric, profile)
    roles = ("service_namespace", "service") if outward else ("source_namespace", "source_workload")
    namespace, name = (track.metric.get(profile.label(role) or "", "") for role in roles)
    if {namespace, name} & {"", UNKNOWN}:
        return UNKNOWN
    return f"to {namespace}/{name}" if outward else f"{namespace}/{name}"


def _bound(le: str, unit: float) -> float | None:
    """The bucket's bound in milliseconds; None for what is no number."""
    try:
        bound = float(le) / unit
    except ValueError:
        return None
    return None if math.isnan(bound) else float(f"{bound:.12g}")


def _placed(track: Track, times: FloatArray) -> tuple[IntArray, FloatArray]:
    """Places on the grid of a series' points, and their values; what no counter looks like is unknown."""
    step = times[1] - times[0] if len(times) > 1 else 1.0
    rows = np.rint((np.array([point.at for point in track.values]) - times[0]) / step).astype(np.int64)
    values = np.array([point.value for point in track.values], dtype=np.float64)
    inside = (rows >= 0) & (rows < len(times))
    values[(values < 0.0) | np.isinf(values)] = np.nan
    return rows[inside], values[inside]


def _add(column: FloatArray, rows: IntArray, values: FloatArray) -> None:
    column[rows] = np.where(np.isnan(column[rows]), 0.0, column[rows]) + values
