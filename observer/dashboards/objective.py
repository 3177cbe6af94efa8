"""Objectives: all of them on one page to choose from, or one page for a single one, from the rules that are written."""

from __future__ import annotations

import hashlib
from typing import Final

from observer.dashboards.model import Colour, Dashboard, Panel, Row, Shape, Target, Variable
from observer.dashboards.queries import INSTANCE, JOB, by, own, quoted, share
from observer.domain import names
from observer.domain.slo import RULE_BUCKET, BurnTier, Objective, RollingWindow
from observer.engine.slo.evaluate import span

FIRED: Final = "an error budget burns too fast"
_CHOICE: Final = Variable("slo_id", "Objective", f"label_values({names.OBJECTIVE_BUDGET}, {names.SLO_ID})")
_TOTAL: Final = f"{names.SLO_TOTAL}:increase{span(RULE_BUCKET)}"
_BAD: Final = f"{names.SLO_BAD}:increase{span(RULE_BUCKET)}"
_BUDGET: Final = ((-10.0, Colour.BAD), (0.0, Colour.DOUBTFUL), (0.25, Colour.GOOD))


def objectives() -> Dashboard:
    """The page of all objectives; half of it needs the rules that ``observer rules`` writes."""
    chosen = f'{names.SLO_ID}=~"$slo_id"'
    counted = own(names.OBJECTIVE_BUDGET, chosen)
    return Dashboard(
        uid="observer-objective",
        title="Observer / Objectives",
        description="Error budgets as Observer counts them, and burn as the rules of `observer rules` record it.",
        variables=(JOB, INSTANCE, _CHOICE),
        since="now-24h",
        rows=(
            Row(
                "Budgets, counted by Observer",
                (
                    _left(by(names.SLO_ID, counted, "min"), "{{slo_id}}", width=8, shape=Shape.NUMBER),
                    _left(by(names.SLO_ID, counted, "min"), "{{slo_id}}", width=16, shape=Shape.LINES),
                ),
            ),
            Row(
                "Events, recorded by rules",
                (
                    _events(chosen, "{{slo_id}} "),
                    _share_of_bad(chosen, "{{slo_id}}", names.SLO_ID),
                    _errors(chosen, "{{slo_id}} {{__name__}}"),
                    Panel(
                        "Budget spent",
                        "Share of the budget that is gone in the objective's window. Above 1 it is overdrawn.",
                        "percentunit",
                        (Target(f"{names.SLO_SPENT}{{{chosen}}}", "{{slo_id}}"),),
                        width=12,
                    ),
                    _alerts(chosen),
                ),
            ),
        ),
    )


def of_objective(objective: Objective) -> Dashboard:
    """The page of one objective; it needs its rule file in Prometheus (``observer rules``)."""
    chosen = ", ".join(f"{label}={quoted(value)}" for label, value in _identity(objective).items())
    rolling = isinstance(objective.window, RollingWindow)
    spent = f"1 - {names.SLO_SPENT}{{{chosen}}}"
    counted = f"min({own(names.OBJECTIVE_BUDGET, f'{names.SLO_ID}={quoted(objective.id)}')})"
    window = f" of {span(objective.window.seconds)}" if isinstance(objective.window, RollingWindow) else ""
    target = f"{objective.target * 100:.10g} % of the events{window} are good."
    recorded = (_left(spent, "left, by the rules", width=8, shape=Shape.LINES),) if rolling else ()
    return Dashboard(
        uid=f"observer-slo-{_digest(objective)}",
        title=f"Observer / SLO {_named(objective)}",
        description=f"{objective.display or objective.slo}: {target}",
        variables=(JOB, INSTANCE),
        since="now-24h",
        rows=(
            Row(
                "Budget",
                (
                    _left(counted, "left, by Observer", width=8, shape=Shape.NUMBER),
                    *recorded,
                    _share_of_bad(chosen, "bad", ""),
                ),
            ),
            *(
                (Row("Burn", tuple(_burn(objective, chosen, tier) for tier in objective.tiers)),)
                if objective.tiers
                else ()
            ),
            Row("Events", (_events(chosen, ""), _errors(chosen, "{{__name__}}"), _alerts(chosen))),
        ),
    )


def _burn(objective: Objective, chosen: str, tier: BurnTier) -> Panel:
    windows = dict.fromkeys((tier.long, tier.short))
    return Panel(
        f"Burn rate, {tier.severity} {span(tier.long)}",
        f"How many times too fast the budget burns. Above {tier.factor:g} over all of its windows people are alerted.",
        "short",
        (
            *(
                Target(f"{names.SLO_ERROR}{span(window)}{{{chosen}}} / {objective.allowed!r}", span(window))
                for window in windows
            ),
            Target(f"vector({tier.factor!r})", "limit"),
        ),
        width=12,
    )


def _left(expr: str, legend: str, *, width: int, shape: Shape) -> Panel:
    over_time = "" if shape is Shape.NUMBER else " over time"
    return Panel(
        f"Error budget left{over_time}",
        "Share of the bad events that may still happen in the objective's window. Below 0 it is overdrawn.",
        "percentunit",
        (Target(expr, legend),),
        shape,
        width=width,
        thresholds=_BUDGET if shape is Shape.NUMBER else (),
    )


def _events(chosen: str, prefix: str) -> Panel:
    return Panel(
        "Events",
        f"All and bad events of each {span(RULE_BUCKET)}.",
        "short",
        (Target(f"{_TOTAL}{{{chosen}}}", f"{prefix}all"), Target(f"{_BAD}{{{chosen}}}", f"{prefix}bad")),
        width=12,
    )


def _share_of_bad(chosen: str, legend: str, retained: str) -> Panel:
    bad, total = f"{_BAD}{{{chosen}}}", f"{_TOTAL}{{{chosen}}}"
    bad, total = (by(retained, one) if retained else f"sum({one})" for one in (bad, total))
    return Panel(
        "Share of bad events",
        f"Of the events of each {span(RULE_BUCKET)}. No value without an event.",
        "percentunit",
        (Target(share(bad, f"({total} > 0)"), legend),),
        width=12,
    )


def _errors(chosen: str, legend: str) -> Panel:
    return Panel(
        "Share of bad events by window",
        "What the burn alerts compare: sums of events over each window, never means of ratios.",
        "percentunit",
        (Target(f'{{__name__=~"{names.SLO_ERROR}.+", {chosen}}}', legend),),
        width=12,
    )


def _alerts(chosen: str) -> Panel:
    return Panel(
        "Burn alerts",
        "Pending and firing alerts of the written rules, by tier.",
        "short",
        (
            Target(
                by(
                    f"{names.SLO_ID}, {names.BURN_TIER}, alertstate",
                    f'ALERTS{{alertname="{names.BURN_ALERT}", {chosen}}}',
                    "max",
                ),
                "{{slo_id}} {{burn_tier}} {{alertstate}}",
                FIRED,
            ),
        ),
        Shape.STATES,
        width=24,
        words=((1, "yes", Colour.BAD),),
    )


def _identity(objective: Objective) -> dict[str, str]:
    """The labels that written rules give every series of an objective."""
    return {names.SLO_ID: objective.id} | ({names.CLUSTER: objective.cluster} if objective.cluster else {})


def _named(objective: Objective) -> str:
    return f"{objective.cluster}/{objective.id}" if objective.cluster else objective.id


def _digest(objective: Objective) -> str:
    """Stays the same for as long as the objective is called the same."""
    return hashlib.sha256(_named(objective).encode()).hexdigest()[:20]
