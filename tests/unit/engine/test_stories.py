"""The stories of the lab as pure walks: what is decided, in which order, and what is left alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from observer.domain import names
from observer.domain.action import ActionKind
from observer.domain.cluster import DisruptionBudget, MeshControl
from observer.domain.incident import Phase
from observer.domain.outcome import Outcome, Result
from observer.domain.reasons import Reason
from observer.domain.snapshot import Gap
from observer.domain.suspect import CallerTally, CulpritKind, PodTally, Suppression, Symptom, Tier
from tests.support.builders import (
    catalog,
    evidence,
    group_suspect,
    pod,
    service_ref,
    suspect,
    workload,
)
from tests.support.stage import Stage


def actions(stage: Stage) -> list[tuple[ActionKind, str]]:
    return [(action_kind, name) for _, action_kind, name in stage.acts]


FULL = [(ActionKind.DRAIN, "catalog-1"), (ActionKind.EVICT, "catalog-1")]


# --- stories that act


@pytest.mark.parametrize("rate", [0.5, 0.3, 0.08])
def test_gray_pod_is_drained_proven_evicted_and_verified(rate: float) -> None:
    stage = Stage(faults={"catalog-1": rate}).until(Phase.CLOSED)
    assert actions(stage) == FULL
    assert stage.only().closing == "fixed"
    order = ["suspected", "drain", "drain_effective", "drain_verdict", "evict", "replaced", "verified", "closed"]
    assert [kind for kind in stage.kinds() if kind in order] == order
    assert stage.told("drain_verdict")[0].reason == "dropped"
    assert all(entry.useful for entry in stage.memory.ledger)


def test_slow_pod_is_judged_by_the_cut_it_was_suspected_by() -> None:
    stage = Stage(slow={"catalog-1": 0.6}).until(Phase.CLOSED)
    assert actions(stage) == FULL
    assert stage.only().symptom is Symptom.LATENCY
    assert stage.only().cut == 3
    assert stage.only().closing == "fixed"


def test_two_replicas() -> None:
    stage = Stage(pods=catalog(2), faults={"catalog-1": 0.4}).until(Phase.CLOSED)
    assert actions(stage) == FULL
    assert stage.only().closing == "fixed"


def test_pod_without_sidecar_is_evicted_by_evidence_alone() -> None:
    stage = Stage(pods=catalog(4, sidecar=False), faults={"catalog-1": 0.5}).until(Phase.CLOSED)
    assert actions(stage) == [(ActionKind.EVICT, "catalog-1")]
    assert stage.told("evict")[0].reason == "cannot_drain"


def test_quiet_world_decides_nothing() -> None:
    assert Stage().ticks(50).decisions == []


def test_errors_that_return_after_readmission_lead_to_eviction() -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0)
    stage.until(Phase.READMITTED)
    assert stage.only().tier < Tier.EVICT
    stage.until(Phase.CLOSED)
    assert actions(stage) == [
        (ActionKind.DRAIN, "catalog-1"),
        (ActionKind.RESTORE, "catalog-1"),
        (ActionKind.DRAIN, "catalog-1"),
        (ActionKind.EVICT, "catalog-1"),
    ]
    assert stage.only().closing == "fixed"
    assert len({entry.action_id for entry in stage.memory.ledger}) == 4


# --- stories that must not kill


def test_fault_that_ends_while_suspected_fades() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.SUSPECTED)
    stage.faults.clear()
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "ended_by_itself"
    assert stage.acts == []


def test_fault_that_ends_while_drained_is_readmitted_and_told() -> None:
    stage = Stage(faults={"catalog-1": 0.08}, load=20.0).until(Phase.READMITTED)
    stage.faults.clear()
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "ended_by_itself"
    assert ActionKind.EVICT not in {action_kind for action_kind, _ in actions(stage)}
    assert not stage.named("catalog-1").drained


def test_a_fault_too_young_to_be_told_from_a_blip_is_readmitted_however_strong_it_was() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, age=14.0).until(Phase.READMITTED)
    assert stage.only().tier is Tier.EVICT
    stage.faults.clear()
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "ended_by_itself"
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]


def test_a_young_fault_that_comes_back_is_evicted() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, age=14.0).until(Phase.CLOSED)
    assert stage.only().closing == "fixed"
    assert [action_kind for action_kind, _ in actions(stage)] == [
        ActionKind.DRAIN,
        ActionKind.RESTORE,
        ActionKind.DRAIN,
        ActionKind.EVICT,
    ]


def test_one_stray_error_after_a_readmission_is_no_return() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, age=14.0).until(Phase.READMITTED)
    stage.faults["catalog-1"] = 1.0 / (stage.load * stage.step / 4.0)
    stage.tick()
    stage.faults.clear()
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "ended_by_itself"
    assert ActionKind.EVICT not in {action_kind for action_kind, _ in actions(stage)}


def test_closed_suspicion_does_not_reopen_without_new_evidence() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.SUSPECTED)
    stage.faults.clear()
    frozen = dict(stage.score)
    for _ in range(80):
        stage.score = dict(frozen)  # a detector whose evidence stays where silence left it
        stage.load = 0.0
        stage.tick()
    assert len(stage.memory.incidents) == 1
    assert stage.only().closing == "ended_by_itself"


@dataclass
class LateHistograms(Stage):
    """What the callers' sidecars say of latency is five ticks old, as Envoy merges histograms now and then."""

    seen: list[tuple[float, ...]] = field(default_factory=list)

    def _traffic(self) -> tuple[list[PodTally], list[CallerTally]]:
        tallies, callers = super()._traffic()
        self.seen.append(callers[0].bad_by_cut)
        return tallies, [replace(callers[0], bad_by_cut=self.seen[-6:][0])]


def test_latencies_that_show_up_late_do_not_acquit_the_slow_pod() -> None:
    stage = LateHistograms(slow={"catalog-1": 1.0}, step=1.0).until(Phase.CLOSED, limit=120)
    assert stage.told("drain_verdict")[0].reason == "dropped"
    assert stage.only().closing == "fixed"


def test_errors_that_stay_acquit_the_pod() -> None:
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    stage.background = 0.075  # what the callers saw before, and see without the pod as well
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "cleared"
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]
    assert stage.named("catalog-1").ref in stage.memory.cleared


def test_background_errors_at_the_callers_do_not_acquit() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, background=0.05).until(Phase.CLOSED)
    assert stage.told("drain_verdict")[0].reason == "dropped"


def test_drain_without_effect_is_given_back() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, drain_works=False)
    stage.until(Phase.CLOSED)
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]
    assert stage.only().closing == "not_effective"
    stage.ticks(10)
    assert len(stage.acts) == 2
    assert "back_off" in stage.hold_reasons()


def test_experiment_that_cannot_tell_is_given_back_at_expiry() -> None:
    stage = Stage(faults={"catalog-1": 0.3}, load=20.0).until(Phase.EXPERIMENT)
    stage.load = 0.05
    stage.until(Phase.CLOSED, limit=100)
    assert stage.only().closing == "cannot_tell"
    assert stage.acts[-1][1] is ActionKind.RESTORE
    assert stage.acts[-1][0] - stage.acts[0][0] >= stage.settings.escalation.drain_seconds


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_errors_that_callers_never_saw_acquit_nobody(rate: float) -> None:
    """The callers ask again: nothing to see before, nothing after."""
    stage = Stage(faults={"catalog-1": rate}, shown=0.0).until(Phase.CLOSED, limit=100)
    (told,) = stage.told("drain_verdict")
    assert told.reason == "cannot_tell"
    assert "may have hidden" in told.text
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]
    assert stage.only().closing == "cannot_tell"
    assert stage.memory.cleared == {}


def test_errors_that_stay_at_the_callers_acquit() -> None:
    """They saw them all, and they go on without the pod."""
    stage = Stage(faults={"catalog-1": 0.3}).until(Phase.EXPERIMENT)
    stage.background = 0.075
    stage.until(Phase.CLOSED)
    assert stage.told("drain_verdict")[0].reason == "not_dropped"
    assert stage.only().closing == "cleared"
    assert list(stage.memory.cleared) == [stage.only().culprit.pod]


def test_a_restart_during_the_experiment_forgets_what_the_callers_had_seen() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    stage.restart()
    stage.background = 0.2
    stage.until(Phase.DRAINED)
    assert stage.told("drain_verdict")[0].reason == "cannot_tell"
    assert stage.memory.cleared == {}


def test_all_pods_failing_is_suppressed_and_the_workload_named() -> None:
    store = service_ref("store")
    cause = group_suspect(CulpritKind.WORKLOAD, "store", store).culprit
    stage = Stage(pods=catalog(3, app="store"))
    stage.suppressions = (Suppression(store, Reason.WORKLOAD_FAILING, "all 3 pods fail 30 % of their requests", cause),)
    stage.extra = tuple(suspect(one, Tier.EVICT) for one in stage.pods)
    stage.ticks(30)
    assert stage.acts == []
    assert {"workload_failing", "breaker_bad_share"} <= stage.hold_reasons()
    named = stage.told("suppressed")[0]
    assert named.reason == "workload_failing"
    assert named.figures["blamed"] == "workload shop/store"


def test_named_revision_holds_its_members() -> None:
    pay = [*catalog(3, app="pay"), pod("pay-4", revision="v2"), pod("pay-5", revision="v2")]
    stage = Stage(pods=pay)
    group = group_suspect(CulpritKind.REVISION, "v2", service_ref("pay"))
    stage.extra = (group, suspect(stage.named("pay-4"), Tier.EVICT))
    stage.ticks(5)
    assert stage.acts == []
    assert stage.told("blocked")[0].pod == stage.named("pay-4").ref
    assert "revision_named" in stage.hold_reasons()
    assert stage.told("suspected")[0].subject == "revision shop/v2"


def test_surge_is_nobodys_fault() -> None:
    stage = Stage().ticks(5)
    stage.load *= 2.0
    assert stage.ticks(20).decisions == []


def test_surge_while_drained_gives_the_pod_back() -> None:
    stage = Stage(faults={"catalog-1": 0.1}, picture={"peak": 15.0}).until(Phase.EXPERIMENT)
    stage.load = 120.0
    stage.tick()
    assert stage.acts[-1][1] is ActionKind.RESTORE
    assert stage.only().closing == "peers_overloaded"


def test_siblings_that_get_worse_get_the_pod_back_in_that_tick() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    stage.faults |= {"catalog-2": 0.3, "catalog-3": 0.3, "catalog-4": 0.3}
    stage.tick()
    assert stage.acts[-1][1] is ActionKind.RESTORE
    assert stage.only().closing == "peers_worse"


def test_rollout_holds_and_names_itself() -> None:
    stage = Stage(faults={"catalog-1": 0.5})
    rolling = workload(updated=1, progressing_since=stage.at)
    stage.workloads = {rolling.ref: rolling}
    stage.ticks(20)
    assert stage.acts == []
    assert "rollout" in stage.hold_reasons()


def test_blindness_is_told_once_and_ends() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).ticks(1)
    stage.complete, stage.gaps = False, (Gap("prometheus", "unreachable", "connection refused"),)
    stage.ticks(20)
    assert [one.reason for one in stage.told("blind")] == ["prometheus_unreachable"]
    assert "connection refused" in stage.told("blind")[0].text
    assert stage.acts == []
    stage.complete, stage.gaps = True, ()
    stage.until(Phase.CLOSED)
    assert len(stage.told("recovered")) == 1
    assert actions(stage) == FULL


def test_blindness_during_the_experiment_cannot_tell_and_gives_back_at_expiry() -> None:
    stage = Stage(faults={"catalog-1": 0.1}).until(Phase.EXPERIMENT)
    stage.complete, stage.gaps = False, (Gap("prometheus", "timeout"),)
    stage.ticks(20)
    assert stage.only().phase is Phase.DRAINED
    assert stage.told("drain_verdict")[0].reason == "cannot_tell"
    stage.until(Phase.CLOSED, limit=60)
    assert actions(stage) == [(ActionKind.DRAIN, "catalog-1"), (ActionKind.RESTORE, "catalog-1")]


def test_istiod_down_holds_everything() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, view={"mesh": MeshControl(False, "istiod has no Ready pod")}).ticks(20)
    assert stage.acts == []
    assert "mesh_unhealthy" in stage.hold_reasons()


def test_unreached_pod_is_told_and_left() -> None:
    stage = Stage()
    silent = suspect(stage.named("catalog-1"), Tier.EVICT, found=evidence(symptom=Symptom.UNREACHED))
    stage.extra = (silent,)
    stage.ticks(20)
    assert stage.acts == []
    assert len(stage.told("unreached")) == 1


def test_unnamed_unreached_workload_is_told() -> None:
    stage = Stage(suppressions=(Suppression(service_ref(), Reason.UNREACHED, "a sidecar is silent"),)).ticks(3)
    assert [one.reason for one in stage.told("unreached")] == ["unreached"]


def test_budget_that_forbids_holds_drain_and_eviction() -> None:
    stage = Stage(faults={"catalog-1": 0.5})
    everyone = frozenset(one.ref.name for one in stage.pods)
    stage.view = {"budgets": (DisruptionBudget("shop", "catalog", everyone, 0, current=True),)}
    stage.ticks(20)
    assert stage.acts == []
    assert "disruption_budget" in stage.hold_reasons()


def test_opt_out_is_refused_and_not_paged() -> None:
    stage = Stage(faults={"catalog-1": 0.5})
    stage.change("catalog-1", annotations={names.OPT_OUT: "true"})
    stage.ticks(300)
    assert stage.acts == []
    blocked = stage.told("blocked")[0]
    assert blocked.reason == "opt_out"
    assert blocked.blocked_by[0].refused
    assert "page" not in stage.kinds()


def test_missing_image_freezes_after_one_eviction() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, replacement_starts=False)
    stage.until(Phase.EVICTING)
    stage.change("catalog-new1", waiting="ImagePullBackOff")
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "worse"
    assert "ImagePullBackOff" in stage.told("verified")[0].text
    assert stage.told("frozen")[0].severity == "page"
    stage.faults["catalog-2"] = 0.5
    stage.ticks(40)
    assert sum(1 for action_kind, _ in actions(stage) if action_kind is ActionKind.EVICT) == 1
    assert "frozen" in stage.hold_reasons()


def test_delete_that_races_the_eviction_supersedes() -> None:
    stage = Stage(faults={"catalog-1": 0.5})

    def answer(action: object) -> Outcome:
        action_kind = getattr(action, "action_kind", None)
        result = Result.SUPERSEDED if action_kind is ActionKind.EVICT else Result.APPLIED
        return Outcome(
            str(getattr(action, "id", "")), result, "uid_changed" if action_kind is ActionKind.EVICT else "applied"
        )

    stage.answer = answer
    stage.until(Phase.CLOSED)
    assert stage.only().closing == "superseded"
    assert [action_kind for _, action_kind, _ in stage.acts] == [ActionKind.DRAIN]


def test_other_lease_holder_observes_only() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, picture={"leader": False}).ticks(20)
    assert stage.acts == []
    assert "not_leader" in stage.hold_reasons()
    assert "suspected" in stage.kinds()


def test_eviction_without_effect_is_useless_and_backs_off() -> None:
    stage = Stage(faults={"catalog-1": 0.5}, replacement_fault=0.5).until(Phase.CLOSED)
    assert stage.only().closing == "no_change"
    assert all(entry.useful is False for entry in stage.memory.ledger if entry.action_kind is not ActionKind.RESTORE)
    stage.ticks(20)
    assert sum(1 for action_kind, _ in actions(stage) if action_kind is ActionKind.EVICT) == 1
    assert "back_off" in stage.hold_reasons()


def test_same_symptom_on_a_sibling_regrades_the_eviction() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.CLOSED)
    assert all(entry.useful for entry in stage.memory.ledger)
    stage.faults["catalog-2"] = 0.5
    stage.ticks(10)
    assert [one.reason for one in stage.told("regraded")] == ["same_symptom_on_peer"]
    first = stage.memory.ledger[0].incident
    assert all(e.useful is False for e in stage.memory.ledger if e.incident == first)


def test_gateway_is_not_drained_but_evicted_by_the_evict_tier_alone() -> None:
    stage = Stage(pods=catalog(4, labels={"istio": "ingressgateway"}), faults={"catalog-1": 0.3})
    stage.until(Phase.CLOSED)
    assert [action_kind for _, action_kind, _ in stage.acts] == [ActionKind.EVICT]
    assert stage.only().closing == "fixed"
