"""What was usual: baselines of services from the metric server's history, asked seldom and outside the tick."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.config.settings.sources import PrometheusSettings
from observer.domain.classify import request_class
from observer.domain.counts import FloatArray, RequestClass, ServiceBaseline
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.frames import class_labels
from observer.sources.prometheus.history_client import HistoryClient, Series
from observer.sources.prometheus.profiles import MetricProfile, profile_for
from observer.sources.prometheus.queries import Queries

_THREADS: Final = 2
"""One works; the other is for the next refresh while a timed-out one runs to its own deadline."""
_DEADLINE: Final = 25.0
"""Seconds for all questions of one refresh; below the caller's patience, so that threads never pile up."""
_WINDOWS: Final = (15, 30, 60, 120, 300, 600)
"""Seconds. The shortest that surely holds four scrapes is the resolution: fewer would make noise a peak."""
_DEPTHS: Final = (600, 3600, 6 * 3600, 86_400)
"""Seconds. Look-backs that are tried for where the data begins."""
_POINTS: Final = 1440
_FEWEST_POINTS: Final = 60
_SAMPLES: Final = 150_000
"""Points of one answer: reading JSON stops the whole process meanwhile."""
_ALL_SAMPLES: Final = 1_000_000
"""Points of all answers of one refresh."""
_PODS_PER_SERVICE: Final = 50
"""So many pods cost the server as much as one service costs us: it reads every pod's series to answer."""
_HEALTHY: Final = 0.01
_CLASSES: Final = 3

KeyToService = Callable[[Mapping[str, str]], ServiceRef | None]


@dataclass(frozen=True, slots=True)
class Span:
    """A range question's grid: ``window`` is both step and width of each increment, whole seconds."""

    start: int
    end: int
    window: int

    @property
    def size(self) -> int:
        """Number of points."""
        return (self.end - self.start) // self.window + 1

    def rows(self, points: Iterable[tuple[float, float]]) -> FloatArray:
        """Shape (size,): the points on the grid, 0 where there is none."""
        values = np.zeros(self.size)
        for at, value in points:
            row = round((at - self.start) / self.window)
            if 0 <= row < self.size and math.isfinite(value) and value > 0:
                values[row] += value
        return values


class PrometheusHistory:
    """
    Implements ``ports.sources.HistorySource`` over the blocking prometheus-api-client in two threads.

    A service that the history does not know has no baseline, and no history at all is an empty answer.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._client = HistoryClient(settings)
        self._profile = profile_for(settings.profile, settings.labels)
        self._queries = Queries(self._profile, selector=settings.selector, up_selector=settings.up_selector)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="history")

    async def baselines(
        self, until: float, seconds: float, service_of: Mapping[tuple[str, str], ServiceRef]
    ) -> Mapping[ServiceRef, ServiceBaseline]:
        """See ``HistorySource.baselines``. Raises as ``HistoryClient`` does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._baselines, until, seconds, dict(service_of))

    async def close(self) -> None:
        """Take no more questions; one that is being asked ends by its own deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _baselines(
        self, until: float, seconds: float, service_of: Mapping[tuple[str, str], ServiceRef]
    ) -> Mapping[ServiceRef, ServiceBaseline]:
        deadline = time.monotonic() + _DEADLINE
        window = self._window(until, deadline)
        if window is None or not service_of:
            return {}
        weights = _weights(self._queries.service_roles, service_of)
        span = span_for(until, self._depth(until, seconds, deadline), window, weights.values())
        service = _reader(self._profile, self._queries.service_roles, service_of)
        baselines: dict[ServiceRef, ServiceBaseline] = {}
        for namespaces in batches(weights, span.size):
            asked = (span.start, span.end, span.window, deadline)
            counts = self._client.over(self._queries.past_requests(span.window, namespaces), *asked)
            peaks = self._peaks(namespaces, asked)
            baselines |= baselines_of(counts, peaks, span, service=service, profile=self._profile)
        wanted = set(service_of.values())
        return {ref: baseline for ref, baseline in baselines.items() if ref in wanted}

    def _peaks(self, namespaces: Iterable[str], asked: tuple[int, int, int, float]) -> list[Series]:
        if not self._profile.judges_pods:
            return []
        return self._client.over(self._queries.past_peaks(asked[2], namespaces), *asked)

    def _window(self, until: float, deadline: float) -> int | None:
        """The shortest window in which at least nine series in ten were scraped four times; None without any data."""
        every = self._count(self._queries.count_own(), until, deadline)
        if not every:
            return None
        for window in _WINDOWS:
            if self._count(self._queries.count_own(window / 2), until, deadline) >= 0.9 * every:
                return window
        return None

    def _depth(self, until: float, seconds: float, deadline: float) -> float:
        """How far back to look: at most ``seconds``, and not far beyond where the data begins."""
        for depth in _DEPTHS:
            if depth >= seconds:
                break
            if not self._count(f"count({self._queries.up()})", until - depth, deadline):
                return float(depth)
        return seconds

    def _count(self, query: str, at: float, deadline: float) -> float:
        rows = self._client.instant(query, at, deadline)
        return rows[0][1][0][1] if rows else 0.0


def span_for(until: float, depth: float, window: int, weights: Collection[int]) -> Span:
    """
    The grid that covers ``depth`` seconds before ``until``.

    Its step is at least ``window`` and grows, in steps of 15 s, until neither one namespace's answer nor all answers
    together are too large; ``weights`` are the namespaces' numbers of services (see ``batches``).
    """
    room = min(_SAMPLES // max(weights), _ALL_SAMPLES // sum(weights)) // _CLASSES
    points = max(_FEWEST_POINTS, min(_POINTS, room))
    step = max(window, 15 * math.ceil(depth / points / 15))
    end = int(until)
    return Span(end - step * (max(int(depth // step), 1) - 1), end, step)


def batches(weights: Mapping[str, int], points: int) -> list[list[str]]:
    """Namespaces in groups whose answers of so many points stay small, sorted; a namespace is never divided."""
    groups: list[list[str]] = []
    room = 0
    for namespace in sorted(weights):
        need = weights[namespace] * points * _CLASSES
        if not groups or need > room:
            groups.append([])
            room = _SAMPLES
        groups[-1].append(namespace)
        room -= need
    return groups


def baselines_of(
    counts: Iterable[Series], peaks: Iterable[Series], span: Span, *, service: KeyToService, profile: MetricProfile
) -> dict[ServiceRef, ServiceBaseline]:
    """
    Baselines from increments by class (``counts``) and of the busiest pod (``peaks``) in each window of ``span``.

    A window was healthy when the service's error rate in it was not above 1 % or, for a service that always has
    errors, twice its median rate; the median is not moved by a disturbance that the 99th percentile would follow.
    """
    asked: dict[ServiceRef, FloatArray] = defaultdict(lambda: np.zeros(span.size))
    failed: dict[ServiceRef, FloatArray] = defaultdict(lambda: np.zeros(span.size))
    busiest: dict[ServiceRef, FloatArray] = defaultdict(lambda: np.zeros(span.size))
    for labels, points in counts:
        kind = request_class(*class_labels(labels, profile))
        if (ref := service(labels)) is not None and kind is not RequestClass.EXCLUDED:
            asked[ref] += span.rows(points)
            if kind is RequestClass.ERROR:
                failed[ref] += span.rows(points)
    for labels, points in peaks:
        if (ref := service(labels)) is not None:
            busiest[ref] = np.maximum(busiest[ref], span.rows(points))
    return {ref: _baseline(ref, asked[ref], failed[ref], busiest[ref], span) for ref in asked if asked[ref].any()}


def _baseline(
    service: ServiceRef, asked: FloatArray, failed: FloatArray, busiest: FloatArray, span: Span
) -> ServiceBaseline:
    used = asked > 0
    rates = failed[used] / asked[used]
    healthy = rates <= max(_HEALTHY, 2.0 * float(np.median(rates)))
    return ServiceBaseline(
        service=service,
        requests=float(asked.sum()),
        errors=float(failed.sum()),
        q99_error_rate=float(np.quantile(rates, 0.99)),
        peak_rate=float(busiest[used][healthy].max(initial=0.0)) / span.window,
        since=float(span.start + span.window * (int(np.argmax(used)) - 1)),
        until=float(span.end),
    )


def _reader(
    profile: MetricProfile, roles: tuple[str, ...], service_of: Mapping[tuple[str, str], ServiceRef]
) -> KeyToService:
    """Names the service of a series: by its own labels, or by its pod where the mesh does not say."""
    space, name = (profile.label(role) or "" for role in roles)
    if "service" in roles:
        return lambda labels: ServiceRef(labels.get(space, ""), labels.get(name, ""))
    return lambda labels: service_of.get((labels.get(space, ""), labels.get(name, "")))


def _weights(roles: tuple[str, ...], service_of: Mapping[tuple[str, str], ServiceRef]) -> dict[str, int]:
    """How large each namespace's answer is, counted in services, by the namespace it is asked by."""
    keys: dict[str, set[str]] = defaultdict(set)
    pods: dict[str, int] = defaultdict(int)
    for (namespace, pod), service in service_of.items():
        space, name = (service.namespace, service.name) if "service" in roles else (namespace, pod)
        keys[space].add(name)
        pods[space] += 1
    return {space: max(len(names), pods[space] // _PODS_PER_SERVICE) for space, names in keys.items()}
