"""
The seven kinds of OpenSLO v1 as pydantic models: strict types, no unknown keys.

They keep what the person wrote (durations stay text), so that dumping a model gives the document back. Semantics are
those of the Go SDK 0.9.2; ``docs/openslo.md`` lists where this house is stricter, and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from observer.config.documents.values import wrong
from observer.config.openslo.words import (
    Annotations,
    Description,
    Details,
    DisplayName,
    Finite,
    FreeMap,
    Labels,
    Name,
    Shorthand,
    Text,
)
from observer.config.settings.consistency import Disagreement

API_VERSION: Final = "openslo/v1"
START_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
Operator = Literal["lte", "gte", "lt", "gt"]


class Part(BaseModel):
    """A mapping of a document; ``disagreements`` are the rules between its own keys, asked when each is good."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)

    def disagreements(self) -> Iterator[Disagreement]:
        """What does not go together; nothing by default."""
        return iter(())

    @model_validator(mode="after")
    def _agree(self) -> Part:
        if faults := list(self.disagreements()):
            raise PydanticCustomError("disagreement", "several", {"faults": faults})
        return self

    def exactly_one(self, *keys: str) -> Iterator[Disagreement]:
        """Exactly one of ``keys`` (as the document spells them) must be given."""
        names = {
            field.alias or name for name, field in type(self).model_fields.items() if name in self.model_fields_set
        }
        given = [key for key in keys if key in names]
        if not given:
            yield Disagreement("", f"needs exactly one of {' and '.join(keys)}")
        for extra in given[1:]:
            yield Disagreement(extra, f"cannot stand beside {given[0]}", "keep one of them")


class Metadata(Part):
    name: Name
    display_name: DisplayName = ""
    labels: Labels = {}
    annotations: Annotations = {}


class MetricSource(Part):
    metric_source_ref: Name | None = None
    type: str = ""
    spec: FreeMap


class Metric(Part):
    metric_source: MetricSource


class RatioMetric(Part):
    counter: bool = False
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        yield from self.exactly_one("total", "raw")
        if self.total is not None:
            yield from self.exactly_one("good", "bad")
        if self.raw is not None:
            for key, value in (("good", self.good), ("bad", self.bad)):
                if value is not None:
                    yield Disagreement(key, "cannot stand beside raw", "raw is the whole ratio")
            if self.raw_type is None:
                yield Disagreement("rawType", "is missing", "success or failure: what the raw ratio is the share of")
        elif self.raw_type is not None:
            yield Disagreement("rawType", "speaks of raw, which is not given", "remove it")


class SliSpec(Part):
    description: Description = ""
    threshold_metric: Metric | None = None
    ratio_metric: RatioMetric | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        return self.exactly_one("thresholdMetric", "ratioMetric")


class InlineSli(Part):
    metadata: Metadata
    spec: SliSpec


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise wrong(f'is no IANA time zone, got "{value[:60]}"', "for example Europe/Berlin or UTC")
    return value


def _start(value: str) -> str:
    try:
        datetime.strptime(value, START_FORMAT)  # noqa: DTZ007 - local time by the format; the zone stands beside it
    except ValueError:
        raise wrong(f'must be YYYY-MM-DD HH:MM:SS, got "{value[:40]}"', 'for example "2026-01-01 00:00:00"') from None
    return value


class Calendar(Part):
    start_time: Annotated[str, AfterValidator(_start)]
    time_zone: Annotated[str, AfterValidator(_zone)]


class TimeWindow(Part):
    duration: Shorthand
    is_rolling: bool = False
    calendar: Calendar | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        if self.is_rolling and self.calendar is not None:
            yield Disagreement("calendar", "cannot stand beside isRolling: true", "keep one of them")
        if not self.is_rolling and self.calendar is None:
            yield Disagreement("calendar", "is missing", "or write isRolling: true")
        if self.calendar is not None and self.duration[-1] in "mh":
            yield Disagreement("duration", "of a calendar window must be days or longer", "for example 1d, 1w, 1M, 1Q")


class Objective(Part):
    display_name: str = ""
    op: Operator | None = None
    value: Finite | None = None
    target: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    target_percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False)] | None = None
    time_slice_target: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    time_slice_window: Shorthand | None = None
    indicator: InlineSli | None = None
    indicator_ref: Name | None = None
    composite_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def has_indicator(self) -> bool:
        """Whether this objective is a part of a composite."""
        return self.indicator is not None or self.indicator_ref is not None

    def disagreements(self) -> Iterator[Disagreement]:
        return self.exactly_one("target", "targetPercent")


class ConditionType(Part):
    kind: Literal["burnrate"]
    op: Operator
    threshold: Finite
    lookback_window: Shorthand
    alert_after: Shorthand | None = None


class ConditionSpec(Part):
    severity: Text
    condition: ConditionType
    description: Description = ""


class TargetSpec(Part):
    target: Text
    description: Description = ""


class ConditionItem(Part):
    """An inline AlertCondition, or the name of one."""

    condition_ref: Name | None = None
    kind: Literal["AlertCondition"] | None = None
    metadata: Metadata | None = None
    spec: ConditionSpec | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        return _reference_or_inline(self, "conditionRef")


class TargetItem(Part):
    """An inline AlertNotificationTarget, or the name of one."""

    target_ref: Name | None = None
    kind: Literal["AlertNotificationTarget"] | None = None
    metadata: Metadata | None = None
    spec: TargetSpec | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        return _reference_or_inline(self, "targetRef")


class PolicySpec(Part):
    description: Description = ""
    alert_when_no_data: bool = False
    alert_when_breaching: bool = False
    alert_when_resolved: bool = False
    conditions: Annotated[list[ConditionItem], Field(min_length=1, max_length=1)]
    notification_targets: Annotated[list[TargetItem], Field(min_length=1)]


class PolicyItem(Part):
    """An inline AlertPolicy, or the name of one."""

    alert_policy_ref: Name | None = None
    kind: Literal["AlertPolicy"] | None = None
    metadata: Metadata | None = None
    spec: PolicySpec | None = None

    def disagreements(self) -> Iterator[Disagreement]:
        return _reference_or_inline(self, "alertPolicyRef")


def _reference_or_inline(item: Part, reference: str) -> Iterator[Disagreement]:
    """A named document alone, or ``kind``, ``metadata`` and ``spec`` together."""
    inline = {"kind", "metadata", "spec"}
    given = item.model_fields_set & inline
    named = bool(item.model_fields_set - inline)
    if named:
        yield from (Disagreement(key, f"cannot stand beside {reference}", "keep one") for key in sorted(given))
    elif not given:
        yield Disagreement("", f"needs {reference}, or kind, metadata and spec")
    else:
        yield from (Disagreement(key, "is missing") for key in sorted(inline - given))


class SloSpec(Part):
    description: Description = ""
    service: Text
    indicator: InlineSli | None = None
    indicator_ref: Name | None = None
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    time_window: Annotated[list[TimeWindow], Field(min_length=1, max_length=1)]
    objectives: Annotated[list[Objective], Field(min_length=1)]
    alert_policies: list[PolicyItem] = []

    @property
    def composite(self) -> bool:
        """Whether the objectives bring indicators of their own."""
        return any(objective.has_indicator for objective in self.objectives)

    def disagreements(self) -> Iterator[Disagreement]:
        if self.composite:
            for key in ("indicator", "indicatorRef"):
                if (self.indicator if key == "indicator" else self.indicator_ref) is not None:
                    yield Disagreement(key, "cannot stand beside indicators of the objectives", "keep one level")
            for index, objective in enumerate(self.objectives):
                yield from (_within(index, one) for one in objective.exactly_one("indicator", "indicatorRef"))
        else:
            yield from self.exactly_one("indicator", "indicatorRef")
        for index, objective in enumerate(self.objectives):
            yield from (_within(index, one) for one in _sliced(objective, self.budgeting_method))
            yield from (_within(index, one) for one in _compared(objective, self.indicator))


def _within(index: int, one: Disagreement) -> Disagreement:
    dot = "." if one.field else ""
    return Disagreement(f"objectives[{index}]{dot}{one.field}", one.message, one.hint)


def _sliced(objective: Objective, method: str) -> Iterator[Disagreement]:
    if method == "Timeslices" and objective.time_slice_target is None:
        yield Disagreement("timeSliceTarget", "is missing", "budgetingMethod Timeslices needs it: 0.95 for example")
    if method != "Occurrences" and objective.time_slice_window is None:
        yield Disagreement("timeSliceWindow", "is missing", f"budgetingMethod {method} needs it: 5m for example")


def _compared(objective: Objective, plain: InlineSli | None) -> Iterator[Disagreement]:
    """Rules between an objective and an indicator that stands in the same document."""
    sli = objective.indicator or plain
    if sli is None:
        return
    keys = (("op", objective.op), ("value", objective.value))
    for key, value in keys:
        if sli.spec.threshold_metric is not None and value is None:
            yield Disagreement(key, "is missing", "a thresholdMetric is compared: op lte and value 250 for example")
        if sli.spec.ratio_metric is not None and value is not None:
            yield Disagreement(key, "belongs to a thresholdMetric", "a ratioMetric needs only its target")


class DataSourceSpec(Part):
    type: Text
    connection_details: Details
    description: Description = ""


class ServiceSpec(Part):
    description: Description = ""


SPECS: Final[dict[str, type[Part]]] = {
    "DataSource": DataSourceSpec,
    "SLO": SloSpec,
    "SLI": SliSpec,
    "AlertPolicy": PolicySpec,
    "AlertCondition": ConditionSpec,
    "AlertNotificationTarget": TargetSpec,
    "Service": ServiceSpec,
}
"""By kind, in the order of the specification."""
