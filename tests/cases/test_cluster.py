"""What clusters hold beside healthy Deployments: ended pods, other owners, budgets that allow nothing, flapping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.action import ActionKind
from observer.domain.cluster import ClusterView, DisruptionBudget
from observer.domain.ids import WorkloadRef
from observer.domain.slo import DataState
from observer.engine.slo.states import Facts, Scene, state_of, surroundings
from tests.cases.commands import FILES, call, told
from tests.cases.rows import case, wrong
from tests.support.builders import NOW, catalog, cluster, pod, service_ref, workload, workload_ref
from tests.support.slo import objective
from tests.support.stage import Stage

DRAINED_AND_EVICTED = [(ActionKind.DRAIN, "catalog-1"), (ActionKind.EVICT, "catalog-1")]


@pytest.mark.parametrize(
    "ended",
    [
        case(0),
        case(1),
        case(3, row="C1", kind="the phase is read and used nowhere"),
        case(8, row="C1", kind="the phase is read and used nowhere"),
    ],
)
def test_pods_that_have_ended_are_no_replicas(ended: int) -> None:
    leftovers = [
        pod(f"catalog-dead{number}", app="catalog", ready=False, phase="Failed", created=1.0, waiting="")
        for number in range(ended)
    ]
    stage = Stage(pods=[*catalog(4), *leftovers], faults={"catalog-1": 0.1})
    stage.workloads = {workload_ref(): workload(desired=4)}
    stage.ticks(80)

    assert [(action_kind, name) for _, action_kind, name in stage.acts][:2] == DRAINED_AND_EVICTED


@wrong("C2", "a setting that is accepted and dead")
def test_a_statefulset_that_its_policy_opts_in_is_evicted_or_the_key_is_refused() -> None:
    done = call("test", FILES / "policies" / "statefulset_opted_in.yaml")

    assert done.exit_code == 0 or "allow_statefulsets" in told(done)


@pytest.mark.parametrize("ready", [True, False], ids=["Ready", "not Ready"])
@pytest.mark.parametrize(
    "kind",
    [
        case("Deployment"),
        case("StatefulSet", row="C3", kind="unknown is taken for zero"),
        case("Rollout", row="C3", kind="unknown is taken for zero"),
    ],
)
def test_a_service_whose_pods_stand_is_never_scaled_to_zero(kind: str, ready: bool) -> None:
    pods = [replace(each, workload=WorkloadRef("shop", kind, "catalog"), ready=ready) for each in catalog(3)]
    view = cluster(pods, [workload(desired=3)] if kind == "Deployment" else [workload("other")], at=NOW)
    view = only_deployments(view)

    around = surroundings(
        replace(objective(), scope=service_ref()),
        Scene(NOW, view, {each.ref.key: NOW - 5 for each in pods}, {}),
        newest=NOW - 5,
    )
    facts = Facts(
        series=0,
        ever=True,
        scraped=NOW - 5,
        desired=around.desired,
        ready=around.ready,
        watched=around.watched,
        scoped=True,
        since=NOW - 86_400,
    )
    state, detail = state_of(facts, NOW, 300.0)

    assert "scaled to zero" not in detail
    assert ready or state is not DataState.IDLE


def only_deployments(view: ClusterView) -> ClusterView:
    """What the reflector knows of it: it watches no other workloads."""
    return replace(view, workloads={ref: each for ref, each in view.workloads.items() if ref.kind == "Deployment"})


class Narrow(Stage):
    """A stage whose cluster view knows Deployments only, as the reflector's."""

    def now(self) -> ClusterView:
        return only_deployments(super().now())


def held(**changes: Any) -> tuple[str, list[str]]:
    """What people read of a gray pod that nothing is done about: texts of holds and pages, and the pages alone."""
    stage = Narrow(faults={"catalog-1": 0.1}, **changes)
    stage.workloads.setdefault(workload_ref("other"), workload("other"))
    stage.ticks(250)
    pages = [decision.text for decision in stage.told("page")]
    return " ".join([*(decision.text for decision in stage.told("blocked")), *pages]), pages


@wrong("C4", "words that do not say what to do")
def test_a_rollout_is_named_and_pages_nobody() -> None:
    owner = WorkloadRef("shop", "Rollout", "catalog")
    text, pages = held(pods=[replace(each, workload=owner) for each in catalog(4)])

    assert "Rollout" in text
    assert pages == []


@wrong("C4", "words that do not say what to do")
def test_an_owner_that_is_not_watched_is_named_as_such() -> None:
    owner = WorkloadRef("shop", "CloneSet", "catalog")
    text, pages = held(pods=[replace(each, workload=owner, owner_kind="CloneSet") for each in catalog(4)])

    assert "CloneSet" in text and "not watch" in text
    assert pages == []


@wrong("C4", "words that do not say what to do")
def test_a_budget_that_can_never_allow_an_eviction_is_told_from_one_that_is_spent() -> None:
    names = frozenset(each.ref.name for each in catalog(4))
    text, _ = held(
        view={"budgets": (DisruptionBudget("shop", "catalog", names, 0, True),)},
        workloads={workload_ref(): workload(desired=4)},
    )

    assert "never" in text or "can allow none" in text


@pytest.mark.parametrize("bad", [case(0.5), case(0.055, row="C5", kind="a loop that no counter ends")])
def test_a_pod_that_is_sick_again_and_again_is_evicted_or_paged(bad: float) -> None:
    """Half a minute of every two, for half an hour: at the lower rate each spell ends before it is proven."""
    stage = Stage(workloads={workload_ref(): workload(desired=4)})
    stage.ticks(4)
    for _ in range(15):
        stage.faults["catalog-1"] = bad
        stage.ticks(6)
        stage.faults["catalog-1"] = 0.0
        stage.ticks(18)

    assert any(action_kind is ActionKind.EVICT for _, action_kind, _ in stage.acts) or stage.told("page")
