"""The page in real Chromium: no complaint of the browser, by keyboard, on a phone, in the dark, without a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from observer.domain.decision import Decision, Verdict
from observer.domain.kinds import Kind
from observer.engine.guards.order import GUARDS
from observer.web.page.render import built
from tests.support.browser import PHONE, browser, served, tab
from tests.support.page_world import TOKEN, PageWorld

AXE = Path(__file__).parents[2] / "build" / "page" / "axe.js"
pytestmark = [
    pytest.mark.needs("chromium"),
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]
fetched = pytest.mark.skipif(not (built() and AXE.is_file()), reason="scripts of others are not here (make page)")


@dataclass
class Scene:
    """One world, its address, one browser."""

    world: PageWorld
    address: str
    browser: Browser

    @property
    def paths(self) -> list[str]:
        """Every kind of page."""
        fixed, waits = self.world.incident("catalog-00-0"), self.world.incident("checkout-00-0")
        return [
            "/", "/incidents", f"/incidents/{fixed}", f"/incidents/{waits}", f"/incidents/{waits}/approve", "/graph",
            "/decisions", "/policies?workload=shop/checkout", "/sources", "/workloads/shop/checkout", "/pause",
        ]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    world = await PageWorld.open(tmp_path_factory.mktemp("page"))
    await world.until("closed")
    async with browser() as found, served(world, plots=built()) as address:
        yield Scene(world, address, found)
    await world.close()


async def test_no_page_makes_the_browser_complain(scene: Scene) -> None:
    async with tab(scene.browser, scene.address) as seen:
        for path in scene.paths:
            page = await seen.go(path)
            await page.wait_for_load_state("load")
            assert await page.locator("h1").count() == 1
        assert seen.complaints == []


@fetched
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_every_page(scene: Scene, scheme: Any) -> None:
    axe = AXE.read_text(encoding="utf-8")
    found = []
    async with tab(scene.browser, scene.address, color_scheme=scheme) as seen:
        for path in scene.paths:
            page = await seen.go(path)
            await page.evaluate(axe)
            report = await page.evaluate("axe.run()")
            assert len(report["passes"]) > 10, path  # it did look
            found += [(path, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in report["violations"]]
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_scrolls_sideways_but_tables(scene: Scene, scheme: Any) -> None:
    async with tab(scene.browser, scene.address, viewport=PHONE, color_scheme=scheme) as seen:
        for path in scene.paths:
            page = await seen.go(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


async def test_without_a_script_every_page_reads(scene: Scene) -> None:
    async with tab(scene.browser, scene.address, java_script_enabled=False) as seen:
        page = await seen.go("/")
        assert await page.get_by_role("heading", name="Action required: 1").is_visible()
        await page.get_by_role("link", name="pod shop/checkout-00-0").click()
        assert await page.locator(".plot svg").first.is_visible()
        assert await page.get_by_text(f"1 blocked, {len(GUARDS) - 1} allowed").is_visible()
        await page.get_by_text("The figures as a table").click()
        assert await page.get_by_role("region", name="Figures from tick to tick").is_visible()
        page = await seen.go("/graph")
        assert await page.get_by_role("table", name="Calls").is_visible()
        await page.get_by_label("Around").fill("users/accounts")
        await page.get_by_role("button", name="Show").click()
        assert await page.locator("tbody tr").count() == 2


async def test_by_keyboard_alone(scene: Scene) -> None:
    async with tab(scene.browser, scene.address) as seen:
        page = await seen.go("/")
        await page.keyboard.press("Tab")
        assert await focused(page) == "Skip to content"
        assert (await page.locator(".skip").bounding_box() or {"x": -1})["x"] >= 0
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert (await focused(page)).startswith("Open")  # what it wants comes first
        await page.keyboard.press("/")
        await page.keyboard.type("cart")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=cart**")
        assert await page.locator("#live-work tbody tr").count() == 1
        page = await seen.go(f"/incidents/{scene.world.incident('checkout-00-0')}")
        await page.locator("#d-guards summary").focus()
        await page.keyboard.press("Enter")
        assert await page.get_by_text("kill switch").is_visible()
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


@fetched
async def test_plots_and_graph_are_drawn(scene: Scene) -> None:
    async with tab(scene.browser, scene.address) as seen:
        page = await seen.go(f"/incidents/{scene.world.incident('checkout-00-0')}")
        await page.locator(".uplot").nth(2).wait_for()
        assert await page.locator(".uplot").count() == 3 and not await page.locator(".plot svg").first.is_visible()
        await page.locator("[data-graph] canvas").first.wait_for()
        assert seen.complaints == []


async def test_a_tick_changes_the_page_and_leaves_focus_and_details(scene: Scene) -> None:
    async with tab(scene.browser, scene.address) as seen:
        page = await seen.go("/decisions")
        await page.get_by_text("live", exact=True).wait_for()
        details = page.locator("details").first
        key = await details.get_attribute("id")
        await details.locator("summary").click()
        link = page.locator(".decision a").first
        await link.focus()
        await page.evaluate("window.same = true")
        before = await page.locator(".decision").count()
        at, subject = scene.world.clock.now(), "service shop/cart"
        await scene.world._record(
            Decision("late", at, Kind.SUPPRESSED, Verdict.TELL, subject, "few_reported", "Told late.")
        )
        await scene.world.tick()
        await page.locator(".decision").nth(before).wait_for()
        assert await page.evaluate("window.same") is True
        assert await page.evaluate(f"document.getElementById('{key}').open") is True
        assert (await focused(page)).startswith("Incident of")
        assert seen.complaints == []


async def test_approving_takes_a_look_a_sign_in_and_a_word(tmp_path: Path, scene: Scene) -> None:
    world = await PageWorld.open(tmp_path, sick=2)
    await world.until("blocked", "checkout")
    async with served(world) as address, tab(scene.browser, address) as seen:
        page = await seen.go("/")
        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="Review and approve").click()
        assert await page.get_by_text('+ metadata.labels["istio.io/draining"]').is_visible()
        await page.get_by_role("button", name="Approve: drain").click()
        await page.wait_for_url("**/incidents/*")
        await world.ticks(2)
        await page.get_by_text("local approved: drain of checkout-00-0").wait_for()
        await page.get_by_role("link", name="Restore the pod").click()
        await page.get_by_role("button", name="Restore it").click()
        await page.wait_for_url("**/incidents/*")
        assert any(one.kind == "drain" and one.service and one.service.name == "checkout" for one in world.decisions)
        assert world.decisions[-1].kind == "undone"
        await page.get_by_role("link", name="Pause").click()
        await page.get_by_label("Why").fill("release")
        await page.get_by_role("button", name="Pause").click()
        await page.wait_for_url(f"{address}/")
        await world.tick()
        await page.get_by_text("only restores still run: ").wait_for()
        await page.get_by_role("link", name="Resume").first.click()
        await page.get_by_role("button", name="Resume").click()
        await page.wait_for_url(f"{address}/")
        assert (await world.switch.read())[0] is False
        assert seen.complaints == []
    await world.close()


async def focused(page: Page) -> str:
    """The text of what has the focus."""
    return str(await page.evaluate("document.activeElement.textContent.trim()"))
