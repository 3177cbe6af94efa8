"""SLI documents as the engine's indicators."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Path
from observer.config.openslo.documents import Documents, Placed
from observer.config.openslo.models import Metric, SliSpec, SloSpec
from observer.config.openslo.models import Objective as ObjectiveModel
from observer.config.openslo.templates import VARIABLE, filled_sli, misplaced
from observer.domain import names
from observer.domain.ids import ServiceRef
from observer.domain.slo import Comparison, Query, RatioSli, ThresholdSli


class IndicatorReader:
    """Turns an SLI document into the engine's indicator; what cannot be asked becomes a fault."""

    def __init__(self, slo: Placed[SloSpec], sli: Placed[SliSpec], documents: Documents, faults: list[Fault]) -> None:
        self._slo, self._sli, self._documents, self._faults = slo, sli, documents, faults

    def of(self, model: ObjectiveModel, index: int) -> RatioSli | ThresholdSli | None:
        """The indicator of one objective (``index`` in the SLO), or None where a fault was added."""
        before = len(self._faults)
        sli = self._threshold(model, index) if self._sli.spec.threshold_metric is not None else self._ratio()
        if sli is None or len(self._faults) > before:
            return None
        scope = self._slo.annotation(names.SLO_SCOPE)
        return filled_sli(sli, service_of(scope)) if scope else sli

    def _ratio(self) -> RatioSli | None:
        ratio = self._sli.spec.ratio_metric
        if ratio is None:
            return None
        read = {
            key: self._query(metric, ("spec", "ratioMetric", key))
            for key in ("total", "good", "bad", "raw")
            if (metric := getattr(ratio, key)) is not None
        }
        return RatioSli(counter=ratio.counter and "raw" not in read, raw_is_success=ratio.raw_type != "failure", **read)

    def _threshold(self, model: ObjectiveModel, index: int) -> ThresholdSli | None:
        metric = self._sli.spec.threshold_metric
        query = self._query(metric, ("spec", "thresholdMetric")) if metric is not None else None
        for key, value in (("op", model.op), ("value", model.value)):
            if value is None:
                path = ("spec", "objectives", index, key)
                hint = f'SLI "{self._sli.name}" has a thresholdMetric, which is compared: op lte and value 250, say'
                self._faults.append(self._slo.fault(path, "is missing", hint))
        if query is None or model.op is None or model.value is None:
            return None
        return ThresholdSli(query, Comparison(model.op), model.value)

    def _query(self, metric: Metric, at: Path) -> Query:
        source, path = metric.metric_source, (*at, "metricSource")
        expr = source.spec.get("query")
        self._typed(source.type, source.metric_source_ref, path)
        for key in source.spec:
            if key != "query":
                self._fault((*path, "spec", key), "is not read", "a Prometheus metricSource holds query alone")
        if not isinstance(expr, str) or not expr.strip():
            self._fault((*path, "spec", "query"), "must be a PromQL expression", "")
            return Query("")
        self._variables(expr, (*path, "spec", "query"))
        return Query(expr.strip(), source.metric_source_ref or "")

    def _typed(self, own: str, reference: str | None, path: Path) -> None:
        kind, at = own, (*path, "type")
        if not own and reference is not None and reference in self._documents.data_sources:
            kind, at = self._documents.data_sources[reference].spec.type, (*path, "metricSourceRef")
        if kind and kind.lower() != "prometheus":
            self._fault(at, f'is of type "{kind}", which Observer cannot ask', "Prometheus")

    def _variables(self, expr: str, path: Path) -> None:
        if word := misplaced(expr):
            self._fault(path, f"{word} must stand inside the quotes of a label matcher", f'namespace="{word}", say')
        elif VARIABLE.search(expr) and not any(map(self._slo.annotation, (names.SLO_EACH, names.SLO_SCOPE))):
            hint = f"add {names.SLO_EACH}: service, or {names.SLO_SCOPE}: NAMESPACE/SERVICE, to SLO {self._slo.name}"
            self._fault(path, "names $namespace or $service, but the SLO does not say which", hint)

    def _fault(self, path: Path, message: str, hint: str) -> None:
        self._faults.append(self._sli.fault(path, message, hint))


def service_of(scope: str) -> ServiceRef:
    """``NAMESPACE/SERVICE`` as the annotation has it."""
    namespace, name = scope.split("/")
    return ServiceRef(namespace, name)


def unknown_source(sli: Placed[SliSpec], documents: Documents) -> Iterator[Fault]:
    """Every ``metricSourceRef`` of the SLI that names no DataSource."""
    for at, metric in metrics_of(sli.spec):
        name = metric.metric_source.metric_source_ref
        if name is not None and name not in documents.data_sources:
            known = ", ".join(sorted(documents.data_sources)) or "none is given"
            path = (*at, "metricSource", "metricSourceRef")
            yield sli.fault(path, f'no DataSource is named "{name}"', f"known: {known}")


def metrics_of(spec: SliSpec) -> Iterator[tuple[Path, Metric]]:
    """Each metric of an SLI with its path beneath the object."""
    if spec.threshold_metric is not None:
        yield ("spec", "thresholdMetric"), spec.threshold_metric
    if spec.ratio_metric is not None:
        for key in ("good", "bad", "total", "raw"):
            if (metric := getattr(spec.ratio_metric, key)) is not None:
                yield ("spec", "ratioMetric", key), metric
