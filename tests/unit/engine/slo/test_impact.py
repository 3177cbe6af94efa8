"""The judges ask the service's objectives whether a suspect hurts enough."""

from __future__ import annotations

import pytest

from observer.domain.settings import ImpactSettings
from observer.domain.slo import DataState
from observer.domain.suspect import Symptom
from observer.engine.slo.impact import impact
from tests.support.builders import catalog, evidence, service_ref
from tests.support.judging import Feed
from tests.support.slo import objective, status


def suspected(target: float, state: DataState = DataState.OK) -> tuple[bool, str]:
    """Impact of one of four pods that fails 6 % of its requests."""
    feed = Feed(catalog(4), objectives={service_ref(): (status(objective(target=target), state),)})
    for tick in range(120):
        bad = 12 if tick > 40 else 0
        feed.tick({f"catalog-{i}": (200.0 - (bad if i == 1 else 0), float(bad if i == 1 else 0)) for i in range(1, 5)})
    assert feed.judgement is not None
    (suspect,) = feed.judgement.suspects
    assert suspect.culprit.name == "catalog-1"
    return suspect.impact, suspect.impact_reason


@pytest.mark.parametrize(
    ("target", "state", "hurts", "words"),
    [
        (0.999, DataState.OK, True, "times the budget of objective cart-availability"),
        (0.95, DataState.OK, False, "times the budget of objective cart-availability"),
        (0.999, DataState.STALE, False, "is stale: on unknown data no pod is drained"),
    ],
)
def test_the_objective_decides(target: float, state: DataState, hurts: bool, words: str) -> None:
    found = suspected(target, state)

    assert found[0] is hurts
    assert words in found[1]


def test_impact_needs_share_and_ratio() -> None:
    settings = ImpactSettings()
    assert impact(evidence(bad_rate=0.3, peer_bad_rate=0.01), settings)[0]
    assert not impact(evidence(bad_rate=0.009, peer_bad_rate=0.0), settings)[0]
    assert not impact(evidence(bad_rate=0.3, peer_bad_rate=0.1), settings)[0]
    slow = evidence(symptom=Symptom.LATENCY, latency_ratio=3.0, latency_excess_ms=150.0)
    assert impact(slow, settings)[0]
    assert not impact(evidence(symptom=Symptom.LATENCY, latency_ratio=3.0, latency_excess_ms=50.0), settings)[0]
    assert not impact(evidence(symptom=Symptom.UNREACHED), settings)[0]
