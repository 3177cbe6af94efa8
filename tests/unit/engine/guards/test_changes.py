"""Others are at work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.cluster import Autoscaler, MeshControl, Node
from observer.domain.incident import Phase
from observer.engine.guards import changes
from tests.support.builders import NOW, catalog, cluster, incident_of, workload_ref
from tests.support.guard_cases import (
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
    context_of,
)  # fmt: skip

SCALER = Autoscaler("shop", "hpa", workload_ref(), 4, 4, None)

CASES = [
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
    Case(
        changes.node,
        "node_unknown",
        pod={"node": "node-9"},
        context={"tick": replace(context_of().tick, cluster=cluster(catalog(4)))},
    ),
    Case(changes.mesh, "mesh_unknown", view={"mesh": MeshControl(None, "")}),
    Case(changes.mesh, "mesh_unhealthy", view={"mesh": MeshControl(False, "no Ready pod")}),
    Case(changes.other_owner, "other_owner", workload={"managers": ("flagger",), "progressing_since": NOW - 30.0}),
]
ALLOWED = [
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
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(changes.GUARDS, CASES)
