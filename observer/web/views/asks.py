"""What Observer wants of people, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.domain.action import Mode
from observer.domain.decision import Verdict
from observer.domain.incident import Incident, Phase
from observer.engine.conclude import BLINDING
from observer.engine.waiting import NEEDED
from observer.web.views.models import Ask
from observer.web.views.picture import Picture

SHORT: Final = frozenset({"paused", "not_leader", "deferred", "in_flight", "metrics_incomplete", "no_impact"})
"""Holds that end by themselves or are told for the whole: nobody is asked because of them alone."""
PAGED_SECONDS: Final = 3600.0


def asks(picture: Picture) -> tuple[Ask, ...]:
    """Everything that waits for a person."""
    return (*_whole(picture), *(ask for one in picture.open for ask in _of_incident(one, picture)), *_paged(picture))


def _whole(picture: Picture) -> Iterator[Ask]:
    seen, control = picture.seen, picture.control
    if control.halted:
        yield Ask("repair", f"Observer halted after a broken invariant and touches nothing: {control.halted}", "", None)
    if not picture.sighted:
        gaps = [f"{gap.source}: {gap.reason}" for gap in seen.snapshot.gaps if gap.source in BLINDING]
        why = "; ".join(gaps) or "fewer than 90 % of the pods have fresh counters"
        yield Ask("repair", f"Observer is blind and touches nothing: {why}", "", seen.memory.last_complete or None)
    if control.paused:
        yield Ask("resume", f"Observer is paused and only watches: {control.reason or 'no reason given'}", "", None)
    if not seen.reload.ok:
        yield Ask("repair", f"Edited files are refused, the old ones hold: {seen.reload.detail}", "", seen.reload.at)
    if seen.reload.needs_restart:
        yield Ask("repair", f"Restart to take over: {', '.join(seen.reload.needs_restart)}", "", seen.reload.at)


def _of_incident(one: Incident, picture: Picture) -> Iterator[Ask]:
    name = one.culprit.name
    if (plan := picture.plans.get(one.id)) is not None:
        text = f"{name}: the policy wants a person's word to {plan.rung.value} it"
        yield Ask("approve", text, one.id, one.held.get(NEEDED))
        return
    policy = picture.seen.book.of(one.workload, picture.seen.settings)
    if one.phase is Phase.DRAINED and policy.ladder.hold_for_human:
        yield Ask("look", f"{name} is drained and kept for you to look at", one.id, one.phase_since)
    lasting = {reason: since for reason, since in one.held.items() if reason not in SHORT}
    if lasting and policy.mode is not Mode.SHADOW:
        reason = min(lasting, key=lambda key: lasting[key])
        words = ", ".join(sorted(lasting)).replace("_", " ")
        yield Ask("look", f"{name} would be acted on, but is held: {words}", one.id, lasting[reason])


def _paged(picture: Picture) -> Iterator[Ask]:
    """What was paged in the last hour, once a subject, unless it is an open incident's or was taken back."""
    open_ids = {one.id for one in picture.open}
    latest = {}
    for one in picture.seen.recent:
        recent = picture.at - one.at < PAGED_SECONDS and one.verdict is Verdict.TELL
        if one.severity == "page" and recent and one.incident not in open_ids:
            latest[one.subject, one.kind] = one
    for one in latest.values():
        yield Ask("see", one.text, one.incident, one.at)
