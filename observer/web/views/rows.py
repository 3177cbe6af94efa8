"""Domain values -> the rows that people read."""

from __future__ import annotations

from typing import Final

from observer.domain.decision import Decision
from observer.domain.ids import Target
from observer.domain.incident import Incident, Phase
from observer.domain.reasons import page_of
from observer.domain.slo import ObjectiveStatus
from observer.domain.suspect import Symptom
from observer.engine.messages.wording import percent
from observer.web.models import rows

PHASES: Final = {
    Phase.SUSPECTED: "is suspected",
    Phase.DRAINING: "is being drained",
    Phase.EXPERIMENT: "is drained; its callers are watched",
    Phase.DRAINED: "is drained and waits",
    Phase.READMITTED: "was restored for a while to see whether the errors return",
    Phase.EVICTING: "is being replaced",
    Phase.VERIFYING: "was replaced; the replacement is checked",
    Phase.CLOSED: "is closed",
}
SYMPTOMS: Final = {Symptom.ERRORS: ("fails", "failed"), Symptom.LATENCY: ("is slow for", "was slow for")}
"""What a pod does while its incident is open, and what it did."""


def target_view(target: Target) -> rows.TargetView:
    """What an action is done to, under the API's names."""
    return rows.TargetView(target.kind.value, target.namespace, target.name, target.uid)


def decision_row(decision: Decision) -> rows.DecisionRow:
    """One decision as it was recorded."""
    outcome, action = decision.outcome, decision.action
    return rows.DecisionRow(
        id=decision.id,
        at=decision.at,
        kind=decision.kind,
        verdict=decision.verdict,
        subject=decision.subject,
        reason=decision.reason,
        text=decision.text,
        severity=decision.severity,
        mode=decision.mode,
        incident=decision.incident,
        action=decision.action_kind.value if decision.action_kind is not None else "",
        pod=str(decision.pod or ""),
        service=str(decision.service or ""),
        workload=str(decision.workload or ""),
        action_id=action.id if action is not None else "",
        blocked_by=tuple(
            rows.BlockedView(block.guard, block.reason, block.detail, block.refused, page_of(block.reason))
            for block in decision.blocked_by
        ),
        outcome=rows.OutcomeView(outcome.result.value, outcome.reason, outcome.detail) if outcome is not None else None,
        figures=dict(decision.figures),
        config=decision.config,
        explained=page_of(decision.reason) if decision.reason else "",
    )


def incident_row(incident: Incident) -> rows.IncidentRow:
    """One incident in a line."""
    blocked = sorted(incident.blocked.items(), key=lambda item: item[1])
    experiment, check = incident.experiment, incident.check
    namespace = incident.culprit.namespace or (incident.service.namespace if incident.service is not None else "")
    return rows.IncidentRow(
        id=incident.id,
        subject=str(incident.culprit),
        namespace=namespace,
        workload=str(incident.workload or ""),
        service=str(incident.service or ""),
        symptom=incident.symptom,
        phase=incident.phase,
        tier=incident.tier.name.lower(),
        opened=incident.opened,
        closed=incident.closed or None,
        bad_rate=incident.p1,
        peer_bad_rate=incident.p0,
        evidence_score=incident.evidence_score,
        blocked=tuple(rows.StandingBlock(reason, since) for reason, since in blocked),
        drain_verdict=experiment.verdict.value if experiment is not None else None,
        verification=check.verdict.value if check is not None else None,
        evidence_at=incident.evidence_at,
        outcome=incident.closing,
        headline=headline(incident),
    )


def headline(incident: Incident) -> str:
    """``catalog-1 fails 31 % of its requests, other replicas 0 %; it is drained, its callers are watched``."""
    name, closed = incident.culprit.name, bool(incident.closed)
    if incident.symptom is Symptom.UNREACHED:
        what = f"{name} {'was' if closed else 'is'} not reached by its callers"
    else:
        bad = f"{percent(incident.p1)} of its requests, other replicas {percent(incident.p0)}"
        what = f"{name} {SYMPTOMS[incident.symptom][closed]} {bad}"
    if closed:
        return f"{what}; closed: {incident.closing.replace('_', ' ')}"
    return f"{what}; it {PHASES[incident.phase]}"


def objective_view(status: ObjectiveStatus) -> rows.ObjectiveView:
    """One objective; figures only while its data is worth something."""
    objective, known = status.objective, status.state.known
    return rows.ObjectiveView(
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
        alert=status.alert,
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
