"""The objectives of a test: the engine's own books, fed with the counters that their queries select."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from observer.domain.events import BAD, GOOD, TOTAL, Parts, Readings, Series
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.slo import Objective, ObjectiveStatus, Query, RatioSli, ThresholdSli
from observer.engine.slo.accounting import SloAccounting
from observer.engine.slo.presets import ISTIO, preset_sli
from observer.engine.slo.states import Scene, newest_scrape, owners_of, surroundings
from observer.policytest.frames import calls_of
from observer.policytest.notation import Selector, selectors
from observer.policytest.read import REQUESTS
from observer.policytest.traffic import CALLER, Traffic
from observer.policytest.world import World

_NOBODY: Final = ("", "")
Known = tuple[str, Mapping[str, str], tuple[str, str], float]
"""Metric, labels, pod ``(namespace, name)`` and value of one counter."""


class ObjectiveRuns:
    """Looks at the objectives as often as the test says; ``statuses`` are those of the last look."""

    def __init__(self) -> None:
        self._accounts: SloAccounting | None = None
        self._started: dict[tuple[str, str], float] = {}
        self._owners: dict[ServiceRef, frozenset[WorkloadRef]] = {}
        self._sums: dict[tuple[str, int], float] = defaultdict(float)
        self._queries: dict[str, list[tuple[int, str, tuple[Selector, ...]]]] = {}
        self.statuses: tuple[ObjectiveStatus, ...] = ()

    def look(self, world: World, traffic: Traffic, wanted: tuple[Objective, ...]) -> None:
        """One look at the world's instant."""
        if not wanted:
            self._accounts, self.statuses = None, ()
            return
        accounts = self._accounts_of(wanted)
        for ref, pod in world.pods.items():
            self._started[ref.key] = pod.started
        view = world.view()
        self._owners |= {service: owners for service, owners in owners_of(view).items() if owners}
        values: dict[Series, float] = defaultdict(float)
        counters = list(_counters(world, traffic))
        answers = {line.query: value for line, value in traffic.raw() if line.query}
        for row, one in enumerate(wanted):
            for series, value in self._rows(row, one, counters, answers):
                values[series] += value
        readings = Readings(world.at, tuple(values), np.array(list(values.values()), dtype=np.float64))
        accounts.count(readings, self._started)
        scraped = {ref.key: 0.0 if one.down else one.scraped for ref, one in traffic.targets.items()}
        newest = newest_scrape({**scraped, CALLER: traffic.at})
        scene = Scene(world.at, view, scraped, self._owners)
        around = [surroundings(objective, scene, newest=newest) for objective in accounts.plan.objectives]
        self.statuses = accounts.statuses(world.at, around)

    def by_service(self) -> dict[ServiceRef, tuple[ObjectiveStatus, ...]]:
        """The statuses of each service's own objectives."""
        found: dict[ServiceRef, list[ObjectiveStatus]] = {}
        for status in self.statuses:
            if status.objective.scope is not None:
                found.setdefault(status.objective.scope, []).append(status)
        return {service: tuple(ones) for service, ones in found.items()}

    def _accounts_of(self, wanted: tuple[Objective, ...]) -> SloAccounting:
        if self._accounts is None or self._accounts.plan.objectives != wanted:
            accounts = SloAccounting(wanted, [parts_of(objective) for objective in wanted])
            if self._accounts is not None:
                accounts.inherit(self._accounts)
            self._accounts = accounts
            self._queries = {
                objective.id: [(c, q.expr, selectors(q.expr)) for c, q in queries_of(objective)] for objective in wanted
            }
        return self._accounts

    def _rows(
        self, row: int, objective: Objective, counters: Sequence[Known], answers: Mapping[str, float]
    ) -> Iterator[tuple[Series, float]]:
        for column, expr, chosen in self._queries[objective.id]:
            if counted(objective):
                for metric, labels, pod, value in counters:
                    if any(selector.matches(metric, labels) for selector in chosen):
                        yield Series(row, column, pod, f"{metric}{sorted(labels.items())}"), value
                continue
            given = answers.get(expr)
            points = [given] if given is not None else []
            if not points and chosen:
                points = [v for m, labels, _, v in counters if any(selector.matches(m, labels) for selector in chosen)]
            yield from self._points(row, column, objective, points)

    def _points(
        self, row: int, column: int, objective: Objective, values: list[float]
    ) -> Iterator[tuple[Series, float]]:
        """Points of what is no counter are added up from look to look; no point, no event."""
        if not values:
            return
        sli = objective.sli
        if isinstance(sli, ThresholdSli):
            good = sum(sli.op.met(value, sli.value) for value in values)
            added = {TOTAL: float(len(values)), GOOD: float(good)}
        elif sli.raw is not None:
            ratio = min(max(sum(values) / len(values), 0.0), 1.0)
            added = {TOTAL: 1.0, GOOD: ratio if sli.raw_is_success else 1.0 - ratio}
        else:
            added = {column: max(sum(values), 0.0)}
        for part, more in added.items():
            self._sums[objective.id, part] += more
            yield Series(row, part, _NOBODY, "sum"), self._sums[objective.id, part]


def queries_of(objective: Objective) -> list[tuple[int, Query]]:
    """The queries that the objective is counted by and the column that each fills; a preset has its own."""
    sli = objective.sli
    if objective.preset is not None and objective.scope is not None:
        sli = preset_sli(objective.preset, objective.scope, cut_ms=objective.cut_ms)
    if isinstance(sli, ThresholdSli):
        return [(TOTAL, sli.metric)]
    parts = ((GOOD, sli.good), (BAD, sli.bad), (TOTAL, sli.total), (TOTAL, sli.raw))
    return [(column, query) for column, query in parts if query is not None]


def parts_of(objective: Objective) -> Parts:
    """Which columns it counts."""
    columns = {column for column, _ in queries_of(objective)}
    return Parts.BAD_OF_TOTAL if BAD in columns else Parts.GOOD_OF_TOTAL


def counted(objective: Objective) -> bool:
    """Its queries select counters; anything else gives points."""
    sli = objective.sli
    return objective.preset is not None or (isinstance(sli, RatioSli) and sli.counter and sli.raw is None)


def _counters(world: World, traffic: Traffic) -> Iterator[Known]:
    """Every counter that the metric server holds now, with the labels that the mesh gives it."""
    for ref, target in traffic.targets.items():
        facts = world.facts.workloads[world.pods[ref].key]
        served = facts.serves(world.pods[ref].key)
        for name, value in target.read.items():
            labels = {**_mesh(served, ISTIO.own), ISTIO.source: CALLER[0], ISTIO.source_namespace: CALLER[0]}
            if facts.gateway:
                labels = {ISTIO.reporter: ISTIO.callers, ISTIO.source_namespace: ref.namespace}
                labels[ISTIO.source] = world.pods[ref].key[1]
            yield name.metric, {**labels, "namespace": ref.namespace, "pod": ref.name, **name.words}, ref.key, value
    for service in traffic.calls:
        for name, value in calls_of(traffic, service).items():
            labels = {**_mesh(service, ISTIO.callers), ISTIO.source: CALLER[0], ISTIO.source_namespace: CALLER[0]}
            yield name.metric, {**labels, "namespace": CALLER[0], "pod": CALLER[1], **name.words}, CALLER, value
    for line, value in traffic.raw():
        labels = dict(line.labels)
        to = ServiceRef(labels.get(ISTIO.namespace, ""), labels.get(ISTIO.service, ""))
        if not line.query and not (line.metric == REQUESTS and to in traffic.calls):
            pod = (labels.get("namespace", ""), labels.get("pod", ""))
            yield line.metric, labels, pod if pod[1] else _NOBODY, value


def _mesh(service: ServiceRef, reporter: str) -> dict[str, str]:
    return {ISTIO.reporter: reporter, ISTIO.service: service.name, ISTIO.namespace: service.namespace}
