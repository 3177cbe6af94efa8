"""What Observer wants of people, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.domain.action import Mode
from observer.domain.decision import Verdict
from observer.domain.incident import Incident, Phase
from observer.engine.context import REQUIRED_SOURCES
from observer.engine.remediation.approvals import NEEDED
from observer.web.views.models import ActionRequired
from observer.web.views.picture import ViewState

SHORT: Final = frozenset({"paused", "not_leader", "deferred", "in_flight", "metrics_incomplete", "no_impact"})
"""Holds that end by themselves or are told for the whole: nobody is asked because of them alone."""
PAGED_SECONDS: Final = 3600.0


def asks(picture: ViewState) -> tuple[ActionRequired, ...]:
    """Everything that waits for a person."""
    return (*_whole(picture), *(ask for one in picture.open for ask in _of_incident(one, picture)), *_paged(picture))


def _whole(picture: ViewState) -> Iterator[ActionRequired]:
    seen, control = picture.seen, picture.control
    if control.halted:
        yield ActionRequired(
            "repair", f"Observer halted after a broken invariant and touches nothing: {control.halted}", "", None
        )
    if not picture.sighted:
        gaps = [f"{gap.source}: {gap.reason}" for gap in seen.snapshot.gaps if gap.source in REQUIRED_SOURCES]
        why = "; ".join(gaps) or "fewer than 90 % of the pods have fresh counters"
        yield ActionRequired(
            "repair", f"Observer is blind and touches nothing: {why}", "", seen.memory.last_complete or None
        )
    if control.paused:
        yield ActionRequired(
            "resume", f"Observer is paused and only watches: {control.reason or 'no reason given'}", "", None
        )
    if not seen.reload.ok:
        yield ActionRequired(
            "repair", f"Edited files are refused, the old ones hold: {seen.reload.detail}", "", seen.reload.at
        )
    if seen.reload.needs_restart:
        yield ActionRequired(
            "repair", f"Restart to take over: {', '.join(seen.reload.needs_restart)}", "", seen.reload.at
        )


def _of_incident(one: Incident, picture: ViewState) -> Iterator[ActionRequired]:
    name = one.culprit.name
    if (plan := picture.plans.get(one.id)) is not None:
        text = f"{name}: the policy wants a person's word to {plan.action_kind.value} it"
        yield ActionRequired("approve", text, one.id, one.blocked.get(NEEDED))
        return
    policy = picture.seen.policies.of(one.workload, picture.seen.settings)
    if one.phase is Phase.DRAINED and policy.escalation.hold_for_human:
        yield ActionRequired("look", f"{name} is drained and kept for you to look at", one.id, one.phase_since)
    lasting = {reason: since for reason, since in one.blocked.items() if reason not in SHORT}
    if lasting and policy.mode is not Mode.SHADOW:
        reason = min(lasting, key=lambda key: lasting[key])
        words = ", ".join(sorted(lasting)).replace("_", " ")
        yield ActionRequired("look", f"{name} would be acted on, but is held: {words}", one.id, lasting[reason])


def _paged(picture: ViewState) -> Iterator[ActionRequired]:
    """What was paged in the last hour, once a subject, unless it is an open incident's or was taken back."""
    open_ids = {one.id for one in picture.open}
    latest = {}
    for one in picture.seen.recent:
        recent = picture.at - one.at < PAGED_SECONDS and one.verdict is Verdict.TELL
        if one.severity == "page" and recent and one.incident not in open_ids:
            latest[one.subject, one.kind] = one
    for one in latest.values():
        yield ActionRequired("see", one.text, one.incident, one.at)
