"""What the checks look at: the documents, the objectives made of them, their queries, the policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Path
from observer.config.lint.expressions import Expression, Selected, read
from observer.config.lint.hit import Hit
from observer.config.openslo.assemble import Assembled, Made, assemble
from observer.config.openslo.documents import Documents, Placed, inline_parts
from observer.config.openslo.indicators import metrics_of
from observer.config.openslo.models import SliSpec
from observer.domain.slo import BurnTier


@dataclass(frozen=True, slots=True)
class IndicatorQuery:
    """
    One query of an SLI. ``role`` is ``good``, ``bad``, ``total``, ``raw`` or ``threshold``; ``source`` is the name of
    its DataSource, empty for the daemon's own Prometheus.
    """

    sli: Placed[SliSpec]
    path: Path
    role: str
    counter: bool
    expr: str
    source: str
    read: Expression

    def hit(self, message: str, hint: str = "") -> Hit:
        """Something to say about this query."""
        return Hit(self.sli.fault(self.path, message, hint), self.sli)


class PlaceLike(Protocol):
    """Where something stands in a file."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class ValueLike(Protocol):
    """What a policy sets, and where."""

    @property
    def value(self) -> Any: ...
    @property
    def place(self) -> PlaceLike: ...


class SelectorLike(Protocol):
    """Whom a policy reaches."""

    @property
    def namespaces(self) -> tuple[str, ...]: ...

    def covers(self, other: Any) -> bool:
        """Whatever ``other`` selects is selected by this one, for certain."""

    def meets(self, other: Any) -> bool:
        """Some workload that both select can be named."""


class PolicyLike(Protocol):
    """A health policy: where two speak of one value the larger ``rank`` holds."""

    @property
    def name(self) -> str: ...
    @property
    def place(self) -> PlaceLike: ...
    @property
    def selector(self) -> SelectorLike: ...
    @property
    def values(self) -> Mapping[str, ValueLike]: ...
    @property
    def rank(self) -> tuple[int, ...]: ...


@dataclass(slots=True)
class Subject:
    """``refused``: namespaces in which the settings let nothing be done. ``at``: now, for calendar windows."""

    documents: Documents
    at: float
    policies: Sequence[PolicyLike] = ()
    refused: frozenset[str] = frozenset()
    assembled: Assembled = field(init=False)
    queries: tuple[IndicatorQuery, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.assembled = assemble(self.documents, at=self.at)
        self.queries = tuple(_questions(self.documents))

    def selected(self) -> Iterator[tuple[IndicatorQuery, Selected]]:
        """Every selector of every query that can be read."""
        for question in self.queries:
            for one in question.read.selected:
                yield question, one

    def tiers(self) -> Iterator[tuple[Made, BurnTier]]:
        """Every tier of every objective."""
        for made in self.assembled.made:
            for tier in made.objective.tiers:
                yield made, tier


def target_hit(made: Made, message: str, hint: str = "") -> Hit:
    """Something to say about an objective's target."""
    model = made.slo.spec.objectives[made.index]
    key = "target" if model.target is not None else "targetPercent"
    return Hit(made.slo.fault(("spec", "objectives", made.index, key), message, hint), made.slo)


def policy_hit(place: PlaceLike, path: str, message: str, hint: str = "") -> Hit:
    """Something to say about a policy."""
    return Hit(Fault(place.file, place.line, place.column, path, message, hint))


def _questions(documents: Documents) -> Iterator[IndicatorQuery]:
    for document in documents.order:
        for one in inline_parts(document):
            if not isinstance(one.spec, SliSpec):
                continue
            ratio = one.spec.ratio_metric
            for at, metric in metrics_of(one.spec):
                expr = metric.metric_source.spec.get("query")
                if isinstance(expr, str):
                    role = "threshold" if ratio is None else str(at[-1])
                    counter = ratio is not None and ratio.counter and role != "raw"
                    path = (*at, "metricSource", "spec", "query")
                    source = metric.metric_source.metric_source_ref or ""
                    yield IndicatorQuery(one, path, role, counter, expr, source, read(expr))
