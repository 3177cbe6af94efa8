"""A silent sibling speaks for itself and its service, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from observer.domain.attribution import Attribution, AttributionInputs
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Suppression, Tier
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.removal import permits_removal
from tests.support.builders import NOW, SHOP, catalog, health, judgement, suspect
from tests.support.incidents import calm, edge, first, graph

CALLS = (("", "front"), ("front", "catalog"), ("front", "pay"), ("pay", "store"))
SILENT, PEER, *_ = PODS = catalog(4)


def unreached(reason: Reason = Reason.UNREACHED) -> Suppression:
    origin = Culprit(CulpritKind.POD, SHOP, SILENT.ref.name, SILENT.service, SILENT.ref)
    return Suppression(SILENT.service, reason, "silent", origin)


def asked(*suppressions: Suppression, own: float = 3.0, pay: float = 0.0, **changes: Any) -> Attribution:
    """``front`` loses ``own`` of 1000 calls on the way to ``catalog``; ``pay`` answers it with ``pay`` errors."""
    edges = graph(
        edge("", "front", errors=pay),
        edge("front", "catalog", errors=own, errors_by_flag={"UF": own}),
        edge("front", "pay", errors=pay, callee_errors=pay),
        edge("pay", "store"),
    )
    told = judgement(suppressions=suppressions, services=health(PODS), suspects=changes.pop("suspects", ()))
    return attribute(AttributionInputs(at=NOW, graph=edges, usual_graph=calm(*CALLS), judgement=told, **changes))


def test_few_lost_calls_and_a_silent_sibling_name_it() -> None:
    assert first(asked(unreached())) == f"pod {SILENT.ref}"


def test_few_lost_calls_without_a_silent_sibling_name_no_pod() -> None:
    assert all(one.cause.pod is None for one in asked().ranked)


def test_no_kill_of_the_silent_pod_follows() -> None:
    assert not permits_removal(asked(unreached()), SILENT.ref).allowed


def test_another_suppression_is_no_silence() -> None:
    assert not any(line.word == "silence" for one in asked(unreached(Reason("rollout"))).ranked for line in one.lines)


@pytest.mark.parametrize("own", [5.0, 50.0, 300.0])
@pytest.mark.parametrize("pay", [50.0, 300.0, 900.0])
@pytest.mark.parametrize("tier", [Tier.DRAIN, Tier.EVICT, Tier.NODE])
def test_silence_permits_no_kill_of_a_sibling(tier: Tier, pay: float, own: float) -> None:
    suspects = (suspect(PEER, tier),)
    without = asked(own=own, pay=pay, suspects=suspects)
    found = asked(unreached(), own=own, pay=pay, suspects=suspects)

    assert permits_removal(found, PEER.ref).allowed <= permits_removal(without, PEER.ref).allowed
    mine = next(one for one in found.ranked if one.cause.pod == PEER.ref)
    assert all(line.word != "silence" for line in mine.lines)
