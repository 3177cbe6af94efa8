"""May anything be written at all: each guard once for each reason to block."""

from __future__ import annotations

import pytest

from observer.domain import names
from observer.domain.cluster import ResourceKind
from observer.engine.guards import control
from tests.support.builders import NOW
from tests.support.guard_cases import (
    Case,
    assert_blocks,
    assert_covers,
)  # fmt: skip

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
    Case(control.deferred, "deferred", memory={"not_before": {"incident-catalog-1": NOW + 5.0}}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(control.GUARDS, CASES)
