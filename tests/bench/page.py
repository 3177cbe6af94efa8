"""
The page with many workloads: work after each tick, time to the first paint in Chromium, and five hundred listeners.

Everything runs in one process on the loopback interface, the listeners too: their share is part of the figures.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp
import msgspec

from observer.domain.ids import ServiceRef
from observer.web.models.parameters import OverviewQuery
from observer.web.page.site import Site
from observer.web.views.overview import overview
from observer.web.views.view_state import ViewState, view_state_of
from tests.bench.picture import NAMESPACES
from tests.support.browser import browser, served, tab
from tests.support.page_world import FAULT_FROM, PageWorld

SICK = 20
REPEATS = 20
PAINTS = 5


@dataclass(frozen=True)
class Figures:
    """
    Milliseconds, medians of some repeats.

    Of processor time: ``picture`` drawn from a tick, ``html`` (100 rows, all rows) and ``json`` of the overview. Of the
    clock: ``tell`` it to every listener, ``slowest`` the last of them to hear, ``paint`` the first contentful paint
    (None without Chromium). ``heard`` of ``clients`` listeners heard every tick; ``dropped`` were cut off.
    """

    workloads: int
    pods: int
    picture: float
    html: float
    html_all: float
    json: float
    json_bytes: int
    tell: float
    paint: float | None
    clients: int
    heard: int
    dropped: int
    slowest: float


def measure(*, workloads: int = 1000, clients: int = 500, seed: int, say: Callable[[str], None]) -> Figures:
    """One world, all figures."""
    found = asyncio.run(_measure(workloads, clients, seed))
    say(row(found))
    return found


def row(one: Figures) -> str:
    """For people."""
    paint = f"{one.paint:.0f} ms" if one.paint is not None else "not measured (no Chromium)"
    return (
        f"page, {one.workloads} workloads, {one.pods} pods: picture {one.picture:.1f} ms, overview as HTML "
        f"{one.html:.1f} ms (all rows {one.html_all:.0f} ms), as JSON {one.json:.1f} ms "
        f"({one.json_bytes / 1024:.0f} kB); first contentful paint {paint}\n"
        f"page, {one.clients} listeners: telling all {one.tell:.1f} ms, the last one hears after {one.slowest:.0f} ms, "
        f"{one.heard} heard every tick, {one.dropped} cut off"
    )


async def _measure(workloads: int, clients: int, seed: int) -> Figures:
    refs = tuple(ServiceRef(f"team-{i // NAMESPACES}", f"service-{i:04d}") for i in range(workloads))
    with tempfile.TemporaryDirectory() as folder:
        world = await PageWorld.open(Path(folder), named=refs, size=10, sick=SICK, covered=workloads - 1, seed=seed)
        await world.ticks(FAULT_FROM // 5 + 6)
        seen = world.loop_status.result
        assert seen is not None
        picture = view_state_of(seen)
        site = Site(world.queries, None)
        whole = OverviewQuery(limit=1000)
        body = msgspec.json.encode(overview(picture, whole))
        paint = await _paint(world)
        tell, heard, dropped, slowest = await _listeners(world, clients)
        found = Figures(
            workloads=len(picture.rows),
            pods=len(seen.snapshot.cluster.pods) if seen.snapshot.cluster is not None else 0,
            picture=_timed(lambda: view_state_of(seen)),
            html=_timed(lambda: _html(site, picture, OverviewQuery())),
            html_all=_timed(lambda: _html(site, picture, whole)),
            json=_timed(lambda: msgspec.json.encode(overview(picture, whole))),
            json_bytes=len(body),
            tell=tell,
            paint=paint,
            clients=clients,
            heard=heard,
            dropped=dropped,
            slowest=slowest,
        )
        await world.close()
    return found


def _timed(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        began = time.thread_time()
        work()
        spent.append(1e3 * (time.thread_time() - began))
    return median(spent)


def _html(site: Site, picture: ViewState, query: OverviewQuery) -> str:
    return site._render("overview", {"view": overview(picture, query), "query": query, "now": picture.at})


async def _paint(world: PageWorld) -> float | None:
    if shutil.which("chromium") is None:
        return None
    paints = []
    async with browser() as found, served(world) as address:
        for _ in range(PAINTS):
            async with tab(found, address) as seen:
                page = await seen.go("/")
                await page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
                paints.append(
                    await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
                )
    return median(paints)


async def _listeners(world: PageWorld, clients: int, ticks: int = 5) -> tuple[float, int, int, float]:
    """Work of telling all (ms), who heard every tick, who was cut off, and when the last one heard (ms)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * clients), hard), hard))
    ready, heard, latest = asyncio.Semaphore(0), [0] * clients, [0.0] * clients
    picture = world.cache.state
    assert picture is not None
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)

    async def listen(number: int, session: aiohttp.ClientSession, address: str) -> None:
        async with session.get(f"{address}/api/v1/stream") as answer:
            async for line in answer.content:
                if line.startswith(b"event: tick"):
                    heard[number] += 1
                    latest[number] = time.perf_counter()
                    if heard[number] == 1:
                        ready.release()

    async with served(world) as address, aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen(i, session, address)) for i in range(clients)]
            for _ in range(clients):
                await ready.acquire()
            spent, slowest = [], []
            for _ in range(ticks):
                began = time.perf_counter()
                for tell in world.cache.subscribers:
                    tell(picture)
                spent.append(1e3 * (time.perf_counter() - began))
                await _settled(heard, len(spent) + 1)
                slowest.append(1e3 * (max(latest) - began))
            for task in tasks:
                task.cancel()
        text = world.metrics.render().decode()
    lines = [line for line in text.splitlines() if 'sink="stream"' in line]
    dropped = int(float(lines[0].rpartition(" ")[2])) if lines else 0
    return median(spent), sum(count == ticks + 1 for count in heard), dropped, median(slowest)


async def _settled(heard: list[int], wanted: int, patience: float = 10.0) -> None:
    """Until all have heard so often, or for so many seconds."""
    end = time.perf_counter() + patience
    while min(heard) < wanted and time.perf_counter() < end:
        await asyncio.sleep(0.002)
