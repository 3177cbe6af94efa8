"""The right culprit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.attribution import UNKNOWN, Attribution, Cause, CauseKind, RankedCause
from observer.engine.guards import attribution
from tests.support.builders import NOW, pod, service_ref
from tests.support.guard_cases import (
    EVICT,
    Case,
    assert_allows,
    assert_blocks,
    assert_covers,
)  # fmt: skip

MINE = RankedCause(Cause(CauseKind.POD, "shop", "catalog-1", service_ref(), pod("catalog-1").ref), 0.4, 2.0)


def ranked(*causes: RankedCause) -> dict[str, Any]:
    """An attribution with these causes, most probable first."""
    return {"attribution": Attribution(NOW, None, (*causes, RankedCause(UNKNOWN, 0.01, 0.0)))}


def rival(kind: CauseKind) -> dict[str, Any]:
    """Something else is likelier than the pod."""
    other = pod("catalog-2").ref if kind is CauseKind.POD else None
    callee = service_ref("store") if kind in (CauseKind.EDGE, CauseKind.CALLER) else None
    return ranked(RankedCause(Cause(kind, "shop", "other", service_ref(), other, callee), 0.59, 3.0), MINE)


CASES = [
    Case(attribution.attribution, "attribution_unknown", context={"attribution": None}),
    Case(attribution.attribution, "other_pod_likelier", context=rival(CauseKind.POD)),
    Case(attribution.attribution, "revision_likelier", context=rival(CauseKind.REVISION)),
    Case(attribution.attribution, "node_likelier", context=rival(CauseKind.NODE)),
    Case(attribution.attribution, "zone_likelier", context=rival(CauseKind.ZONE)),
    Case(attribution.attribution, "workload_likelier", context=rival(CauseKind.WORKLOAD)),
    Case(attribution.attribution, "edge_likelier", context=rival(CauseKind.EDGE)),
    Case(attribution.attribution, "caller_likelier", context=rival(CauseKind.CALLER)),
    Case(attribution.attribution, "external_likelier", context=rival(CauseKind.EXTERNAL)),
    Case(attribution.attribution, "not_named", context=ranked()),
    Case(attribution.attribution, "cannot_tell", context=ranked(replace(MINE, probability=float("nan")))),
    Case(attribution.attribution, "removal_odds", context=EVICT | ranked(replace(MINE, probability=0.7))),
    Case(
        attribution.attribution,
        "victim",
        context=ranked(
            replace(MINE, inherited=0.9),
            RankedCause(Cause(CauseKind.WORKLOAD, "shop", "store", service_ref("store")), 0.3, 1.0),
        ),
    ),
]
ALLOWED = [
    Case(attribution.attribution, "the likeliest", context=ranked(MINE)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks(case: Case) -> None:
    assert_blocks(case)


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_allows(case: Case) -> None:
    assert_allows(case)


def test_every_guard_and_reason_is_in_the_table() -> None:
    assert_covers(attribution.GUARDS, CASES)
