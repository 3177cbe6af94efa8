"""The last minutes again: each pod's counters by calling workload."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from observer.domain.classify import request_class
from observer.domain.counts import BoolArray, FloatArray, RequestClass, SeriesHistory
from observer.sources.prometheus.frames import class_labels
from observer.sources.prometheus.parse import Track
from observer.sources.prometheus.profiles import MetricProfile
from observer.sources.prometheus.queries import UNKNOWN


def grid(at: float, seconds: float, step: float) -> FloatArray:
    """Shape (T,): the instants of a range question that ends exactly at ``at``."""
    return at - step * np.arange(int(seconds // step), -1, -1, dtype=np.float64)


def series_history(
    tracks: Iterable[Track], times: FloatArray, pods: frozenset[tuple[str, str]], profile: MetricProfile
) -> tuple[SeriesHistory, ...]:
    """One history for each of ``pods`` and calling workload, sorted by both, on the grid ``times``."""
    sums: dict[tuple[tuple[str, str], str], FloatArray] = {}
    for track in tracks:
        pod = tuple(track.metric.get(profile.label(role) or "", "") for role in ("namespace", "pod"))
        if pod not in pods:
            continue
        key = ((pod[0], pod[1]), _caller(track, profile))
        if key not in sums:
            sums[key] = np.full((len(times), len(RequestClass)), np.nan)
        _add(sums[key], request_class(*class_labels(track.metric, profile)), track, times)
    return tuple(SeriesHistory(pod, caller, times, _closed(table)) for (pod, caller), table in sorted(sums.items()))


def _caller(track: Track, profile: MetricProfile) -> str:
    namespace = track.metric.get(profile.label("source_namespace") or "", "")
    workload = track.metric.get(profile.label("source_workload") or "", "")
    return UNKNOWN if {namespace, workload} & {"", UNKNOWN} else f"{namespace}/{workload}"


def _add(table: FloatArray, column: RequestClass, track: Track, times: FloatArray) -> None:
    step = times[1] - times[0] if len(times) > 1 else 1.0
    rows = np.rint((np.array([point.at for point in track.values]) - times[0]) / step).astype(np.int64)
    found = np.array([point.value for point in track.values])
    inside = (rows >= 0) & (rows < len(times))
    rows, found = rows[inside], found[inside]
    table[rows, column] = np.where(np.isnan(table[rows, column]), 0.0, table[rows, column]) + found


def _closed(table: FloatArray) -> FloatArray:
    """A class without a series has had no request at the instants when the pod had any series of this caller."""
    known: BoolArray = np.any(~np.isnan(table), axis=1)
    table[known[:, None] & np.isnan(table)] = 0.0
    return table
