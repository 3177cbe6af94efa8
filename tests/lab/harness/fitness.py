"""Can this machine tell right from wrong just now? Kept apart from Observer's verdicts."""

from __future__ import annotations

import time
from collections.abc import Collection

import requests

from tests.lab.harness.cluster import Cluster, Pod
from tests.lab.harness.metrics import Metrics

LEAST_SCRAPES = 0.9
SLOWEST_SCRAPE = 0.5
"""Seconds on average; at rest it is a tenth of that."""
SLOWEST_ANSWER = 1000.0
"""Milliseconds: 95th percentile of the front over the whole story, as the load sees it; at rest a tenth of that."""


class Fitness:
    """Watches one story from ``begin`` on. Pods that the story itself breaks are excused by name."""

    def __init__(self, cluster: Cluster, metrics: Metrics) -> None:
        self._cluster, self._metrics = cluster, metrics
        self._excused: set[str] = set()
        self._scrapes_matter = self._pace_matters = True
        self._began = 0.0
        self._before: list[Pod] = []

    def begin(self) -> None:
        self._began = time.time()
        self._excused, self._scrapes_matter, self._pace_matters = set(), True, True
        self._before = self._cluster.pods()

    def excuse(self, pods: Collection[Pod]) -> None:
        """What happens to these pods is the story's own doing."""
        self._excused |= {pod.name for pod in pods}

    def ignore_scrapes(self) -> None:
        """The story stops Prometheus or the API server: lost scrapes and answers are its point."""
        self._scrapes_matter = False

    def ignore_pace(self) -> None:
        """The story makes the front slow: that it is so says nothing of the machine."""
        self._pace_matters = False

    def faults(self) -> list[str]:
        """Everything that makes the story worthless, in words; empty when the lab was fit."""
        found: list[str] = []
        for look in (self._restarts, *((self._scrapes,) if self._scrapes_matter else ()), self._overload):
            try:
                found += look()
            except requests.RequestException as exc:
                if self._scrapes_matter:  # else the story stopped the server, and its failure is no lab's fault
                    return [f"the lab does not answer: {type(exc).__name__}"]
        return found

    def _restarts(self) -> list[str]:
        now = {pod.uid: pod for pod in self._cluster.pods()}
        return [
            f"a container of {pod.name} restarted by itself"
            for pod in self._before
            if pod.uid in now and now[pod.uid].restarts > pod.restarts and pod.name not in self._excused
        ]

    def _scrapes(self) -> list[str]:
        seconds = int(time.time() - self._began)
        if seconds < 10:
            return []
        stayed = {pod.name for pod in self._cluster.pods() if pod.created < self._began} - self._excused
        counts = {
            labels.get("pod", ""): value
            for labels, value in self._metrics.query(f'sum by (pod) (sum_over_time(up{{job="mesh"}}[{seconds}s]))')
        }
        poor = sorted(
            (counts.get(name, 0.0), name) for name in stayed if counts.get(name, 0.0) < LEAST_SCRAPES * seconds
        )
        lost = []
        if poor:
            fewest, name = poor[0]
            lost.append(f"scrapes lost: {len(poor)} pods, {name} has only {fewest:.0f} of {seconds}")
        slow = self._metrics.value(f'max(avg_over_time(scrape_duration_seconds{{job="mesh"}}[{seconds}s]))')
        return [
            *lost,
            *([f"machine overloaded: scrapes take {slow:.1f} s on average"] if slow > SLOWEST_SCRAPE else []),
        ]

    def _overload(self) -> list[str]:
        seconds = int(time.time() - self._began)
        buckets = 'istio_request_duration_milliseconds_bucket{reporter="source",destination_service_name="front"}'
        slow = self._metrics.value(f"histogram_quantile(0.95, sum by (le) (rate({buckets}[{max(seconds, 10)}s])))")
        overloaded = self._pace_matters and slow > SLOWEST_ANSWER
        return [f"machine overloaded: the front's 95th percentile is {slow:.0f} ms"] if overloaded else []
