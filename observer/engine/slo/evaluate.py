"""
Counts and facts of one instant -> the status of every objective: state, budget, burn rates, who is told what.

How sure is it that too many events are bad? By the exact binomial tail ``P(X >= k | n, p) = I_p(k, n - k + 1)``, the
regularised incomplete beta function: the lower Clopper-Pearson bound of the bad rate is above ``p`` exactly when this
is at most ``1 - confidence``. Wilson's interval is not used: with few bad events of many its lower bound is several
times too high (1 of 60: 0.42 % instead of 0.09 %).
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.slo import (
    BudgetingMethod,
    BudgetStatus,
    BurnTier,
    CalendarWindow,
    DataState,
    NoData,
    Objective,
    ObjectiveStatus,
    TierStatus,
)
from observer.engine.slo.buckets import CountStore
from observer.engine.slo.states import Facts, state_of

DEFAULT_SHORTEST: Final = 300.0
"""An objective without tiers is new for so many seconds."""


@dataclass(slots=True)
class Plan:
    """
    What can be worked out before there are counts.

    ``by_tier[i]`` holds, for tier number ``i`` of every objective that has so many, its row, factor times allowed
    share, and windows.
    """

    objectives: tuple[Objective, ...]
    gated: bool = True
    allowed: FloatArray = field(init=False)
    shortest: FloatArray = field(init=False)
    longest: FloatArray = field(init=False)
    windows: dict[float, IntArray] = field(init=False)
    _by_tier: list[tuple[IntArray, FloatArray, FloatArray, FloatArray]] = field(init=False)
    _min_bad: FloatArray = field(init=False)
    _doubt: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        own = self.objectives
        self.allowed = np.array([objective.allowed for objective in own])
        self.shortest = np.array(
            [min((t.short for t in objective.tiers), default=DEFAULT_SHORTEST) for objective in own]
        )
        self.longest = np.array([max((t.long for t in objective.tiers), default=3600.0) for objective in own])
        rows: dict[float, set[int]] = defaultdict(set)
        for row, objective in enumerate(own):
            for tier in objective.tiers:
                rows[tier.long].add(row)
                rows[tier.short].add(row)
        self.windows = {seconds: np.array(sorted(row_set), dtype=np.int64) for seconds, row_set in sorted(rows.items())}
        self._by_tier = []
        for number in range(max((len(objective.tiers) for objective in own), default=0)):
            have = [
                (row, objective.tiers[number]) for row, objective in enumerate(own) if len(objective.tiers) > number
            ]
            tiers = [tier for _, tier in have]
            self._by_tier.append(
                (
                    np.array([row for row, _ in have], dtype=np.int64),
                    # One product, as a rule file writes it: both must round alike.
                    np.array([tier.factor * own[row].allowed for row, tier in have]),
                    np.array([tier.long for tier in tiers]),
                    np.array([tier.short for tier in tiers]),
                )
            )
        sliced = [objective.method is not BudgetingMethod.OCCURRENCES for objective in own]
        # A slice is a judgement over many events already: one is enough.
        self._min_bad = np.array(
            [1.0 if s else objective.low_traffic.min_bad for s, objective in zip(sliced, own, strict=True)]
        )
        self._doubt = np.array(
            [1.0 if s else 1.0 - objective.low_traffic.confidence for s, objective in zip(sliced, own, strict=True)]
        )

    def tiers(self, at: float, store: CountStore) -> list[list[TierStatus]]:
        """For each objective its tiers' statuses, in their order."""
        sums = {seconds: store.window(at, seconds) for seconds in self.windows}
        statuses: list[list[TierStatus]] = [[] for _ in self.objectives]
        for number, (rows, limit, longs, shorts) in enumerate(self._by_tier):
            bad, total = _chosen(sums, rows, longs)
            short_bad, short_total = _chosen(sums, rows, shorts)
            rate, short_rate = _ratio(bad, total), _ratio(short_bad, short_total)
            over = (rate > limit) & (short_rate > limit)
            enough = bad >= self._min_bad[rows]
            chance = np.ones(bad.shape)
            chance[over] = tail(bad[over], total[over], self.allowed[rows][over])
            sure = chance <= self._doubt[rows]
            for i, row in enumerate(rows.tolist()):
                tier = self.objectives[row].tiers[number]
                withheld = self._withheld(row, bad[i], total[i], bool(enough[i]), bool(sure[i])) if over[i] else ""
                allowed = float(self.allowed[row])
                statuses[row].append(
                    TierStatus(
                        tier, float(rate[i]) / allowed, float(short_rate[i]) / allowed,
                        float(bad[i]), float(total[i]), bool(over[i]), withheld,
                    )
                )  # fmt: skip
        return statuses

    def budgets(self, at: float, store: CountStore) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shapes (N,): start of each budget's window or period, good and total events in it."""
        since = np.array([start_of(objective, at) for objective in self.objectives])
        good, total = np.zeros(since.shape), np.zeros(since.shape)
        for start in np.unique(since).tolist():
            mine = since == start
            every_good, every_total = store.between(at, start)
            good[mine], total[mine] = every_good[mine], every_total[mine]
        return since, good, total

    def _withheld(self, row: int, bad: float, total: float, enough: bool, sure: bool) -> str:
        if not self.gated:
            return ""
        gate = self.objectives[row].low_traffic
        if not enough:
            return f"{bad:.0f} of {total:.0f} bad; {gate.min_bad:.0f} needed"
        if not sure:
            return (
                f"{bad:.0f} of {total:.0f} bad; that may be chance under the target "
                f"({100 * gate.confidence:g} % certainty needed)"
            )
        return ""


def evaluate(plan: Plan, store: CountStore, facts: Sequence[Facts], at: float) -> tuple[ObjectiveStatus, ...]:
    """
    The status of every objective of ``plan`` as of ``at`` (Unix seconds), composites not yet joined.

    ``facts`` are in the plan's order. Burn rates are told only where no data is known to be missing; what silence
    means is the objective's ``no_data``. Nothing here lets anybody drain: see ``projection``.
    """
    tiers = plan.tiers(at, store)
    since, good, total = plan.budgets(at, store)
    statuses = []
    for row, objective in enumerate(plan.objectives):
        state, detail = state_of(facts[row], at, float(plan.shortest[row]))
        budget = budget_of(objective, at, float(since[row]), float(good[row]), float(total[row]), tiers[row])
        began = max(float(since[row]), float(store.since[row]))
        lasted = max(at - began, 1.0)
        status = ObjectiveStatus(
            objective, at, state, detail, budget, tuple(tiers[row]), rate=budget.total / lasted if budget.total else 0.0
        )
        statuses.append(spoken(status))
    return tuple(statuses)


def spoken(status: ObjectiveStatus) -> ObjectiveStatus:
    """The same with what people are told."""
    severity, text = _message(status)
    return replace(status, alert=severity, text=text)


def budget_of(
    objective: Objective, at: float, since: float, good: float, total: float, tiers: Sequence[TierStatus]
) -> BudgetStatus:
    """The budget from its events; no event, nothing spent."""
    bad = total - good
    spent = bad / (objective.allowed * total) if total > 0 else 0.0
    burn = max(tiers, key=lambda status: status.tier.long).long if tiers else 0.0
    left = None
    if burn > 0 and spent < 1.0:
        length = (
            objective.window.seconds
            if not isinstance(objective.window, CalendarWindow)
            else _period(objective.window, at)
        )
        left = (1.0 - spent) * length / burn
    return BudgetStatus(since, good, total, spent, left)


def _message(status: ObjectiveStatus) -> tuple[str, str]:
    objective, budget = status.objective, status.budget
    name = objective.display or objective.slo
    left = f"{100 * budget.remaining:.1f} % of the budget left"
    if not status.state.known:
        severity = "page" if objective.no_data is NoData.PAGE else "ticket" if objective.no_data is NoData.BAD else ""
        return severity, f"{name}: {status.state.value}: {status.detail}"
    firing = sorted(
        (burning for burning in status.tiers if burning.firing),
        key=lambda burning: (_rank(burning.tier), -burning.tier.factor),
    )
    if firing:
        first = firing[0]
        return first.tier.severity, (
            f"{name}: burns {first.long:.1f} times its budget over {span(first.tier.long)} and {first.short:.1f} times "
            f"over {span(first.tier.short)} (limit {first.tier.factor:g}): {first.bad:.0f} of {first.total:.0f} events "
            f"bad; {left}"
        )
    withheld = next((burning for burning in status.tiers if burning.withheld), None)
    if withheld is not None:
        return "", f"{name}: nobody is told: {withheld.withheld}; {left}"
    state = "" if status.state is DataState.OK else f"{status.state.value}: {status.detail}; "
    return "", f"{name}: {state}{budget.total - budget.good:.0f} of {budget.total:.0f} events bad; {left}"


def span(seconds: float) -> str:
    """A length of time as people write it: ``5m``, ``6h``, ``3d``."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _rank(tier: BurnTier) -> int:
    return 0 if tier.severity == "page" else 1


def start_of(objective: Objective, at: float) -> float:
    """When the objective's window or period that ``at`` lies in began, Unix seconds."""
    if not isinstance(objective.window, CalendarWindow):
        return at - objective.window.seconds
    bounds = objective.window.bounds
    index = bisect.bisect_right(bounds, at)
    # Before the first bound or without any: nothing of this period can be known to belong to it.
    return bounds[index - 1] if index else at


def _period(window: CalendarWindow, at: float) -> float:
    index = bisect.bisect_right(window.bounds, at)
    if 0 < index < len(window.bounds):
        return window.bounds[index] - window.bounds[index - 1]
    return {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "M": 2_592_000.0, "Q": 7_776_000.0}.get(
        window.unit, 31_536_000.0
    ) * window.count


def _chosen(
    sums: dict[float, tuple[FloatArray, FloatArray]], rows: IntArray, seconds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bad and total events of each row over its own window; shapes (K,)."""
    bad, total = np.zeros(rows.shape), np.zeros(rows.shape)
    for window in np.unique(seconds).tolist():
        mine: BoolArray = seconds == window
        good, whole = sums[window]
        bad[mine] = whole[rows[mine]] - good[rows[mine]]
        total[mine] = whole[rows[mine]]
    return bad, total


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Without an event nothing was bad."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


_TINY: Final = 1e-300
_TERMS: Final = 400
_DONE: Final = 1e-13


def tail(bad: FloatArray, total: FloatArray, rate: FloatArray) -> FloatArray:
    """
    Probability of at least ``bad`` bad events among ``total`` when each is bad with probability ``rate``.

    All shapes (N,); ``rate`` in 0..1. Counts need not be whole. No bad event gives 1.
    """
    result = np.ones(bad.shape)
    some = (bad > 0) & (total > 0)
    if some.any():
        k, n = bad[some], np.maximum(total[some], bad[some])
        result[some] = _regularised(np.clip(rate[some], 0.0, 1.0), k, n - k + 1.0)
    return result


def _regularised(x: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """``I_x(a, b)``; the continued fraction converges fast on the side of the mean that it is asked on."""
    result = np.where(x >= 1.0, 1.0, 0.0)
    inside = (x > 0.0) & (x < 1.0)
    if not inside.any():
        return result
    x, a, b = x[inside], a[inside], b[inside]
    gammas = np.array(
        [math.lgamma(p + q) - math.lgamma(p) - math.lgamma(q) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    )
    front = np.exp(gammas + a * np.log(x) + b * np.log1p(-x))
    mirrored = x > (a + 1.0) / (a + b + 2.0)
    value = front * _fraction(np.where(mirrored, 1 - x, x), np.where(mirrored, b, a), np.where(mirrored, a, b))
    result[inside] = np.where(mirrored, 1.0 - value / b, value / a)
    return np.clip(result, 0.0, 1.0)


def _fraction(x: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Lentz' evaluation of the continued fraction of the incomplete beta function."""
    c = np.ones(x.shape)
    d = 1.0 / _apart(1.0 - (a + b) * x / (a + 1.0))
    result = d.copy()
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / _apart(1.0 + even * d), _apart(1.0 + even / c)
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / _apart(1.0 + odd * d), _apart(1.0 + odd / c)
        step = d * c
        result *= step
        if np.all(np.abs(step - 1.0) < _DONE):
            break
    return result


def _apart(value: FloatArray) -> FloatArray:
    """Away from zero, so that it may be divided by."""
    return np.where(np.abs(value) < _TINY, _TINY, value)
