"""``/incidents`` and one incident: what was seen, what was done, which brakes allowed or held, and did it help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from observer import actions
from observer.domain.action import ActionKind, Mode
from observer.domain.approval import Plan
from observer.domain.attribution import RankedCause
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Incident
from observer.engine.attribution.members import cause_of
from observer.engine.detect.tiers import tier_scores
from observer.engine.guards import GUARDS
from observer.web.views.asked import GraphQuery
from observer.web.views.asks import asks
from observer.web.views.graph import GraphView, graph_view
from observer.web.views.links import Link, LinksOf, links_for
from observer.web.views.models import ActionRequired, DecisionRow, IncidentRow, TargetView, target_view
from observer.web.views.picture import ViewState
from observer.web.views.rows import decision_row, incident_row
from observer.web.views.trail import Point

MOST_STEPS: Final = 500
STORY: Final = (
    "suspected", "drain_effective", "drain_verdict", "readmitted", "blocked", "page", "approved", "withdrawn",
    *(spec.kind.value for spec in actions.writing()),
    "replaced", "verified", "undone", "frozen", "closed",
)  # fmt: skip
"""The journal keeps instants only: within one, a verdict comes before what is done about it, the end last."""
GUARD_NAMES: Final = tuple(guard.name for guard in GUARDS)
"""All are asked, so one that did not block has allowed."""


class IncidentList(Struct, frozen=True):
    """Incidents, the one opened last first; ``next`` is the cursor of the following page, empty at the end."""

    incidents: tuple[IncidentRow, ...]
    next: str


class GuardView(Struct, frozen=True):
    """One brake and what it answered when the act was last weighed; ``reason`` and ``detail`` only when it held."""

    guard: str
    allowed: bool
    reason: str
    detail: str


class GuardReview(Struct, frozen=True):
    """All brakes as they answered to one act, at one instant."""

    at: float
    action: ActionKind
    guards: tuple[GuardView, ...]


class ExperimentView(Struct, frozen=True):
    """The drain as an experiment: what the callers saw without the pod. ``log_odds`` = ln (dropped : not dropped)."""

    started: float
    effective: float | None
    requests: float
    bad: float
    log_odds: float
    verdict: str


class VerificationView(Struct, frozen=True):
    """The replacement against the same figures. ``log_odds`` = ln (as good as its siblings : as bad as before)."""

    evicted: float
    replacement: str
    ready: float | None
    requests: float
    bad: float
    log_odds: float
    verdict: str


class CauseEvidence(Struct, frozen=True):
    """One line of evidence for or against a cause, in nats."""

    word: str
    evidence_score: float
    text: str


class CauseView(Struct, frozen=True):
    """
    One possible cause with its probability, 0..1. ``inherited`` is the part of its service's trouble that comes from
    what it calls; ``culprit`` whether it is the one that this incident is about.
    """

    kind: str
    cause: str
    probability: float
    inherited: float
    culprit: bool
    lines: tuple[CauseEvidence, ...]


class AttributionView(Struct, frozen=True):
    """Who is to blame as of ``at``, likeliest first; ``unknown`` also means nobody. ``gaps`` say what was not seen."""

    at: float
    ranked: tuple[CauseView, ...]
    unknown: float
    gaps: tuple[str, ...]


class PendingApproval(Struct, frozen=True):
    """
    The act that waits for a person's word. ``plan`` is its hash: an approval is for this act and no other. ``diff`` are
    the changes of the cluster, a line each.
    """

    action: ActionKind
    target: TargetView
    plan: str
    diff: tuple[str, ...]


class IncidentView(Struct, frozen=True):
    """
    One incident in full.

    ``needs`` are the nats of each tier. ``points`` is the evidence from tick to tick since this process began, oldest
    first. ``timeline`` holds every decision of the incident, oldest first, at most 500. ``weighing`` is null until an
    act was weighed, ``attribution`` until somebody was asked. ``approval`` is the act that waits for a person,
    ``drained``
    whether the pod can be given back.
    """

    incident: IncidentRow
    asks: tuple[ActionRequired, ...]
    mode: Mode
    onset: float | None
    share: float
    requests: float
    bad: float
    node: str
    revision: str
    ceiling: str
    ceiling_reason: str
    needs: dict[str, float]
    evidence_at: str
    drained: bool
    drain_expires: float | None
    experiment: ExperimentView | None
    check: VerificationView | None
    attribution: AttributionView | None
    weighing: GuardReview | None
    approval: PendingApproval | None
    timeline: tuple[DecisionRow, ...]
    points: tuple[Point, ...]
    graph: GraphView
    links: tuple[Link, ...]


def incident_view(
    one: Incident, picture: ViewState, decisions: Sequence[Decision], points: Sequence[Point], links_of: LinksOf
) -> IncidentView:
    """``decisions`` are the incident's, oldest first."""
    settings = picture.seen.settings
    policy = picture.seen.policies.of(one.workload, settings)
    around = str(one.service) if one.service is not None and one.service.namespace else ""
    told = in_order(decisions)
    return IncidentView(
        incident=incident_row(one),
        asks=tuple(ask for ask in asks(picture) if ask.incident == one.id),
        mode=policy.mode,
        onset=one.onset or None,
        share=one.share,
        requests=one.requests,
        bad=one.bad,
        node=one.node,
        revision=one.revision,
        ceiling=one.ceiling.name.lower(),
        ceiling_reason=one.ceiling_reason,
        needs={tier.name.lower(): evidence_score for tier, evidence_score in tier_scores(settings).items()},
        evidence_at=one.evidence_at,
        drained=bool(one.drain_expires) and not one.closed,
        drain_expires=one.drain_expires or None,
        experiment=_experiment(one),
        check=_check(one),
        attribution=_attribution(one),
        weighing=weighing(told),
        approval=_next_act(picture.plans.get(one.id)),
        timeline=tuple(decision_row(item) for item in told),
        points=tuple(points),
        graph=graph_view(picture, GraphQuery(around=around, depth=1, limit=60)),
        links=links_for(told, links_of),
    )


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """Oldest first; what happened in one tick in the order in which it follows from each other."""
    rank = {kind: number for number, kind in enumerate(STORY)}
    return sorted(decisions, key=lambda one: (one.at, rank.get(one.kind, rank["blocked"]), one.id))


def weighing(decisions: Sequence[Decision]) -> GuardReview | None:
    """The last time that an act was weighed."""
    weighed = (Verdict.ACT, Verdict.WOULD, Verdict.BLOCKED)
    last = next(
        (one for one in reversed(decisions) if actions.harmful(one.action_kind) and one.verdict in weighed), None
    )
    if last is None or last.action_kind is None:
        return None
    held = [
        GuardView(block.guard, allowed=False, reason=block.reason, detail=block.detail) for block in last.blocked_by
    ]
    names = {one.guard for one in held}
    allowed = [GuardView(name, allowed=True, reason="", detail="") for name in GUARD_NAMES if name not in names]
    return GuardReview(last.at, last.action_kind, (*held, *allowed))


def _attribution(one: Incident) -> AttributionView | None:
    found = one.attribution
    if found is None:
        return None
    return AttributionView(found.at, tuple(_cause(each, one) for each in found.ranked), found.unknown, found.gaps)


def _cause(one: RankedCause, incident: Incident) -> CauseView:
    lines = tuple(CauseEvidence(line.word, line.score, line.text) for line in one.lines)
    own = one.cause == cause_of(incident.culprit)
    return CauseView(one.cause.kind.value, str(one.cause), one.probability, one.inherited, own, lines)


def _next_act(plan: Plan | None) -> PendingApproval | None:
    if plan is None:
        return None
    return PendingApproval(plan.action_kind, target_view(plan.target), plan.hash, plan.diff)


def _experiment(one: Incident) -> ExperimentView | None:
    run = one.experiment
    if run is None:
        return None
    return ExperimentView(run.started, run.effective or None, run.requests, run.bad, run.log_odds, run.verdict.value)


def _check(one: Incident) -> VerificationView | None:
    run = one.check
    if run is None:
        return None
    replacement = str(run.replacement or "")
    return VerificationView(
        run.evicted, replacement, run.ready or None, run.requests, run.bad, run.log_odds, run.verdict.value
    )
