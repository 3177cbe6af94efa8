"""Domain values -> the rows that people read."""

from __future__ import annotations

from observer.domain.decision import Decision
from observer.domain.incident import Incident
from observer.domain.slo import ObjectiveStatus
from observer.domain.suspect import Symptom
from observer.engine.messages.wording import percent
from observer.web.views.models import BlockedView, DecisionRow, IncidentRow, ObjectiveView, OutcomeView, StandingBlock
from observer.web.views.states import PHASES, SYMPTOMS


def decision_row(one: Decision) -> DecisionRow:
    """One decision as it was recorded."""
    outcome = one.outcome
    return DecisionRow(
        id=one.id,
        at=one.at,
        kind=one.kind,
        verdict=one.verdict,
        subject=one.subject,
        reason=one.reason,
        text=one.text,
        severity=one.severity,
        mode=one.mode,
        incident=one.incident,
        action=one.action_kind.value if one.action_kind is not None else "",
        pod=str(one.pod or ""),
        service=str(one.service or ""),
        workload=str(one.workload or ""),
        action_id=one.action.id if one.action is not None else "",
        blocked_by=tuple(
            BlockedView(block.guard, block.reason, block.detail, block.refused) for block in one.blocked_by
        ),
        outcome=OutcomeView(outcome.result.value, outcome.reason, outcome.detail) if outcome is not None else None,
        figures=dict(one.figures),
        config=one.config,
    )


def incident_row(one: Incident) -> IncidentRow:
    """One incident in a line."""
    return IncidentRow(
        id=one.id,
        subject=str(one.culprit),
        namespace=one.culprit.namespace,
        workload=str(one.workload or ""),
        service=str(one.service or ""),
        symptom=one.symptom,
        phase=one.phase,
        tier=one.tier.name.lower(),
        opened=one.opened,
        closed=one.closed or None,
        bad_rate=one.p1,
        peer_bad_rate=one.p0,
        evidence_score=one.evidence_score,
        blocked=tuple(
            StandingBlock(reason, since) for reason, since in sorted(one.blocked.items(), key=lambda item: item[1])
        ),
        outcome=one.closing,
        headline=headline(one),
    )


def headline(one: Incident) -> str:
    """``catalog-1 fails 31 % of its requests, its peers 0 %; it is drained, its callers are watched``."""
    if one.symptom is Symptom.UNREACHED:
        what = f"{one.culprit.name} {'was' if one.closed else 'is'} not reached by its callers"
    else:
        bad = f"{percent(one.p1)} of its requests, siblings {percent(one.p0)}"
        what = f"{one.culprit.name} {SYMPTOMS[one.symptom][bool(one.closed)]} {bad}"
    if one.closed:
        return f"{what}; closed: {one.closing.replace('_', ' ')}"
    return f"{what}; it {PHASES[one.phase]}"


def objective_view(status: ObjectiveStatus) -> ObjectiveView:
    """One objective; figures only while its data is worth something."""
    objective, known = status.objective, status.state.known
    return ObjectiveView(
        id=objective.id,
        name=objective.display or objective.slo,
        service=str(objective.scope or objective.service),
        at=status.at,
        target=objective.target,
        state=status.state,
        detail=status.detail,
        budget_left=status.budget.remaining if known else None,
        burn=burn(status),
        exhausted_in=status.budget.exhausted_in if known else None,
        told=status.told,
        text=status.text,
    )


def burn(status: ObjectiveStatus) -> float | None:
    """The highest burn rate that both windows of a tier reach; None while it is not known."""
    if not status.state.known or not status.tiers:
        return None
    return max(min(tier.long, tier.short) for tier in status.tiers)


def overdraft(status: ObjectiveStatus) -> str:
    """By how much an objective has overdrawn its budget."""
    name = status.objective.display or status.objective.slo
    return f"{name}: its error budget is overdrawn by {percent(-status.budget.remaining)}"
