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

from observer.config.documents.declarations import Disagreement
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

API_VERSION: Final = "openslo/v1"
START_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
Operator = Literal["lte", "gte", "lt", "gt"]


class Part(BaseModel):
    """A mapping of a document; ``disagreements`` are the rules between its own keys, asked when each is good."""

    model_config = ConfigDict(
        strict=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, use_attribute_docstrings=True
    )

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
    """Name of the document, unique among those of its kind."""
    display_name: DisplayName = ""
    """Name for people."""
    labels: Labels = {}
    """Labels; alerts carry them."""
    annotations: Annotations = {}
    """Observer's own begin with observer.dev/."""


class MetricSource(Part):
    metric_source_ref: Name | None = None
    """Name of a DataSource; without it, the Prometheus of the settings."""
    type: str = ""
    """What answers: Prometheus."""
    spec: FreeMap
    """For Prometheus: query, a PromQL expression."""


class Metric(Part):
    metric_source: MetricSource
    """Where the figure comes from."""


class RatioMetric(Part):
    counter: bool = False
    """The queries select counters; else each answer is a figure of its own."""
    good: Metric | None = None
    """Events that were good."""
    bad: Metric | None = None
    """Events that were bad."""
    total: Metric | None = None
    """All events."""
    raw: Metric | None = None
    """The ratio itself."""
    raw_type: Literal["success", "failure"] | None = None
    """What the raw ratio is the share of."""

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
    """What it measures."""
    threshold_metric: Metric | None = None
    """A figure that is compared with the value of the objective."""
    ratio_metric: RatioMetric | None = None
    """Good or bad events among all events."""

    def disagreements(self) -> Iterator[Disagreement]:
        return self.exactly_one("thresholdMetric", "ratioMetric")


class InlineSli(Part):
    metadata: Metadata
    """Name of the SLI."""
    spec: SliSpec
    """What it measures."""


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
    """When the first window begins: YYYY-MM-DD HH:MM:SS, local time."""
    time_zone: Annotated[str, AfterValidator(_zone)]
    """IANA name of its time zone."""


class TimeWindow(Part):
    duration: Shorthand
    """Length of the window: 28d, 4w, 1M, 1Q."""
    is_rolling: bool = False
    """The window moves with the clock."""
    calendar: Calendar | None = None
    """The window begins and ends with the calendar."""

    def disagreements(self) -> Iterator[Disagreement]:
        if self.is_rolling and self.calendar is not None:
            yield Disagreement("calendar", "cannot stand beside isRolling: true", "keep one of them")
        if not self.is_rolling and self.calendar is None:
            yield Disagreement("calendar", "is missing", "or write isRolling: true")
        if self.calendar is not None and self.duration[-1] in "mh":
            yield Disagreement("duration", "of a calendar window must be days or longer", "for example 1d, 1w, 1M, 1Q")


class Objective(Part):
    display_name: str = ""
    """Name for people."""
    op: Operator | None = None
    """How a threshold metric is compared with value."""
    value: Finite | None = None
    """What a threshold metric is compared with."""
    target: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    """Share of events that must be good, below 1."""
    target_percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False)] | None = None
    """The same in percent, below 100."""
    time_slice_target: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """Share of good events that makes a time slice good."""
    time_slice_window: Shorthand | None = None
    """Length of a time slice."""
    indicator: InlineSli | None = None
    """SLI of this part of a composite."""
    indicator_ref: Name | None = None
    """Name of that SLI."""
    composite_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Weight of this part of a composite."""

    @property
    def has_indicator(self) -> bool:
        """Whether this objective is a part of a composite."""
        return self.indicator is not None or self.indicator_ref is not None

    def disagreements(self) -> Iterator[Disagreement]:
        return self.exactly_one("target", "targetPercent")


class ConditionType(Part):
    kind: Literal["burnrate"]
    """What is watched: the burn rate of the budget."""
    op: Operator
    """How the burn rate is compared with threshold."""
    threshold: Finite
    """Burn rate above which the condition holds."""
    lookback_window: Shorthand
    """Window that the burn rate is computed over."""
    alert_after: Shorthand | None = None
    """How long it must hold."""


class ConditionSpec(Part):
    severity: Text
    """page or critical, ticket or warning."""
    condition: ConditionType
    """When it holds."""
    description: Description = ""
    """What it means."""


class TargetSpec(Part):
    target: Text
    """Who is notified."""
    description: Description = ""
    """Who that is."""


class ConditionItem(Part):
    """An inline AlertCondition, or the name of one."""

    condition_ref: Name | None = None
    """Name of an AlertCondition."""
    kind: Literal["AlertCondition"] | None = None
    """For an inline one: AlertCondition."""
    metadata: Metadata | None = None
    """Name of the inline one."""
    spec: ConditionSpec | None = None
    """The inline one."""

    def disagreements(self) -> Iterator[Disagreement]:
        return _reference_or_inline(self, "conditionRef")


class TargetItem(Part):
    """An inline AlertNotificationTarget, or the name of one."""

    target_ref: Name | None = None
    """Name of an AlertNotificationTarget."""
    kind: Literal["AlertNotificationTarget"] | None = None
    """For an inline one: AlertNotificationTarget."""
    metadata: Metadata | None = None
    """Name of the inline one."""
    spec: TargetSpec | None = None
    """The inline one."""

    def disagreements(self) -> Iterator[Disagreement]:
        return _reference_or_inline(self, "targetRef")


class PolicySpec(Part):
    description: Description = ""
    """What it is for."""
    alert_when_no_data: bool = False
    """Alert when there are no data."""
    alert_when_breaching: bool = False
    """Alert when the condition holds."""
    alert_when_resolved: bool = False
    """Notify when it no longer holds."""
    conditions: Annotated[list[ConditionItem], Field(min_length=1, max_length=1)]
    """The condition, inline or by name."""
    notification_targets: Annotated[list[TargetItem], Field(min_length=1)]
    """Who is notified, inline or by name."""


class PolicyItem(Part):
    """An inline AlertPolicy, or the name of one."""

    alert_policy_ref: Name | None = None
    """Name of an AlertPolicy."""
    kind: Literal["AlertPolicy"] | None = None
    """For an inline one: AlertPolicy."""
    metadata: Metadata | None = None
    """Name of the inline one."""
    spec: PolicySpec | None = None
    """The inline one."""

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
    """What is promised."""
    service: Text
    """Name of the service that it is about."""
    indicator: InlineSli | None = None
    """The SLI, inline."""
    indicator_ref: Name | None = None
    """Name of the SLI."""
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    """What the budget counts: events, or slices of time."""
    time_window: Annotated[list[TimeWindow], Field(min_length=1, max_length=1)]
    """The window that the budget is for."""
    objectives: Annotated[list[Objective], Field(min_length=1)]
    """The targets; several with indicators of their own are a composite."""
    alert_policies: list[PolicyItem] = []
    """When people are alerted, inline or by name."""

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
                yield from (
                    _within(index, disagreement) for disagreement in objective.exactly_one("indicator", "indicatorRef")
                )
        else:
            yield from self.exactly_one("indicator", "indicatorRef")
        for index, objective in enumerate(self.objectives):
            yield from (_within(index, disagreement) for disagreement in _sliced(objective, self.budgeting_method))
            yield from (_within(index, disagreement) for disagreement in _compared(objective, self.indicator))


def _within(index: int, disagreement: Disagreement) -> Disagreement:
    dot = "." if disagreement.field else ""
    return Disagreement(f"objectives[{index}]{dot}{disagreement.field}", disagreement.message, disagreement.hint)


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
    """What answers: Prometheus."""
    connection_details: Details
    """For Prometheus: url."""
    description: Description = ""
    """Which one it is."""


class ServiceSpec(Part):
    description: Description = ""
    """What the service does."""


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
