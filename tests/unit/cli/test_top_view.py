"""What the daemon says, as lines: nothing unknown is shown as a figure, and bad news comes first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from observer.cli.api_client import ApiClient
from observer.cli.failures import ApiError, DaemonUnreachable
from observer.cli.output import PLAIN, Paint, Tone, bare
from observer.cli.top_view import CLEAR, STATES, TopView, WorkloadFilter, again, decisions_about, fetch, refreshed, text
from observer.web.models.rows import State
from tests.support.scripted_api import AT, daemon


async def view(only: WorkloadFilter | None = None, now: float = AT + 2, **changes: Any) -> TopView:
    async with daemon() as there:
        there.overview.update(changes)
        return await fetch(ApiClient(there.url), only or WorkloadFilter(), now)


async def test_the_whole_view() -> None:
    shown = text(await view(), PLAIN)
    lines = shown.splitlines()
    assert lines[0] == "enforce  leader, term 3  tick 512, 2 s ago  1 blocked  1 healthy"
    assert lines[2:4] == ["ACTION REQUIRED", "look  pay-2: action blocked  (since 11:05:40 UTC)"]
    assert "i1        2 min 2 s  suspected  31 % (0.2 %)  21.5      disruption budget  pod bank/pay-2" in lines
    assert "blocked  bank/pay   3/4    81.2   8.0 %   -25 %   14.0x  enforce              pay-2 is blocked" in lines
    assert "healthy  shop/cart  2/2    -      -       -       -      shadow, not enabled" in lines
    assert lines[-1] == "11:06:10  act     drain          Drain cart-1."


def test_every_state_of_the_daemon_has_a_colour_and_a_place() -> None:
    assert list(STATES) == list(State)


async def test_an_overdrawn_budget_is_told_from_health() -> None:
    async with daemon() as there:
        rows = there.overview["workloads"]
        rows[1].update(state="overdrawn", budget_left=-0.3, headline="Cart: its error budget is overdrawn by 30 %")
        there.overview["states"] = {"blocked": 1, "overdrawn": 1}
        found = await fetch(ApiClient(there.url), WorkloadFilter(), AT + 2)
    assert ("1 overdrawn", Tone.WARN) in found.status
    assert found.workloads.rows[1].cells[0] == ("overdrawn", Tone.WARN)
    assert "overdrawn by 30 %" in text(found, PLAIN)


async def test_colours_change_no_word() -> None:
    one = await view()
    assert bare(text(one, Paint(on=True))) == text(one, PLAIN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"complete": False}, "DATA INCOMPLETE: no actions"),
        ({"control": {"mode": "shadow", "paused": True, "reason": "storm", "leader": False, "term": 0, "halted": ""}},
         "PAUSED: storm"),
        ({"control": {"mode": "shadow", "paused": False, "reason": "", "leader": False, "term": 0, "halted": "a bug"}},
         "HALTED: a bug"),
    ],
)  # fmt: skip
async def test_what_keeps_it_from_acting_is_said_in_red(changes: dict[str, Any], words: str) -> None:
    one = await view(**changes)
    assert (words, Tone.BAD) in one.status


async def test_an_old_picture_is_not_shown_as_a_fresh_one() -> None:
    one = await view(now=AT + 120)
    assert ("tick 512, 2 min ago", Tone.BAD) in one.status


async def test_what_is_left_out_is_counted() -> None:
    one = await view(matching=900, incidents_open=70)
    assert one.workloads.note == "2 of 900, most urgent first" and one.incidents.note == "1 of 70"


async def test_nothing_is_said_to_be_nothing() -> None:
    shown = text(await view(action_required=[], incidents=[], workloads=[], interventions=[], states={}), PLAIN)
    assert shown.count("none") == 4


async def test_the_question_is_passed_on() -> None:
    async with daemon() as there:
        await fetch(ApiClient(there.url), WorkloadFilter("bank", "pay"), AT)
    assert there.asked == [("/api/v1/overview", {"limit": "200", "namespace": "bank", "q": "pay"})]


async def test_another_version_is_told_as_such() -> None:
    with pytest.raises(ApiError, match="not as Observer"):
        await view(control={"mode": 7})


async def test_decisions_about_a_row() -> None:
    async with daemon() as there:
        lines = await decisions_about(ApiClient(there.url), {"incident": "i1"})
        assert there.asked[-1][1] == {"limit": "100", "incident": "i1"}
    assert "blocked blocked" in lines[0] and "disruption: 0 allowed" in lines[1]
    async with daemon(text="[]") as there:
        with pytest.raises(ApiError, match="not as Observer"):
            await decisions_about(ApiClient(there.url), {})


async def test_while_nothing_new_comes_the_last_picture_says_since_when() -> None:
    one = await view()

    async def fails() -> TopView:
        raise DaemonUnreachable("refused", "run it")

    stale = await again(fails, one)
    assert stale.lost == "nothing new since 11:06:40 UTC: refused" and stale.workloads == one.workloads
    assert await again(fails, stale) == stale
    assert stale.lost in text(stale, PLAIN)


async def test_lines_are_refreshed_until_somebody_has_seen_enough() -> None:
    one = await view()
    written: list[str] = []
    slept: list[float] = []
    failures = iter([False, True])

    async def ask() -> TopView:
        if next(failures, False):
            raise DaemonUnreachable("refused", "run it")
        return one

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await refreshed(ask, written.append, sleep, PLAIN, 2.5)
    assert slept == [2.5] * 3 and all(one.startswith(CLEAR) for one in written)
    assert ["refused" in one for one in written] == [False, True, False]
