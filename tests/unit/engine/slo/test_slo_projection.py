from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.settings import ImpactSettings
from observer.domain.slo import DataState, Preset, Query, RatioSli
from observer.domain.suspect import Evidence, Symptom
from observer.engine.slo.impact import excess_burn, impact, projected_burn
from tests.support.slo import objective, status

ERRING = Evidence(
    Symptom.ERRORS, 20.0, 20.0, None, requests=1000.0, bad=30.0, peer_requests=9000.0, peer_bad=9.0, share=0.1,
    bins=9, onset=0.0, dispersion=1.0,
)  # fmt: skip
SLOW = replace(ERRING, symptom=Symptom.LATENCY, cut=250.0, latency_ratio=1.1, latency_excess_ms=5.0)
STRICT, LAX = objective(target=0.999), objective("lax", target=0.99)


def test_the_excess_is_weighed_by_the_suspect_s_share_of_the_requests() -> None:
    assert excess_burn(ERRING, STRICT) == pytest.approx(0.1 * (0.03 - 0.001) / 0.001)
    assert excess_burn(replace(ERRING, bad=0.0), STRICT) == 0.0


def test_only_an_overdrawn_budget_lets_anybody_be_drained() -> None:
    assert projected_burn(ERRING, STRICT, DataState.OK)[0]
    hurts, text = projected_burn(ERRING, LAX, DataState.OK, rate=100.0)

    assert not hurts
    assert text == (
        "its own excess (3.0 % against 0.1 % on 10 % of the requests, 0.29 events a second) burns 0.29 times the "
        "budget of objective lax"
    )


def test_a_harmless_pod_is_not_replaced_although_it_is_certainly_odd() -> None:
    """0.3 % errors under a 99 % objective, even when the pod were the whole service."""
    odd = replace(ERRING, bad=3.0, peer_bad=0.0, share=1.0)

    assert not impact(odd, ImpactSettings(), [status(LAX)])[0]
    assert impact(odd, ImpactSettings(), [status(STRICT)])[0]


def test_errors_that_the_siblings_have_too_are_no_excess() -> None:
    assert not projected_burn(replace(ERRING, peer_bad=270.0), STRICT, DataState.OK)[0]


@pytest.mark.parametrize("state", sorted(set(DataState) - {DataState.OK, DataState.NEW}))
def test_what_is_not_known_lets_nobody_be_drained(state: DataState) -> None:
    hurts, text = impact(ERRING, ImpactSettings(), [status(STRICT, state)])

    assert not hurts
    assert text == f"objective cart-availability is {state.value}: on unknown data no pod is drained"


def test_a_young_objective_is_known_well_enough() -> None:
    assert impact(ERRING, ImpactSettings(), [status(STRICT, DataState.NEW)])[0]


def test_a_known_objective_speaks_beside_an_unknown_one() -> None:
    assert impact(ERRING, ImpactSettings(), [status(LAX, DataState.STALE), status(STRICT)])[0]


def test_without_an_objective_for_the_symptom_the_present_form_holds() -> None:
    latency = objective("slow", preset=Preset.ISTIO_LATENCY, cut_ms=250.0)
    threshold = objective("raw", sli=RatioSli(counter=False, raw=Query("x")))
    buckets = objective("b", sli=RatioSli(good=Query('x_bucket{le="250"}'), total=Query("x_count")))
    plain = impact(ERRING, ImpactSettings())

    assert plain[0]
    for one in (latency, threshold, buckets):
        assert impact(ERRING, ImpactSettings(), [status(one)]) == plain
    unreached = replace(ERRING, symptom=Symptom.UNREACHED)
    assert impact(unreached, ImpactSettings(), [status(STRICT)]) == impact(unreached, ImpactSettings())


def test_slowness_is_measured_by_objectives_of_latency() -> None:
    bound = objective("slow", preset=Preset.ISTIO_LATENCY, cut_ms=250.0)
    higher = replace(bound, cut_ms=500.0)

    assert impact(SLOW, ImpactSettings(), [status(bound), status(LAX)])[0]
    assert not impact(SLOW, ImpactSettings(), [status(higher), status(STRICT)])[0]


def test_the_alert_never_gates() -> None:
    """Neither does a page allow a drain, nor does silence forbid one."""
    assert not impact(ERRING, ImpactSettings(), [status(LAX, alert="page")])[0]
    assert impact(ERRING, ImpactSettings(), [status(STRICT, alert="")])[0]
