"""The callers' view: which service a call was meant for, even when it never reached a pod."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from observer.domain.classify import is_unreached, request_class
from observer.domain.counts import CallerCounts, CallerFrame, RequestClass
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.frames import class_labels, column_of
from observer.sources.prometheus.parse import Sample, labels
from observer.sources.prometheus.profiles import MetricProfile
from observer.sources.prometheus.queries import UNKNOWN

Edge = tuple[str, str, ServiceRef]


@dataclass(slots=True)
class _Counts:
    """One row while it is summed up."""

    classes: list[float] = field(default_factory=lambda: [0.0] * len(RequestClass))
    unreached: float = 0.0
    buckets: dict[int, float] = field(default_factory=dict)

    def closed(self, cuts: int) -> CallerCounts:
        """The finished row; a cut that no series had is NaN."""
        shares = tuple(self.buckets.get(i, float("nan")) for i in range(cuts + 1)) if self.buckets else ()
        ok, error, excluded = self.classes
        return CallerCounts(ok=ok, error=error, excluded=excluded, unreached=self.unreached, buckets=shares)


class Destinations:
    """
    Tells the watched service of a call.

    The canonical service is the pod's own word. A call that reached nobody has none, only the host that was asked for:
    then the service that this host led to for other callers, else the service of the host's name.
    """

    def __init__(
        self, profile: MetricProfile, watched: frozenset[ServiceRef] | None, rows: Iterable[Mapping[str, str]]
    ) -> None:
        """``watched``: None = every service."""
        self._profile, self._watched = profile, watched
        behind: dict[ServiceRef, set[ServiceRef]] = defaultdict(set)
        for series in rows:
            service, host = self._named(series), self._host(series)
            if service is not None and host is not None:
                behind[host].add(service)
        self._behind = behind

    def service(self, series: Mapping[str, str]) -> ServiceRef | None:
        """The watched service this series counts for, None when it is none or cannot be told."""
        service = self._named(series)
        if service is None and (host := self._host(series)) is not None:
            candidates = self._behind.get(host, set())
            service = next(iter(candidates)) if len(candidates) == 1 else host
        return service if self._watched is None or service in self._watched else None

    def _named(self, series: Mapping[str, str]) -> ServiceRef | None:
        return self._pair(series, "service_namespace", "service")

    def _host(self, series: Mapping[str, str]) -> ServiceRef | None:
        if not self._profile.host_is_cluster:
            return self._pair(series, "host_namespace", "host")
        parts = series.get(self._profile.label("host") or "", "").split("|")
        name, _, rest = parts[3].partition(".") if len(parts) == 4 else ("", "", "")
        namespace = rest.split(".")[0]
        return ServiceRef(namespace, name) if name and namespace else None

    def _pair(self, series: Mapping[str, str], namespace_role: str, name_role: str) -> ServiceRef | None:
        namespace = series.get(self._profile.label(namespace_role) or "", "")
        name = series.get(self._profile.label(name_role) or "", "")
        return None if {namespace, name} & {"", UNKNOWN} else ServiceRef(namespace, name)


def caller_frame(
    at: float,
    watched: frozenset[ServiceRef],
    cuts_ms: tuple[float, ...],
    *,
    profile: MetricProfile,
    requests: list[Sample],
    buckets: list[Sample],
) -> CallerFrame:
    """The callers' counts towards the watched services as of ``at``; series without a calling pod are left out."""
    asked = [(labels(sample.metric), sample.value.value) for sample in requests]
    slow = [(labels(sample.metric), sample.value.value) for sample in buckets]
    destinations = Destinations(profile, watched, (series for series, _ in asked))
    rows: dict[Edge, _Counts] = defaultdict(_Counts)
    for series, value in asked:
        if (edge := _edge(series, profile, destinations)) is not None:
            how = class_labels(series, profile)
            rows[edge].classes[request_class(*how)] += value
            if is_unreached(*how):
                rows[edge].unreached += value
    for series, value in slow:
        column = column_of(series.get(profile.label("le") or "", ""), cuts_ms, profile.unit)
        edge = _edge(series, profile, destinations)
        if edge is not None and column is not None and edge in rows:
            rows[edge].buckets[column] = rows[edge].buckets.get(column, 0.0) + value
    return CallerFrame(at, watched, cuts_ms, {edge: counts.closed(len(cuts_ms)) for edge, counts in rows.items()})


def _edge(series: Mapping[str, str], profile: MetricProfile, destinations: Destinations) -> Edge | None:
    namespace = series.get(profile.label("target_namespace") or "", "")
    pod = series.get(profile.label("target_pod") or "", "")
    service = destinations.service(series)
    return (namespace, pod, service) if pod and service is not None else None
