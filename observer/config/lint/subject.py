"""What the checks look at: the documents, the objectives made of them, their queries, the policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Path
from observer.config.lint.expressions import Expression, Selected, read
from observer.config.openslo.assemble import Assembled, Made, assemble
from observer.config.openslo.documents import Documents, Placed, has_spec, inline_parts, read_documents
from observer.config.openslo.indicators import metrics_of
from observer.config.openslo.models import Part, SliSpec
from observer.config.policies.document import Place, Policy
from observer.config.policies.inherit import base_values
from observer.config.policies.load import judged as against
from observer.config.policies.load import policy_files, read_sources
from observer.config.policies.read import read_all
from observer.config.settings.model import Settings
from observer.domain.slo import BurnTier


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that a check does not like; ``owner`` may carry ``observer.dev/lint-ignore``."""

    fault: Fault
    owner: Placed[Part] | None = None


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


@dataclass(slots=True)
class Subject:
    """``refused``: namespaces in which the settings let nothing be done. ``at``: now, for calendar windows."""

    documents: Documents
    at: float
    policies: Sequence[Policy] = ()
    refused: frozenset[str] = frozenset()
    assembled: Assembled = field(init=False)
    queries: tuple[IndicatorQuery, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.assembled = assemble(self.documents, at=self.at)
        self.queries = tuple(_questions(self.documents))

    def selected(self) -> Iterator[tuple[IndicatorQuery, Selected]]:
        """Every selector of every query that can be read."""
        for question in self.queries:
            for selector in question.read.selected:
                yield question, selector

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


def policy_hit(place: Place, path: str, message: str, hint: str = "") -> Hit:
    """Something to say about a policy."""
    return Hit(place.fault(path, message, hint))


def _questions(documents: Documents) -> Iterator[IndicatorQuery]:
    for document in documents.order:
        for inline_part in inline_parts(document):
            if not has_spec(inline_part, SliSpec):
                continue
            ratio = inline_part.spec.ratio_metric
            for at, metric in metrics_of(inline_part.spec):
                expr = metric.metric_source.spec.get("query")
                if isinstance(expr, str):
                    role = "threshold" if ratio is None else str(at[-1])
                    counter = ratio is not None and ratio.counter and role != "raw"
                    path = (*at, "metricSource", "spec", "query")
                    source = metric.metric_source.metric_source_ref or ""
                    yield IndicatorQuery(inline_part, path, role, counter, expr, source, read(expr))


def subject_of(settings: Settings, at: float) -> tuple[Subject, Sequence[Fault]]:
    """Everything that ``policies`` of the settings names; ``at`` is now, Unix seconds. Raises: ConfigError."""
    files = policy_files(settings.policies)
    documents, unread = read_documents([file.path for file in files])
    policies, faults = read_all(read_sources(files))
    faults += against(policies, settings, base_values(settings), {slo.name for slo in documents.slos})
    refused = frozenset(settings.engine.guards.refused_namespaces)
    return Subject(documents, at, policies=policies, refused=refused), [*unread, *faults]
