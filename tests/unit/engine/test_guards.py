"""Every brake: once it allows, and once for each reason to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import plan_of
from observer.domain.attribution import AttributionInputs
from observer.domain.cluster import Autoscaler, DisruptionBudget, MeshControl, Node, ResourceKind
from observer.domain.decision import Allowed, Blocked
from observer.domain.ids import PodRef
from observer.domain.incident import Phase
from observer.domain.policy import EffectivePolicy, StandingHold, TimeWindow
from observer.domain.settings import EscalationSettings, GuardSettings
from observer.domain.suspect import Suppression, Symptom, Tier
from observer.engine.attribution.attribute import attribute
from observer.engine.context import Fleet
from observer.engine.guards import GUARDS, accused, ask, budgets, capacity, changes, control, eligibility, history
from observer.engine.guards import policy as rules
from observer.engine.guards.context import Guard, GuardContext
from observer.engine.memory import Memory
from tests.support.builders import (
    NOW,
    catalog,
    cluster,
    drained,
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
)
from tests.support.builders import (
    ledger_entry as entry,
)


@dataclass(frozen=True)
class Case:
    """What differs from the calm situation in which every brake allows."""

    guard: Guard
    reason: str
    pod: dict[str, Any] | None = None
    workload: dict[str, Any] | None = None
    view: dict[str, Any] | None = None
    picture: dict[str, Any] | None = None
    judged: dict[str, Any] | None = None
    memory: dict[str, Any] | None = None
    incident: dict[str, Any] | None = None
    situation: dict[str, Any] | None = None
    guards: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None
    others: Callable[[], list[Any]] | None = None
    refused: bool = False


def situation(case: Case | None = None) -> GuardContext:
    """catalog-1 of four is to be drained; nothing stands against it but what the case says."""
    case = case or Case(control.leader, "")
    peers = case.others() if case.others is not None else catalog(4)[1:]
    culprit = replace(pod("catalog-1"), **(case.pod or {}))
    pods = [culprit, *peers]
    owner = replace(workload(desired=len(pods)), **(case.workload or {}))
    view = cluster(pods, [owner], **(case.view or {}))
    settings = enforce(guards=replace(GuardSettings(), **(case.guards or {})))
    judged = judgement(**({"services": health(pods, unhealthy=[culprit])} | (case.judged or {})))
    made = GuardContext(
        at=NOW,
        action_kind=ActionKind.DRAIN,
        incident=replace(incident_of("catalog-1"), **(case.incident or {})),
        pod=culprit,
        workload=owner if culprit.workload is not None else None,
        suspect=suspect(culprit, Tier.EVICT),
        snapshot=snapshot(view, **(case.picture or {})),
        cluster=view,
        judgement=judged,
        memory=replace(Memory(), **(case.memory or {})),
        settings=settings,
        policy=replace(EffectivePolicy.of(settings), **(case.policy or {})),
        fleet=Fleet(judged),
        attribution=attribute(AttributionInputs(NOW, judgement=judgement(suspects=[suspect(culprit, Tier.EVICT)]))),
    )
    return replace(made, **(case.situation or {}))


def other_in_hand(phase: Phase = Phase.DRAINING, **changes: Any) -> dict[str, Any]:
    return {"in_progress": (incident_of("catalog-2", phase=phase, **changes),)}


BUDGET = DisruptionBudget("shop", "pdb", frozenset({"catalog-1"}), 1, current=True)
SCALER = Autoscaler("shop", "hpa", workload_ref(), 4, 4, None)
ELSEWHERE: dict[str, Any] = {"workload": workload_ref("other"), "service": service_ref("other")}
EVICT: dict[str, Any] = {"action_kind": ActionKind.EVICT}
DRAIN_SECONDS = EscalationSettings().drain_seconds
APPROVED = plan_of(Action(ActionKind.DRAIN, "incident-catalog-1", pod("catalog-1").ref), seconds=DRAIN_SECONDS).hash
ALL_DAY = TimeWindow(frozenset(range(7)), 0, 1440, "UTC")

CASES = [
    Case(control.kill_switch, "paused", picture={"paused": True}),
    Case(control.leader, "not_leader", picture={"leader": False}),
    Case(control.namespace_enabled, "namespace_not_enabled", view={"namespaces": {"shop": {}}}, refused=True),
    Case(
        control.namespace_enabled,
        "namespace_not_enabled",
        view={"namespaces": {"shop": {names.NAMESPACE_ENABLED: "false"}}},
        refused=True,
    ),
    Case(control.sources, "metrics_incomplete", judged={"complete": False}),
    Case(
        control.sources,
        "kubernetes_not_synced",
        view={"fresh": {k: NOW for k in ResourceKind if k is not ResourceKind.BUDGETS}},
    ),
    Case(control.sources, "kubernetes_stale", view={"fresh": dict.fromkeys(ResourceKind, NOW - 31.0)}),
    Case(accused.attribution, "attribution_unknown", situation={"attribution": None}),
    Case(control.deferred, "deferred", memory={"not_before": {"incident-catalog-1": NOW + 5.0}}),
    Case(rules.detector, "detector_off", policy={"errors": False}, refused=True),
    Case(
        rules.detector,
        "detector_off",
        policy={"latency": False},
        incident={"symptom": Symptom.LATENCY},
        refused=True,
    ),
    Case(rules.policy_hold, "policy_hold", policy={"holds": (StandingHold("sale"),)}),
    Case(rules.policy_hold, "policy_hold", policy={"holds": (StandingHold("a", NOW), StandingHold("b", NOW + 1.0))}),
    Case(rules.window, "outside_window", policy={"windows": (TimeWindow(frozenset(), 0, 1440, "UTC"),)}),
    Case(rules.approval, "approval_needed", policy={"approvals": frozenset({ActionKind.DRAIN})}),
    Case(
        rules.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW}},  # over
    ),
    Case(
        rules.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 901.0}},  # no approval lasts so long
    ),
    Case(
        rules.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        incident={"attempts": {ActionKind.DRAIN: 1}},  # it was for the first attempt
    ),
    Case(
        rules.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.EVICT})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        situation=EVICT,  # it was for the drain
    ),
    Case(
        rules.approval,
        "approval_needed",
        policy={
            "approvals": frozenset({ActionKind.DRAIN}),
            "escalation": replace(EscalationSettings(), drain_seconds=DRAIN_SECONDS + 1.0),
        },
        picture={"approvals": {APPROVED: NOW + 60.0}},  # it was shown a shorter drain
    ),
    Case(
        rules.approval,
        "approval_needed",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        pod={"ref": PodRef("shop", "catalog-1", "its-heir")},
    ),
    Case(
        rules.approval,
        "evidence_weakened",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        situation={"suspect": suspect(pod("catalog-1"), Tier.ANNOTATE)},
    ),
    Case(
        rules.approval,
        "evidence_weakened",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 60.0}},
        situation={"suspect": None},
    ),
    Case(eligibility.owner, "owner_not_replaceable", pod={"owner_kind": "DaemonSet"}, refused=True),
    Case(eligibility.owner, "owner_not_replaceable", pod={"owner_kind": "Job"}, refused=True),
    Case(eligibility.owner, "owner_not_replaceable", pod={"owner_kind": "StatefulSet"}, refused=True),
    Case(eligibility.owner, "owner_not_replaceable", pod={"owner_kind": "", "workload": None}, refused=True),
    Case(eligibility.owner, "workload_unknown", pod={"workload": None}),
    Case(eligibility.singleton, "singleton", workload={"desired": 1}, refused=True),
    Case(eligibility.refused_namespace, "refused_namespace", guards={"own_namespace": "shop"}, refused=True),
    Case(eligibility.refused_namespace, "refused_namespace", guards={"refused_namespaces": ("shop",)}, refused=True),
    Case(eligibility.priority, "system_priority", pod={"priority_class": "system-node-critical"}, refused=True),
    Case(eligibility.local_volumes, "local_volumes", pod={"local_volumes": True}, refused=True),
    Case(
        eligibility.disruption_marks,
        "do_not_disrupt",
        pod={"annotations": {names.DO_NOT_DISRUPT: "true"}},
        refused=True,
    ),
    Case(
        eligibility.disruption_marks,
        "not_safe_to_evict",
        pod={"annotations": {names.SAFE_TO_EVICT: "false"}},
        refused=True,
    ),
    Case(eligibility.opt_out, "opt_out", pod={"annotations": {names.OPT_OUT: "true"}}, refused=True),
    Case(eligibility.opt_out, "opt_out", workload={"annotations": {names.OPT_OUT: "true"}}, refused=True),
    Case(eligibility.foreign_drain, "drained_by_other", pod={"labels": {names.DRAIN_LABEL: "yes"}}, refused=True),
    Case(eligibility.terminating, "terminating", pod={"deleting": True}, refused=True),
    Case(history.ceiling, "tie_with_node", incident={"ceiling": Tier.ANNOTATE, "ceiling_reason": "tie_with_node"}),
    Case(
        history.ceiling,
        "young_revision",
        incident={"ceiling": Tier.DRAIN, "ceiling_reason": "young_revision"},
        situation=EVICT,
    ),
    Case(history.ceiling, "unreached", incident={"symptom": Symptom.UNREACHED}),
    Case(history.impact, "no_impact", situation={"suspect": suspect(pod("catalog-1"), impact=False)}),
    Case(history.impact, "no_impact", situation={"suspect": None}),
    Case(
        history.suppressed,
        "correlated_failure",
        judged={"suppressions": (Suppression(service_ref(), "correlated_failure", "2 of 4 are bad"),)},
    ),
    Case(history.cleared, "cleared", memory={"cleared": {pod("catalog-1").ref: NOW + 60.0}}),
    Case(history.frozen, "frozen", memory={"ledger": (entry(verdict="worse", useful=False),)}),
    Case(history.frozen, "frozen", memory={"ledger": (entry(verdict="refused", applied=False, useful=False),)}),
    Case(
        history.frozen,
        "frozen",
        memory={"ledger": tuple(entry(f"catalog-{n}", ago=4000.0 * n, useful=False) for n in (1, 2, 3))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_useless",
        memory={"ledger": tuple(entry(f"cart-{n}", ago=500.0 * n, useful=n > 4) for n in range(1, 11))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_bad_share",
        judged={"suspects": tuple(suspect(one) for one in catalog(3))},
    ),
    Case(
        history.fleet_breaker,
        "breaker_bad_share",
        judged={"suppressions": (Suppression(service_ref(), "workload_failing", "all fail"),)},
    ),
    Case(history.back_off, "back_off", memory={"ledger": (entry(ago=250.0, useful=False),)}),
    Case(changes.person, "person_touched", workload={"touched": NOW - 600.0}),
    Case(
        changes.person,
        "person_touched",
        memory={
            "incidents": {
                "x": incident_of("catalog-1", phase=Phase.CLOSED, id="x", closing="person_took_it", closed=NOW - 60.0)
            }
        },
    ),
    Case(changes.rollout, "rollout", workload={"updated": 1, "progressing_since": NOW - 30.0}),
    Case(changes.rollout, "rollout", workload={"observed": False, "progressing_since": NOW - 30.0}),
    Case(changes.rollout, "rollout", workload={"replicas": 6, "progressing_since": NOW - 30.0}),
    Case(changes.rollout, "rollout_paused", workload={"paused": True}),
    Case(changes.autoscaler, "autoscaler_scaled_down", view={"autoscalers": (replace(SCALER, desired=3),)}),
    Case(
        changes.autoscaler,
        "autoscaler_scaled_down",
        view={"autoscalers": (replace(SCALER, scaled_down_at=NOW - 299.0),)},
    ),
    Case(changes.node, "node_draining", view={"nodes": (Node("node-1", "a", ready=True, draining=True),)}),
    Case(changes.node, "node_not_ready", view={"nodes": (Node("node-1", "a", ready=False, draining=False),)}),
    Case(changes.node, "node_unknown", pod={"node": "node-9"}, situation={"cluster": cluster(catalog(4))}),
    Case(changes.mesh, "mesh_unknown", view={"mesh": MeshControl(None, "")}),
    Case(changes.mesh, "mesh_unhealthy", view={"mesh": MeshControl(False, "no Ready pod")}),
    Case(changes.other_owner, "other_owner", workload={"managers": ("flagger",), "progressing_since": NOW - 30.0}),
    Case(capacity.serving_floor, "serving_floor", others=lambda: [pod("catalog-2"), *catalog(4, ready=False)[2:]]),
    Case(capacity.serving_floor, "serving_floor", others=lambda: [pod("catalog-2"), *map(drained, catalog(4)[2:])]),
    Case(capacity.serving_floor, "serving_floor", others=lambda: catalog(4, revision="v2")[1:]),
    Case(capacity.serving_floor, "serving_floor", judged={"services": {}}),
    Case(
        capacity.small_workload,
        "small_workload",
        others=lambda: [pod("catalog-2"), pod("catalog-3", ready=False)],
    ),
    Case(capacity.headroom, "headroom_unknown", picture={"peak": 0.0}),
    Case(capacity.headroom, "headroom_unknown", judged={"services": {}}),
    Case(capacity.headroom, "headroom", picture={"peak": 13.3}),
    Case(capacity.in_flight, "in_flight", situation=other_in_hand()),
    Case(capacity.in_flight, "in_flight", situation=other_in_hand(Phase.VERIFYING, workload=workload_ref("other"))),
    Case(capacity.in_flight, "in_flight", others=lambda: [drained(pod("catalog-2")), *catalog(5)[2:]]),
    Case(budgets.namespace_rate, "namespace_rate", memory={"ledger": tuple(entry(f"cart-{n}") for n in range(5))}),
    Case(
        budgets.namespace_rate,
        "namespace_rate",
        memory={"ledger": tuple(entry(f"cart-{n}", settled=False, applied=False) for n in range(5))},
    ),
    Case(
        budgets.namespace_rate,
        "namespace_rate",
        situation={"planned": tuple(entry(f"cart-{n}") for n in range(5))},
    ),
    Case(budgets.replacement_first, "replacement_first", situation=EVICT | other_in_hand(Phase.EVICTING, **ELSEWHERE)),
    Case(
        budgets.cluster_rate,
        "cluster_rate",
        memory={"ledger": tuple(replace(entry(f"cart-{n}"), pod=pod("x", namespace=f"n{n}").ref) for n in range(10))},
    ),
    Case(budgets.cluster_share, "cluster_share", situation=other_in_hand(**ELSEWHERE)),
    Case(
        budgets.disruption_budget,
        "disruption_budget",
        view={"budgets": (replace(BUDGET, disruptions_allowed=0),)},
    ),
    Case(budgets.disruption_budget, "budget_stale", view={"budgets": (replace(BUDGET, current=False),)}),
    Case(
        budgets.disruption_budget,
        "several_budgets",
        view={"budgets": (BUDGET, replace(BUDGET, name="other"))},
        refused=True,
    ),
]


def _name(case: Case) -> str:
    return f"{case.guard.__name__}-{case.reason}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_holds(case: Case) -> None:
    answer = case.guard(situation(case))
    assert isinstance(answer, Blocked)
    assert (answer.reason, answer.refused) == (case.reason, case.refused)
    assert answer.guard == case.guard.__name__
    assert answer.detail


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("action_kind", [ActionKind.DRAIN, ActionKind.EVICT])
def test_calm_situation_is_allowed(guard: Guard, action_kind: ActionKind) -> None:
    assert guard(replace(situation(), action_kind=action_kind)) == Allowed(guard.__name__)


def test_every_guard_is_in_the_table() -> None:
    assert {case.guard.__name__ for case in CASES} == {guard.__name__ for guard in GUARDS}


def test_all_are_asked_and_all_answers_kept() -> None:
    case = Case(control.leader, "", picture={"paused": True, "leader": False, "peak": 0.0}, pod={"deleting": True})
    assert {"paused", "not_leader", "headroom_unknown", "terminating"} <= {hold.reason for hold in ask(situation(case))}


ALLOWED = [
    Case(eligibility.owner, "opted in", pod={"owner_kind": "StatefulSet"}, guards={"allow_statefulsets": True}),
    Case(eligibility.singleton, "opted in", workload={"desired": 1}, guards={"allow_singletons": True}),
    Case(eligibility.local_volumes, "opted in", pod={"local_volumes": True}, guards={"allow_local_volumes": True}),
    Case(changes.rollout, "stuck rollout", workload={"updated": 1, "progressing_since": NOW - 601.0}),
    Case(changes.autoscaler, "long ago", view={"autoscalers": (replace(SCALER, scaled_down_at=NOW - 301.0),)}),
    Case(
        changes.autoscaler,
        "another target",
        view={"autoscalers": (replace(SCALER, target=workload_ref("cart"), desired=1),)},
    ),
    Case(changes.person, "long ago", workload={"touched": NOW - 1801.0}),
    Case(
        changes.person,
        "the edit that made this revision",
        workload={"touched": NOW - 60.0, "progressing_since": NOW - 58.0},
    ),
    Case(changes.other_owner, "Argo CD manages manifests", workload={"managers": ("argo",), "progressing_since": NOW}),
    Case(changes.other_owner, "analysis is over", workload={"managers": ("flagger",)}),
    Case(
        history.impact,
        "drained pods do no harm",
        pod={"annotations": {names.DRAIN_ANNOTATION: "{}"}, "labels": {names.DRAIN_LABEL: "true"}},
        situation={"suspect": None},
    ),
    Case(history.ceiling, "a tie may be drained", incident={"ceiling": Tier.DRAIN}),
    Case(history.back_off, "useful acts need no pause", memory={"ledger": (entry(ago=10.0, useful=True),)}),
    Case(history.back_off, "one that ended by itself is forgiven", memory={"ledger": (entry(ago=10.0),)}),
    Case(history.back_off, "the pause is over", memory={"ledger": (entry(ago=301.0, useful=False),)}),
    Case(history.back_off, "another node", memory={"ledger": (entry(ago=10.0, useful=False, node="node-2"),)}),
    Case(history.back_off, "another revision", memory={"ledger": (entry(ago=10.0, useful=False, revision="v2"),)}),
    Case(
        history.back_off,
        "its own drain",
        memory={"ledger": (entry(ago=10.0, useful=False, incident="incident-catalog-1"),)},
    ),
    Case(
        history.frozen,
        "three useful ones",
        memory={"ledger": tuple(entry(f"c-{n}", useful=True) for n in range(3))},
    ),
    Case(
        history.frozen,
        "one incident with two acts counts once",
        memory={
            "ledger": tuple(
                entry(action_kind=r, useful=False, ago=a) for r, a in ((ActionKind.DRAIN, 90), (ActionKind.EVICT, 60))
            )
        },
    ),
    Case(history.fleet_breaker, "two bad ones", judged={"suspects": tuple(suspect(one) for one in catalog(2))}),
    Case(
        history.fleet_breaker,
        "three useless of ten",
        memory={"ledger": tuple(entry(f"cart-{n}", ago=500.0 * n, useful=n > 3) for n in range(1, 11))},
    ),
    Case(budgets.disruption_budget, "one more is allowed", view={"budgets": (BUDGET,)}),
    Case(
        budgets.disruption_budget,
        "another namespace's budget",
        view={"budgets": (replace(BUDGET, namespace="other", disruptions_allowed=0),)},
    ),
    Case(
        budgets.namespace_rate,
        "long ago",
        memory={"ledger": tuple(entry(f"c-{n}", ago=601.0) for n in range(9))},
    ),
    Case(
        budgets.namespace_rate,
        "giving back costs nothing",
        memory={"ledger": tuple(entry(f"c-{n}", action_kind=ActionKind.RESTORE) for n in range(9))},
    ),
    Case(
        budgets.namespace_rate,
        "acts that did not happen cost nothing",
        memory={"ledger": tuple(entry(f"c-{n}", applied=False) for n in range(9))},
    ),
    Case(rules.detector, "the other detector is off", policy={"latency": False}),
    Case(rules.policy_hold, "it is over", policy={"holds": (StandingHold("sale", NOW),)}),
    Case(rules.window, "inside one of two", policy={"windows": (replace(ALL_DAY, days=frozenset()), ALL_DAY)}),
    Case(rules.approval, "only the eviction needs one", policy={"approvals": frozenset({ActionKind.EVICT})}),
    Case(
        rules.approval,
        "approved",
        policy={"approvals": frozenset({ActionKind.DRAIN})},
        picture={"approvals": {APPROVED: NOW + 900.0}},
    ),
    Case(
        rules.approval,
        "nobody is asked in shadow",
        policy={"approvals": frozenset({ActionKind.DRAIN}), "mode": Mode.SHADOW},
    ),
    Case(budgets.replacement_first, "a drain need not wait", situation=other_in_hand(Phase.EVICTING, **ELSEWHERE)),
    Case(budgets.replacement_first, "it serves", situation=EVICT | other_in_hand(Phase.VERIFYING, **ELSEWHERE)),
    Case(capacity.in_flight, "another workload", situation=other_in_hand(**ELSEWHERE)),
    Case(
        capacity.in_flight,
        "its own incident",
        situation={"in_progress": (incident_of("catalog-1", phase=Phase.DRAINED),)},
    ),
    Case(capacity.headroom, "exactly the peak", picture={"peak": 40.0 / 3.0}),
    Case(capacity.small_workload, "four have slack", others=lambda: [*catalog(4)[1:3], pod("catalog-4", ready=False)]),
]


@pytest.mark.parametrize("case", ALLOWED, ids=_name)
def test_allows(case: Case) -> None:
    assert case.guard(situation(case)) == Allowed(case.guard.__name__)


def test_headroom_takes_what_memory_saw() -> None:
    seen = Memory(peaks={service_ref(): ((int(NOW // 3600), 50.0),)})
    unknown = situation(Case(control.leader, "", picture={"peak": 0.0}))
    assert isinstance(capacity.headroom(unknown), Blocked)
    assert capacity.headroom(replace(unknown, memory=seen)) == Allowed("headroom")


@pytest.mark.parametrize(
    ("useless", "seconds"), [(1, 300.0), (2, 600.0), (3, 1200.0), (4, 2400.0), (5, 3600.0), (9, 3600.0)]
)
def test_back_off_doubles_up_to_an_hour(useless: int, seconds: float) -> None:
    ledger = tuple(entry(f"catalog-{n}", ago=100.0 + n, useful=False) for n in range(useless))
    just_before = situation(Case(control.leader, "", memory={"ledger": ledger}))
    newest = NOW - 100.0
    assert isinstance(history.back_off(replace(just_before, at=newest + seconds - 1.0)), Blocked)
    assert isinstance(history.back_off(replace(just_before, at=newest + seconds + 1.0)), Allowed)
