"""Samples -> frames. What a series means (pod, class, cut) is found out once and remembered by its label text."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from observer.domain.classify import request_class
from observer.domain.counts import BoolArray, CounterFrame, FloatArray, IntArray, RequestClass
from observer.sources.prometheus.parse import Sample, labels, values
from observer.sources.prometheus.profiles import MetricProfile
from observer.sources.prometheus.queries import CLASS_ROLES

_CLASSES: Final = len(RequestClass)
_IGNORED: Final = -1
_SPARE: Final = 1000
"""So many names and series that are gone are remembered before the memory is tidied."""


def class_labels(series: Mapping[str, str], profile: MetricProfile) -> tuple[str, str, str]:
    """Response code, response flags and gRPC status of a series; an absent label is an empty one."""
    code, flags, grpc = (series.get(profile.label(role) or "", "") for role in CLASS_ROLES)
    return code, flags, grpc


def is_outward(series: Mapping[str, str], profile: MetricProfile) -> bool:
    """The series is a gateway's own: only there the question keeps who reports."""
    return (profile.label("reporter") or "") in series


def column_of(le: str, cuts_ms: tuple[float, ...], unit: float) -> int | None:
    """Which column a bucket's bound belongs to (the last is ``+Inf``); None for a bound nobody asked for."""
    try:
        bound = float(le) / unit
    except ValueError:
        return None
    if math.isinf(bound):
        return len(cuts_ms)
    return next((i for i, cut in enumerate(cuts_ms) if math.isclose(bound, cut, rel_tol=1e-9)), None)


class FrameBuilder:
    """
    Builds the frame of each tick. Rows keep their order while the set of pods is the same.

    Not safe for two frames at once.
    """

    def __init__(self, profile: MetricProfile, cuts_ms: tuple[float, ...]) -> None:
        self._profile, self._cuts = profile, cuts_ms
        self._last: tuple[IntArray, tuple[tuple[str, str], ...]] = (np.empty(0, np.int64), ())
        self._forget()

    def frame(self, at: float, requests: list[Sample], buckets: list[Sample], scrapes: list[Sample]) -> CounterFrame:
        """The counters as of ``at``; every pod that any of the three answers names has a row."""
        width = len(self._cuts) + 1
        request_at = self._indices(requests, self._request_cells, self._request_cell)
        bucket_at = self._indices(buckets, self._bucket_cells, self._bucket_cell)
        scrape_at = self._indices(scrapes, self._scrape_cells, self._scrape_cell)
        size = len(self._names)
        counts, present, outward = _sided(request_at, values(requests), size, _CLASSES)
        shares, slow_present, _ = _sided(bucket_at, values(buckets), size, width, outward)
        scraped, targets, marks = _scrapes(scrape_at, scrapes, size)
        # A class without a series has had no request, as long as the pod has any series.
        counted: BoolArray = np.any(present, axis=1)
        counts[counted[:, None] & ~present] = 0.0
        chosen = np.flatnonzero(counted | np.any(slow_present, axis=1) | (targets > 0))
        pods = self._pods(chosen)
        caches = (self._request_cells, requests), (self._bucket_cells, buckets), (self._scrape_cells, scrapes)
        if any(len(cache) > 2 * len(samples) + _SPARE for cache, samples in caches) or size > 2 * len(pods) + _SPARE:
            self._forget(pods)
        return CounterFrame(
            at, pods, counts[chosen], self._cuts, shares[chosen], scraped[chosen], targets[chosen],
            outward=outward[chosen], marks=marks[chosen],
        )  # fmt: skip

    def _pods(self, chosen: IntArray) -> tuple[tuple[str, str], ...]:
        if not np.array_equal(chosen, self._last[0]):
            self._last = (chosen, tuple(self._names[i] for i in chosen.tolist()))
        return self._last[1]

    def _forget(self, keep: tuple[tuple[str, str], ...] = ()) -> None:
        self._ids = {name: i for i, name in enumerate(keep)}
        self._names = list(keep)
        self._last = (np.arange(len(keep)), keep)
        self._request_cells: dict[bytes, int] = {}
        self._bucket_cells: dict[bytes, int] = {}
        self._scrape_cells: dict[bytes, int] = {}

    @staticmethod
    def _indices(
        samples: list[Sample], cache: dict[bytes, int], meaning: Callable[[Mapping[str, str]], int]
    ) -> IntArray:
        try:
            cells = [cache[bytes(sample.metric)] for sample in samples]
        except KeyError:
            for sample in samples:
                key = bytes(sample.metric)
                if key not in cache:
                    cache[key] = meaning(labels(key))
            cells = [cache[bytes(sample.metric)] for sample in samples]
        return np.fromiter(cells, np.int64, len(cells))

    def _request_cell(self, series: Mapping[str, str]) -> int:
        pod = self._pod(series, "namespace", "pod")
        if pod < 0:
            return pod
        side = 2 * pod + is_outward(series, self._profile)
        return side * _CLASSES + request_class(*class_labels(series, self._profile))

    def _bucket_cell(self, series: Mapping[str, str]) -> int:
        column = column_of(series.get(self._profile.label("le") or "", ""), self._cuts, self._profile.unit)
        pod = _IGNORED if column is None else self._pod(series, "namespace", "pod")
        if pod < 0 or column is None:
            return pod
        return (2 * pod + is_outward(series, self._profile)) * (len(self._cuts) + 1) + column

    def _scrape_cell(self, series: Mapping[str, str]) -> int:
        return self._pod(series, "target_namespace", "target_pod")

    def _pod(self, series: Mapping[str, str], namespace_role: str, pod_role: str) -> int:
        namespace = series.get(self._profile.label(namespace_role) or "", "")
        pod = series.get(self._profile.label(pod_role) or "", "")
        if not pod or not namespace:
            return _IGNORED
        name = (namespace, pod)
        if name not in self._ids:
            self._ids[name] = len(self._names)
            self._names.append(name)
        return self._ids[name]


def _table(cells: IntArray, sums: FloatArray, rows: int, columns: int) -> tuple[FloatArray, BoolArray]:
    """Shapes (rows, columns): the sums per cell (NaN = no series or no number), and which cells have a series."""
    used = cells != _IGNORED
    cells, sums = cells[used], sums[used]
    sums[(sums < 0) | np.isinf(sums)] = np.nan  # no counter looks like this: unknown
    table = np.bincount(cells, weights=sums, minlength=rows * columns).astype(np.float64).reshape(rows, columns)
    present = np.bincount(cells, minlength=rows * columns).reshape(rows, columns) > 0
    table[~present] = np.nan
    return table, present


def _sided(
    cells: IntArray, sums: FloatArray, rows: int, columns: int, outward: BoolArray | None = None
) -> tuple[FloatArray, BoolArray, BoolArray]:
    """
    As ``_table``, from cells of two sides for each row, and which rows show the outward side: those without any
    series of the inward one, unless ``outward`` says which.
    """
    counts, counted = _table(cells, sums, 2 * rows, columns)
    table, present = counts.reshape(rows, 2, columns), counted.reshape(rows, 2, columns)
    if outward is None:
        outward = np.any(present[:, 1], axis=1) & ~np.any(present[:, 0], axis=1)
    shown: BoolArray = outward
    side = shown.astype(np.int64)
    everyone = np.arange(rows)
    return table[everyone, side], present[everyone, side], shown


def _scrapes(cells: IntArray, samples: list[Sample], rows: int) -> tuple[FloatArray, IntArray, IntArray]:
    """
    Shapes (rows,): the newest scrape (0 = every target is down, NaN = no target), the number of targets, and the sum
    of their labels' checksums.
    """
    used = cells != _IGNORED
    cells, times = cells[used], values(samples)[used]
    scraped = np.full(rows, np.nan)
    np.fmax.at(scraped, cells, times)
    marks = np.zeros(rows, np.int64)
    np.add.at(
        marks, cells, np.fromiter((zlib.crc32(sample.metric) for sample in samples), np.int64, len(samples))[used]
    )
    return scraped, np.bincount(cells, minlength=rows).astype(np.int64), marks
