"""What a span of time comes to: only what lies in it counts, and what is not known is said to be so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Blocked, Verdict
from observer.domain.ids import ServiceRef
from observer.domain.outcome import Outcome, Result
from observer.domain.reasons import GuardName, Reason
from observer.domain.slo import CalendarWindow, LedgerCount, Objective, RatioSli, RollingWindow
from observer.domain.summary import Blindness
from observer.engine.summary import Records, summarize
from tests.support.journals import HOUR, MORNING, a_night, decision, incident

DAY = 86_400.0
SINCE = MORNING - DAY
INCIDENTS, TOLD, ACTS = a_night()
SIGHTS = tuple(one for one in TOLD if one.subject == "observer")
NIGHT = Records(INCIDENTS, TOLD, SIGHTS, tuple(entry for _, entry in ACTS))


def objective(key: str, target: float = 0.99, **changes: object) -> Objective:
    made = Objective(
        key, "v", key, "cart", RatioSli(), target, RollingWindow(30 * DAY), scope=ServiceRef("shop", "cart")
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_night_is_told_whole() -> None:
    found = summarize(NIGHT, SINCE, MORNING)
    assert [one.incident for one in found.impacts] == ["inc-held", "inc-fixed", "inc-worse", "inc-spared"]
    assert [(one.incident, one.steps, one.helped) for one in found.interventions] == [
        ("inc-fixed", ("drained", "evicted"), True),
        ("inc-worse", ("evicted",), False),
        ("inc-spared", ("restored",), None),
    ]
    assert [(one.reason, one.incidents, one.standing) for one in found.blocked] == [("disruption_budget", 1, True)]
    assert found.blindness == (Blindness("prometheus:timeout", HOUR, 1, lasting=False),)
    assert [one.kind for one in found.action_required] == ["look", "look", "look", "repair"]
    assert found.modes == ("enforce",) and found.decisions == len(TOLD) and not found.notes


def test_what_lies_outside_does_not_count() -> None:
    found = summarize(NIGHT, MORNING - 3 * HOUR, MORNING)
    assert [one.incident for one in found.impacts] == ["inc-held"]
    assert not found.interventions and not found.blindness and found.decisions == 3


def test_nothing_recorded_is_no_proof() -> None:
    found = summarize(Records(), SINCE, MORNING)
    assert found.decisions == 0 and "did not run" in found.notes[0]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((("blind", -30 * HOUR, "a"),), ("a", DAY, 1, True)),
        ((("blind", -30 * HOUR, "a"), ("recovered", -20 * HOUR, "")), ("a", 4 * HOUR, 1, False)),
        ((("blind", -30 * HOUR, "a"), ("recovered", -25 * HOUR, "")), None),
        (
            (
                ("blind", -3 * HOUR, "a"),
                ("recovered", -2 * HOUR, ""),
                ("blind", -HOUR, "a"),
                ("recovered", -HOUR / 2, ""),
            ),
            ("a", 1.5 * HOUR, 2, False),
        ),
    ],
)
def test_blindness_is_cut_to_the_span(
    events: tuple[tuple[str, float, str], ...], expected: tuple[str, float, int, bool] | None
) -> None:
    visibility = tuple(
        decision(str(at), MORNING + at, kind, subject="observer", figures={"gaps": gaps} if gaps else {})
        for kind, at, gaps in events
    )
    found = summarize(Records(visibility=visibility), SINCE, MORNING).blindness
    assert found == ((Blindness(*expected),) if expected is not None else ())


def test_one_cause_after_another_is_counted_apart_and_blindness_now_asks_for_repair() -> None:
    visibility = (
        decision("1", MORNING - 3 * HOUR, "blind", subject="observer", figures={"gaps": "a"}),
        decision("2", MORNING - HOUR, "blind", subject="observer", reason="b"),
    )
    found = summarize(Records(visibility=visibility), SINCE, MORNING)
    assert found.blindness == (Blindness("a", 2 * HOUR, 1, False), Blindness("b", HOUR, 1, True))
    assert [(one.kind, one.text) for one in found.action_required] == [
        ("repair", "data is incomplete, no actions until it recovers: b")
    ]


def test_shadow_tells_what_would_have_been_and_claims_no_help() -> None:
    would = decision(
        "w",
        MORNING - HOUR,
        "drain",
        Verdict.WOULD,
        incident="inc-fixed",
        action_kind=ActionKind.DRAIN,
        mode=Mode.SHADOW,
    )
    (deed,) = summarize(Records(INCIDENTS, (would,)), SINCE, MORNING).interventions
    assert (deed.would, deed.helped, deed.result) == (True, None, "nothing was written")


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome("a", Result.APPLIED, "x"), "evicted"),
        (Outcome("a", Result.DEFERRED, "budget"), "evicted (deferred: budget)"),
        (None, "evicted (no answer yet)"),
    ],
)
def test_an_act_that_was_not_accepted_says_so(outcome: Outcome | None, word: str) -> None:
    act = decision(
        "w", MORNING - HOUR, "evict", Verdict.ACT, incident="gone", action_kind=ActionKind.EVICT, outcome=outcome
    )
    (deed,) = summarize(Records(decisions=(act,)), SINCE, MORNING).interventions
    assert deed.steps == (word,) and deed.helped is None and "no longer known" in deed.result


def test_an_approval_is_asked_for_once_and_an_answered_page_not_again() -> None:
    waiting = incident("w", "cart-1", MORNING - HOUR, blocked={"approval_needed": MORNING - HOUR / 2})
    paged = decision(
        "p", MORNING - HOUR / 2, "page", incident="w", reason="approval_needed_evict", severity="page", text="x"
    )
    old = decision("q", MORNING - HOUR, "page", incident="closed", reason="blocked_too_long", severity="page", text="y")
    found = summarize(Records((waiting,), (old, paged)), SINCE, MORNING)
    assert [(one.kind, one.subject, one.at) for one in found.action_required] == [
        ("approve", "pod shop/cart-1", MORNING - HOUR / 2)
    ]


def test_an_edit_that_was_mended_asks_for_nothing() -> None:
    visibility = (
        decision("1", MORNING - 3, "config_rejected", subject="observer"),
        decision("2", MORNING - 2, "config_reloaded", subject="observer"),
    )
    assert not summarize(Records(visibility=visibility), SINCE, MORNING).action_required
    assert summarize(Records(visibility=visibility[:1]), SINCE, MORNING).action_required[0].kind == "repair"


def test_a_brake_is_counted_by_incident_not_by_decision() -> None:
    blocked = [
        decision(
            str(n),
            MORNING - n,
            "blocked",
            Verdict.BLOCKED,
            incident="ab"[n % 2],
            blocked_by=(Blocked(GuardName.KILL_SWITCH, Reason.PAUSED, "why"),),
        )
        for n in range(1, 6)
    ]
    (found,) = summarize(Records(decisions=blocked), SINCE, MORNING).blocked
    assert (found.reason, found.incidents, found.detail, found.standing) == ("paused", 2, "why", False)


def test_services_in_trouble_are_told_once_and_quiet_reasons_not_at_all() -> None:
    told = (
        decision(
            "1", MORNING - 9, "suppressed", subject="service shop/pay", reason="x", text="old", severity="warning"
        ),
        decision(
            "2", MORNING - 8, "suppressed", subject="service shop/pay", reason="y", text="new", severity="warning"
        ),
        decision("3", MORNING - 8, "suppressed", subject="service shop/cart", reason="warming_up", severity="info"),
    )
    found = summarize(Records(decisions=told), SINCE, MORNING).troubles
    assert [(one.subject, one.text) for one in found] == [("service shop/pay", "new")]


def test_budgets_by_events_of_the_whole_window() -> None:
    counts = (
        LedgerCount("o", MORNING - 10 * DAY, 9_950.0, 10_000.0),
        LedgerCount("o", MORNING - HOUR, 9_980.0, 10_000.0),
        LedgerCount("o", MORNING + HOUR, 0.0, 10_000.0),
        LedgerCount("o", MORNING - 40 * DAY, 0.0, 10_000.0),
    )
    (found,) = summarize(Records(counts=counts, objectives={"o": objective("o")}), SINCE, MORNING).budgets
    assert (found.bad, found.total) == (20.0, 10_000.0)
    assert found.spent == pytest.approx(20 / 200) and found.remaining == pytest.approx(1 - 70 / 200)


def test_a_budget_without_events_spends_nothing_and_one_without_a_target_claims_nothing() -> None:
    counts = (LedgerCount("o", MORNING - HOUR, 0.0, 0.0), LedgerCount("x", MORNING - HOUR, 5.0, 10.0))
    known, unknown = summarize(Records(counts=counts, objectives={"o": objective("o")}), SINCE, MORNING).budgets
    assert (known.spent, known.remaining) == (0.0, 1.0)
    assert (unknown.objective, unknown.bad, unknown.spent, unknown.remaining) == ("x", 5.0, None, None)


def test_a_calendar_period_begins_where_it_began() -> None:
    month = CalendarWindow(1, "M", "2026-11-01 00:00:00", "UTC", bounds=(MORNING - 2 * DAY, MORNING + 28 * DAY))
    counts = (
        LedgerCount("o", MORNING - 3 * DAY, 0.0, 10_000.0),
        LedgerCount("o", MORNING - HOUR, 9_950.0, 10_000.0),
    )
    (found,) = summarize(Records(counts=counts, objectives={"o": objective("o", window=month)}), SINCE, MORNING).budgets
    assert found.remaining == pytest.approx(0.5)


def test_most_spent_comes_first() -> None:
    counts = tuple(LedgerCount(key, MORNING - HOUR, 100.0 - bad, 100.0) for key, bad in (("a", 1.0), ("b", 9.0)))
    counts += (LedgerCount("c", MORNING - HOUR, 0.0, 100.0),)
    known = {"a": objective("a"), "b": objective("b")}
    found = summarize(Records(counts=counts, objectives=known), SINCE, MORNING).budgets
    assert [one.objective for one in found] == ["b", "a", "c"]
