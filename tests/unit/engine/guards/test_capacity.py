"""Enough healthy peers stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.decision import Allowed, Blocked
from observer.domain.incident import Phase
from observer.domain.reasons import GuardName
from observer.engine.guards import capacity
from observer.engine.memory import Memory
from tests.support.builders import NOW, catalog, drained, incident_of, pod, service_ref, workload_ref
from tests.support.guard_cases import (
    ELSEWHERE,
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
    context_of,
    other_in_progress,
)  # fmt: skip

CASES = [
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
    Case(capacity.in_flight, "in_flight", context=other_in_progress()),
    Case(capacity.in_flight, "in_flight", context=other_in_progress(Phase.VERIFYING, workload=workload_ref("other"))),
    Case(capacity.in_flight, "in_flight", others=lambda: [drained(pod("catalog-2")), *catalog(5)[2:]]),
]
ALLOWED = [
    Case(capacity.in_flight, "another workload", context=other_in_progress(**ELSEWHERE)),
    Case(
        capacity.in_flight,
        "its own incident",
        context={"in_progress": (incident_of("catalog-1", phase=Phase.DRAINED),)},
    ),
    Case(capacity.headroom, "exactly the peak", picture={"peak": 40.0 / 3.0}),
    Case(capacity.small_workload, "four have slack", others=lambda: [*catalog(4)[1:3], pod("catalog-4", ready=False)]),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(capacity.GUARDS, CASES)


def test_headroom_takes_what_memory_saw() -> None:
    known = Memory(peaks={service_ref(): ((int(NOW // 3600), 50.0),)})
    unknown = context_of(Case(capacity.headroom, "", picture={"peak": 0.0}))
    assert isinstance(capacity.headroom(unknown), Blocked)
    assert capacity.headroom(replace(unknown, memory=known)) == Allowed(GuardName.HEADROOM)
