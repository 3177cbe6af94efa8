"""The calm world in which every guard allows, and what a case changes in it: for tests and for the reference pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from observer.domain.action import ActionKind
from observer.domain.attribution import AttributionInputs
from observer.domain.decision import Allowed, Blocked
from observer.domain.incident import Phase
from observer.domain.policy import EffectivePolicy
from observer.domain.settings import GuardSettings
from observer.domain.suspect import Tier
from observer.engine.attribution.attribute import attribute
from observer.engine.context import Rules, TickContext
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import Guard
from observer.engine.memory import Memory
from tests.support.builders import (
    NOW,
    catalog,
    cluster,
    enforce,
    health,
    incident_of,
    judgement,
    pod,
    service_ref,
    snapshot,
    suspect,
    workload,
    workload_ref,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What differs from the calm context in which every guard allows; ``reason`` is a title where it allows."""

    guard: Guard
    reason: str
    pod: dict[str, Any] | None = None
    workload: dict[str, Any] | None = None
    view: dict[str, Any] | None = None
    picture: dict[str, Any] | None = None
    judged: dict[str, Any] | None = None
    memory: dict[str, Any] | None = None
    incident: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    guards: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None
    others: Callable[[], list[Any]] | None = None
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.guard.name.value}-{self.reason}"


EVICT: dict[str, Any] = {"action_kind": ActionKind.EVICT}
ELSEWHERE: dict[str, Any] = {"workload": workload_ref("other"), "service": service_ref("other")}


def other_in_progress(phase: Phase = Phase.DRAINING, **changes: Any) -> dict[str, Any]:
    """Something is going on with catalog-2."""
    return {"in_progress": (incident_of("catalog-2", phase=phase, **changes),)}


def context_of(case: Case | None = None) -> GuardContext:
    """catalog-1 of four is to be drained; nothing stands against it but what the case says."""
    case = case or Case(Guard.__new__(Guard), "")
    peers = case.others() if case.others is not None else catalog(4)[1:]
    culprit = replace(pod("catalog-1"), **(case.pod or {}))
    pods = [culprit, *peers]
    owner = replace(workload(desired=len(pods)), **(case.workload or {}))
    view = cluster(pods, [owner], **(case.view or {}))
    settings = enforce(guards=replace(GuardSettings(), **(case.guards or {})))
    judged = judgement(**({"services": health(pods, unhealthy=[culprit])} | (case.judged or {})))
    made = GuardContext(
        tick=TickContext.of(snapshot(view, **(case.picture or {})), judged, view, Rules(settings)),
        action_kind=ActionKind.DRAIN,
        incident=replace(incident_of("catalog-1"), **(case.incident or {})),
        pod=culprit,
        workload=owner if culprit.workload is not None else None,
        suspect=suspect(culprit, Tier.EVICT),
        memory=replace(Memory(), **(case.memory or {})),
        policy=replace(EffectivePolicy.of(settings), **(case.policy or {})),
        attribution=attribute(AttributionInputs(NOW, judgement=judgement(suspects=[suspect(culprit, Tier.EVICT)]))),
    )
    return replace(made, **(case.context or {}))


def assert_blocks(case: Case) -> None:
    """The case's guard blocks, for its reason, with figures for people."""
    answer = case.guard(context_of(case))
    assert isinstance(answer, Blocked)
    assert (answer.reason, answer.refused) == (case.reason, case.refused)
    assert answer.guard == case.guard.name
    assert answer.detail


def assert_allows(case: Case) -> None:
    """The case's guard has no objection."""
    assert case.guard(context_of(case)) == Allowed(case.guard.name)


def assert_covers(guards: Sequence[Guard], cases: Sequence[Case]) -> None:
    """Each guard is in the table, once for each reason that it explains."""
    explained = {(guard.name, reason) for guard in guards for reason in guard.advice}
    tried = {(case.guard.name, case.reason) for case in cases}
    assert explained <= tried
    assert {guard.name for guard in guards} == {case.guard.name for case in cases}
