"""
Counters of objectives: one grouped question for each preset, whatever the number of services, and one for each query
that people wrote. All of one look at one instant.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import numpy as np

from observer.config.settings.sources import PrometheusSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.events import ObjectiveFrame, Parts, Readings, Series
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective, Preset, RatioSli
from observer.sources.prometheus.objective_rows import Reader, Row, own_rows
from observer.sources.prometheus.parse import labels, matrix, vector
from observer.sources.prometheus.profiles import profile_for
from observer.sources.prometheus.queries import Queries
from observer.sources.prometheus.transport import Transport

AT_ONCE: Final = 4
"""Questions that are open at the same time: objectives are no reason to slow the tick's own questions down."""
MOST_QUESTIONS: Final = 500
"""Queries of people in one look; objectives beyond are not known and say so."""
PAST_STEP: Final = 60.0
PAST_DEEPEST: Final = 6 * 3600.0
PAST_SAMPLES: Final = 400_000
"""Points of one answer about the past: reading them keeps the process busy."""
_INLINE: Final = 1 << 20

Table = list[tuple[Mapping[str, str], float]]


class PrometheusObjectives:
    """Implements ``ports.sources.ObjectiveSource``; its connections are its own, beside the tick's."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._transport = Transport(settings)
        self._profile = profile_for(settings.profile, settings.labels)
        self._queries = Queries(self._profile, selector=settings.selector, up_selector=settings.up_selector)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._reader = Reader(self._profile, self._queries.service_roles)
        self._series = 0

    def parts(self, objectives: Sequence[Objective]) -> tuple[Parts, ...]:
        """See ``ObjectiveSource.parts``."""
        return tuple(_parts(objective) for objective in objectives)

    def views(self, objectives: Sequence[Objective]) -> tuple[ServiceRef, ...]:
        """See ``ObjectiveSource.views``: services of availability presets where both sides report."""
        if self._profile.own == self._profile.callers or not self._profile.judges_pods:
            return ()
        return tuple(
            sorted(
                {
                    objective.scope
                    for objective in _of(objectives, Preset.ISTIO_AVAILABILITY)
                    if objective.scope is not None
                }
            )
        )

    async def look(self, at: float, objectives: Sequence[Objective]) -> ObjectiveFrame:
        """See ``ObjectiveSource.look``."""
        questions, refused = self._questions(objectives)
        answers = await self._ask_all(questions, at)
        self._check_any(questions, answers)
        return await asyncio.to_thread(self._frame, at, objectives, answers, refused)

    async def past(self, since: float, until: float, objectives: Sequence[Objective]) -> AsyncIterator[ObjectiveFrame]:
        """See ``ObjectiveSource.past``. Needs an earlier ``look`` to know how large the answers are."""
        steps = min((until - since) // PAST_STEP, PAST_DEEPEST // PAST_STEP, PAST_SAMPLES // max(self._series, 1))
        if steps < 1:
            return
        questions, refused = self._questions(objectives)
        # On whole minutes, as the ledger's buckets end: what it holds and what is asked meet without an overlap.
        end = until // PAST_STEP * PAST_STEP
        start = end - steps * PAST_STEP
        answers = await self._ask_all(questions, end, start=start)
        tables = await asyncio.to_thread(_by_instant, answers, start, int(steps))
        for i in range(int(steps) + 1):
            at = start + PAST_STEP * i
            frame = {query: table if isinstance(table, Exception) else table[i] for query, table in tables.items()}
            yield self._frame(at, objectives, frame, refused, counters_only=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _questions(self, objectives: Sequence[Objective]) -> tuple[dict[str, str], dict[int, str]]:
        """Queries by the name of what they ask, and the rows that cannot be asked, with the reason."""
        asked: dict[str, str] = {"up": self._queries.scrapes()}
        calls = _scopes(objectives, Preset.ISTIO_AVAILABILITY) | _scopes(objectives, Preset.ISTIO_GRPC_AVAILABILITY)
        if calls:
            asked["calls"] = self._queries.objective_calls(calls)
        if views := self.views(objectives):
            asked["served"] = self._queries.objective_served(views)
        if slow := _scopes(objectives, Preset.ISTIO_LATENCY):
            cuts = sorted({objective.cut_ms for objective in _of(objectives, Preset.ISTIO_LATENCY)})
            asked["buckets"] = self._queries.objective_buckets(slow, cuts)
        if gateways := _scopes(objectives, Preset.ISTIO_GATEWAY_AVAILABILITY):
            asked["gateways"] = self._queries.objective_gateways(gateways)
        refused: dict[int, str] = {}
        for row, objective in enumerate(objectives):
            if objective.preset is not None:
                continue
            wanted = {query.expr for _, query in own_rows(objective)}
            foreign = sorted({query.source for _, query in own_rows(objective) if query.source})
            if foreign:
                refused[row] = f"data source {foreign[0]} is another server than the daemon's own"
            elif len(asked) + len(wanted) > MOST_QUESTIONS:
                refused[row] = f"more than {MOST_QUESTIONS} queries; use a preset"
            else:
                asked |= {f"own:{expr}": expr for expr in wanted}
        return asked, refused

    async def _ask_all(
        self, questions: Mapping[str, str], at: float, *, start: float | None = None
    ) -> dict[str, bytes | Exception]:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._ask(query, at, start)) for name, query in questions.items()}
        return {name: task.result() for name, task in tasks.items()}

    async def _ask(self, query: str, at: float, start: float | None) -> bytes | Exception:
        async with self._turns:
            try:
                if start is None:
                    return await self._transport.instant(query, at)
                return await self._transport.over(query, start, at, PAST_STEP)
            except (SourceUnavailable, SourceProtocolError) as exc:
                return exc

    @staticmethod
    def _check_any(questions: Mapping[str, str], answers: Mapping[str, bytes | Exception]) -> None:
        failures = [answer for answer in answers.values() if isinstance(answer, Exception)]
        if len(failures) == len(questions):
            raise failures[0]

    def _frame(
        self,
        at: float,
        objectives: Sequence[Objective],
        answers: Mapping[str, bytes | Table | Exception],
        refused: Mapping[int, str],
        *,
        counters_only: bool = False,
    ) -> ObjectiveFrame:
        tables: dict[str, Table | Exception] = {name: _table(answer) for name, answer in answers.items()}
        failed = dict(refused)
        values: dict[Series, float] = defaultdict(float)
        views = self.views(objectives)
        rows = self._reader.rows(tables, objectives, views, counters_only=counters_only)
        for row in rows:
            if isinstance(row, Row):
                values[row.series] += row.value
            else:
                failed.setdefault(*row)
        scraped = None if isinstance(up := tables["up"], Exception) else self._reader.scrapes(up)
        self._series = sum(len(table) for table in tables.values() if not isinstance(table, Exception))
        readings = Readings(at, tuple(values), np.fromiter(values.values(), np.float64, len(values)))
        return ObjectiveFrame(readings, views, failed, scraped)


def _table(answer: bytes | Table | Exception) -> Table | Exception:
    """The samples of an answer; one that is no vector is as good as none."""
    if not isinstance(answer, bytes):
        return answer
    try:
        return [(labels(sample.metric), sample.value.value) for sample in vector(answer)]
    except (SourceUnavailable, SourceProtocolError) as exc:
        return exc


def _by_instant(
    answers: Mapping[str, bytes | Exception], start: float, steps: int
) -> dict[str, list[Table] | Exception]:
    """For each question its samples at each instant of the grid."""
    by_question: dict[str, list[Table] | Exception] = {}
    for name, answer in answers.items():
        if isinstance(answer, Exception):
            by_question[name] = answer
            continue
        tables: list[Table] = [[] for _ in range(steps + 1)]
        try:
            for track in matrix(answer):
                for point in track.values:
                    index = round((point.at - start) / PAST_STEP)
                    if 0 <= index <= steps:
                        tables[index].append((track.metric, point.value))
            by_question[name] = tables
        except (SourceUnavailable, SourceProtocolError) as exc:
            by_question[name] = exc
    return by_question


def _parts(objective: Objective) -> Parts:
    if objective.preset is Preset.ISTIO_LATENCY:
        return Parts.GOOD_OF_TOTAL
    if objective.preset is not None:
        return Parts.GOOD_AND_BAD
    sli = objective.sli
    return Parts.BAD_OF_TOTAL if isinstance(sli, RatioSli) and sli.bad is not None else Parts.GOOD_OF_TOTAL


def _of(objectives: Sequence[Objective], preset: Preset) -> list[Objective]:
    return [objective for objective in objectives if objective.preset is preset]


def _scopes(objectives: Sequence[Objective], preset: Preset) -> frozenset[ServiceRef]:
    return frozenset(objective.scope for objective in _of(objectives, preset) if objective.scope is not None)
