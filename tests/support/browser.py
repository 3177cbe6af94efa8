"""A real browser on the page: Debian's Chromium, driven by Playwright; what it complains of is kept."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright

from observer.web.server import make_app
from observer.web.stream import Stream
from tests.support.page_world import PageWorld

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@dataclass
class Seen:
    """One tab with its complaints: console errors, exceptions, violations of the content security policy."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> Page:
        answer = await self.page.goto(self.address + path)
        assert answer is not None and answer.status == 200, (path, answer and answer.status)
        return self.page


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield found
        await found.close()


@asynccontextmanager
async def served(world: PageWorld, *, people: bool = True, plots: bool = False) -> AsyncIterator[str]:
    """The address of the page of a world."""
    stream = Stream(world.cache, counted=world.metrics.stream)
    world.queries.plots = plots
    door = world.people() if people else None
    app = make_app(world.loop_status, world.metrics.render, queries=world.queries, stream=stream, people=door)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def tab(browser: Browser, address: str, **options: Any) -> AsyncIterator[Seen]:
    context = await browser.new_context(**({"viewport": WIDE} | options))
    page = await context.new_page()
    seen = Seen(page, address)
    page.on("console", lambda one: seen.complaints.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda one: seen.complaints.append(str(one)))
    yield seen
    await context.close()
