"""What is never touched unless somebody opted in."""

from __future__ import annotations

import pytest

from observer.domain import names
from observer.engine.guards import eligibility
from tests.support.guard_cases import (
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
)  # fmt: skip

CASES = [
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
]
ALLOWED = [
    Case(eligibility.owner, "opted in", pod={"owner_kind": "StatefulSet"}, guards={"allow_statefulsets": True}),
    Case(eligibility.singleton, "opted in", workload={"desired": 1}, guards={"allow_singletons": True}),
    Case(eligibility.local_volumes, "opted in", pod={"local_volumes": True}, guards={"allow_local_volumes": True}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(eligibility.GUARDS, CASES)
