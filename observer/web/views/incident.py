"""One incident: what was seen, what was done, which guards allowed or blocked it, and did it help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from observer import actions
from observer.domain.approval import Plan
from observer.domain.attribution import RankedCause
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Incident
from observer.domain.reasons import page_of
from observer.engine.attribution.members import cause_of
from observer.engine.detect.tiers import tier_scores
from observer.engine.guards.order import GUARDS
from observer.web.models import incident as answers
from observer.web.models.parameters import GraphQuery
from observer.web.models.rows import Link
from observer.web.views.graph import graph_view
from observer.web.views.overview import action_required
from observer.web.views.rows import decision_row, incident_row, target_view
from observer.web.views.view_state import ViewState

LinksOf = Callable[[Decision], Mapping[str, str]]
"""The addresses that belong to a decision, by name."""
OURS: Final = "page"
"""The name of the link that leads here."""
MOST_STEPS: Final = 500
STORY: Final = (
    "suspected", "drain_effective", "drain_verdict", "readmitted", "blocked", "page", "approved", "withdrawn",
    *(spec.kind.value for spec in actions.writing()),
    "replaced", "verified", "undone", "frozen", "closed",
)  # fmt: skip
"""The journal keeps instants only: within one, a verdict comes before what is done about it, the end last."""
GUARD_NAMES: Final = tuple(guard.name for guard in GUARDS)
"""All are asked, so one that did not block has allowed."""


def no_links(_: Decision) -> Mapping[str, str]:
    """Where the settings name none."""
    return {}


def incident_view(
    incident: Incident,
    state: ViewState,
    decisions: Sequence[Decision],
    points: Sequence[answers.Point],
    links_of: LinksOf,
) -> answers.IncidentView:
    """``decisions`` are the incident's, oldest first."""
    settings, service = state.tick.settings, incident.service
    around = str(service) if service is not None and service.namespace else ""
    timeline = in_order(decisions)
    return answers.IncidentView(
        incident=incident_row(incident),
        action_required=tuple(item for item in action_required(state) if item.incident == incident.id),
        mode=state.tick.policies.of(incident.workload, settings).mode,
        onset=incident.onset or None,
        share=incident.share,
        requests=incident.requests,
        bad=incident.bad,
        node=incident.node,
        revision=incident.revision,
        ceiling=incident.ceiling.name.lower(),
        ceiling_reason=incident.ceiling_reason,
        needed={tier.name.lower(): score for tier, score in tier_scores(settings).items()},
        drained=bool(incident.drain_expires) and not incident.closed,
        drain_expires=incident.drain_expires or None,
        experiment=_experiment(incident),
        verification=_verification(incident),
        attribution=_attribution(incident),
        guard_review=guard_review(timeline),
        approval=_pending(state.plans.get(incident.id)),
        timeline=tuple(decision_row(decision) for decision in timeline),
        points=tuple(points),
        graph=graph_view(state, GraphQuery(around=around, depth=1, limit=60)),
        links=links_for(timeline, links_of),
    )


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """Oldest first; what happened in one tick in the order in which it follows from each other."""
    rank = {kind: number for number, kind in enumerate(STORY)}
    return sorted(decisions, key=lambda decision: (decision.at, rank.get(decision.kind, rank["blocked"]), decision.id))


def guard_review(decisions: Sequence[Decision]) -> answers.GuardReview | None:
    """The last time that an action was weighed."""
    weighed = (Verdict.ACT, Verdict.WOULD, Verdict.BLOCKED)
    harmful = (it for it in reversed(decisions) if actions.harmful(it.action_kind) and it.verdict in weighed)
    last = next(harmful, None)
    if last is None or last.action_kind is None:
        return None
    blocked = [
        answers.GuardView(it.guard, allowed=False, reason=it.reason, detail=it.detail, explained=page_of(it.reason))
        for it in last.blocked_by
    ]
    names = {view.guard for view in blocked}
    others = (name for name in GUARD_NAMES if name not in names)
    allowed = [answers.GuardView(name, allowed=True) for name in others]
    return answers.GuardReview(last.at, last.action_kind.value, (*blocked, *allowed))


def links_for(decisions: Sequence[Decision], links_of: LinksOf) -> tuple[Link, ...]:
    """Those of the first decision that has any: it stands where the trouble began."""
    links = next((links for decision in decisions if (links := links_of(decision))), {})
    return tuple(Link(name, url) for name, url in links.items() if name != OURS)


def _attribution(incident: Incident) -> answers.AttributionView | None:
    attribution = incident.attribution
    if attribution is None:
        return None
    causes = tuple(_cause(cause, incident) for cause in attribution.ranked)
    return answers.AttributionView(attribution.at, causes, attribution.unknown, attribution.gaps)


def _cause(ranked: RankedCause, incident: Incident) -> answers.CauseView:
    lines = tuple(answers.CauseEvidence(line.word, line.score, line.text) for line in ranked.lines)
    cause = ranked.cause
    culprit = cause == cause_of(incident.culprit)
    return answers.CauseView(cause.kind.value, str(cause), ranked.probability, ranked.inherited, culprit, lines)


def _pending(plan: Plan | None) -> answers.PendingApproval | None:
    if plan is None:
        return None
    return answers.PendingApproval(plan.action_kind.value, target_view(plan.target), plan.hash, plan.diff)


def _experiment(incident: Incident) -> answers.ExperimentView | None:
    run = incident.experiment
    if run is None:
        return None
    return answers.ExperimentView(
        run.started, run.effective or None, run.requests, run.bad, run.log_odds, run.verdict.value
    )


def _verification(incident: Incident) -> answers.VerificationView | None:
    run = incident.check
    if run is None:
        return None
    replacement, ready = str(run.replacement or ""), run.ready or None
    return answers.VerificationView(
        run.evicted, replacement, ready, run.requests, run.bad, run.log_odds, run.verdict.value
    )
