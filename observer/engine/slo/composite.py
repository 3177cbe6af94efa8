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
    return tuple(_joined(name, members) for name, members in sorted(parts.items()))


def _joined(name: str, parts: Sequence[ObjectiveStatus]) -> ObjectiveStatus:
    first = parts[0]
    weight = sum(part.objective.weight for part in parts)
    target = sum(part.objective.weight * part.objective.target for part in parts) / weight
    objective = replace(
        first.objective, id=name, composite="", target=target, weight=1.0, preset=None, display=first.objective.slo
    )
    worst = min(parts, key=lambda part: _WORST.index(part.state))
    spent, _ = _burn([(part, part.budget.total - part.budget.good, part.budget.total) for part in parts])
    good, total = sum(part.budget.good for part in parts), sum(part.budget.total for part in parts)
    # What OK and IDLE parts have in common is OK: somebody calls, and everything is known.
    return spoken(
        ObjectiveStatus(
            objective,
            first.at,
            worst.state,
            f"{worst.objective.id}: {worst.detail}" if worst.detail else "",
            BudgetStatus(first.budget.since, good, total, spent),
            tuple(tier for i in range(len(first.tiers)) if (tier := _tier(parts, i)) is not None),
            rate=sum(part.rate for part in parts),
        )
    )


def _burn(parts: Sequence[tuple[ObjectiveStatus, float, float]]) -> tuple[float, float]:
    """Weighted burn of ``(part, bad, total)``, and the weight of the parts that had events."""
    some = [(part.objective, bad / total) for part, bad, total in parts if total > 0]
    allowed = sum(objective.weight * objective.allowed for objective, _ in some)
    burnt = sum(objective.weight * rate for objective, rate in some)
    return (burnt / allowed, sum(objective.weight for objective, _ in some)) if allowed > 0 else (0.0, 0.0)


def _tier(parts: Sequence[ObjectiveStatus], number: int) -> TierStatus | None:
    """The composite's tier from its parts'; they come from one document and have the same tiers."""
    tiers = [part.tiers[number] for part in parts if len(part.tiers) > number]
    if len(tiers) != len(parts) or len({status.tier for status in tiers}) != 1:
        return None
    weighed = [(part, tier) for part, tier in zip(parts, tiers, strict=True) if tier.total > 0]
    allowed = sum(part.objective.weight * part.objective.allowed for part, _ in weighed)
    long, short = (
        sum(part.objective.weight * part.objective.allowed * burn for part, burn in rates) / allowed
        if allowed > 0
        else 0.0
        for rates in (
            [(part, tier.long) for part, tier in weighed],
            [(part, tier.short) for part, tier in weighed],
        )
    )
    tier = tiers[0].tier
    over = long > tier.factor and short > tier.factor
    withheld = (
        "; ".join(status.withheld for status in tiers if status.withheld)
        if over and not any(status.firing for status in tiers)
        else ""
    )
    bad, total = sum(status.bad for status in tiers), sum(status.total for status in tiers)
    return TierStatus(tier, long, short, bad, total, over, withheld)
