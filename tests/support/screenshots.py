"""``python -m tests.support.screenshots FOLDER``: the pictures of the documentation, from the drawn world."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog

from observer.web.page.render import built
from tests.support.browser import PHONE, browser, served, tab
from tests.support.page_world import PageWorld

MOST_BYTES = 150_000
SIZE = {"width": 1060, "height": 760}


async def shoot(folder: Path) -> None:
    """Write every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        world = await PageWorld.open(Path(place))
        await world.until("closed")
        incident = f"/incidents/{world.incident('catalog-00-0')}"
        shots: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("page-overview", "/", {}),
            ("page-incident", incident, {"color_scheme": "dark"}),
            ("page-graph", "/graph", {}),
            ("page-phone", "/", {"viewport": PHONE}),
        )
        async with browser() as found, served(world, people=False, plots=built()) as address:
            for name, path, options in shots:
                async with tab(found, address, **({"viewport": SIZE} | options)) as seen:
                    page = await seen.go(path)
                    if built() and path != "/":
                        await page.locator("[data-graph] canvas").first.wait_for()
                    data = await page.screenshot(path=folder / f"{name}.png")
                    assert len(data) < MOST_BYTES, (name, len(data))
                    sys.stdout.write(f"{folder / name}.png  {len(data):,} bytes\n")
        await world.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(shoot(Path(sys.argv[1])))
