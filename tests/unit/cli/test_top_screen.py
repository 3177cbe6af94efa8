"""The full screen without a terminal: keys, the cursor, a daemon that goes away and comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.app import App
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static

from observer.cli.api_client import ApiClient
from observer.cli.failures import DaemonUnreachable
from observer.cli.top_screen import Details, Top
from observer.cli.top_view import TopView, WorkloadFilter, fetch
from tests.support.scripted_api import AT, daemon


@pytest.fixture
async def first() -> TopView:
    async with daemon() as there:
        return await fetch(ApiClient(there.url), WorkloadFilter(), AT)


class Source:
    """What the screen asks; ``board`` None = it does not answer."""

    def __init__(self, board: TopView) -> None:
        self.view: TopView | None = board
        self.questions: list[WorkloadFilter] = []
        self.told: list[dict[str, str]] = []

    async def fetch(self, question: WorkloadFilter) -> TopView:
        self.questions.append(question)
        if self.view is None:
            raise DaemonUnreachable("it does not answer", "start it")
        return self.view

    async def tell(self, query: dict[str, str]) -> list[str]:
        self.told.append(query)
        if self.view is None:
            raise DaemonUnreachable("it does not answer", "start it")
        return ["11:05:40  hold  held  pay-2 would be drained"]


def top(board: TopView, source: Source) -> Top:
    return Top(board, source.fetch, source.tell, only=WorkloadFilter(), every=3600.0)


def words(app: App[None] | Screen[Any], name: str) -> str:
    return str(app.query_one(f"#{name}", Static).render())


def detailed(app: Top) -> bool:
    return isinstance(app.screen, Details)


def cells(app: Top, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(place)] for place in range(table.row_count)]


async def settle(pilot: Any) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_it_shows_the_board_and_quits(first: TopView) -> None:
    app = top(first, Source(first))
    async with app.run_test(size=(160, 48)) as pilot:
        assert "enforce" in words(app, "status") and "pay-2: action blocked" in words(app, "required")
        assert cells(app, "incidents")[0][0] == "i1" and [row[1] for row in cells(app, "workloads")] == [
            "bank/pay", "shop/cart",
        ]  # fmt: skip
        assert not app.query_one("#lost", Static).display
        await pilot.press("q")
    assert app.return_code == 0


async def test_enter_tells_why_and_escape_goes_back(first: TopView) -> None:
    source = Source(first)
    app = top(first, source)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("i", "enter")
        await settle(pilot)
        assert source.told == [{"incident": "i1"}]
        assert detailed(app) and "would be drained" in words(app.screen, "lines")
        await pilot.press("j", "k", "escape")
        assert not detailed(app)
        await pilot.press("w", "down", "enter")
        await settle(pilot)
        assert source.told[-1] == {"namespace": "shop", "q": "cart"}


async def test_the_filter_asks_anew_and_escape_takes_it_back(first: TopView) -> None:
    source = Source(first)
    app = top(first, source)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash")
        assert app.query_one("#filter", Input).display
        await pilot.press("p", "a", "y", "enter")
        await settle(pilot)
        assert source.questions[-1] == WorkloadFilter("", "pay") and "'pay'" in words(app, "workloads-head")
        await pilot.press("escape")
        await settle(pilot)
        assert source.questions[-1] == WorkloadFilter("", "")


async def test_a_daemon_that_goes_away_leaves_the_picture_and_comes_back(first: TopView) -> None:
    source = Source(first)
    app = top(first, source)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("w", "enter")
        await settle(pilot)
        await app._ask().wait()
        assert detailed(app), "what lies above is not disturbed by a new picture"
        await pilot.press("escape")
        source.view = None
        await pilot.press("r")
        await settle(pilot)
        assert app.query_one("#lost", Static).display and "does not answer" in words(app, "lost")
        assert len(cells(app, "workloads")) == 2
        await pilot.press("w", "enter")
        await settle(pilot)
        assert "-> start it" in words(app.screen, "lines")
        await pilot.press("escape")
        source.view = first
        await pilot.press("r")
        await settle(pilot)
        assert not app.query_one("#lost", Static).display


async def test_the_cursor_stays_on_the_same_thing(first: TopView) -> None:
    source = Source(replace(first, workloads=replace(first.workloads, rows=tuple(reversed(first.workloads.rows)))))
    app = top(first, source)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("w", "down")
        table = app.query_one("#workloads", DataTable)
        assert table.cursor_row == 1
        await pilot.press("r")
        await settle(pilot)
        assert cells(app, "workloads")[table.cursor_row][1] == "shop/cart" and table.cursor_row == 0


async def test_space_stops_the_clock_and_not_the_hand(first: TopView) -> None:
    source = Source(first)
    app = Top(first, source.fetch, source.tell, only=WorkloadFilter(), every=0.01)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("space")
        await settle(pilot)
        assert "stopped" in words(app, "status")
        before = len(source.questions)
        app._due()
        await settle(pilot)
        assert len(source.questions) == before
        await pilot.press("space", "r")
        await settle(pilot)
        assert len(source.questions) > before and "stopped" not in words(app, "status")


async def test_foreign_names_are_no_markup(first: TopView) -> None:
    app = top(replace(first, action_required=(("look  [red]pay[/red] [bold", None),)), Source(first))
    async with app.run_test(size=(160, 48)):
        assert "[red]pay[/red] [bold" in words(app, "required")


@pytest.mark.parametrize("size", [(60, 20), (220, 60)])
async def test_small_and_large_terminals(first: TopView, size: tuple[int, int]) -> None:
    app = top(first, Source(first))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert app.query_one("#workloads", DataTable).region.height > 0
