from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from observer.domain.slo import (
    BURN_PRESETS,
    BudgetingMethod,
    BurnTier,
    CalendarWindow,
    DataState,
    LowTraffic,
    NoData,
    Objective,
    ObjectiveStatus,
    RollingWindow,
)
from observer.engine.slo.buckets import CountStore
from observer.engine.slo.composite import composites
from observer.engine.slo.evaluate import Plan, evaluate, span
from observer.engine.slo.increments import Slicer
from observer.engine.slo.states import Facts, disagreement
from tests.support.slo import objective

NOW = 1_790_000_400.0
HOUR, DAY = 3600.0, 86_400.0
KNOWN = Facts(since=0.0)


def counted(*events: tuple[float, float, float]) -> CountStore:
    """``(seconds ago, bad, total)`` of one objective."""
    store = CountStore(1)
    for ago, bad, total in sorted(events, reverse=True):
        store.add(NOW - ago, np.array([0]), np.array([total - bad]), np.array([total]))
    store.add(NOW, np.array([0]), np.zeros(1), np.zeros(1))
    return store


def judged(one: Objective, store: CountStore, facts: Facts = KNOWN, **plan: Any) -> ObjectiveStatus:
    return evaluate(Plan((one,), **plan), store, [facts], NOW)[0]


@pytest.mark.parametrize(("name", "period"), [("sre-30d", 30), ("28d", 28), ("7d", 7)])
def test_presets_spend_the_shares_of_budget_they_say(name: str, period: int) -> None:
    shares = {
        "sre-30d": [0.02, 0.05, 0.10, 0.10],
        "28d": [0.0208, 0.0625, 0.0714, 0.143],
        "7d": [0.08, 0.125, 0.20, 0.42],
    }[name]
    tiers = BURN_PRESETS[name]

    assert [t.factor * t.long / (period * DAY) for t in tiers] == pytest.approx(shares, rel=0.01)
    assert [t.severity for t in tiers] == ["page", "page", "ticket", "ticket"]
    assert len({t.name for t in tiers}) == len(tiers)


def test_both_windows_must_burn() -> None:
    tier = BurnTier("1h", "page", 10.0, HOUR, 300.0)
    one = objective(tiers=(tier,), target=0.99)

    both = judged(one, counted((0, 50, 100), (1800, 150, 1000)))
    over_already = judged(one, counted((0, 0, 100), (1800, 150, 1000)))
    just_begun = judged(one, counted((0, 50, 100), (1800, 0, 10_000)))

    assert (both.alert, over_already.alert, just_begun.alert) == ("page", "", "")
    assert both.tiers[0].long == pytest.approx(200 / 1100 / 0.01)
    assert over_already.tiers[0].short == 0.0


def test_a_burn_at_the_limit_is_not_over_it() -> None:
    tier = BurnTier("t", "page", 10.0, HOUR, 300.0)

    assert not judged(objective(tiers=(tier,), target=0.99), counted((0, 100, 1000)), gated=False).tiers[0].over
    assert judged(objective(tiers=(tier,), target=0.99), counted((0, 101, 1000)), gated=False).tiers[0].over


def test_the_text_names_the_tier_both_windows_the_events_and_the_budget() -> None:
    found = judged(objective(display="non-5xx"), counted((0, 500, 1000)))

    assert found.text == (
        "non-5xx: burns 500.0 times its budget over 1h and 500.0 times over 5m (limit 14.4): 500 of 1000 events bad; "
        "-49900.0 % of the budget left"
    )


@pytest.mark.parametrize(
    ("bad", "total", "held"),
    [
        (1, 60, "1 of 60 bad; 5 needed"),
        (4, 4, "4 of 4 bad; 5 needed"),
        (5, 60, ""),
        (20, 1300, "20 of 1300 bad; that may be chance under the target (99.9 % certainty needed)"),
    ],
)
def test_few_events_page_nobody_and_say_what_is_missing(bad: float, total: float, held: str) -> None:
    gate = LowTraffic(confidence=0.999)
    one = objective(target=0.99, tiers=(BurnTier("t", "page", 1.0, HOUR, 300.0),), low_traffic=gate)
    found = judged(one, counted((0, bad, total)))

    assert found.tiers[0].over
    assert found.tiers[0].withheld == held
    assert found.alert == ("" if held else "page")
    assert judged(one, counted((0, bad, total)), gated=False).alert == "page"


def test_no_event_is_no_burn_and_no_spending() -> None:
    found = judged(objective(), CountStore(1))

    assert (found.budget.spent, found.budget.remaining, found.budget.exhausted_in) == (0.0, 1.0, None)
    assert all((t.long, t.short, t.over) == (0.0, 0.0, False) for t in found.tiers)


def test_a_calendar_period_begins_at_its_bound() -> None:
    begun = NOW - 2 * DAY
    bounds = (begun - 30 * DAY, begun, begun + 30 * DAY)
    calendar = CalendarWindow(1, "M", "2026-01-01 00:00:00", "Europe/Berlin", bounds)
    store = counted((3 * DAY, 90, 1000), (DAY, 2, 1000))

    rolling, period = judged(objective(), store), judged(objective(window=calendar), store)

    assert (rolling.budget.total, period.budget.total) == (2000.0, 1000.0)
    assert period.budget.since == begun
    assert period.budget.spent == pytest.approx(2.0)
    assert judged(objective(window=CalendarWindow(1, "M", "x", "UTC")), store).budget.total == 0.0


def test_the_budget_says_when_it_is_gone() -> None:
    one = objective(target=0.99, tiers=(BurnTier("t", "ticket", 9.0, 6 * HOUR, 300.0),))
    found = judged(one, counted((0, 20, 1000), (10 * DAY, 0, 9000)))

    assert found.budget.spent == pytest.approx(0.2)
    assert found.budget.exhausted_in == pytest.approx(0.8 * 30 * DAY / 2.0)


def test_what_is_not_known_tells_no_burn() -> None:
    store = counted((0, 500, 1000))

    for facts, state in (
        (Facts(since=0.0, answered=False), DataState.STALE),
        (Facts(since=0.0, disagreement="they differ"), DataState.CONFLICT),
    ):
        found = judged(objective(), store, facts)
        assert (found.state, found.alert) == (state, "")
        assert judged(objective(no_data=NoData.PAGE), store, facts).alert == "page"


def test_versions_and_texts_are_no_part_of_the_counts() -> None:
    store = counted((0, 10, 1000))
    strict, lax = judged(objective(target=0.999), store), judged(objective(target=0.9, display="other"), store)

    assert strict.budget.total == lax.budget.total
    assert strict.budget.spent == pytest.approx(100 * lax.budget.spent)


def test_a_thousand_objectives_are_judged_as_each_alone() -> None:
    rng = np.random.default_rng(5)
    targets = rng.uniform(0.9, 0.9999, 1000)
    presets = [list(BURN_PRESETS)[i] for i in rng.integers(0, 3, 1000)]
    ones = tuple(
        objective(f"o{i}", target=float(targets[i]), tiers=BURN_PRESETS[presets[i]][: 1 + i % 4]) for i in range(1000)
    )
    store = CountStore(1000)
    for minute in range(400):
        total = rng.integers(0, 50, 1000).astype(float)
        bad = np.minimum(rng.binomial(5, 0.03, 1000), total)
        store.add(NOW - 60.0 * (400 - minute), np.arange(1000), total - bad, total)

    together = evaluate(Plan(ones), store, [KNOWN] * 1000, NOW)

    assert len({one.alert for one in together}) > 1
    for row in range(0, 1000, 37):
        own = CountStore(1)
        own.adopt(store, [(0, row)])
        assert judged(ones[row], own) == together[row]


def test_lengths_read_as_people_write_them() -> None:
    assert [span(s) for s in (300.0, 3600.0, 5400.0, 259_200.0, 45.0)] == ["5m", "1h", "90m", "3d", "45s"]


def slices(one: Objective, minutes: list[tuple[float, float, DataState]]) -> list[tuple[float, float]]:
    """``(good, total)`` of each slice that was counted, from ``(good, total, state)`` of each minute."""
    slicer, found = Slicer([one]), []
    start = one.slice_seconds * 5_966_668
    for i, (good, total, state) in enumerate([*minutes, (0.0, 0.0, DataState.OK)]):
        for _, _, retained, whole in slicer.add(start + 60.0 * (i + 1), np.array([good]), np.array([total]), [state]):
            found.append((float(retained[0]), float(whole[0])))
    return found


def test_timeslices_are_good_or_bad_as_a_whole() -> None:
    one = objective(method=BudgetingMethod.TIMESLICES, slice_target=0.9, slice_seconds=120.0)
    ok = DataState.OK

    assert slices(one, [(10, 10, ok), (8, 10, ok), (9, 10, ok), (8, 10, ok)]) == [(1.0, 1.0), (0.0, 1.0)]


def test_ratio_timeslices_are_good_to_their_share() -> None:
    one = objective(method=BudgetingMethod.RATIO_TIMESLICES, slice_seconds=60.0)

    assert slices(one, [(9, 10, DataState.OK), (1, 4, DataState.OK)]) == [(0.9, 1.0), (0.25, 1.0)]


@pytest.mark.parametrize(
    ("method", "state", "policy", "expected"),
    [
        (BudgetingMethod.TIMESLICES, DataState.IDLE, NoData.HOLD, [(1.0, 1.0)]),
        (BudgetingMethod.RATIO_TIMESLICES, DataState.IDLE, NoData.HOLD, []),
        (BudgetingMethod.TIMESLICES, DataState.STALE, NoData.HOLD, []),
        (BudgetingMethod.TIMESLICES, DataState.STALE, NoData.BAD, [(0.0, 1.0)]),
        (BudgetingMethod.TIMESLICES, DataState.ABSENT, NoData.GOOD, [(1.0, 1.0)]),
    ],
)
def test_silent_slices(
    method: BudgetingMethod, state: DataState, policy: NoData, expected: list[tuple[float, float]]
) -> None:
    one = objective(method=method, slice_target=0.9, slice_seconds=60.0, no_data=policy)
    slicer = Slicer([one])
    zero, found = np.zeros(1), []
    for at in (60.0, 61.0):
        found += [(float(g[0]), float(t[0])) for _, _, g, t in slicer.add(at, zero, zero, [state])]

    assert found == expected


def test_slices_in_which_nobody_looked_are_unknown() -> None:
    one = objective(method=BudgetingMethod.TIMESLICES, slice_target=0.9, slice_seconds=60.0)
    slicer, some = Slicer([one]), np.ones(1)
    slicer.add(60.0, some, some, [DataState.OK])

    assert len(slicer.add(6000.0, some, some, [DataState.OK])) == 1


def test_a_slice_is_a_judgement_already_and_waits_for_no_more_events() -> None:
    one = objective(method=BudgetingMethod.TIMESLICES, slice_target=0.9, slice_seconds=60.0)

    assert judged(one, counted((0, 3, 3))).alert == "page"


def part(name: str, bad: float, total: float, weight: float, target: float, facts: Facts = KNOWN) -> ObjectiveStatus:
    one = objective(f"shopping#{name}", slo="shopping", composite="shop/shopping", weight=weight, target=target)
    return judged(one, counted((0, bad, total)), facts)


def test_a_composite_weighs_its_parts_by_weight_not_by_traffic() -> None:
    (found,) = composites([part("a", 1, 100_000, 3.0, 0.99), part("b", 50, 100, 1.0, 0.9)])

    rate, allowed = (3 * 1e-5 + 1 * 0.5) / 4, (3 * 0.01 + 1 * 0.1) / 4
    assert found.objective.id == "shop/shopping"
    assert found.objective.target == pytest.approx(1 - allowed)
    assert found.budget.spent == pytest.approx(rate / allowed)
    assert found.tiers[0].long == pytest.approx(rate / allowed)
    assert found.state is DataState.OK


def test_a_silent_part_drops_out_and_an_unknown_one_spoils_the_whole() -> None:
    loud, silent = part("a", 5, 100, 1.0, 0.99), part("b", 0, 0, 9.0, 0.9, Facts(since=0.0, moved=False))
    lost = part("c", 0, 100, 1.0, 0.9, Facts(since=0.0, answered=False))

    (alone,) = composites([loud, silent])
    (spoilt,) = composites([loud, lost])

    assert alone.tiers[0].long == pytest.approx(5.0)
    assert alone.state is DataState.OK
    assert (spoilt.state, spoilt.alert) == (DataState.STALE, "")
    assert "shop/shopping#c" in spoilt.detail


def test_a_composite_is_told_when_one_part_s_evidence_is_enough() -> None:
    (found,) = composites([part("a", 50, 100, 1.0, 0.99), part("b", 0, 100, 1.0, 0.99)])
    (held,) = composites([part("a", 2, 3, 1.0, 0.99), part("b", 0, 100, 1.0, 0.99)])

    assert found.alert == "page"
    assert held.alert == "" and held.tiers[0].withheld == "2 of 3 bad; 5 needed"


def test_plain_objectives_are_no_composite() -> None:
    assert composites([judged(objective(), counted((0, 0, 9)))]) == ()


def test_two_views_may_differ_a_little() -> None:
    assert disagreement(1000.0, 900.0) == disagreement(40.0, 0.0) == ""
    assert disagreement(1000.0, 500.0) == "callers count 1000 calls that arrived, the pods themselves 500"


def test_rolling_windows_slide() -> None:
    one = objective(window=RollingWindow(7 * DAY))

    assert judged(one, counted((8 * DAY, 5, 50), (DAY, 1, 10))).budget.total == 10.0
