"""Where the daemon and rule files are meant to differ: one test for each row of ``docs/slo-differences.md``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from observer.domain.counts import FloatArray
from observer.domain.events import BAD, TOTAL, Parts, Series
from observer.domain.slo import CalendarWindow, DataState, ObjectiveStatus, Query, RatioSli
from observer.engine.slo.accounting import SloAccounting
from observer.engine.slo.states import Facts
from observer.exchange.prometheus_rules import RuleOptions, rule_file
from tests.support.promtool import answers
from tests.support.slo import objective, readings

pytestmark = [pytest.mark.integration, pytest.mark.needs("promtool"), pytest.mark.timeout(900)]

START = 1_789_948_800.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "slo-differences.md"
FIRING = 'ALERTS{alertname="ObserverBudgetBurn", alertstate="firing"}'
SPENT = "observer:slo_budget_spent:ratio"
ONE = objective(sli=RatioSli(bad=Query('calls_total{code="503"}'), total=Query("calls_total")))
SERVING = Facts(desired=1, ready=1, watched=1, scoped=True)

Pod = tuple[FloatArray, FloatArray]
"""Good and bad calls of one pod, minute by minute; NaN where it was not scraped."""


def ours(pods: list[Pod], births: dict[int, int] | None = None, around: Facts = SERVING) -> list[ObjectiveStatus]:
    """The daemon's answer each minute; ``births`` tells at which minute which pod started."""
    books, found = SloAccounting([ONE], [Parts.BAD_OF_TOTAL]), []
    started = {("shop", f"p{i}"): START + 60.0 * minute for i, minute in (births or {}).items()}
    for minute in range(pods[0][0].size):
        page: dict[Series, float] = {}
        for i, (good, bad) in enumerate(pods):
            for code, values in (("200", good), ("503", bad)):
                if not np.isnan(values[minute]):
                    columns = (TOTAL,) if code == "200" else (TOTAL, BAD)
                    page |= {Series(0, column, ("shop", f"p{i}"), code): float(values[minute]) for column in columns}
        at = START + 60.0 * minute
        books.count(readings(at, page), started)
        found.append(books.statuses(at, [around])[0])
    return found


def theirs(folder: Path, pods: list[Pod], expr: str, *, more: str = "", min_bad: bool = True) -> list[list[float]]:
    """Prometheus' answer to ``expr`` each minute, by our rule file or by ``more``."""
    series = [
        (f'calls_total{{pod="p{i}", code="{code}"}}', values)
        for i, pod in enumerate(pods)
        for code, values in zip((200, 503), pod, strict=True)
    ]
    rules = [rule_file(ONE, RuleOptions(bucket=60.0, min_bad=min_bad)), *([more] if more else [])]
    return [[value for _, value in row[expr]] for row in answers(folder, rules, series, [expr])]


def steady(minutes: int, good: float, bad: float) -> Pod:
    return np.arange(minutes, dtype=np.float64) * good, np.arange(minutes, dtype=np.float64) * bad


def test_births(tmp_path: Path) -> None:
    """Six pods answer 40 errors each and die: 240 errors here, none in Prometheus."""
    pods = [steady(30, 60.0, 0.0)]
    births = {}
    for i in range(6):
        good, bad = np.full(30, np.nan), np.full(30, np.nan)
        bad[10 + i] = 40.0
        pods.append((good, bad))
        births[i + 1] = 10 + i
    mine = ours(pods, births)

    assert mine[-1].budget.total - mine[-1].budget.good == 240.0
    assert mine[16].alert == "page"
    assert theirs(tmp_path, pods, FIRING) == [[]] * 30


def test_low_traffic(tmp_path: Path) -> None:
    """One failed call of sixty: rules without a least number page, with it they wait as the daemon does."""
    good, bad = steady(62, 1.0, 0.0)
    bad[30:] = 1.0
    mine = ours([(good, bad)])

    assert {one.alert for one in mine} == {""}
    assert any("bad; 5 needed" in tier.withheld for one in mine for tier in one.tiers)
    assert any(theirs(tmp_path, [(good, bad)], FIRING, min_bad=False))
    assert not any(theirs(tmp_path, [(good, bad)], FIRING))


def test_low_traffic_certainty(tmp_path: Path) -> None:
    """Five of four thousand may be chance under 99.9 %: the daemon waits, rules cannot weigh it."""
    pods = [(np.concatenate([[0.0], np.full(5, 3995.0)]), np.concatenate([[0.0], np.full(5, 5.0)]))]
    mine = ours(pods)

    assert mine[1].tiers[-1].over and "may be chance" in mine[1].tiers[-1].withheld
    assert len(theirs(tmp_path, pods, FIRING)[1]) == 1


def test_idle(tmp_path: Path) -> None:
    """Ten silent minutes: a mean of ratios stays undefined, a sum of counts does not; the daemon says idle."""
    good, bad = steady(60, 60.0, 0.06)
    good[:20], bad[:20] = 0.0, 0.0
    mean = (
        "groups:\n- name: mean\n  interval: 1m\n  rules:\n"
        "  - {record: ratio, expr: 'sum(increase(calls_total{code=\"503\"}[5m])) / sum(increase(calls_total[5m]))'}\n"
        "  - {record: mean, expr: 'avg_over_time(ratio[30d])'}\n"
    )
    mine = ours([(good, bad)])

    assert mine[15].state is DataState.IDLE
    assert mine[59].budget.spent == pytest.approx(1.0, rel=0.05)
    assert np.isnan(theirs(tmp_path, [(good, bad)], "mean", more=mean)[59][0])
    assert theirs(tmp_path, [(good, bad)], SPENT)[59][0] == pytest.approx(mine[59].budget.spent)


def test_budget(tmp_path: Path) -> None:
    """Two quiet hours at 50 % and four busy ones at 0.01 %: by events, as rules of counts say too."""
    quiet, busy = 120, 240
    good = np.concatenate([np.arange(quiet) * 1.0, quiet + np.arange(busy) * 5999.4])
    bad = np.concatenate([np.arange(quiet) * 1.0, quiet + np.arange(busy) * 0.6])
    mine = ours([(good, bad)])[-1]
    rates = np.diff(bad) / (np.diff(good) + np.diff(bad))

    assert mine.budget.spent == pytest.approx((bad[-1] - bad[0]) / (good[-1] + bad[-1]) / 0.001, rel=1e-6)
    assert rates.mean() / 0.001 > 500 * mine.budget.spent
    assert theirs(tmp_path, [(good, bad)], SPENT)[-1][0] == pytest.approx(mine.budget.spent, rel=1e-9)


def test_calendar_periods() -> None:
    """PromQL has no calendar: the daemon keeps such a budget, the rule file holds the alerts only."""
    monthly = objective(window=CalendarWindow(1, "M", "2026-01-01 00:00:00", "Europe/Berlin", (START - 3600.0,)))

    assert SPENT in rule_file(ONE) and SPENT not in rule_file(monthly)
    assert "ObserverBudgetBurn" in rule_file(monthly)


def test_unknown_data(tmp_path: Path) -> None:
    """All targets are lost amid an outage: rules go on firing from what they hold, the daemon says stale."""
    good, bad = steady(60, 50.0, 50.0)
    good[30:], bad[30:] = np.nan, np.nan
    lost = Facts(scraped=START + 60.0 * 29, desired=1, ready=1, watched=0, scoped=True)
    mine = ours([(good, bad)], around=lost)

    assert (mine[40].state, mine[40].alert) == (DataState.ABSENT, "")
    assert any(tier.over for tier in mine[40].tiers)
    assert len(theirs(tmp_path, [(good, bad)], FIRING)[40]) == 3  # all but the one with 5 minutes


def test_absent_part(tmp_path: Path) -> None:
    """A latency bound that is no bucket: neither is green; the daemon says what is missing."""
    slow = objective(
        cut_ms=300.0, sli=RatioSli(good=Query('calls_total{code="300"}'), total=Query('calls_total{code="200"}'))
    )
    books = SloAccounting([slow], [Parts.GOOD_OF_TOTAL])
    for minute in range(10):
        books.count(readings(START + 60.0 * minute, {Series(0, TOTAL, ("", ""), "x"): 60.0 * minute}), {})
    mine = books.statuses(START + 540.0, [SERVING])[0]
    rules = rule_file(slow, RuleOptions(bucket=60.0))
    series = [('calls_total{pod="p0", code="200"}', np.arange(10, dtype=np.float64) * 60.0)]
    rows = answers(tmp_path, [rules], series, ["observer:slo_error:ratio5m"])

    assert mine.state is DataState.ABSENT and "no bucket of 300 ms" in mine.detail
    assert rows[-1]["observer:slo_error:ratio5m"] == []


def test_every_row_of_the_table_has_a_test() -> None:
    named = re.findall(r"`(test_\w+)`", DOCUMENT.read_text())

    assert named == [name for name in globals() if name.startswith("test_")][: len(named)]
    assert len(named) >= 8
