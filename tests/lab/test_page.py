"""The page in a real browser while a real pod fails: what a person on call sees, as it happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.lab.harness.daemon import LISTEN
from tests.lab.harness.story import Story

pytestmark = pytest.mark.lab

PICTURES = os.environ.get("OBSERVER_LAB_PICTURES", "")
"""Folder that the pictures are kept in; the story's own when it is not set."""
_MILLISECONDS = 1000.0


@pytest.fixture
def page() -> Iterator[Page]:
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]) as browser,
    ):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        complaints: list[str] = []
        tab.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        yield tab
        assert complaints == []


def test_page_shows_the_incident_as_it_happens(story: Story, page: Page, tmp_path: Path) -> None:
    """Overview and incident follow the drain, the eviction and the verdict without being loaded again."""
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    story.observe()
    page.goto(f"http://{LISTEN}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.screenshot(path=folder / "1-quiet.png")
    pod = story.shop.pods("catalog")[1]
    story.gray(pod, err=0.5)
    story.drained(pod)
    expect(page.get_by_text(pod.name).first).to_be_visible(timeout=20 * _MILLISECONDS)
    page.screenshot(path=folder / "2-drained.png")
    page.get_by_role("link", name=pod.name).first.click()
    expect(page.get_by_text(pod.name).first).to_be_visible()
    page.screenshot(path=folder / "3-incident.png", full_page=True)
    story.evicted(pod)
    story.verified(pod)
    expect(page.get_by_text("fixed").first).to_be_visible(timeout=20 * _MILLISECONDS)
    page.screenshot(path=folder / "4-fixed.png", full_page=True)
