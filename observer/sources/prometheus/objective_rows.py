"""Which objective's counter a sample belongs to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from observer.domain.classify import is_unreached, request_class
from observer.domain.counts import RequestClass
from observer.domain.events import BAD, GOOD, TOTAL, Series
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective, Preset, Query, RatioSli, ThresholdSli
from observer.sources.prometheus.call_graph import Destinations
from observer.sources.prometheus.frames import class_labels, column_of
from observer.sources.prometheus.profiles import MetricProfile

Labels = Mapping[str, str]
Table = Sequence[tuple[Labels, float]]
Tables = Mapping[str, Table | Exception]
_GRPC: Final = "grpc"
_NOBODY: Final = ("", "")


class Row(NamedTuple):
    """A counter and its value; several samples of one counter add up."""

    series: Series
    value: float


Failed = tuple[int, str]


def own_rows(objective: Objective) -> list[tuple[int, Query]]:
    """The queries of an SLI that a person wrote, by the column they fill."""
    sli = objective.sli
    if isinstance(sli, ThresholdSli):
        return [(TOTAL, sli.metric)]
    parts = ((GOOD, sli.good), (BAD, sli.bad), (TOTAL, sli.total), (TOTAL, sli.raw))
    return [(column, query) for column, query in parts if query is not None]


class Reader:
    """
    Reads the tables of one look.

    Values that are no counters (ready ratios, thresholds, expressions) are added up from look to look, so that they
    become counters too: each evaluated point is an event.
    """

    def __init__(self, profile: MetricProfile, service_roles: Sequence[str]) -> None:
        self._profile, self._roles = profile, tuple(service_roles)
        self._sums: dict[tuple[str, int], float] = defaultdict(float)

    def rows(
        self,
        tables: Tables,
        objectives: Sequence[Objective],
        views: Sequence[ServiceRef],
        *,
        counters_only: bool = False,
    ) -> Iterator[Row | Failed]:
        """
        Every counter of every objective, and ``(row, reason)`` for those whose question failed.

        ``counters_only``: this is the past; what is added up from look to look begins with the present.
        """
        yield from self._calls(tables, objectives, views)
        yield from self._served(tables, len(objectives), views)
        yield from self._buckets(tables, objectives)
        yield from self._gateways(tables, objectives)
        for row, objective in enumerate(objectives):
            if objective.preset is None and (_counted(objective) or not counters_only):
                yield from self._own(row, objective, tables)

    def scrapes(self, table: Table) -> dict[tuple[str, str], float]:
        """Last scrape of each target by the pod that it names; the newest where two targets name one."""
        places: dict[tuple[str, str], float] = {}
        for labels, value in table:
            pod = self._pod(labels, "target_")
            places[pod] = max(places.get(pod, 0.0), value)
        return places

    def _calls(
        self, tables: Tables, objectives: Sequence[Objective], views: Sequence[ServiceRef]
    ) -> Iterator[Row | Failed]:
        wanted = _rows(objectives, Preset.ISTIO_AVAILABILITY)
        grpc = _rows(objectives, Preset.ISTIO_GRPC_AVAILABILITY)
        table = tables.get("calls", ())
        if isinstance(table, Exception):
            yield from _lost((*wanted.values(), *grpc.values()), table)
            return
        side = {service: len(objectives) + i for i, service in enumerate(views)}
        services = frozenset((*wanted, *grpc))
        destinations = Destinations(self._profile, services, (labels for labels, _ in table))
        for labels, value in table:
            service = destinations.service(labels)
            how = class_labels(labels, self._profile)
            kind = request_class(*how)
            if service is None or kind is RequestClass.EXCLUDED:
                continue
            column = BAD if kind is RequestClass.ERROR else GOOD
            pod, rest = self._pod(labels, "target_"), _rest(labels)
            rows = (*wanted.get(service, ()), *(grpc.get(service, ()) if self._is_grpc(labels) else ()))
            for row in rows:
                yield Row(Series(row, column, pod, rest), value)
            if service in side and not is_unreached(*how):
                yield Row(Series(side[service], GOOD, pod, rest), value)

    def _served(self, tables: Tables, first: int, views: Sequence[ServiceRef]) -> Iterator[Row]:
        table = tables.get("served", ())
        if isinstance(table, Exception):
            return
        side = {service: first + i for i, service in enumerate(views)}
        for labels, value in table:
            row = side.get(self._service(labels))
            if row is not None:
                yield Row(Series(row, BAD, self._pod(labels), _rest(labels)), value)

    def _buckets(self, tables: Tables, objectives: Sequence[Objective]) -> Iterator[Row | Failed]:
        wanted = _rows(objectives, Preset.ISTIO_LATENCY)
        table = tables.get("buckets", ())
        if isinstance(table, Exception):
            yield from _lost(wanted.values(), table)
            return
        cuts = tuple(sorted({objectives[row].cut_ms for rows in wanted.values() for row in rows}))
        for labels, value in table:
            column = column_of(labels.get(self._profile.label("le") or "", ""), cuts, self._profile.unit)
            rows = wanted.get(self._service(labels), ())
            for row in rows if column is not None else ():
                if column == len(cuts):
                    yield Row(Series(row, TOTAL, self._pod(labels), "all"), value)
                elif cuts[column or 0] == objectives[row].cut_ms:
                    yield Row(Series(row, GOOD, self._pod(labels), "within"), value)

    def _gateways(self, tables: Tables, objectives: Sequence[Objective]) -> Iterator[Row | Failed]:
        wanted = _rows(objectives, Preset.ISTIO_GATEWAY_AVAILABILITY)
        table = tables.get("gateways", ())
        if isinstance(table, Exception):
            yield from _lost(wanted.values(), table)
            return
        for labels, value in table:
            space, name = (
                labels.get(self._profile.label(f"source_{role}") or "", "") for role in ("namespace", "workload")
            )
            kind = request_class(*class_labels(labels, self._profile))
            for row in wanted.get(ServiceRef(space, name), ()) if kind is not RequestClass.EXCLUDED else ():
                column = BAD if kind is RequestClass.ERROR else GOOD
                yield Row(Series(row, column, self._pod(labels, "target_"), _rest(labels)), value)

    def _own(self, row: int, objective: Objective, tables: Tables) -> Iterator[Row | Failed]:
        for column, query in own_rows(objective):
            table = tables.get(f"own:{query.expr}")
            if table is None:
                continue
            if isinstance(table, Exception):
                yield row, str(table)
            elif _counted(objective):
                for labels, value in table:
                    yield Row(Series(row, column, self._pod(labels), _rest(labels)), value)
            else:
                yield from self._points(row, column, objective, table)

    def _points(self, row: int, column: int, objective: Objective, table: Table) -> Iterator[Row]:
        """Points of what is no counter; no point, no event."""
        sli = objective.sli
        values = [value for _, value in table if value == value]  # noqa: PLR0124 - NaN is no point
        if not values:
            return
        if isinstance(sli, ThresholdSli):
            good = sum(sli.op.met(value, sli.value) for value in values)
            added = {TOTAL: float(len(values)), GOOD: float(good)}
        elif sli.raw is not None:
            ratio = min(max(sum(values) / len(values), 0.0), 1.0)
            added = {TOTAL: 1.0, GOOD: ratio if sli.raw_is_success else 1.0 - ratio}
        else:
            added = {column: max(sum(values), 0.0)}
        for part, more in added.items():
            key = (objective.id, part)
            self._sums[key] += more
            yield Row(Series(row, part, _NOBODY, "sum"), self._sums[key])

    def _pod(self, labels: Labels, prefix: str = "") -> tuple[str, str]:
        label = self._profile.label
        space, name = (labels.get(label(f"{prefix}{role}") or label(role) or "", "") for role in ("namespace", "pod"))
        return space, name

    def _service(self, labels: Labels) -> ServiceRef:
        space, name = (labels.get(self._profile.label(role) or "", "") for role in self._roles)
        return ServiceRef(space, name)

    def _is_grpc(self, labels: Labels) -> bool:
        return labels.get(self._profile.label("protocol") or "", "") == _GRPC


def _counted(objective: Objective) -> bool:
    """Its queries are counters; anything else is points."""
    return isinstance(objective.sli, RatioSli) and objective.sli.counter and objective.sli.raw is None


def _rows(objectives: Sequence[Objective], preset: Preset) -> dict[ServiceRef, list[int]]:
    rows: dict[ServiceRef, list[int]] = defaultdict(list)
    for row, objective in enumerate(objectives):
        if objective.preset is preset and objective.scope is not None:
            rows[objective.scope].append(row)
    return rows


def _lost(rows: Iterable[Sequence[int]], error: Exception) -> Iterator[Failed]:
    for some in rows:
        for row in some:
            yield row, str(error)


def _rest(labels: Labels) -> str:
    return json.dumps(sorted(labels.items()), separators=(",", ":"))
