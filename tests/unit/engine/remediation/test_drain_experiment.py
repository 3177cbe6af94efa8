"""The drain experiment's statistics: it tells a drop from none, and says when it cannot."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from observer.domain.incident import Experiment
from observer.domain.outcome import DrainVerdict
from observer.domain.settings import EscalationSettings
from observer.engine.memory import Baseline
from observer.engine.remediation.drain_experiment import (
    clean_from,
    effective_deadline,
    floor_rate,
    judge,
    kullback,
    log_odds,
    observe,
    own_share,
    peers_worse,
    visible,
)
from tests.support.builders import NOW, callers, pod, service_ref, tally

ESCALATION = EscalationSettings()
BOUND = math.log(20.0)


def running(*, p1: float = 0.3, p0: float = 0.0, share: float = 0.25, **changes: float) -> Experiment:
    return replace(Experiment(NOW, share, p1, p0, effective=NOW), **changes)  # type: ignore[arg-type]


def test_nothing_seen_says_nothing() -> None:
    assert log_odds(running(), Baseline()) == 0.0


def test_no_predicted_drop_says_nothing() -> None:
    assert log_odds(running(p1=0.1, p0=0.1, requests=1000.0), Baseline()) == 0.0


def test_clean_callers_after_the_drain_mean_dropped() -> None:
    assert log_odds(running(requests=150.0, bad=0.0), Baseline()) > BOUND


def test_unchanged_callers_mean_not_dropped() -> None:
    assert log_odds(running(requests=400.0, bad=30.0), Baseline(requests=400.0, bad=30.0)) < -BOUND


def test_other_errors_at_the_callers_do_not_hide_the_drop() -> None:
    """A background of 10 % stays; 7.5 % go with the pod."""
    before = Baseline(requests=2000.0, bad=350.0)
    assert log_odds(running(requests=1000.0, bad=100.0), before) > BOUND


def test_errors_that_callers_never_saw_do_not_count_as_dropped() -> None:
    """Retries hide the pod's errors: none before, none after, so nothing dropped."""
    assert log_odds(running(requests=400.0, bad=0.0), Baseline(requests=400.0, bad=0.0)) < 0.0


def test_overdispersion_tempers_the_verdict() -> None:
    plain = log_odds(running(requests=150.0), Baseline())
    assert log_odds(running(requests=150.0, dispersion=4.0), Baseline()) == pytest.approx(plain / 4.0)


SEEN = Baseline(requests=400.0, bad=30.0, seen=NOW)
"""Before the drain the callers saw what the suspicion predicts: 7.5 %."""


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        (SEEN, True),
        (Baseline(), False),  # nothing is known
        (Baseline(requests=400.0, bad=0.0), False),  # retries hide them
        (Baseline(requests=400.0, bad=3.0), False),
        (Baseline(requests=400.0, bad=30.0, lately=100.0, lately_bad=30.0, peer_requests=300.0), True),
        # The pod had a quiet moment: by its own count there was nothing to see.
        (Baseline(requests=400.0, bad=0.0, lately=100.0, lately_bad=0.0, peer_requests=300.0), False),
        # What the siblings answered badly, and what reached nobody, does not tell that the pod's were seen.
        (Baseline(requests=400.0, bad=30.0, peer_requests=300.0, peer_errors=30.0), False),
        (Baseline(requests=400.0, bad=30.0, unreached=30.0), False),
        (Baseline(requests=400.0, bad=60.0, peer_requests=300.0, peer_errors=30.0), True),
        (Baseline(requests=400.0, bad=60.0, unreached=30.0), True),
    ],
)
def test_only_what_the_callers_had_seen_acquits_when_it_stays(before: Baseline, answer: bool) -> None:
    rate = max(before.bad / max(before.requests, 1.0), 0.075)
    state = observe(running(), before, callers(service_ref(), 600.0, 600.0 * rate if before.bad else 0.0))
    if not before.requests:
        state = replace(state, log_odds=-2.0 * BOUND)
    assert state.log_odds <= -BOUND
    assert (visible(state, before) >= BOUND) is answer
    found = judge(state, replace(before, seen=NOW + 5.0), NOW + 5.0, NOW + 300.0, ESCALATION)
    assert found is (DrainVerdict.NOT_DROPPED if answer else DrainVerdict.PENDING)
    found = judge(state, replace(before, seen=NOW + 60.0), NOW + 60.0, NOW + 300.0, ESCALATION)
    assert found is (DrainVerdict.NOT_DROPPED if answer else DrainVerdict.CANNOT_TELL)


def test_what_was_hidden_before_cannot_have_dropped() -> None:
    before = Baseline(requests=80.0, bad=0.0, seen=NOW + 5.0)
    state = observe(running(), before, callers(service_ref(), 2000.0, 0.0))
    assert state.log_odds > BOUND
    assert judge(state, before, NOW + 5.0, NOW + 300.0, ESCALATION) is DrainVerdict.PENDING
    few = replace(before, requests=10.0)
    assert judge(observe(state, few, callers(service_ref(), 5.0, 0.0)), few, NOW + 5.0, NOW + 300.0, ESCALATION) is (
        DrainVerdict.DROPPED
    )


def test_slow_answers_are_compared_with_the_siblings_slow_ones() -> None:
    before = Baseline(requests=400.0, bad=30.0, unreached=30.0, peer_requests=300.0, peer_slow=(0.0, 30.0))
    assert visible(running(cut=0), before) > BOUND
    assert visible(running(cut=1), before) < 0.0
    assert visible(running(cut=2), before) > BOUND


def test_no_predicted_drop_was_seen_by_nobody() -> None:
    assert visible(running(p1=0.1, p0=0.1), SEEN) == 0.0


def test_overdispersion_tempers_what_was_seen() -> None:
    assert visible(running(dispersion=4.0), SEEN) == pytest.approx(visible(running(), SEEN) / 4.0)


def test_hidden_errors_neither_convict_nor_acquit() -> None:
    """Seeded Monte Carlo: callers that ask again see one in two hundred of the pod's errors, before and after."""
    rng = np.random.default_rng(21)
    wrong = 0
    for _ in range(300):
        share, p1, p0 = 0.25, float(rng.choice([0.08, 0.3, 0.8])), 0.002
        asked = int(rng.integers(200, 2000))
        rate = p0 + share * (p1 - p0) / 200.0
        own = asked * share
        before = Baseline(
            requests=asked, bad=float(rng.binomial(asked, rate)), lately=own, lately_bad=float(round(own * p1)),
            peer_requests=asked - own, peer_errors=float(rng.binomial(round(asked - own), p0)),
        )  # fmt: skip
        state = running(p1=p1, p0=p0, share=share)
        verdict = DrainVerdict.PENDING
        for tick in range(1, 25):
            state = observe(state, before, callers(service_ref(), 60.0, float(rng.binomial(60, p0))))
            seen = replace(before, seen=NOW + 5.0 * tick)
            verdict = judge(state, seen, NOW + 5.0 * tick, NOW + 300.0, ESCALATION)
            if verdict is not DrainVerdict.PENDING:
                break
        wrong += verdict is not DrainVerdict.CANNOT_TELL
    assert wrong <= 15


@pytest.mark.parametrize("truth", ["dropped", "stayed"])
def test_wrong_verdicts_are_rarer_than_the_odds_allow(truth: str) -> None:
    """Seeded Monte Carlo over drains judged tick by tick: the wrong verdict in fewer than one of twenty."""
    rng = np.random.default_rng(20)
    wrong = right = 0
    for _ in range(300):
        share, p1, p0 = 0.25, 0.3, 0.002
        rate = p0 + share * (p1 - p0)
        before = Baseline(requests=300.0, bad=float(rng.binomial(300, rate)))
        state = running(p1=p1, p0=p0, share=share)
        for tick in range(1, 25):
            bad = float(rng.binomial(60, p0 if truth == "dropped" else rate))
            state = observe(state, before, callers(service_ref(), 60.0, bad))
            verdict = judge(state, before, NOW + 5.0 * tick, NOW + 300.0, ESCALATION)
            if verdict is not DrainVerdict.PENDING:
                expected = DrainVerdict.DROPPED if truth == "dropped" else DrainVerdict.NOT_DROPPED
                right += verdict is expected
                wrong += verdict is not expected and verdict is not DrainVerdict.CANNOT_TELL
                break
    assert wrong <= 15
    assert right >= 270


@pytest.mark.parametrize(
    ("after", "requests", "seen", "expected"),
    [
        (59.0, 1000.0, 59.0, DrainVerdict.PENDING),
        (60.0, 199.0, 60.0, DrainVerdict.PENDING),
        (60.0, 200.0, 60.0, DrainVerdict.CANNOT_TELL),
        (61.0, 0.0, 0.0, DrainVerdict.CANNOT_TELL),
        (60.0, 0.0, 0.0, DrainVerdict.PENDING),
        (300.0, 10.0, 300.0, DrainVerdict.CANNOT_TELL),
    ],
)
def test_bounds(after: float, requests: float, seen: float, expected: DrainVerdict) -> None:
    state = running(requests=requests)
    assert judge(state, Baseline(seen=NOW + seen), NOW + after, NOW + 300.0, ESCALATION) is expected


@pytest.mark.parametrize(
    ("odds", "expected"),
    [(BOUND, DrainVerdict.DROPPED), (-BOUND, DrainVerdict.NOT_DROPPED), (BOUND - 0.01, DrainVerdict.PENDING)],
)
def test_twenty_to_one_either_way(odds: float, expected: DrainVerdict) -> None:
    assert judge(running(log_odds=odds), SEEN, NOW + 5.0, NOW + 300.0, ESCALATION) is expected


def test_latency_counts_the_requests_over_the_cut() -> None:
    seen = observe(running(cut=3), Baseline(), callers(service_ref(), 50.0, 7.0, slow=(9.0, 8.0, 6.0, 4.0, 2.0, 1.0)))
    assert (seen.requests, seen.bad) == (50.0, 4.0)


def test_own_share_is_unknown_without_counts() -> None:
    one = pod()
    assert own_share(None, 100.0, 0.25) is None
    assert own_share(tally(one, 0.0), 0.0, 0.25) is None
    assert own_share(tally(one, 5.0), 100.0, 0.25) == pytest.approx(0.2)


def test_slow_scrapes_get_more_time_to_show_an_effect() -> None:
    quick = effective_deadline(running(), Baseline(scrapes=(NOW, NOW + 1.0)), ESCALATION, 5.0)
    slow = effective_deadline(running(), Baseline(scrapes=(NOW, NOW + 30.0)), ESCALATION, 5.0)
    assert (quick, slow) == (NOW + 22.0, NOW + 80.0)


def test_callers_count_once_their_scrapes_and_histograms_have_caught_up() -> None:
    scraped = Baseline(scrapes=(NOW - 30.0, NOW))
    assert clean_from(running(), Baseline()) == NOW
    assert clean_from(running(), scraped) == NOW + 30.0
    assert clean_from(running(cut=3), scraped) == NOW + 35.0


def test_floor_rate_is_what_the_siblings_can_tell_from_zero() -> None:
    assert floor_rate(0.0, 100.0, 0.25) == pytest.approx(0.5 / 301.0)
    assert floor_rate(0.05, 100.0, 0.25) == 0.05


@pytest.mark.parametrize(
    ("requests", "bad", "usual", "expected"),
    [
        (300.0, 30.0, 0.001, True),
        (300.0, 2.0, 0.001, False),
        (300.0, 30.0, 0.1, False),
        (10_000.0, 50.0, 0.001, False),
        (0.0, 0.0, 0.001, False),
    ],
)
def test_siblings_worse(requests: float, bad: float, usual: float, expected: bool) -> None:
    assert peers_worse(requests, bad, usual, 4.0, 0.01) is expected


def test_kullback_is_a_distance() -> None:
    assert kullback(0.3, 0.3) == 0.0
    assert kullback(0.0, 0.5) == pytest.approx(math.log(2.0))
    assert kullback(1.0, 0.5) == pytest.approx(math.log(2.0))


def test_fewer_bad_requests_than_predicted_acquit_nobody() -> None:
    """Drained in the very tick of its suspicion: nothing is known of the callers before, so nothing can be told."""
    unseen = log_odds(running(p1=0.088, p0=0.0007, share=0.06, requests=1971.0, bad=2.0), Baseline())

    assert -1.0 < unseen < BOUND
