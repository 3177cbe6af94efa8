"""
Objectives of several parts. OpenSLO names weights and leaves the arithmetic open; ours:

    bad rate   r = sum(w_i * b_i / n_i) / sum(w_i)      over the parts that had events in that window
    allowed    a = sum(w_i * a_i) / sum(w_i)            over the same parts
    burn = r / a,   budget spent = r / a over the budget window

A part without events drops out of both sums: silence neither helps nor hurts. A part's share is its weight alone, not
its traffic, so that a quiet but important part is heard. The state is the worst of the parts'; a composite with a part
that is not known is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from observer.domain.slo import BudgetStatus, DataState, ObjectiveStatus, TierStatus
from observer.engine.slo.evaluate import spoken

_WORST: Final = (
    DataState.CONFLICT,
    DataState.STALE,
    DataState.PARTIAL,
    DataState.ABSENT,
    DataState.NEW,
    DataState.OK,
    DataState.IDLE,
)


def composites(statuses: Iterable[ObjectiveStatus]) -> tuple[ObjectiveStatus, ...]:
    """One status for each composite SLO among the parts, by its id; plain objectives are passed over."""
    parts: dict[str, list[ObjectiveStatus]] = defaultdict(list)
    for status in statuses:
        if status.objective.composite:
            parts[status.objective.composite].append(status)
    return tuple(_joined(name, found) for name, found in sorted(parts.items()))


def _joined(name: str, parts: Sequence[ObjectiveStatus]) -> ObjectiveStatus:
    first = parts[0]
    weight = sum(one.objective.weight for one in parts)
    target = sum(one.objective.weight * one.objective.target for one in parts) / weight
    objective = replace(
        first.objective, id=name, composite="", target=target, weight=1.0, preset=None, display=first.objective.slo
    )
    worst = min(parts, key=lambda one: _WORST.index(one.state))
    spent, _ = _burn([(one, one.budget.total - one.budget.good, one.budget.total) for one in parts])
    good, total = sum(one.budget.good for one in parts), sum(one.budget.total for one in parts)
    # What OK and IDLE parts have in common is OK: somebody calls, and everything is known.
    return spoken(
        ObjectiveStatus(
            objective,
            first.at,
            worst.state,
            f"{worst.objective.id}: {worst.detail}" if worst.detail else "",
            BudgetStatus(first.budget.since, good, total, spent),
            tuple(tier for i in range(len(first.tiers)) if (tier := _tier(parts, i)) is not None),
            rate=sum(one.rate for one in parts),
        )
    )


def _burn(parts: Sequence[tuple[ObjectiveStatus, float, float]]) -> tuple[float, float]:
    """Weighted burn of ``(part, bad, total)``, and the weight of the parts that had events."""
    some = [(one.objective, bad / total) for one, bad, total in parts if total > 0]
    allowed = sum(objective.weight * objective.allowed for objective, _ in some)
    burnt = sum(objective.weight * rate for objective, rate in some)
    return (burnt / allowed, sum(objective.weight for objective, _ in some)) if allowed > 0 else (0.0, 0.0)


def _tier(parts: Sequence[ObjectiveStatus], number: int) -> TierStatus | None:
    """The composite's tier from its parts'; they come from one document and have the same tiers."""
    tiers = [one.tiers[number] for one in parts if len(one.tiers) > number]
    if len(tiers) != len(parts) or len({one.tier for one in tiers}) != 1:
        return None
    weighed = [(one, tier) for one, tier in zip(parts, tiers, strict=True) if tier.total > 0]
    allowed = sum(one.objective.weight * one.objective.allowed for one, _ in weighed)
    long, short = (
        sum(one.objective.weight * one.objective.allowed * burn for one, burn in rates) / allowed
        if allowed > 0
        else 0.0
        for rates in (
            [(one, tier.long) for one, tier in weighed],
            [(one, tier.short) for one, tier in weighed],
        )
    )
    tier = tiers[0].tier
    over = long > tier.factor and short > tier.factor
    held = "; ".join(one.held for one in tiers if one.held) if over and not any(one.firing for one in tiers) else ""
    bad, total = sum(one.bad for one in tiers), sum(one.total for one in tiers)
    return TierStatus(tier, long, short, bad, total, over, held)
