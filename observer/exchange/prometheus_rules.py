"""
Objectives -> Prometheus rule files.

Counts come first: good and total events of each bucket are recorded, and every window is a sum of them, so that idle
time is no NaN and a busy hour weighs more than a quiet one. A bucket is as wide as the group's interval: wider ones
would count events twice, narrower ones miss some. One group an objective, evaluated in order, so that an alert sees the
counts of its own instant; one document a file, because Prometheus reads only the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import promql_parser as pp
import yaml

from observer.domain import names
from observer.domain.errors import ConfigError
from observer.domain.slo import (
    RULE_BUCKET,
    BudgetingMethod,
    BurnTier,
    Comparison,
    Objective,
    Query,
    RatioSli,
    RollingWindow,
    ThresholdSli,
)
from observer.engine.slo.evaluate import span

_OPERATORS: Final = {Comparison.LTE: "<=", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.GT: ">"}
_TOTAL, _BAD = names.SLO_TOTAL, names.SLO_BAD


class Dialect(IntEnum):
    """Major version of Prometheus. Since 3 a range leaves its own start out."""

    V2 = 2
    V3 = 3


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """
    Attributes:
        bucket: width of the counted buckets and interval of the group, seconds; at least four scrapes long.
        min_bad: alerts wait for the objective's least number of bad events.
    """

    dialect: Dialect = Dialect.V2
    bucket: float = RULE_BUCKET
    min_bad: bool = True


def rule_file(objective: Objective, options: RuleOptions | None = None) -> str:
    """
    The rule file of one objective, one YAML document.

    Raises ``ConfigError`` naming the objective when its SLI or its windows cannot be said as rules.
    """
    writer = _Writer(objective, options or RuleOptions())
    return yaml.safe_dump({"groups": [writer.group()]}, sort_keys=False, width=10_000, allow_unicode=True)


def file_name(objective: Objective) -> str:
    """A name for its rule file that no other objective gets."""
    whole = f"{objective.cluster}/{objective.id}" if objective.cluster else objective.id
    # Two dashes stand for a slash, so that "a/b-c" and "a-b/c" stay apart.
    return "slo-" + re.sub(r"[^A-Za-z0-9_.-]", "_", whole.replace("/", "--").replace("#", "---")) + ".rules.yaml"


def inhibition(objectives: Iterable[Objective]) -> str:
    """Alertmanager's ``inhibit_rules``: of one objective only the fastest tier that burns is told."""
    orders = sorted(
        {tuple(tier.name for tier in objective.tiers) for objective in objectives if len(objective.tiers) > 1}
    )
    rules = [
        {
            "source_matchers": [f'alertname="{names.BURN_ALERT}"', f'{names.BURN_TIER}="{order[i]}"'],
            "target_matchers": [
                f'alertname="{names.BURN_ALERT}"',
                f'{names.BURN_TIER}=~"{"|".join(map(re.escape, order[i + 1 :]))}"',
            ],
            "equal": [names.SLO_ID, names.CLUSTER],
        }
        for order in orders
        for i in range(len(order) - 1)
    ]
    unique = [rule for i, rule in enumerate(rules) if rule not in rules[:i]]
    return yaml.safe_dump({"inhibit_rules": unique}, sort_keys=False, width=10_000)


class _Writer:
    """Writes the group of one objective."""

    def __init__(self, objective: Objective, options: RuleOptions) -> None:
        self._objective, self._options = objective, options
        sliced = objective.method is not BudgetingMethod.OCCURRENCES
        self._bucket = objective.slice_seconds if sliced else options.bucket
        if self._bucket <= 0 or self._bucket % 1:
            raise self._refused(f"a bucket of {self._bucket:g} s is no whole number of seconds")
        for tier in objective.tiers:
            for window in (tier.long, tier.short):
                if window % self._bucket:
                    raise self._refused(f"window {span(window)} is no multiple of the bucket {span(self._bucket)}")
        self._width = span(self._bucket)
        # A range that ends on a sample holds it; Prometheus 3 leaves out the one it begins on, so it begins earlier.
        self._range = f"{self._width}1ms" if options.dialect is Dialect.V3 else self._width
        self._identity = {
            names.SLO_ID: objective.id,
            **({names.CLUSTER: objective.cluster} if objective.cluster else {}),
        }
        self._total, self._bad = f"{_TOTAL}:increase{self._width}", f"{_BAD}:increase{self._width}"

    def group(self) -> dict[str, object]:
        """Counts, then sums, then alerts: Prometheus evaluates a group's rules in this order at one instant."""
        where = f"{self._objective.cluster}:" if self._objective.cluster else ""
        windows = sorted({w for tier in self._objective.tiers for w in (tier.long, tier.short)})
        return {
            "name": f"observer-slo:{where}{self._objective.id}",
            "interval": self._width,
            "rules": [
                *self._counts(),
                *(self._ratio(window) for window in windows),
                *self._budget(),
                *(self._alert(tier) for tier in self._objective.tiers),
            ],
        }

    def _counts(self) -> list[dict[str, object]]:
        total, bad = self._events()
        method = self._objective.method
        if method is BudgetingMethod.TIMESLICES:
            # A slice without a call is good: 0/0 is no number and no number is above the limit.
            limit = 1.0 - self._objective.slice_target
            total, bad = f"({total}) * 0 + 1", f"(({bad}) / ({total})) > bool {limit!r}"
        elif method is BudgetingMethod.RATIO_TIMESLICES:
            total, bad = f"({total}) > bool 0", f"(({bad}) / (({total}) > 0)) or ({total}) * 0"
        return [self._record(self._total, total), self._record(self._bad, bad)]

    def _events(self) -> tuple[str, str]:
        """Expressions for the total and the bad events of one bucket."""
        sli = self._objective.sli
        if isinstance(sli, ThresholdSli):
            retained = f"count(({sli.metric.expr}) {_OPERATORS[sli.op]} {sli.value!r})"
            every = f"count({sli.metric.expr})"
            return every, f"{every} - ({retained} or {every} * 0)"
        if sli.raw is not None:
            ratio = f"avg({sli.raw.expr})"
            return f"{ratio} * 0 + 1", f"1 - {ratio}" if sli.raw_is_success else ratio
        return self._ratio_events(sli)

    def _ratio_events(self, sli: RatioSli) -> tuple[str, str]:
        if sli.total is None or (sli.good is None) is (sli.bad is None):
            raise self._refused("a ratio needs total and exactly one of good and bad")
        grown = self._grown if sli.counter else self._taken
        total = grown(sli.total)
        if sli.bad is not None:
            return total, f"{grown(sli.bad)} or {total} * 0"
        good = grown(sli.good) if sli.good is not None else ""
        return total, f"clamp_min({total} - ({good}), 0)"

    def _grown(self, query: Query) -> str:
        parts = " or ".join(f"increase({selector}[{self._range}])" for selector in self._selectors(query))
        return f"sum({parts})"

    def _taken(self, query: Query) -> str:
        return f"sum({query.expr})"

    def _selectors(self, query: Query) -> list[str]:
        """The selectors of a query, several joined by ``or``; anything else cannot be counted."""
        try:
            tree = pp.parse(query.expr)
        except ValueError as exc:
            raise self._refused(f"no PromQL: {exc}: {query.expr}") from exc
        found: list[str] = []
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, pp.ParenExpr):
                waiting.append(node.expr)
            elif isinstance(node, pp.BinaryExpr) and str(node.op) == "or" and _whole(node):
                waiting += [node.rhs, node.lhs]
            elif isinstance(node, pp.VectorSelector) and node.offset is None and node.at is None:
                found.append(node.prettify())
            else:
                raise self._refused(f"counters are counted by a selector, several joined by 'or', not: {query.expr}")
        return found

    def _ratio(self, window: float) -> dict[str, object]:
        return self._record(_named(window), f"{self._sum(self._bad, window)} / {self._sum(self._total, window)}")

    def _budget(self) -> list[dict[str, object]]:
        """Share of the budget that is gone; a calendar's periods cannot be said in PromQL."""
        window = self._objective.window
        if not isinstance(window, RollingWindow) or window.seconds % self._bucket:
            return []
        bad, total = (self._sum(metric, window.seconds) for metric in (self._bad, self._total))
        allowed = repr(self._objective.allowed)
        return [self._record(names.SLO_SPENT, f"{bad} / ({allowed} * ({total} > 0)) or {total} * 0")]

    def _alert(self, tier: BurnTier) -> dict[str, object]:
        # One number, worked out here: both sides of the comparison must round as the daemon's do.
        limit = repr(tier.factor * self._objective.allowed)
        chosen = self._chosen()
        expr = f"{_named(tier.long)}{chosen} > {limit} and {_named(tier.short)}{chosen} > {limit}"
        if self._options.min_bad and self._objective.method is BudgetingMethod.OCCURRENCES:
            expr += f" and {self._sum(self._bad, tier.long)} >= {self._objective.low_traffic.min_bad:g}"
        name = self._objective.display or self._objective.slo
        return {
            "alert": names.BURN_ALERT,
            "expr": expr,
            "labels": {
                **self._identity,
                "severity": tier.severity,
                names.BURN_TIER: tier.name,
                "slo": self._objective.slo,
                "service": self._objective.service,
                **self._scope(),
            },
            "annotations": {
                "summary": f"{_plain(name)} burns its error budget more than {tier.factor:g} times too fast",
                "description": (
                    f"{{{{ $value | humanizePercentage }}}} of the events of {span(tier.long)} were bad and "
                    f"{_plain(f'{self._objective.allowed:.12g}')} may be; the last {span(tier.short)} agree."
                ),
            },
        }

    def _scope(self) -> dict[str, str]:
        """Where in the mesh it burns, so that whoever receives the alert (Observer too) knows where to look."""
        scope = self._objective.scope
        return {} if scope is None else {"namespace": scope.namespace, "canonical_service": scope.name}

    def _sum(self, metric: str, window: float) -> str:
        """Events of a window: half a bucket less catches the same samples whether or not a range holds its start."""
        return f"sum_over_time({metric}{self._chosen()}[{_length(window - self._bucket / 2)}])"

    def _chosen(self) -> str:
        written = ", ".join(f"{label}={_quoted(value)}" for label, value in self._identity.items())
        return f"{{{written}}}"

    def _record(self, name: str, expr: str) -> dict[str, object]:
        return {"record": name, "expr": expr, "labels": dict(self._identity)}

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(f"objective {self._objective.id}: {why}")


def check_alike(objectives: Sequence[Objective]) -> None:
    """Raise ``ConfigError`` when two objectives would write the same file or group."""
    seen: dict[str, str] = {}
    for objective in objectives:
        name = file_name(objective)
        if name in seen:
            raise ConfigError(f"objectives {seen[name]} and {objective.id} would share the file {name}: rename one")
        seen[name] = objective.id


def _whole(node: pp.BinaryExpr) -> bool:
    """Matches on all labels."""
    return node.modifier is None or node.modifier.matching is None


def _named(window: float) -> str:
    return f"{names.SLO_ERROR}{span(window)}"


def _length(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole}s" if whole == seconds else f"{round(seconds * 1000)}ms"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _plain(text: str) -> str:
    """Texts of people are no templates."""
    return text.replace("{{", "{ {")
