"""What an eviction did to others: siblings and callers before and since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.incident import Check, Phase
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings, ImpactSettings
from observer.domain.suspect import CallerTally, PodTally, Suppression
from observer.engine import ledger
from observer.engine.context import Rules, TickContext
from observer.engine.memory import Baseline
from observer.engine.remediation.side_effects import Comparison, figures, observed, side_effect, waits
from tests.support.builders import (
    NOW,
    callers,
    catalog,
    cluster,
    incident_of,
    judgement,
    pod,
    service_ref,
    snapshot,
    tally,
    workload_ref,
)
from tests.support.stage import Stage

IMPACT = ImpactSettings()
VERIFYING = incident_of("catalog-1", phase=Phase.VERIFYING, check=Check(NOW - 20.0, NOW), p0=0.001, requests=400.0)


@pytest.mark.parametrize(
    ("before", "bad_before", "since", "bad_since", "worse"),
    [
        (1000.0, 1.0, 1000.0, 60.0, True),
        (1000.0, 1.0, 1000.0, 1.0, False),
        (1000.0, 60.0, 1000.0, 1.0, False),
        (1000.0, 50.0, 1000.0, 90.0, False),  # less than twice as bad
        (9000.0, 9.0, 9000.0, 50.0, False),  # five times as bad, but harmless
        (1000.0, 1.0, 60.0, 30.0, False),  # too few since
        (60.0, 0.0, 1000.0, 300.0, False),  # too little known before
        (150.0, 1.0, 150.0, 5.0, False),  # by chance
        (1000.0, 0.0, 1000.0, 1000.0, True),
    ],
)
def test_clearly_worse(before: float, bad_before: float, since: float, bad_since: float, worse: bool) -> None:
    found = Comparison("peers", "fail", before, bad_before, since, bad_since, IMPACT.error_rate)
    assert found.worse(1.0) is worse


def test_overdispersion_asks_for_more() -> None:
    found = Comparison("peers", "fail", 1000.0, 1.0, 1000.0, 30.0, IMPACT.error_rate)
    assert found.worse(1.0)
    assert not found.worse(10.0)


def context_of(
    tallies: list[PodTally],
    seen: tuple[CallerTally, ...] | list[CallerTally] = (),
    suppressed: tuple[Suppression, ...] = (),
) -> TickContext:
    view = cluster([*catalog(4), pod("catalog-new1", created=NOW - 15.0)])
    picture = judgement(tallies=tallies, seen_by=list(seen), suppressions=suppressed)
    return TickContext.of(snapshot(view), picture, view, Rules(EngineSettings()))


def test_counts_siblings_of_before_and_callers() -> None:
    pods = catalog(4)
    tallies = [tally(one, 50.0, 2.0) for one in [*pods, pod("catalog-new1", created=NOW - 15.0)]]
    seen = observed(Baseline(), VERIFYING, context_of(tallies, [callers(service_ref(), 250.0, 9.0)]))

    assert seen.peers_since == (150.0, 6.0, 6.0)  # neither the culprit nor the newcomer
    assert seen.callers_since == (250.0, 9.0)


def test_errors_that_come_from_elsewhere_are_not_counted() -> None:
    inherited = (Suppression(service_ref(), Reason.INHERITED, "its errors come from workload shop/pay"),)
    tallies = [tally(one, 50.0, 20.0) for one in catalog(4)]
    assert observed(Baseline(), VERIFYING, context_of(tallies, suppressed=inherited)) == Baseline()


def test_siblings_and_callers_are_told_apart() -> None:
    calm = Baseline(requests=2000.0, bad=20.0, peer_requests=1500.0, peer_errors=2.0)
    hurt = replace(calm, peers_since=(1500.0, 150.0, 150.0), callers_since=(2000.0, 20.0))
    lost = replace(calm, peers_since=(1500.0, 2.0, 2.0), callers_since=(2000.0, 200.0))

    assert side_effect(calm, VERIFYING, IMPACT) is None
    peers, theirs = side_effect(hurt, VERIFYING, IMPACT), side_effect(lost, VERIFYING, IMPACT)
    assert peers is not None and peers.who == "peers"
    assert theirs is not None and theirs.who == "callers"
    assert "10 % of 1500 requests since the eviction, 0.1 % of 1500 before" in str(peers)
    assert figures(hurt, VERIFYING, IMPACT)["peers_since"] == pytest.approx(0.1)


def test_slowness_is_compared_at_the_cut_of_the_suspicion() -> None:
    slow = replace(VERIFYING, cut=3)
    before = Baseline(peer_requests=1000.0, peer_slow=(0.0, 0.0, 50.0, 10.0), peers_since=(1000.0, 0.0, 400.0))

    found = side_effect(before, slow, IMPACT)
    assert found is not None and found.what == "are slow in"
    assert side_effect(replace(before, peers_since=(1000.0, 0.0, 60.0)), slow, IMPACT) is None


def test_nothing_known_before_is_neither_waited_for_nor_compared() -> None:
    unknown = replace(VERIFYING, requests=0.0, share=0.0)
    seen = Baseline(peers_since=(1000.0, 500.0, 500.0), callers_since=(1000.0, 500.0))

    assert side_effect(seen, unknown, IMPACT) is None
    assert not waits(seen, unknown, IMPACT)
    assert waits(Baseline(peer_requests=500.0), unknown, IMPACT)


# --- through the whole ladder


def test_siblings_that_break_after_the_eviction_make_it_worse_though_the_replacement_is_fine() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.EVICTING)
    stage.faults |= {"catalog-2": 0.2, "catalog-3": 0.2, "catalog-4": 0.2}
    stage.until(Phase.CLOSED)

    told = stage.told("verified")[0]
    assert stage.only().closing == "worse"
    assert told.severity == "page"
    assert "the other replicas fail 20 %" in told.text
    assert told.figures["peers_since"] == pytest.approx(0.2)
    assert ledger.frozen(stage.memory.ledger, workload_ref(), stage.at, stage.settings.guards)
    assert ledger.useless_share(stage.memory.ledger, 10)[0] >= 1
    assert [one.subject for one in stage.ticks(2).told("frozen")] == ["workload shop/catalog"]


def test_callers_that_lose_more_after_the_eviction_make_it_worse() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.EVICTING)
    stage.background = 0.6
    stage.until(Phase.CLOSED)

    assert stage.only().closing == "worse"
    assert "its callers lose 60 %" in stage.told("verified")[0].text


def test_a_verification_waits_until_siblings_could_be_looked_at() -> None:
    stage = Stage(faults={"catalog-1": 0.5}).until(Phase.VERIFYING)
    ready = stage.at
    stage.until(Phase.CLOSED)

    told = stage.told("verified")[0]
    assert stage.only().closing == "fixed"
    assert told.figures["peers_before"] == told.figures["peers_since"] == 0.0
    assert stage.at - ready < stage.settings.escalation.verify_seconds
